/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Clear words for what the kernel would refuse anyway: an audit hook that raises PermissionError naming the rule.
 * It protects nothing; a script can get around it, and then meets the kernel's refusal.
 */

struct cella_cell;

/* Add the hook, before the interpreter starts. It is quiet until cell->guarded. 0, or -1 when memory is short. */
int cella_audit_add(struct cella_cell *cell);
