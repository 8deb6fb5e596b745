/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The soft platform: what the executor consists of on an ordinary machine, and evidence signed by a software root. It
 * proves something to those who trust the machine's owner; see evidence_soft.h for what it withstands.
 *
 * The measurement list has one line per file, as sha256sum prints it: digest, two blanks, path. The executor's own
 * programs and profiles are named relative to their folder, everything else absolutely: Python's standard library, its
 * time zones, the packages and libraries that profiles name, shared libraries. Lines are sorted by path. The
 * measurement is the SHA-256 of the list. Not in it: Python's compiled caches (__pycache__), the kernel, and whatever
 * else the machine runs.
 */

#include "trust/crypto.h"

/*
 * Make the measurement list.
 *
 * programs:  folder of the executor's programs
 * list:      the text, for auditors
 * CELLA_SYSTEM_FAILED  a file can not be read; CELLA_NO_MEMORY; CELLA_BAD_JSON, CELLA_BAD_FIELD, CELLA_TOO_LARGE  a profile
 * is no JSON object, names what is no plain name, or is larger than 64 KiB
 */
CELLA_MUST_USE cella_status cella_files_measure(const char *programs, struct cella_bytes *list,
                                               uint8_t measurement[CELLA_SHA256_SIZE]);
