/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What this machine says about itself that an executor does not see from inside: kernel, processor, how the kernel was
 * configured, devices and who may use them. For `cella-host doctor`: explanations, never a decision.
 */

#include <stdbool.h>
#include <stddef.h>

enum cella_machine_flag {
    CELLA_MACHINE_GUEST = 1,     /* the processor's flag "hypervisor" */
    CELLA_MACHINE_SNP = 2,       /* "sev_snp" */
    CELLA_MACHINE_TDX_GUEST = 4, /* "tdx_guest" */
    CELLA_MACHINE_SGX = 8,       /* "sgx" */
    CELLA_MACHINE_AMD = 16,
    CELLA_MACHINE_INTEL = 32,
};

enum cella_machine_option {
    CELLA_MACHINE_UNKNOWN, /* the kernel's configuration can not be read */
    CELLA_MACHINE_OFF, /* or the kernel does not have this option */
    CELLA_MACHINE_MODULE,
    CELLA_MACHINE_ON,
};

struct cella_machine {
    char kernel[65];    /* release; "" unknown */
    unsigned int major; /* of the kernel's version */
    unsigned int minor;
    char processor[65]; /* name; "" unknown */
    unsigned int flags; /* enum cella_machine_flag */
};

/*
 * Look.
 *
 * root: stands for "/" in every path; "" for the machine's own
 */
void cella_machine_look(const char *root, struct cella_machine *out);

/* How the running kernel was configured: name without "CONFIG_"; from /boot/config-RELEASE. */
enum cella_machine_option cella_machine_option(const char *root, const struct cella_machine *machine, const char *name);

/* Is there something at this path? */
bool cella_machine_has(const char *root, const char *path);

/* Is the kernel this version or later? An unknown one is. */
bool cella_machine_kernel_is(const struct cella_machine *machine, unsigned int major, unsigned int minor);
