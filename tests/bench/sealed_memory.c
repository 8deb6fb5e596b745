/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of sealed files in memory, one thread: sealed_memory MODE MILLISECONDS prints bytes per second.
 *
 *   seal, open, seal4k, open4k   one segment of 1 MiB or 4 KiB over and over, sealed in place, opened from one buffer
 *                                into another: what the cipher allows
 *   writer, reader               64 MiB through the stream writer or reader in one call; the sink throws it away
 *   evp                          OpenSSL alone over the same 64 MiB in pieces of 64 KiB: what memory allows
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trust/sealed_file.h"

#define MEMORY_SIZE ((size_t) 64 << 20)
#define EVP_PIECE 65536U

struct bench {
    struct cella_secret key;
    uint8_t *plain;  /* MEMORY_SIZE */
    uint8_t *out;    /* room for a sealed file of it */
    size_t out_size; /* bytes that the sink has kept */
    bool keep;
    struct cella_sealed_cipher *cipher;
    const struct cella_sealed_parameters *parameters;
    EVP_CIPHER_CTX *evp;
};

typedef size_t (*step)(struct bench *bench); /* returns plaintext bytes done */

static void check(cella_status status)
{
    if (status != CELLA_OK) {
        fprintf(stderr, "status %d\n", (int) status);
        exit(1);
    }
}

static cella_status sink(void *context, struct cella_view bytes)
{
    struct bench *bench = context;
    if (bench->keep) {
        memcpy(bench->out + bench->out_size, bytes.data, bytes.size);
        bench->out_size += bytes.size;
    }
    return CELLA_OK;
}

static size_t seal_segment(struct bench *bench)
{
    size_t size = bench->parameters->segment_size - CELLA_GCM_TAG_SIZE;
    check(cella_sealed_segment_seal(bench->cipher, 1, false, cella_view_of(bench->out, size), bench->out));
    return size;
}

static size_t open_segment(struct bench *bench)
{
    size_t size = bench->parameters->segment_size;
    check(cella_sealed_segment_open(bench->cipher, 1, false, cella_view_of(bench->out, size), bench->plain));
    return size - CELLA_GCM_TAG_SIZE;
}

static size_t write_stream(struct bench *bench)
{
    struct cella_sealed_writer *writer;
    check(cella_sealed_writer_new(bench->parameters, &bench->key, cella_view_of("bench", 5), sink, bench, &writer));
    check(cella_sealed_writer_update(writer, cella_view_of(bench->plain, MEMORY_SIZE)));
    check(cella_sealed_writer_finish(writer));
    cella_sealed_writer_free(writer);
    return MEMORY_SIZE;
}

static size_t read_stream(struct bench *bench)
{
    struct cella_sealed_reader *reader;
    check(cella_sealed_reader_new(bench->parameters, &bench->key, cella_view_of("bench", 5), sink, bench, &reader));
    check(cella_sealed_reader_update(reader, cella_view_of(bench->out, bench->out_size)));
    check(cella_sealed_reader_finish(reader));
    cella_sealed_reader_free(reader);
    return MEMORY_SIZE;
}

static size_t encrypt_evp(struct bench *bench)
{
    static const uint8_t nonce[12];
    int size;
    for (size_t at = 0; at < MEMORY_SIZE; at += EVP_PIECE) {
        if (EVP_EncryptInit_ex(bench->evp, NULL, NULL, NULL, nonce) != 1 ||
            EVP_EncryptUpdate(bench->evp, bench->out, &size, bench->plain + at, EVP_PIECE) != 1 ||
            EVP_EncryptFinal_ex(bench->evp, bench->out + EVP_PIECE, &size) != 1) {
            exit(1);
        }
    }
    return MEMORY_SIZE;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double run(struct bench *bench, step work, double seconds)
{
    (void) work(bench); /* touches the memory */
    double begun = now_s();
    double passed;
    uint64_t bytes = 0;
    do {
        bytes += work(bench);
        passed = now_s() - begun;
    } while (passed < seconds);
    return (double) bytes / passed;
}

/* What the mode needs beforehand, and its work. NULL: there is no such mode. */
static step prepare(struct bench *bench, const char *mode)
{
    uint8_t header[CELLA_SEALED_HEADER_MAX];
    bench->parameters = strstr(mode, "4k") != NULL ? &cella_sealed_4kb : &cella_sealed_1mb;
    check(cella_sealed_cipher_new(bench->parameters, &bench->key, cella_view_of("bench", 5), header, &bench->cipher));
    if (strncmp(mode, "seal", 4) == 0) {
        return seal_segment;
    }
    if (strncmp(mode, "open", 4) == 0) {
        (void) seal_segment(bench);
        return open_segment;
    }
    if (strcmp(mode, "writer") == 0) {
        return write_stream;
    }
    if (strcmp(mode, "reader") == 0) {
        bench->keep = true;
        (void) write_stream(bench);
        bench->keep = false;
        return read_stream;
    }
    static const uint8_t key[32] = { 1 };
    bench->evp = EVP_CIPHER_CTX_new();
    bool evp = strcmp(mode, "evp") == 0 && bench->evp != NULL &&
               EVP_EncryptInit_ex(bench->evp, EVP_aes_256_gcm(), NULL, key, NULL) == 1;
    return evp ? encrypt_evp : NULL;
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };
    bench.plain = malloc(MEMORY_SIZE);
    bench.out = malloc(MEMORY_SIZE + MEMORY_SIZE / 128);
    if (argc != 3 || bench.plain == NULL || bench.out == NULL) {
        return 2;
    }
    memset(bench.plain, 0x5a, MEMORY_SIZE);
    memset(bench.out, 0, MEMORY_SIZE + MEMORY_SIZE / 128);
    check(cella_secret_random(&bench.key, CELLA_SEALED_KEY_SIZE));
    step work = prepare(&bench, argv[1]);
    if (work == NULL) {
        return 2;
    }
    printf("%.0f\n", run(&bench, work, (double) atoi(argv[2]) / 1000.0));
    return 0;
}
