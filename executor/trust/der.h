/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The little DER that vendors' certificate extensions are made of (ITU-T X.690). Bounded, definite lengths in their
 * shortest form only; whole certificates are OpenSSL's matter.
 */

#include "base/wire.h"

#define CELLA_DER_BOOLEAN 0x01U
#define CELLA_DER_INTEGER 0x02U
#define CELLA_DER_OCTETS 0x04U
#define CELLA_DER_OBJECT 0x06U
#define CELLA_DER_ENUMERATED 0x0aU
#define CELLA_DER_IA5 0x16U
#define CELLA_DER_SEQUENCE 0x30U

/* The next element's tag and content. CELLA_BAD_FORMAT */
CELLA_MUST_USE cella_status cella_der_next(struct cella_reader *reader, uint8_t *tag, struct cella_view *content);

/* The next element, which must have that tag. */
CELLA_MUST_USE cella_status cella_der_expect(struct cella_reader *reader, uint8_t tag, struct cella_view *content);

/* Content of an INTEGER or ENUMERATED as a number of at most 32 bits, not negative. */
CELLA_MUST_USE cella_status cella_der_number(struct cella_view content, uint32_t *out);
