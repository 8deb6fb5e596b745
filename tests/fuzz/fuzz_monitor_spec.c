/* SPDX-License-Identifier: Apache-2.0 */

/* A function's package, and with it the arguments of a task: what a package accepts as default it accepts as given. */

#include <stdlib.h>
#include <string.h>

#include "monitor/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_json_error error = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec spec = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec again = { 0 };
    if (cella_spec_parse(cella_view_of(data, size), &cella_limits_default, &error, &spec) != CELLA_OK) {
        return 0;
    }
    /* What the state keeps of an accepted package can be read again. */
    if (cella_json_write(spec.json, &text) != CELLA_OK ||
        cella_spec_read(cella_bytes_view(&text), &again) != CELLA_OK || again.input_count != spec.input_count ||
        again.argument_count != spec.argument_count ||
        memcmp(&again.isolation, &spec.isolation, sizeof(spec.isolation)) != 0) {
        abort();
    }
    CELLA_CLEANUP(cella_json_cleanup) json_t *given = json_object();
    for (size_t i = 0; i < spec.argument_count; i++) {
        if (spec.arguments[i].default_value == NULL) {
            return 0;
        }
    }
    CELLA_CLEANUP(cella_json_cleanup) json_t *complete = NULL;
    if (cella_spec_arguments(&spec, given, &error, &complete) != CELLA_OK) {
        abort();
    }
    return 0;
}
