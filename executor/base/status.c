/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stddef.h>

static const struct cella_status_row table[] = {
#define CELLA_STATUS_ROW(name, number, category, exception, text)                                                    \
    { CELLA_##name, CELLA_CATEGORY_##category, #name, #exception, text },
    CELLA_STATUS_TABLE(CELLA_STATUS_ROW)
#undef CELLA_STATUS_ROW
};

static const size_t table_count = sizeof(table) / sizeof(table[0]);

const struct cella_status_row *cella_status_row_at(unsigned int index)
{
    return index < table_count ? &table[index] : NULL;
}

const struct cella_status_row *cella_status_row(cella_status status)
{
    const struct cella_status_row *internal = &table[0];
    for (size_t i = 0; i < table_count; i++) {
        if (table[i].status == status) {
            return &table[i];
        }
        if (table[i].status == CELLA_INTERNAL) {
            internal = &table[i];
        }
    }
    return internal;
}

const char *cella_status_name(cella_status status)
{
    return cella_status_row(status)->name;
}

const char *cella_status_text(cella_status status)
{
    return cella_status_row(status)->text;
}

cella_status cella_status_from_number(unsigned int number)
{
    for (size_t i = 0; i < table_count; i++) {
        if ((unsigned int) table[i].status == number) {
            return table[i].status;
        }
    }
    return CELLA_INTERNAL;
}
