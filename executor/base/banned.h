/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Functions that no file of Cella calls, because each has a form that can not overflow, or starts a shell. This header
 * is included before every source file, so a call to one of them does not compile.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang's fortified headers define two of them as macros. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets strtok system popen mktemp tmpnam
