/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence_soft.h"

#include <string.h>

#include "base/wire.h"
#include "trust/back_end.h"

#define MAGIC "CELLASW1"
#define SIGNED_SIZE 150
#define SIGNATURE_LABEL "cella soft evidence v1"

static cella_status signed_message(struct cella_view body, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_field(out, cella_view_of_string(SIGNATURE_LABEL)));
    return cella_write_field(out, body);
}

cella_status cella_evidence_soft_make(const struct cella_secret *root_seed, uint32_t layers,
                                      const uint8_t measurement[CELLA_SHA256_SIZE],
                                      const uint8_t report_data[CELLA_REPORT_DATA_SIZE], uint64_t issued_unix_s,
                                      struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t root[CELLA_ED25519_KEY_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_TRY(cella_ed25519_public(root_seed, root));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of_string(MAGIC)));
    CELLA_TRY(cella_write_u32(&body, layers));
    CELLA_TRY(cella_write_u16(&body, 0));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(measurement, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(report_data, CELLA_REPORT_DATA_SIZE)));
    CELLA_TRY(cella_write_u64(&body, issued_unix_s));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(root, sizeof(root))));
    CELLA_TRY(signed_message(cella_bytes_view(&body), &message));
    CELLA_TRY(cella_ed25519_sign(root_seed, cella_bytes_view(&message), signature));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(signature, sizeof(signature))));
    return cella_bytes_append(out, cella_bytes_view(&body));
}

static cella_status name_claims(struct cella_claims *claims, uint32_t layers, struct cella_view measurement,
                                uint64_t issued_unix_s, struct cella_view root)
{
    CELLA_TRY(cella_claims_bytes(claims, "measurement", measurement));
    CELLA_TRY(cella_claims_number(claims, "layers", layers));
    CELLA_TRY(cella_claims_number(claims, "issued_unix_s", issued_unix_s));
    return cella_claims_bytes(claims, "root", root);
}

static cella_status parse(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(evidence);
    struct cella_signed *signature = &parsed->signatures[0];
    struct cella_view magic;
    struct cella_view measurement;
    uint32_t layers;
    uint16_t reserved;
    uint64_t issued_unix_s;
    (void) endorsements;
    (void) detail;
    CELLA_TRY(cella_read_view(&reader, strlen(MAGIC), &magic));
    CELLA_TRY(cella_read_u32(&reader, &layers));
    CELLA_TRY(cella_read_u16(&reader, &reserved));
    CELLA_TRY(cella_read_view(&reader, CELLA_SHA256_SIZE, &measurement));
    CELLA_TRY(cella_read_view(&reader, CELLA_REPORT_DATA_SIZE, &parsed->bound));
    CELLA_TRY(cella_read_u64(&reader, &issued_unix_s));
    CELLA_TRY(cella_read_view(&reader, CELLA_ED25519_KEY_SIZE, &signature->ed25519));
    CELLA_TRY(cella_read_view(&reader, CELLA_ED25519_SIGNATURE_SIZE, &signature->signature));
    CELLA_TRY(cella_reader_end(&reader));
    if (!cella_view_is(magic, MAGIC) || reserved != 0) {
        return CELLA_BAD_EVIDENCE;
    }
    CELLA_TRY(signed_message(cella_view_of(evidence.data, SIGNED_SIZE), &parsed->scratch));
    signature->what = "evidence";
    signature->message = cella_bytes_view(&parsed->scratch);
    parsed->signature_count = 1;
    return name_claims(claims, layers, measurement, issued_unix_s, signature->ed25519);
}

/* Whether the root is trusted is the trust file's word, the term "roots"; here it is only named. */
static cella_status anchor(const struct cella_context *context, const struct cella_claims *claims,
                           struct cella_text *name)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    const struct cella_claim *root = cella_claims_find(claims, "root", CELLA_CLAIM_BYTES);
    const struct cella_term *roots = &cella_back_end_soft.terms[0];
    if (root == NULL) {
        return CELLA_BAD_EVIDENCE;
    }
    CELLA_TRY(cella_term_check(roots, cella_policy_term(context->policy, CELLA_EVIDENCE_SOFT, roots->name), claims,
                               context->detail));
    CELLA_TRY(cella_base64url_encode(cella_view_of(root->bytes, root->size), &text));
    cella_text_set(name, "software root ed25519:%.*s, pinned in the trust file", (int) text.size,
                   (const char *) text.data);
    return CELLA_OK;
}

static int level(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    (void) claims;
    (void) policy;
    cella_text_set(reason, "software root: the host operator could forge this evidence");
    return 2;
}

static const struct cella_term terms[] = {
    { .name = "roots", .claim = "root", .kind = CELLA_TERM_ROOTS, .elsewhere = true, .required = true },
    { .name = "layers",
      .claim = "layers",
      .kind = CELLA_TERM_LAYERS,
      .fallback = "[\"namespaces\",\"landlock\",\"seccomp\",\"capabilities\",\"rlimits\",\"undumpable\"]" },
};

static const char *const registers[] = { NULL };
static const char *const by_measurement[] = { "measurement", NULL };
static const char *const *const identities[] = { by_measurement, NULL };
static const char *const not_checked[] = {
    "that hardware isolates the executor: software evidence can not show it",
    "that the host does not read the executor's memory",
    NULL,
};

const struct cella_back_end cella_back_end_soft = {
    .type = CELLA_EVIDENCE_SOFT,
    .title = "the soft platform",
    .parse = parse,
    .anchor = anchor,
    .level = level,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "measurement",
    .measurement_size = CELLA_SHA256_SIZE,
    .registers = registers,
    .identities = identities,
    .not_checked = not_checked,
};
