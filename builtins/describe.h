/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A builtin's table as JSON: what signatures, docstrings, the client's table and the documentation are made from.
 *
 *   {"name", "alias" or null, "version", "result": "text" or "json", "documentation", "returns", "determinism" or null,
 *    "limits" or null, "example" or null, "parameters": [{"name", "kind", "optional", "minimum", "maximum", "default" or
 *    null, "choices": [..] or null, "format" or null, "documentation"}]}
 */

#include "builtins/builtin.h"

/* Append one JSON object. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_builtin_describe(const struct cella_builtin *builtin, struct cella_bytes *out);
