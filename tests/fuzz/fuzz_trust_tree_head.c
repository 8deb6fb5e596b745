/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "trust/tree_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_tree_head head;
    struct cella_tree_head_key key = { .name = { (const uint8_t *) "log", 3 } };
    uint64_t time;
    if (cella_tree_head_read(cella_view_of(data, size), &head) != CELLA_OK) {
        return 0;
    }
    key.name = head.origin;
    if (cella_tree_head_verify(&head, &key) == CELLA_OK || cella_tree_head_witnessed(&head, &key, &time) == CELLA_OK ||
        head.text.size + head.signatures.size + 1 != size) {
        abort(); /* nobody has the key that is all zeros; the two parts and the empty line are the whole */
    }
    return 0;
}
