/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of evidence in memory, one thread, beside what libcrypto needs for the same certificates.
 *
 *   verify_memory FOLDER TYPE AT SIGNATURES ROUNDS
 *
 * FOLDER: evidence, endorsements (wire form), policy (JSON); chain0 chain1 ... (PEM, leaf first), root (PEM), crl0 ... (DER)
 * Prints per round, in microseconds of processor time: Cella's verification; X509_verify_cert of the chains; the same with
 * the SIGNATURES that no chain has (of the evidence and of documents), and with the lists' own signatures. Last line: the
 * most heap that one verification held, in bytes.
 */
#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trust/evidence.h"

#define FILES_MAX 4
#define FILE_SIZE_MAX (1U << 20)

/* ---- the heap, counted ---- */

void *__libc_malloc(size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_calloc(size_t count, size_t size);
void __libc_free(void *old);

static size_t held;
static size_t peak;

static void *count(void *block)
{
    held += block == NULL ? 0 : malloc_usable_size(block);
    peak = held > peak ? held : peak;
    return block;
}

void *malloc(size_t size)
{
    return count(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
    return count(__libc_calloc(number, size));
}

void *realloc(void *old, size_t size)
{
    held -= old == NULL ? 0 : malloc_usable_size(old);
    return count(__libc_realloc(old, size));
}

void free(void *old)
{
    held -= old == NULL ? 0 : malloc_usable_size(old);
    __libc_free(old);
}

/* ---- files ---- */

struct input {
    struct cella_bytes evidence, endorsements, policy_text, chains[FILES_MAX], crls[FILES_MAX], root;
    size_t chain_count, crl_count;
    struct cella_policy policy;
    enum cella_evidence_type type;
    uint64_t at;
    unsigned int signatures;
    X509 *anchor;
};

static void fail(const char *what)
{
    (void) fprintf(stderr, "verify_memory: %s\n", what);
    exit(1);
}

static bool load(const char *folder, const char *name, struct cella_bytes *out)
{
    static uint8_t buffer[FILE_SIZE_MAX];
    char path[1024];
    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(buffer, 1, sizeof(buffer), file);
    (void) fclose(file);
    return cella_bytes_set(out, cella_view_of(buffer, size)) == CELLA_OK;
}

static size_t load_all(const char *folder, const char *stem, struct cella_bytes list[FILES_MAX])
{
    char name[32];
    size_t number = 0;
    do {
        (void) snprintf(name, sizeof(name), "%s%zu", stem, number);
    } while (number < FILES_MAX && load(folder, name, &list[number]) && ++number > 0);
    return number;
}

/* ---- Cella ---- */

static void verify(struct input *input, struct cella_report *report)
{
    const struct cella_binding binding = { .kind = CELLA_BINDING_NONE };
    struct cella_evidence evidence = { .type = input->type, .content = cella_bytes_view(&input->evidence) };
    if (cella_endorsements_read(cella_bytes_view(&input->endorsements), &evidence.endorsements) != CELLA_OK ||
        cella_evidence_appraise(&evidence, &binding, &input->policy, input->at, report) != CELLA_OK) {
        fail("the evidence is refused");
    }
}

/* ---- libcrypto ---- */

static STACK_OF(X509) *read_chain(const struct cella_bytes *text, X509 **leaf)
{
    BIO *bio = BIO_new_mem_buf(text->data, (int) text->size);
    STACK_OF(X509) *stack = sk_X509_new_null();
    *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    for (X509 *one; (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;) {
        (void) sk_X509_push(stack, one);
    }
    BIO_free(bio);
    return stack;
}

static void verify_chain(const struct input *input, const struct cella_bytes *text, STACK_OF(X509_CRL) *crls,
                         bool check_crls, EVP_PKEY **leaf_key)
{
    X509 *leaf;
    STACK_OF(X509) *rest = read_chain(text, &leaf);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    (void) X509_STORE_add_cert(store, input->anchor);
    (void) X509_STORE_CTX_init(context, store, leaf, rest);
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(parameters, (time_t) input->at);
    (void) X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY);
    unsigned long flags = X509_V_FLAG_TRUSTED_FIRST;
    flags |= check_crls ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL : 0UL;
    (void) X509_VERIFY_PARAM_set_flags(parameters, flags);
    X509_STORE_CTX_set0_crls(context, crls);
    if (X509_verify_cert(context) != 1) {
        fail(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    }
    if (*leaf_key == NULL) {
        *leaf_key = X509_get_pubkey(leaf);
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    sk_X509_pop_free(rest, X509_free);
    X509_free(leaf);
}

/* A signature of the right form costs the same, whether it is right or not. */
static void verify_signatures(const struct input *input, EVP_PKEY *key)
{
    uint8_t der[128];
    size_t half = (size_t) (EVP_PKEY_get_bits(key) + 7) / 8;
    der[0] = 0x30;
    der[1] = (uint8_t) (2 * (half + 2));
    for (size_t i = 0; i < 2; i++) {
        uint8_t *number = der + 2 + i * (half + 2);
        number[0] = 0x02;
        number[1] = (uint8_t) half;
        memset(number + 2, 0x55, half);
    }
    for (unsigned int i = 0; i < input->signatures; i++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        (void) EVP_DigestVerifyInit(context, NULL, half > 32 ? EVP_sha384() : EVP_sha256(), NULL, key);
        if (EVP_DigestVerify(context, der, 2 + 2 * (half + 2), input->evidence.data, 600) != 0) {
            fail("a made-up signature verifies, or can not be read");
        }
        EVP_MD_CTX_free(context);
    }
}

static void floor_of(const struct input *input, bool signatures)
{
    STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
    EVP_PKEY *key = NULL;
    bool by_chain = input->type != CELLA_EVIDENCE_SNP; /* AMD's lists do not cover the leaf */
    for (size_t i = 0; i < input->crl_count; i++) {
        const uint8_t *data = input->crls[i].data;
        (void) sk_X509_CRL_push(crls, d2i_X509_CRL(NULL, &data, (long) input->crls[i].size));
    }
    for (size_t i = 0; i < input->chain_count; i++) {
        verify_chain(input, &input->chains[i], crls, by_chain, &key);
    }
    if (signatures) {
        verify_signatures(input, key);
        if (!by_chain && X509_CRL_verify(sk_X509_CRL_value(crls, 0), X509_get0_pubkey(input->anchor)) != 1) {
            fail("the list's signature");
        }
    }
    EVP_PKEY_free(key);
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
}

/* ---- rounds ---- */

static double now_us(void)
{
    struct timespec time;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

static void read_input(char **arguments, struct input *input)
{
    char field[CELLA_FIELD_MAX];
    const char *folder = arguments[1];
    input->type = cella_evidence_type_of(cella_view_of_string(arguments[2]));
    input->at = strtoull(arguments[3], NULL, 10);
    input->signatures = (unsigned int) strtoul(arguments[4], NULL, 10);
    if (!load(folder, "evidence", &input->evidence) || !load(folder, "endorsements", &input->endorsements) ||
        !load(folder, "policy", &input->policy_text) || !load(folder, "root", &input->root)) {
        fail("a file is missing");
    }
    input->chain_count = load_all(folder, "chain", input->chains);
    input->crl_count = load_all(folder, "crl", input->crls);
    if (cella_policy_parse(cella_bytes_view(&input->policy_text), field, &input->policy) != CELLA_OK) {
        fail(field);
    }
    sk_X509_free(read_chain(&input->root, &input->anchor));
}

int main(int argc, char **argv)
{
    static struct input input;
    static struct cella_report report;
    size_t most = 0;
    if (argc != 6) {
        fail("FOLDER TYPE AT SIGNATURES ROUNDS");
    }
    read_input(argv, &input);
    for (unsigned long left = strtoul(argv[5], NULL, 10); left > 0; left--) {
        double times[4];
        size_t before = held;
        peak = held;
        times[0] = now_us();
        verify(&input, &report);
        times[1] = now_us();
        most = peak - before > most ? peak - before : most;
        floor_of(&input, false);
        times[2] = now_us();
        floor_of(&input, true);
        times[3] = now_us();
        (void) printf("%.1f %.1f %.1f\n", times[1] - times[0], times[2] - times[1], times[3] - times[2]);
    }
    (void) printf("%zu\n", most);
    return 0;
}
