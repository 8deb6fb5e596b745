/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/hpke.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is opened as it is, and sealed and opened again: once as it was, once with one bit changed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret out = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    uint8_t receiver[CELLA_X25519_KEY_SIZE];
    uint8_t private_key[CELLA_X25519_KEY_SIZE] = { 1, 2, 3 };
    struct cella_view input = cella_view_of(data, size);
    struct cella_view info = cella_view_of(data, size < 8 ? size : 8);
    struct cella_view none = { 0 };
    cella_status status = cella_secret_set(&key, cella_view_of(private_key, sizeof(private_key)));
    assert(status == CELLA_OK);
    status = cella_x25519_public(&key, receiver);
    assert(status == CELLA_OK);
    if (cella_hpke_open(&key, none, none, input, &out) != CELLA_OK) {
        assert(out.data == NULL);
    }
    status = cella_hpke_seal_with(&key, receiver, info, none, input, &sealed);
    assert(status == CELLA_OK);
    status = cella_hpke_open(&key, info, none, cella_bytes_view(&sealed), &out);
    assert(status == CELLA_OK && cella_view_equal(cella_secret_view(&out), input));
    size_t place = size == 0 ? 0 : data[0] % sealed.size;
    sealed.data[place] ^= 1;
    status = cella_hpke_open(&key, info, none, cella_bytes_view(&sealed), &out);
    assert(status != CELLA_OK && out.data == NULL);
    return 0;
}
