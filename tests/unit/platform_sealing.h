/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every platform that seals must do; the platform is open and stays the caller's. */

#include "vectors.h"

#include "platform/platform.h"

static inline void assert_not_unsealed(struct cella_platform *platform, const char *purpose, struct cella_view sealed)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_platform_unseal(platform, purpose, sealed, &secret), CELLA_BAD_TAG);
}

/* The same comes back; another purpose, any changed byte, any missing byte: nothing does. Gives what was sealed. */
static inline struct cella_bytes assert_seals(struct cella_platform *platform)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret back = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret large = { 0 };
    struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
    assert_int_equal(cella_secret_set(&secret, cella_view_of_string("a ledger's key")), CELLA_OK);
    assert_int_equal(cella_platform_seal(platform, "ledger", &secret, &sealed), CELLA_OK);
    assert_int_equal(cella_platform_unseal(platform, "ledger", cella_bytes_view(&sealed), &back), CELLA_OK);
    assert_true(cella_view_equal(cella_secret_view(&secret), cella_secret_view(&back)));
    assert_int_equal(cella_platform_seal(platform, "ledger", &secret, &again), CELLA_OK);
    assert_false(cella_view_equal(cella_bytes_view(&sealed), cella_bytes_view(&again)));
    assert_not_unsealed(platform, "keys", cella_bytes_view(&sealed));
    for (size_t i = 0; i < sealed.size; i++) {
        sealed.data[i] ^= 1;
        assert_not_unsealed(platform, "ledger", cella_bytes_view(&sealed));
        sealed.data[i] ^= 1;
        assert_not_unsealed(platform, "ledger", cella_view_of(sealed.data, i));
    }
    assert_int_equal(cella_secret_resize(&large, CELLA_PLATFORM_SECRET_MAX + 1), CELLA_OK);
    assert_int_equal(cella_platform_seal(platform, "ledger", &large, &again), CELLA_TOO_LARGE);
    return sealed;
}
