/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of a receipt in memory, one thread, beside the two Ed25519 verifications that it can not do without.
 *
 *   receipt_verify FOLDER ROUNDS
 *
 * FOLDER: receipt (transparent statement), policy (JSON), message (what the executor signed), signature, key
 * Prints per round, in microseconds of processor time: Cella's report; two of libcrypto's verifications of that message,
 * with the key ready made. Both in turns within a round.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trust/receipt_report.h"

#define FILE_SIZE_MAX 65536U
#define TURNS 20

static void fail(const char *what)
{
    (void) fprintf(stderr, "receipt_verify: %s\n", what);
    exit(1);
}

static struct cella_bytes file_of(const char *folder, const char *name)
{
    char path[4096];
    struct cella_bytes bytes = { 0 };
    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || cella_bytes_resize(&bytes, FILE_SIZE_MAX) != CELLA_OK) {
        fail(path);
    }
    bytes.size = fread(bytes.data, 1, bytes.size, file);
    (void) fclose(file);
    return bytes;
}

static double now_us(void)
{
    struct timespec time;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

static double cella_us(const struct cella_bundle *bundle, const struct cella_receipt_question *question)
{
    struct cella_receipt_report report;
    double begun = now_us();
    for (int i = 0; i < TURNS; i++) {
        if (cella_receipt_appraise(bundle, question, &report) != CELLA_OK) {
            fail(report.detail.characters);
        }
    }
    return (now_us() - begun) / TURNS;
}

static double floor_us(EVP_PKEY *key, const struct cella_bytes *message, const struct cella_bytes *signature)
{
    double begun = now_us();
    for (int i = 0; i < 2 * TURNS; i++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        if (EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1 ||
            EVP_DigestVerify(context, signature->data, signature->size, message->data, message->size) != 1) {
            fail("libcrypto refuses the signature");
        }
        EVP_MD_CTX_free(context);
    }
    return (now_us() - begun) / TURNS;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fail("FOLDER ROUNDS");
    }
    struct cella_bytes receipt = file_of(arguments[1], "receipt");
    struct cella_bytes text = file_of(arguments[1], "policy");
    struct cella_bytes message = file_of(arguments[1], "message");
    struct cella_bytes signature = file_of(arguments[1], "signature");
    struct cella_bytes key_bytes = file_of(arguments[1], "key");
    struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    if (cella_policy_parse(cella_bytes_view(&text), field, &policy) != CELLA_OK) {
        fail(field);
    }
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key_bytes.data, key_bytes.size);
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&receipt) };
    struct cella_receipt_question question = { .policy = &policy, .now_unix_s = 1790000100 };
    for (int i = 0; i < atoi(arguments[2]); i++) {
        double ours = cella_us(&bundle, &question);
        (void) printf("%.3f %.3f\n", ours, floor_us(key, &message, &signature));
    }
    EVP_PKEY_free(key);
    return 0;
}
