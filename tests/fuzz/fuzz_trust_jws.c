/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "trust/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever splits has borrowed views inside the input; only the known key's signatures verify. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_jws jws;
    if (cella_jws_split(cella_view_of(data, size), &jws) != CELLA_OK) {
        assert(jws.signing_input.data == NULL);
        return 0;
    }
    assert(jws.signing_input.data == data && jws.signing_input.size < size);
    assert(jws.payload_text.size < jws.signing_input.size);
    assert(strlen(jws.kid) == (jws.form == CELLA_JWS_PLAIN ? 0 : CELLA_THUMBPRINT_SIZE));
    if (cella_jws_verify(&jws, jws.jwk, &payload) != CELLA_OK) {
        assert(payload.data == NULL);
    }
    return 0;
}
