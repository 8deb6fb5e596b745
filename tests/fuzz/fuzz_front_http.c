/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gate and parser over anything. What is accepted must be plain, and must be judged the same in whatever pieces it
 * arrives.
 */

#include <stdlib.h>

#include "front/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t scanned = 0;
    size_t head_size = 0;
    cella_status whole = cella_http_gate(cella_view_of(data, size), &scanned, &head_size);
    size_t pieces_scanned = 0;
    size_t pieces_size = 0;
    cella_status pieces = CELLA_OK;
    for (size_t have = 1; have <= size && pieces == CELLA_OK && pieces_size == 0; have++) {
        pieces = cella_http_gate(cella_view_of(data, have), &pieces_scanned, &pieces_size);
    }
    check(whole == pieces && head_size == pieces_size);
    if (whole != CELLA_OK || head_size == 0) {
        return 0;
    }
    check(head_size <= size && head_size <= CELLA_HTTP_HEAD_MAX);
    struct cella_http_head head;
    cella_status status = cella_http_parse(cella_view_of(data, head_size), &head);
    check((status == CELLA_OK) == (head.refusal == 0));
    if (status == CELLA_OK) {
        check(head.path[0] == '\0' || head.path[0] == '/');
        check(head.request.size == 0 ||
              (head.request.data >= data && head.request.data + head.request.size <= data + head_size));
        check(head.method == CELLA_HTTP_PUT || head.method == CELLA_HTTP_POST || head.length == 0);
    }
    return 0;
}
