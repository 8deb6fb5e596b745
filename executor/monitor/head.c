/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/head.h"

#include "monitor/ledger.h"

cella_status cella_head_json(const struct cella_monitor *monitor, json_t **out)
{
    const struct cella_chain *chain = cella_ledger_chain(monitor->ledger);
    uint64_t epoch = cella_ledger_epoch(monitor->ledger);
    struct cella_merkle_hash root;
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_TRY(cella_merkle_root(&chain->tree, &root));
    CELLA_TRY(cella_keyring_sign_head(monitor->keyring, epoch, chain->size, root.bytes, chain->head, signature));
    *out = json_pack("{s:I, s:I, s:o, s:o, s:o}", "epoch", (json_int_t) epoch, "size", (json_int_t) chain->size, "root",
                     cella_json_base64url(cella_view_of(root.bytes, sizeof(root.bytes))), "chain",
                     cella_json_base64url(cella_view_of(chain->head, sizeof(chain->head))), "signature",
                     cella_json_base64url(cella_view_of(signature, sizeof(signature))));
    return *out == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

cella_status cella_head_write(const struct cella_monitor *monitor, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *head = NULL;
    if (cella_ledger_epoch(monitor->ledger) == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_head_json(monitor, &head));
    return cella_json_write(head, out);
}

cella_status cella_head_prove(const struct cella_monitor *monitor, uint64_t size, json_t **out)
{
    const struct cella_chain *chain = cella_ledger_chain(monitor->ledger);
    struct cella_merkle_path path;
    CELLA_TRY(size > chain->size ? CELLA_ROLLBACK : cella_chain_prove(chain, size, &path));
    json_t *nodes = json_array();
    for (size_t i = 0; i < path.count; i++) {
        (void) json_array_append_new(
            nodes, cella_json_base64url(cella_view_of(path.nodes[i].bytes, sizeof(path.nodes[i].bytes))));
    }
    *out = nodes;
    return nodes == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

cella_status cella_operation_ledger_consistency(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    CELLA_CLEANUP(cella_json_cleanup) json_t *head = NULL;
    CELLA_CLEANUP(cella_json_cleanup) json_t *nodes = NULL;
    int64_t size;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_integer(&object, "size", 1, (int64_t) 1 << 53, &size));
    CELLA_TRY(cella_json_end(&object));
    if (monitor->ledger == NULL) {
        return CELLA_BAD_STATE;
    }
    CELLA_TRY(cella_head_prove(monitor, (uint64_t) size, &nodes));
    CELLA_TRY(cella_head_json(monitor, &head));
    call->reply = json_pack("{s:O, s:O}", "head", head, "path", nodes);
    return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}
