/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#define ECHO(X) X(TEXT, message, 0, 65536, NULL, "what comes back")

CELLA_BUILTIN(echo, "echo", ECHO, .alias = "builtin-echo", .version = "1",
              .documentation = "Return the message. Shows that a task reaches a cell and its result comes back.",
              .returns = "the message",
              .example = ">>> cella.builtins.echo(message=\"hello\")\n'hello'\n")
{
    return cella_bytes_set(&call->result, *message);
}
