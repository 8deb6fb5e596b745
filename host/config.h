/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the operator asks for: the command line and, with --config, one strict JSON file. docs/operations.md
 * explains every setting.
 */

#include "host/flat_json.h"

#define CELLA_HOST_PATH_MAX 1024U
#define CELLA_HOST_URL_MAX 512U
#define CELLA_HOST_CONFIG_FILE_MAX 65536U /* bytes */
#define CELLA_HOST_BLAME_MAX 256U

enum cella_host_command {
    CELLA_HOST_RUN,
    CELLA_HOST_MEASURE,
    CELLA_HOST_DOCTOR,
    CELLA_HOST_BACKUP,
    CELLA_HOST_RESTORE,
    CELLA_HOST_HELP,
    CELLA_HOST_VERSION,
};

struct cella_host_config {
    enum cella_host_command command;
    bool development;                   /* --dev */
    char state[CELLA_HOST_PATH_MAX];    /* the state folder */
    char copy[CELLA_HOST_PATH_MAX];     /* backup: --to; restore: --from */
    char listen[128];                   /* ADDR:PORT */
    char programs[CELLA_HOST_PATH_MAX]; /* folder of the executor's programs; default: beside cella-host */
    struct cella_flat_json_list profiles;
    int64_t pool;        /* most warm cells per profile */
    int64_t pool_memory_bytes; /* of idle cells together */
    int64_t recycle;           /* tasks after which a zygote is replaced */
    int64_t concurrency; /* tasks at a time; 0: as many as there are processors */
    bool allow_missing_layers;
    char platform[16]; /* which evidence: a name of the table in config.c, or "auto" */
    bool json;         /* doctor: for machines */
    int64_t store_max_bytes;
    int64_t ledger_max_bytes;
    char ledger_program[CELLA_HOST_PATH_MAX]; /* cella-ledger, or another that keeps to ledger_program.h */
    int64_t drain_s; /* longest wait for running tasks after SIGTERM */
    char collateral_program[CELLA_HOST_PATH_MAX]; /* cella-collateral; "none": nothing is fetched */
    char collateral_intel[CELLA_HOST_URL_MAX];    /* these are that program's options; empty: its defaults */
    char collateral_intel_root_crl[CELLA_HOST_URL_MAX];
    char collateral_amd[CELLA_HOST_URL_MAX];
    char collateral_proxy[CELLA_HOST_URL_MAX];
    char fetch_program[CELLA_HOST_PATH_MAX]; /* cella-fetch; "none": nothing is fetched */
    char fetch_from[CELLA_HOST_PATH_MAX];    /* places that inputs are fetched from, with spaces between; empty: none */
    bool fetch_private;                      /* also from addresses that are not public */
    int64_t fetch_max_bytes;
    int64_t fetch_seconds;
    bool log_json;
    int ready_fd; /* -1: none */
};

/*
 * Read the command line, and the configuration file that it names.
 *
 * blame: on failure, what is wrong, in words that an operator can act on
 * CELLA_BAD_ARGUMENT  command line; CELLA_BAD_JSON, CELLA_UNKNOWN_FIELD, CELLA_MISSING_FIELD, CELLA_BAD_FIELD  file
 * CELLA_SYSTEM_FAILED  the file can not be read
 */
CELLA_MUST_USE cella_status cella_host_config_read(int argc, char **argv, struct cella_host_config *out,
                                                   char blame[CELLA_HOST_BLAME_MAX]);

/* The same for the file's content alone. */
CELLA_MUST_USE cella_status cella_host_config_parse(struct cella_view json, struct cella_host_config *config,
                                                    char blame[CELLA_HOST_BLAME_MAX]);

/*
 * Split "ADDR:PORT" or "[ADDR6]:PORT". ADDR is an IP address. CELLA_BAD_ARGUMENT
 */
CELLA_MUST_USE cella_status cella_host_address_split(const char *text, char host[64], uint16_t *port);

/* The text of --help. */
const char *cella_host_help(void);
