/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an executor finds on this machine, without becoming one: for `cella-host doctor`. The platforms are looked for by the
 * code that uses them, and the layers are those that a zygote reports which was really started.
 */

#include "base/status.h"

/*
 * Write to standard output, one JSON object a line:
 *   {"interface", "kind", "level", "usable", "seals", "why"}  for each interface of executor/platform; kind is "none" where
 *                                                             it depends on the machine
 *   {"layers": [names]}  last; empty where no zygote could start
 *
 * programs: folder of the executor's programs
 * CELLA_SYSTEM_FAILED  it can not be written; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_doctor_report(const char *programs);
