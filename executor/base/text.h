/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A sentence for people, of bounded size: what a check found. Cut, never overrun.
 */

#include "base/status.h"

#define CELLA_TEXT_MAX 192

struct cella_text {
    char characters[CELLA_TEXT_MAX]; /* always ends with NUL */
};

/* Replace, and append. */
__attribute__((format(printf, 2, 3))) void cella_text_set(struct cella_text *text, const char *format, ...);
__attribute__((format(printf, 2, 3))) void cella_text_add(struct cella_text *text, const char *format, ...);
