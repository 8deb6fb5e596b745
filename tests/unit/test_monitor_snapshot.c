/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "monitor/snapshot.h"

#define EXECUTOR "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"

static const uint8_t measurement[CELLA_SHA256_SIZE] = { 1 };
static const uint8_t head[CELLA_SHA256_SIZE] = { 2 };
static const uint8_t tag[CELLA_GCM_TAG_SIZE] = { 3 };

static const struct cella_opened opened = { .anchored = true, .found = { 4 }, .hash = { 5 } };

/* An executor in the middle of its life. */
struct world {
    struct cella_secret key;
    struct cella_state state;
    struct cella_chain chain;
    struct cella_bytes more; /* leaves */
    struct cella_bytes snapshot;
};

static struct cella_snapshot_binding binding_of(const struct world *world)
{
    return (struct cella_snapshot_binding){ &world->key, EXECUTOR, measurement };
}

static cella_status keep(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static cella_status seal(void *context, struct cella_view bytes)
{
    return cella_sealed_writer_update(context, bytes);
}

static void write_snapshot(struct world *world)
{
    struct cella_snapshot_binding binding = binding_of(world);
    struct cella_sealed_writer *sealer = NULL;
    const struct cella_snapshot_source source = {
        .state = &world->state,
        .charter = cella_view_of_string("{}"),
        .epochs = 7,
        .opened = &opened,
        .chain = &world->chain,
        .more_leaves = cella_bytes_view(&world->more),
        .head = head,
        .tag = tag,
    };
    world->snapshot.size = 0;
    assert_int_equal(cella_snapshot_sealer_new(&binding, cella_snapshot_size(&source), keep, &world->snapshot, &sealer),
                     CELLA_OK);
    assert_int_equal(cella_snapshot_write(&source, seal, sealer), CELLA_OK);
    assert_int_equal(cella_sealed_writer_finish(sealer), CELLA_OK);
    cella_sealed_writer_free(sealer);
}

static void make(struct world *world, uint32_t durable, uint32_t waiting)
{
    *world = (struct world){ 0 };
    assert_int_equal(cella_secret_random(&world->key, CELLA_SHA256_SIZE), CELLA_OK);
    for (uint32_t i = 0; i < durable + waiting; i++) {
        struct cella_record_mark mark = { 0 };
        const uint8_t number[4] = { (uint8_t) (i >> 24), (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i };
        const struct cella_view entry = cella_view_of(number, sizeof(number));
        assert_int_equal(cella_merkle_leaf(&entry, 1, &mark.leaf), CELLA_OK);
        if (i < durable) {
            assert_int_equal(cella_chain_add(&world->chain, &mark), CELLA_OK);
        } else {
            assert_int_equal(cella_bytes_append(&world->more, cella_view_of(mark.leaf.bytes, sizeof(mark.leaf.bytes))),
                             CELLA_OK);
        }
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "party", "p", "sign", EXECUTOR, "seal", EXECUTOR, "name", "Ann");
    json_object_set_new(body, "sign", json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    json_object_set_new(body, "seal", json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    assert_int_equal(cella_state_apply(&world->state, CELLA_EVENT_PARTY_ENROLLED, body), CELLA_OK);
    write_snapshot(world);
}

static void clear(struct world *world)
{
    cella_secret_clear(&world->key);
    cella_state_clear(&world->state);
    cella_chain_clear(&world->chain);
    cella_bytes_clear(&world->more);
    cella_bytes_clear(&world->snapshot);
}

/* Read it in portions of so many bytes; replay and state stay for the caller where CELLA_OK. */
static cella_status read_snapshot(const struct world *world, const struct cella_snapshot_binding *binding, size_t portion,
                                  struct cella_replay *replay, struct cella_state *state)
{
    struct cella_snapshot_reader *reader = NULL;
    cella_status status = CELLA_OK;
    *state = (struct cella_state){ 0 };
    assert_int_equal(cella_replay_begin(replay, binding->ledger_key, state), CELLA_OK);
    assert_int_equal(cella_snapshot_reader_new(binding, replay, &reader), CELLA_OK);
    for (size_t at = 0; at < world->snapshot.size && status == CELLA_OK; at += portion) {
        size_t rest = world->snapshot.size - at;
        status = cella_snapshot_reader_update(
            reader, cella_view_of(world->snapshot.data + at, rest < portion ? rest : portion));
    }
    status = status == CELLA_OK ? cella_snapshot_reader_finish(reader) : status;
    cella_snapshot_reader_free(reader);
    if (status != CELLA_OK) {
        cella_replay_clear(replay);
        cella_state_clear(state);
    }
    return status;
}

static void comes_back(const struct world *world, size_t portion)
{
    struct cella_replay replay;
    struct cella_state state;
    struct cella_merkle_hash root;
    struct cella_merkle_hash expected;
    struct cella_merkle_path path;
    struct cella_chain chain = { 0 };
    struct cella_record_mark mark = { 0 };
    const struct cella_snapshot_binding binding = binding_of(world);
    uint64_t size = world->chain.size + world->more.size / CELLA_SHA256_SIZE;
    assert_int_equal(cella_snapshot_claim(cella_view_of(world->snapshot.data, CELLA_SNAPSHOT_PREFIX_SIZE)), size);
    assert_int_equal(read_snapshot(world, &binding, portion, &replay, &state), CELLA_OK);
    assert_int_equal(replay.chain.size, size);
    assert_int_equal(replay.epochs, 7);
    assert_memory_equal(&replay.opened, &opened, sizeof(opened));
    assert_memory_equal(replay.chain.head, head, sizeof(head));
    assert_memory_equal(replay.tag, tag, sizeof(tag));
    assert_string_equal(replay.genesis.executor, EXECUTOR);
    assert_true(cella_view_is(cella_bytes_view(&replay.genesis.charter), "{}"));
    assert_string_equal(cella_state_party(&state, "p")->name, "Ann");
    /* The same tree, and proofs as before. */
    for (uint32_t i = 0; i < size; i++) {
        const uint8_t number[4] = { (uint8_t) (i >> 24), (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i };
        const struct cella_view entry = cella_view_of(number, sizeof(number));
        assert_int_equal(cella_merkle_leaf(&entry, 1, &mark.leaf), CELLA_OK);
        assert_int_equal(cella_chain_add(&chain, &mark), CELLA_OK);
    }
    assert_true(cella_view_equal(cella_bytes_view(&chain.nodes), cella_bytes_view(&replay.chain.nodes)));
    assert_int_equal(cella_merkle_root(&chain.tree, &expected), CELLA_OK);
    assert_int_equal(cella_merkle_root(&replay.chain.tree, &root), CELLA_OK);
    assert_true(cella_merkle_equal(&root, &expected));
    assert_int_equal(cella_chain_prove(&replay.chain, (size + 1) / 2, &path), CELLA_OK);
    cella_chain_clear(&chain);
    cella_replay_clear(&replay);
    cella_state_clear(&state);
}

static void it_comes_back(void **unused)
{
    static const uint32_t sizes[][2] = { { 1, 0 }, { 0, 1 }, { 5, 3 }, { 8192, 0 }, { 8191, 2 }, { 40000, 17 } };
    (void) unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct world world;
        make(&world, sizes[i][0], sizes[i][1]);
        comes_back(&world, 1000);
        comes_back(&world, 1U << 22);
        clear(&world);
    }
}

static void every_bit_and_every_cut(void **unused)
{
    struct world world;
    struct cella_replay replay;
    struct cella_state state;
    (void) unused;
    make(&world, 3, 1);
    const struct cella_snapshot_binding binding = binding_of(&world);
    for (size_t bit = 0; bit < world.snapshot.size * 8; bit++) {
        world.snapshot.data[bit / 8] ^= (uint8_t) (1U << bit % 8);
        assert_int_equal(read_snapshot(&world, &binding, 4096, &replay, &state), CELLA_BAD_LEDGER);
        world.snapshot.data[bit / 8] ^= (uint8_t) (1U << bit % 8);
    }
    size_t whole = world.snapshot.size;
    for (world.snapshot.size = 0; world.snapshot.size < whole; world.snapshot.size++) {
        assert_int_equal(read_snapshot(&world, &binding, 4096, &replay, &state), CELLA_BAD_LEDGER);
    }
    assert_int_equal(cella_bytes_append(&world.snapshot, cella_view_of("x", 1)), CELLA_OK);
    assert_int_equal(read_snapshot(&world, &binding, 4096, &replay, &state), CELLA_BAD_LEDGER);
    world.snapshot.size = whole;
    comes_back(&world, 1);
    clear(&world);
}

/* Of another ledger, another executor, other software. */
static void a_foreign_one(void **unused)
{
    static const uint8_t other_measurement[CELLA_SHA256_SIZE] = { 9 };
    struct world world;
    struct world other;
    struct cella_replay replay;
    struct cella_state state;
    (void) unused;
    make(&world, 3, 1);
    make(&other, 3, 1);
    const struct cella_snapshot_binding bindings[] = {
        { &other.key, EXECUTOR, measurement },
        { &world.key, "FEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE", measurement },
        { &world.key, EXECUTOR, other_measurement },
    };
    for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++) {
        assert_int_equal(read_snapshot(&world, &bindings[i], 4096, &replay, &state), CELLA_BAD_LEDGER);
    }
    clear(&world);
    clear(&other);
}

/* What a start does for a tree that is in memory: one node for each leaf that the snapshot holds. */
static void a_long_one(void **unused)
{
    struct world world;
    struct cella_replay replay;
    struct cella_state state;
    struct timespec before;
    struct timespec after;
    (void) unused;
    make(&world, 1000000, 0);
    const struct cella_snapshot_binding binding = binding_of(&world);
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_int_equal(read_snapshot(&world, &binding, 65536, &replay, &state), CELLA_OK);
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    print_message("a million leaves, %zu KiB: %.0f ms of CPU time\n", world.snapshot.size >> 10,
                  (double) (after.tv_sec - before.tv_sec) * 1e3 + (double) (after.tv_nsec - before.tv_nsec) / 1e6);
    assert_int_equal(replay.chain.size, 1000000);
    cella_replay_clear(&replay);
    cella_state_clear(&state);
    clear(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back),
        cmocka_unit_test(every_bit_and_every_cut),
        cmocka_unit_test(a_foreign_one),
        cmocka_unit_test(a_long_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
