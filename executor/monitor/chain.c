/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/chain.h"

#include <string.h>

void cella_chain_clear(struct cella_chain *chain)
{
    cella_bytes_clear(&chain->nodes);
    *chain = (struct cella_chain){ 0 };
}

static cella_status keep(void *context, unsigned int level, uint64_t index, const struct cella_merkle_hash *hash)
{
    struct cella_bytes *nodes = context;
    (void) level;
    (void) index;
    return cella_bytes_append(nodes, cella_view_of(hash->bytes, sizeof(hash->bytes)));
}

cella_status cella_chain_add(struct cella_chain *chain, const struct cella_record_mark *mark)
{
    size_t before = chain->nodes.size;
    cella_status status = cella_merkle_append(&chain->tree, &mark->leaf, keep, &chain->nodes);
    if (status != CELLA_OK) {
        chain->nodes.size = before;
        return status;
    }
    chain->size++;
    memcpy(chain->head, mark->hash, sizeof(chain->head));
    return CELLA_OK;
}

static cella_status read_node(void *context, unsigned int level, uint64_t index, struct cella_merkle_hash *out)
{
    const struct cella_chain *chain = context;
    uint64_t place = cella_merkle_place(level, index);
    if (place >= chain->nodes.size / sizeof(out->bytes)) {
        return CELLA_INTERNAL;
    }
    memcpy(out->bytes, chain->nodes.data + place * sizeof(out->bytes), sizeof(out->bytes));
    return CELLA_OK;
}

cella_status cella_chain_leaf(const struct cella_chain *chain, uint64_t index, struct cella_merkle_hash *out)
{
    struct cella_chain borrowed = *chain; /* for the callback's sake: it is not changed */
    return index < chain->size ? read_node(&borrowed, 0, index, out) : CELLA_BAD_FIELD;
}

cella_status cella_chain_prove(const struct cella_chain *chain, uint64_t old_size, struct cella_merkle_path *out)
{
    struct cella_chain borrowed = *chain;
    return cella_merkle_prove_consistency(old_size, chain->size, read_node, &borrowed, out);
}

cella_status cella_chain_prove_inclusion(const struct cella_chain *chain, uint64_t index, uint64_t size,
                                         struct cella_merkle_hash *leaf, struct cella_merkle_path *out)
{
    struct cella_chain borrowed = *chain;
    if (size > chain->size) {
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(cella_merkle_prove_inclusion(index, size, read_node, &borrowed, out));
    return cella_chain_leaf(chain, index, leaf);
}
