/* SPDX-License-Identifier: Apache-2.0 */
#include "mutual_pair.h"
#include "snp_forge.h"

/* Two executors on SEV-SNP machines, under a root that only this test trusts. */
struct machine {
    const struct forge *forge;
    bool debug;
    uint8_t vmpl;
};

struct pair {
    struct forge forge;
    struct forge foreign; /* a root of the same name that nobody trusts */
    struct machine machines[2];
    struct member first;
    struct member second;
    struct messages messages;
    struct cella_bytes endorsements;
};

static cella_status make_report(void *context, const uint8_t *report_data, struct cella_bytes *out)
{
    const struct machine *machine = context;
    CELLA_TRY(cella_bytes_resize(out, FORGE_REPORT_SIZE));
    forge_report(machine->forge, report_data, machine->vmpl, out->data);
    if (machine->debug) {
        out->data[0x00a] |= 0x08;
        forge_sign_report(machine->forge, out->data);
    }
    return CELLA_OK;
}

/* What both accept. section: terms of SNP */
static void set_policy(struct pair *pair, struct member *member, json_t *section)
{
    char measurement[7 + 96 + 1] = "sha384:";
    char field[CELLA_FIELD_MAX];
    memset(measurement + 7, '3', 96);
    json_t *json = json_pack(
        "{s:i, s:i, s:[s, s], s:[{s:s, s:s, s:s}], s:[{s:s, s:s%}], s:o, s:{s:[s]}}", "version", 1, "min_level", 5,
        "accept", "snp", "soft", "measurement", "name", "release", "type", "snp", "value", measurement, "anchor",
        "family", "amd-genoa", "certificate", (const char *) pair->forge.ark_pem.data, pair->forge.ark_pem.size,
        "snp", section, "soft", "roots", "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_non_null(json);
    char *text = json_dumps(json, 0);
    cella_policy_clear(&member->policy);
    if (cella_policy_parse(cella_view_of_string(text), field, &member->policy) != CELLA_OK) {
        fail_msg("policy refused at %s: %s", field, text);
    }
    free(text);
    json_decref(json);
}

static void add_certificate(struct cella_bytes *endorsements, const struct cella_bytes *der)
{
    assert_int_equal(cella_write_u8(endorsements, CELLA_ENDORSE_CERTIFICATES), CELLA_OK);
    assert_int_equal(cella_write_field(endorsements, cella_bytes_view(der)), CELLA_OK);
}

static void begin(struct pair *pair, struct member *member, enum cella_mutual_side side)
{
    struct machine *machine = &pair->machines[side - 1];
    machine->forge = &pair->forge;
    member_begin(member, side, (uint8_t) side);
    set_policy(pair, member, json_pack("{s:s}", "revocation", "any"));
    member->now = (uint64_t) time(NULL);
    member->type = CELLA_EVIDENCE_SNP;
    member->make = make_report;
    member->context = machine;
    member->endorsements = cella_bytes_view(&pair->endorsements);
}

static int set_up(void **state)
{
    struct pair *pair = test_calloc(1, sizeof(*pair));
    forge_begin(&pair->forge);
    forge_begin(&pair->foreign);
    add_certificate(&pair->endorsements, &pair->forge.vcek);
    add_certificate(&pair->endorsements, &pair->forge.ask);
    begin(pair, &pair->first, CELLA_MUTUAL_INITIATOR);
    begin(pair, &pair->second, CELLA_MUTUAL_RESPONDER);
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    member_end(&pair->first);
    member_end(&pair->second);
    messages_clear(&pair->messages);
    cella_bytes_clear(&pair->endorsements);
    forge_end(&pair->forge);
    forge_end(&pair->foreign);
    test_free(pair);
    return 0;
}

/* The status of both sides, whichever of them lies. */
static void assert_lie_refused(struct pair *pair, enum cella_mutual_side liar, cella_status status)
{
    struct member *judge = liar == CELLA_MUTUAL_INITIATOR ? &pair->second : &pair->first;
    size_t number = liar == CELLA_MUTUAL_INITIATOR ? 3 : 2;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    messages_make(&pair->first, &pair->second, number, &pair->messages);
    assert_int_equal(member_step(judge, cella_bytes_view(&pair->messages.list[number]), &out), status);
    assert_int_equal(cella_mutual_status(judge->run), status);
    assert_int_equal(out.size, 0);
}

static void test_both_accept_on_snp(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    messages_make(&pair->first, &pair->second, 4, &pair->messages);
    assert_int_equal(member_step(&pair->first, cella_bytes_view(&pair->messages.list[4]), &out), CELLA_OK);
    assert_true(member_is_open(&pair->first) && member_is_open(&pair->second));
    assert_int_equal(cella_mutual_report(pair->first.run)->level, 5);
    assert_int_equal(cella_mutual_report(pair->second.run)->level, 5);
}

static void test_debug_platform(void **state)
{
    struct pair *pair = *state;
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        pair->machines[side - 1].debug = true;
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_TERM);
        pair->machines[side - 1].debug = false;
    }
}

/* A policy that lets debug pass, but wants the level that it costs. */
static void test_lower_level(void **state)
{
    struct pair *pair = *state;
    set_policy(pair, &pair->first, json_pack("{s:s, s:s}", "revocation", "any", "debug", "any"));
    set_policy(pair, &pair->second, json_pack("{s:s, s:s}", "revocation", "any", "debug", "any"));
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        pair->machines[side - 1].debug = true;
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_LEVEL);
        pair->machines[side - 1].debug = false;
    }
}

/* A report that a less privileged part of the guest asked for. */
static void test_report_of_another_privilege_level(void **state)
{
    struct pair *pair = *state;
    pair->machines[0].vmpl = 3;
    assert_lie_refused(pair, CELLA_MUTUAL_INITIATOR, CELLA_TERM);
}

static void test_root_of_the_same_name_between_executors(void **state)
{
    struct pair *pair = *state;
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        struct member *liar = side == CELLA_MUTUAL_INITIATOR ? &pair->first : &pair->second;
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes certificates = { 0 };
        add_certificate(&certificates, &pair->foreign.vcek);
        add_certificate(&certificates, &pair->foreign.ask);
        liar->endorsements = cella_bytes_view(&certificates);
        pair->machines[side - 1].forge = &pair->foreign;
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_ROOT);
        liar->endorsements = cella_bytes_view(&pair->endorsements);
        pair->machines[side - 1].forge = &pair->forge;
    }
}

static void test_endorsements_absent(void **state)
{
    struct pair *pair = *state;
    pair->second.endorsements = (struct cella_view){ 0 };
    assert_lie_refused(pair, CELLA_MUTUAL_RESPONDER, CELLA_ENDORSEMENT);
}

/* Where both kinds are accepted, soft evidence still has its own level. */
static void test_soft_where_hardware_is_wanted(void **state)
{
    struct pair *pair = *state;
    pair->first.type = CELLA_EVIDENCE_SOFT;
    pair->first.make = NULL;
    assert_lie_refused(pair, CELLA_MUTUAL_INITIATOR, CELLA_MEASUREMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_accept_on_snp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_debug_platform, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lower_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_report_of_another_privilege_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_of_the_same_name_between_executors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_endorsements_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_soft_where_hardware_is_wanted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
