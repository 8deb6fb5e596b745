/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Intel TDX: DCAP quotes of version 4 and 5 with a TD report of TDX 1.0 or 1.5. Source: Intel TDX module ABI (TDINFO,
 * ATTRIBUTES), Intel TDX DCAP quote generation library for the layout.
 */

#include <string.h>

#include "trust/dcap_platform.h"
#include "trust/dcap_quote.h"
#include "trust/evidence_log.h"

/* TD attributes: bits 0 to 7 put a TD under debug, the named ones are known, the rest is reserved. */
#define TUD_MASK 0x00000000000000ffULL
#define KNOWN_ATTRIBUTES 0x80000000f8000000ULL

static uint64_t little_endian(struct cella_view view)
{
    uint64_t value = 0;
    for (size_t i = view.size; i > 0; i--) {
        value = value << 8 | view.data[i - 1];
    }
    return value;
}

static cella_status name_registers(struct cella_view body, struct cella_claims *claims)
{
    static const struct {
        const char *name;
        size_t offset;
        size_t size;
    } fields[] = {
        { "mrtd", 136, 48 },          { "rtmr0", 328, 48 },     { "rtmr1", 376, 48 },        { "rtmr2", 424, 48 },
        { "rtmr3", 472, 48 },         { "mrconfigid", 184, 48 }, { "mrowner", 232, 48 },      { "mrownerconfig", 280, 48 },
        { "mrseam", 16, 48 },         { "mrsignerseam", 64, 48 }, { "seam_attributes", 112, 8 }, { "tee_tcb_svn", 0, 16 },
        { "report_data", 520, 64 },
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        CELLA_TRY(cella_claims_bytes(claims, fields[i].name,
                                     cella_view_of(body.data + fields[i].offset, fields[i].size)));
    }
    /* Before TDX 1.5 there were no service TDs. */
    static const uint8_t none[48] = { 0 };
    bool has_service = body.size == 648;
    if (has_service) {
        CELLA_TRY(cella_claims_bytes(claims, "tee_tcb_svn2", cella_view_of(body.data + 584, 16)));
    }
    return cella_claims_bytes(claims, "mrservicetd",
                              has_service ? cella_view_of(body.data + 600, 48) : cella_view_of(none, sizeof(none)));
}

static cella_status name_attributes(struct cella_view body, struct cella_claims *claims, struct cella_text *detail)
{
    uint64_t attributes = little_endian(cella_view_of(body.data + 120, 8));
    static const struct {
        const char *name;
        unsigned int bit;
    } flags[] = { { "lass", 27 }, { "sept_ve_disable", 28 }, { "migratable", 29 }, { "pks", 30 }, { "key_locker", 31 },
                  { "perfmon", 63 } };
    if ((attributes & ~(TUD_MASK | KNOWN_ATTRIBUTES)) != 0) {
        cella_text_set(detail, "a reserved attribute of the TD is set");
        return CELLA_BAD_EVIDENCE;
    }
    CELLA_TRY(cella_claims_flag(claims, "debug", (attributes & TUD_MASK) != 0));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        CELLA_TRY(cella_claims_flag(claims, flags[i].name, (attributes >> flags[i].bit & 1) != 0));
    }
    CELLA_TRY(cella_claims_number(claims, "td_attributes", attributes));
    return cella_claims_number(claims, "xfam", little_endian(cella_view_of(body.data + 128, 8)));
}

static cella_status parse(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_dcap_quote quote;
    CELLA_TRY(cella_dcap_parse(evidence, CELLA_DCAP_TDX, endorsements, &quote, claims, parsed, detail));
    CELLA_TRY(name_registers(quote.body, claims));
    parsed->bound = cella_view_of(quote.body.data + 520, 64);
    return name_attributes(quote.body, claims, detail);
}

static cella_status endorse(const struct cella_context *context, struct cella_claims *claims)
{
    return cella_dcap_endorse(context, CELLA_DCAP_TDX, claims);
}

#define ZERO48 \
    "[\"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"]"

/* By their number in the log, where 0 is MRTD. */
static const char *const log_registers[] = { NULL, "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
static const char *const event_registers[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3", NULL };

static const struct cella_term terms[] = {
    { .name = "tcb_status", .claim = "tcb_status", .kind = CELLA_TERM_TEXT, .selectors = cella_tcb_status_names,
      .fallback = "[\"UpToDate\"]" },
    { .name = "advisories", .claim = "advisory", .kind = CELLA_TERM_EVERY, .fallback = "[]",
      .unchecked = "Intel's advisories about this platform: the trust file waives them" },
    { .name = "tcb_evaluation", .claim = "tcb_evaluation", .kind = CELLA_TERM_MINIMUM,
      .unchecked = "that the collateral is the newest: an older edition that is still valid passes (tcb_evaluation)" },
    { .name = "debug", .claim = "debug", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "sept_ve_disable", .claim = "sept_ve_disable", .kind = CELLA_TERM_FLAG, .fallback = "true",
      .unchecked = "that the host can not inject exceptions by taking pages away: the trust file waives it (sept_ve_disable)" },
    { .name = "migratable", .claim = "migratable", .kind = CELLA_TERM_FLAG, .fallback = "false",
      .unchecked = "that the TD can not be moved to another machine: the trust file waives it (migratable)" },
    { .name = "perfmon", .claim = "perfmon", .kind = CELLA_TERM_FLAG, .fallback = "false",
      .unchecked = "that performance counters tell nothing about the TD: the trust file waives it (perfmon)" },
    { .name = "pks", .claim = "pks", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "key_locker", .claim = "key_locker", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "lass", .claim = "lass", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "xfam", .claim = "xfam", .kind = CELLA_TERM_WITHIN, .fallback = "\"0000000000061ae7\"" },
    { .name = "mrservicetd", .claim = "mrservicetd", .kind = CELLA_TERM_BYTES, .size = 48, .fallback = ZERO48 },
    { .name = "mrconfigid", .claim = "mrconfigid", .kind = CELLA_TERM_BYTES, .size = 48, .fallback = ZERO48 },
    { .name = "mrowner", .claim = "mrowner", .kind = CELLA_TERM_BYTES, .size = 48, .fallback = ZERO48 },
    { .name = "mrownerconfig", .claim = "mrownerconfig", .kind = CELLA_TERM_BYTES, .size = 48, .fallback = ZERO48 },
    { .name = "mrseam", .claim = "mrseam", .kind = CELLA_TERM_BYTES, .size = 48 },
    { .name = "fmspcs", .claim = "fmspc", .kind = CELLA_TERM_BYTES, .size = 6 },
    { .name = "platforms", .claim = "platform_instance_id", .kind = CELLA_TERM_BYTES, .size = 16,
      .unchecked = "which machine it is: no platforms are named" },
    { .name = "denied_platforms", .claim = "ppid", .kind = CELLA_TERM_EXCLUDED, .size = 16 },
    { .name = "dynamic_platform", .claim = "dynamic_platform", .kind = CELLA_TERM_FLAG },
    { .name = "smt", .claim = "smt", .kind = CELLA_TERM_FLAG,
      .unchecked = "whether sibling threads share the TD's cores (smt)" },
    { .name = "event_log", .claim = "log_events", .kind = CELLA_TERM_CHOICE, .fallback = "\"optional\"",
      .selectors = cella_log_choices, .elsewhere = true },
    { .name = "event", .claim = "log_events", .kind = CELLA_TERM_EVENTS, .selectors = event_registers, .elsewhere = true },
};

static const char *const registers[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrconfigid", NULL };
static const char *const by_mrtd[] = { "mrtd", "rtmr1", "rtmr2", NULL };
static const char *const *const identities[] = { by_mrtd, NULL };
static const char *const not_checked[] = {
    "that nobody has opened the machine: interposers on the memory bus are not seen",
    NULL,
};

const struct cella_back_end cella_back_end_tdx = {
    .type = CELLA_EVIDENCE_TDX,
    .title = "Intel TDX",
    .family = "intel",
    .parse = parse,
    .endorse = endorse,
    .level = cella_dcap_level,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "mrtd",
    .measurement_size = 48,
    .registers = registers,
    .register_size = 48,
    .identities = identities,
    .log_registers = log_registers,
    .log_register_count = sizeof(log_registers) / sizeof(log_registers[0]),
    .not_checked = not_checked,
};
