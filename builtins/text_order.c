/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/text_order.h"

#include <string.h>

#define FEW 256U /* below this, comparing is faster */

static int compare(const void *one, const void *other)
{
    const struct cella_text_entry *a = one;
    const struct cella_text_entry *b = other;
    size_t least = a->size < b->size ? a->size : b->size;
    int order = least == 0 ? 0 : memcmp(a->data, b->data, least);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* How many bytes all of them begin with. */
static size_t common_prefix(const struct cella_text_entry *entries, size_t count)
{
    size_t common = entries[0].size;
    for (size_t i = 1; i < count && common > 0; i++) {
        size_t size = entries[i].size < common ? entries[i].size : common;
        size_t same = 0;
        while (same < size && entries[i].data[same] == entries[0].data[same]) {
            same++;
        }
        common = same;
    }
    return common;
}

/* The first 8 bytes behind what all have, as a number that orders as they do. */
static void set_prefixes(struct cella_text_entry *entries, size_t count)
{
    size_t skip = common_prefix(entries, count);
    for (size_t i = 0; i < count; i++) {
        size_t size = entries[i].size - skip;
        uint64_t word = 0;
        if (size > 0) {
            memcpy(&word, entries[i].data + skip, size < 8 ? size : 8);
        }
        entries[i].prefix = __builtin_bswap64(word);
    }
}

/* By the prefix, a byte at a time from the last; bytes that all have the same are left out. Returns where the result is. */
static struct cella_text_entry *sort_prefixes(struct cella_text_entry *from, struct cella_text_entry *to, size_t count)
{
    size_t counts[8][256] = { { 0 } };
    for (size_t i = 0; i < count; i++) {
        for (unsigned int byte = 0; byte < 8; byte++) {
            counts[byte][from[i].prefix >> (8 * byte) & 0xff]++;
        }
    }
    for (unsigned int byte = 0; byte < 8; byte++) {
        if (counts[byte][from[0].prefix >> (8 * byte) & 0xff] == count) {
            continue;
        }
        size_t at = 0;
        for (size_t value = 0; value < 256; value++) {
            size_t here = counts[byte][value];
            counts[byte][value] = at;
            at += here;
        }
        for (size_t i = 0; i < count; i++) {
            to[counts[byte][from[i].prefix >> (8 * byte) & 0xff]++] = from[i];
        }
        struct cella_text_entry *other = from;
        from = to;
        to = other;
    }
    return from;
}

cella_status cella_text_sort(struct cella_text_entry *entries, size_t count)
{
    if (count < FEW) {
        if (count > 1) {
            qsort(entries, count, sizeof(*entries), compare);
        }
        return CELLA_OK;
    }
    CELLA_CLEANUP(cella_pointer_free) struct cella_text_entry *more = calloc(count, sizeof(*more));
    if (more == NULL) {
        return CELLA_NO_MEMORY;
    }
    set_prefixes(entries, count);
    struct cella_text_entry *sorted = sort_prefixes(entries, more, count);
    if (sorted != entries) {
        memcpy(entries, sorted, count * sizeof(*entries));
    }
    /* What the prefixes do not decide. */
    for (size_t begin = 0; begin < count;) {
        size_t end = begin + 1;
        while (end < count && entries[end].prefix == entries[begin].prefix) {
            end++;
        }
        if (end - begin > 1) {
            qsort(entries + begin, end - begin, sizeof(*entries), compare);
        }
        begin = end;
    }
    return CELLA_OK;
}
