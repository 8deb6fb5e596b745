/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#define ECHO(TEXT, INTEGER, REAL, FLAG, INPUT, OUTPUT) TEXT(message, 0, 65536, NULL, "what comes back")

CELLA_BUILTIN(echo, "echo", "builtin-echo", "1", ECHO,
              "Return the message. Shows that a task reaches a cell and its result comes back.", "the message")
{
    return cella_bytes_set(&call->result, *message);
}
