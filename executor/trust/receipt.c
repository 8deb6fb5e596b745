/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/receipt.h"

#include <string.h>

#define PROOF_INCLUSION (-1)

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_FORMAT;
}

/* ---- reading ---- */

static cella_status read_path(struct cella_reader *reader, struct cella_merkle_path *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    if (count == 0 || count > CELLA_MERKLE_PATH_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        struct cella_view node;
        CELLA_TRY(cella_cbor_bytes(reader, &node));
        if (node.size != CELLA_SHA256_SIZE) {
            return CELLA_BAD_FORMAT;
        }
        memcpy(out->nodes[i].bytes, node.data, node.size);
    }
    out->count = (size_t) count;
    return CELLA_OK;
}

static cella_status read_proof(struct cella_view proof, struct cella_receipt *out)
{
    struct cella_reader reader = cella_reader_of(proof);
    uint64_t count;
    CELLA_TRY(cella_cbor_array(&reader, &count));
    CELLA_TRY(cella_cbor_unsigned(&reader, &out->size));
    CELLA_TRY(cella_cbor_unsigned(&reader, &out->index));
    CELLA_TRY(read_path(&reader, &out->path));
    return count == 3 ? cella_reader_end(&reader) : CELLA_BAD_FORMAT;
}

/* {-1: [proof]}: one kind of proof, and one of it. */
static cella_status read_proofs(struct cella_view proofs, struct cella_view *out)
{
    struct cella_reader reader = cella_reader_of(proofs);
    uint64_t count;
    int64_t kind;
    CELLA_TRY(cella_cbor_map(&reader, &count));
    CELLA_TRY(count == 1 ? cella_cbor_number(&reader, &kind) : CELLA_BAD_FORMAT);
    CELLA_TRY(kind == PROOF_INCLUSION ? cella_cbor_array(&reader, &count) : CELLA_BAD_FORMAT);
    return count == 1 ? cella_cbor_bytes(&reader, out) : CELLA_BAD_FORMAT;
}

cella_status cella_receipt_read(struct cella_view content, struct cella_receipt *out, struct cella_text *detail)
{
    struct cella_view proof;
    *out = (struct cella_receipt){ 0 };
    CELLA_TRY(cella_cose_read(content, CELLA_CBOR_FOREIGN, CELLA_COSE_VDP, &out->sign1, detail));
    if (out->sign1.header.vds != CELLA_RECEIPT_VDS_RFC9162) {
        return refuse(detail, "the log's tree is of a kind that is not known here");
    }
    if (!out->sign1.detached) {
        return refuse(detail, "the root is attached, where it has to be computed");
    }
    if (out->sign1.unprotected_label == 0 || read_proofs(out->sign1.unprotected, &proof) != CELLA_OK) {
        return refuse(detail, "there has to be exactly one proof, of inclusion");
    }
    if (cella_cbor_check(proof, CELLA_CBOR_FOREIGN) != CELLA_OK || read_proof(proof, out) != CELLA_OK) {
        return refuse(detail, "the proof has another shape, or its path not 1 to 64 nodes of 32 bytes");
    }
    return CELLA_OK;
}

cella_status cella_receipt_list(struct cella_view receipts, struct cella_view out[CELLA_RECEIPTS_MAX], size_t *count,
                                struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(receipts);
    uint64_t found;
    *count = 0;
    if (cella_cbor_array(&reader, &found) != CELLA_OK || found == 0 || found > CELLA_RECEIPTS_MAX) {
        return refuse(detail, "the receipts have to be an array of 1 to 16");
    }
    for (size_t i = 0; i < found; i++) {
        if (cella_cbor_bytes(&reader, &out[i]) != CELLA_OK) {
            return refuse(detail, "a receipt has to be a byte string");
        }
    }
    *count = (size_t) found;
    return cella_reader_end(&reader);
}

/* ---- verifying ---- */

static bool position_holds(const struct cella_receipt *receipt, bool need_position)
{
    const struct cella_cose_header *header = &receipt->sign1.header;
    if (!header->has_size && !header->has_index) {
        return !need_position;
    }
    return header->has_size && header->has_index && header->size == receipt->size && header->index == receipt->index;
}

cella_status cella_receipt_verify(const struct cella_receipt *receipt, const struct cella_merkle_hash *leaf,
                                  const struct cella_cose_key *key, bool need_position)
{
    struct cella_merkle_hash root;
    if (!position_holds(receipt, need_position)) {
        return CELLA_BAD_PROOF;
    }
    CELLA_TRY(cella_merkle_root_of_inclusion(leaf, receipt->index, receipt->size, &receipt->path, &root));
    return cella_cose_verify(&receipt->sign1, key, cella_view_of(root.bytes, sizeof(root.bytes)));
}

/* ---- issuing ---- */

static cella_status write_claims(struct cella_view issuer, uint64_t index, uint64_t size, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_CLAIMS));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 3));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_ISS));
    CELLA_TRY(cella_cbor_write_text_view(out, issuer));
    CELLA_TRY(cella_cbor_write_text(out, CELLA_COSE_CLAIM_SIZE));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, size));
    CELLA_TRY(cella_cbor_write_text(out, CELLA_COSE_CLAIM_INDEX));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, index);
}

static cella_status write_protected(const struct cella_cose_key *key, struct cella_view issuer, uint64_t index,
                                    uint64_t size, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 4));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_ALG));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_EDDSA));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_KID));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(key->kid, key->kid_size)));
    CELLA_TRY(write_claims(issuer, index, size, out));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_VDS));
    return cella_cbor_write_number(out, CELLA_RECEIPT_VDS_RFC9162);
}

static cella_status write_proof(uint64_t index, uint64_t size, const struct cella_merkle_path *path,
                                struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 3));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, size));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, index));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, path->count));
    for (size_t i = 0; i < path->count; i++) {
        CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(path->nodes[i].bytes, CELLA_SHA256_SIZE)));
    }
    return CELLA_OK;
}

static cella_status write_receipt(struct cella_view protected_bytes, struct cella_view proof,
                                  struct cella_view signature, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_TAG, 18));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 4));
    CELLA_TRY(cella_cbor_write_bytes(out, protected_bytes));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 1));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_VDP));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 1));
    CELLA_TRY(cella_cbor_write_number(out, PROOF_INCLUSION));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 1));
    CELLA_TRY(cella_cbor_write_bytes(out, proof));
    CELLA_TRY(cella_cbor_write_null(out));
    return cella_cbor_write_bytes(out, signature);
}

static cella_status check_path(const struct cella_merkle_hash *leaf, uint64_t index, uint64_t size,
                               const struct cella_merkle_path *path, const struct cella_merkle_hash *root)
{
    struct cella_merkle_hash found;
    CELLA_TRY(cella_merkle_root_of_inclusion(leaf, index, size, path, &found));
    return cella_merkle_equal(&found, root) ? CELLA_OK : CELLA_BAD_PROOF;
}

cella_status cella_receipt_issue(const struct cella_receipt_issuer *log, const struct cella_merkle_hash *leaf,
                                 uint64_t index, uint64_t size, const struct cella_merkle_path *path,
                                 const struct cella_merkle_hash *root, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes header = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes proof = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    struct cella_cose_key key;
    struct cella_receipt check;
    struct cella_text detail;
    if (log->issuer.size == 0 || log->issuer.size > CELLA_COSE_ISSUER_MAX || size < 2) {
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(check_path(leaf, index, size, path, root));
    CELLA_TRY(cella_ed25519_public(log->seed, public_key));
    CELLA_TRY(cella_cose_key_of(public_key, &key));
    CELLA_TRY(write_protected(&key, log->issuer, index, size, &header));
    CELLA_TRY(cella_cose_sign(cella_bytes_view(&header), cella_view_of(root->bytes, sizeof(root->bytes)), log->seed,
                              signature));
    CELLA_TRY(write_proof(index, size, path, &proof));
    CELLA_TRY(write_receipt(cella_bytes_view(&header), cella_bytes_view(&proof),
                            cella_view_of(signature, sizeof(signature)), &text));
    if (cella_receipt_read(cella_bytes_view(&text), &check, &detail) != CELLA_OK) {
        return CELLA_BAD_FIELD; /* the issuer is no text */
    }
    cella_bytes_take(out, &text);
    return CELLA_OK;
}
