/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/snp_report.h"

#include <string.h>

#include "base/wire.h"
#include "trust/certificate.h"

#define GUID_SIZE 16U
#define FLAGS_OFFSET 0x48U /* of the report; bits 4:2 say which key signed */

/* In the order of a chain. */
enum kind {
    KIND_VCEK,
    KIND_VLEK,
    KIND_ASK, /* or ASVK */
    KIND_ARK,
    KINDS,
};

/* As they lie in memory: the first three groups are little-endian. */
static const uint8_t guids[KINDS][GUID_SIZE] = {
    [KIND_VCEK] = { 0x8d, 0x75, 0xda, 0x63, 0x64, 0xe6, 0x64, 0x45, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd },
    [KIND_VLEK] = { 0xc2, 0x4b, 0x07, 0xa8, 0x5a, 0xa2, 0x3e, 0x48, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 },
    [KIND_ASK] = { 0x79, 0xb3, 0xb7, 0x4a, 0xac, 0xbb, 0xe4, 0x4f, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 },
    [KIND_ARK] = { 0xa4, 0x06, 0xb4, 0xc0, 0x03, 0xa8, 0x52, 0x49, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae },
};
static const uint8_t no_guid[GUID_SIZE];

static cella_status take_entry(struct cella_view table, const uint8_t guid[GUID_SIZE], uint32_t offset, uint32_t size,
                               struct cella_view certificates[KINDS])
{
    if (offset > table.size || size > table.size - offset) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < KINDS; i++) {
        if (memcmp(guid, guids[i], GUID_SIZE) == 0) {
            if (certificates[i].size > 0) {
                return CELLA_BAD_FORMAT;
            }
            certificates[i] = cella_view_of(table.data + offset, size);
        }
    }
    return CELLA_OK; /* of another kind: not ours to understand */
}

static cella_status read_table(struct cella_view table, struct cella_view certificates[KINDS])
{
    struct cella_reader reader = cella_reader_of(table);
    for (;;) {
        uint8_t guid[GUID_SIZE];
        uint32_t offset;
        uint32_t size;
        CELLA_TRY(cella_read_fixed(&reader, guid, sizeof(guid)));
        CELLA_TRY(cella_read_u32_le(&reader, &offset));
        CELLA_TRY(cella_read_u32_le(&reader, &size));
        if (memcmp(guid, no_guid, GUID_SIZE) == 0) {
            return CELLA_OK;
        }
        CELLA_TRY(take_entry(table, guid, offset, size, certificates));
    }
}

/* The verifier refuses everything where it can not read one of them, so what it could not read is left out. */
static bool is_certificate(struct cella_view der)
{
    CELLA_CLEANUP(cella_certificates_clear) struct cella_certificates read = { 0 };
    return der.size > 0 && cella_certificates_read(&read, der) == CELLA_OK && read.count == 1;
}

cella_status cella_snp_endorse(struct cella_view table, struct cella_view report, struct cella_bytes *endorsements)
{
    struct cella_view certificates[KINDS] = { 0 };
    if (report.size <= FLAGS_OFFSET || table.size > CELLA_SNP_TABLE_MAX || read_table(table, certificates) != CELLA_OK) {
        return CELLA_OK;
    }
    bool by_vlek = (report.data[FLAGS_OFFSET] >> 2 & 7) == 1;
    const enum kind chain[] = { by_vlek ? KIND_VLEK : KIND_VCEK, KIND_ASK, KIND_ARK };
    for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++) {
        if (is_certificate(certificates[chain[i]])) {
            CELLA_TRY(cella_platform_endorse(endorsements, CELLA_ENDORSE_CERTIFICATES, certificates[chain[i]]));
        } else if (i == 0) {
            return CELLA_OK;
        }
    }
    return CELLA_OK;
}
