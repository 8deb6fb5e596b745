/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static const char help_text[] =
    "cella-host: starts a Cella executor, relays its clients' bytes and stores their ciphertext.\n"
    "\n"
    "  cella-host run --dev DIR       an executor for development; everything it needs is made in DIR\n"
    "  cella-host run --config FILE   an executor as described in FILE (strict JSON)\n"
    "  cella-host measure             print what a client would measure of the programs, and exit\n"
    "  cella-host doctor [--json]     say which assurance level this machine can reach, and what is missing\n"
    "  cella-host backup --dev DIR | --config FILE --to COPY     copy the state of a host that is stopped\n"
    "  cella-host restore --from COPY --dev DIR | --config FILE  put a copy where there is no state yet\n"
    "  cella-host --help | --version\n"
    "\n"
    "Options of run, measure and doctor:\n"
    "  --listen ADDR:PORT   where clients connect (default 127.0.0.1:0, port 0 takes a free one)\n"
    "  --profiles A,B       profiles (default python,numpy,science; also native; what is not installed is not offered)\n"
    "  --programs DIR       folder of the executor's programs (default: the folder of cella-host)\n"
    "  --platform NAME      which evidence: auto, snp, tdx, sgx, nitro, tpm, soft (see FILE; --dev: soft)\n"
    "  --log text|json      form of the log lines on standard error (default text)\n"
    "  --ready-fd N         write ADDR:PORT and a newline to descriptor N when clients can connect\n"
    "\n"
    "Members of FILE; those without a default are required:\n"
    "  state                 state folder (absolute path)\n"
    "  listen                \"ADDR:PORT\" (default \"127.0.0.1:0\")\n"
    "  programs              folder of the executor's programs (default: the folder of cella-host)\n"
    "  profiles              list of profiles (default [\"python\", \"numpy\", \"science\"])\n"
    "  pool                  most warm cells per profile, 1 to 64 (default 4)\n"
    "  pool_memory_bytes     memory of idle cells together (default 1 GiB)\n"
    "  recycle               tasks after which a zygote is replaced (default 10000)\n"
    "  concurrency           tasks that run at a time, 1 to 64 (default: the number of processors)\n"
    "  allow_missing_layers  run tasks even where sandbox layers are missing (default false)\n"
    "  platform              \"auto\" (the default): the best that the machine has; or \"snp\", \"tdx\", \"sgx\",\n"
    "                        \"nitro\", \"tpm\", \"soft\": this one, or no start\n"
    "  store_max_bytes       ciphertext stored at most (default 1099511627776)\n"
    "  ledger_max_bytes      size of the ledger at most (default 1099511627776)\n"
    "  ledger_program        keeps the ledger (default: cella-ledger beside cella-host)\n"
    "  drain_s               longest wait for running tasks after SIGTERM (default 3600)\n"
    "  collateral_program    fetches what vendors say about the platform (default: cella-collateral beside\n"
    "                        cella-host; \"none\": nothing is fetched)\n"
    "  collateral_intel      URL of Intel's service, of a PCCS, or file:///DIR (default: Intel's)\n"
    "  collateral_intel_root_crl  URL of the root's revocation list (default: of that service)\n"
    "  collateral_amd        URL of AMD's service, of a mirror, or file:///DIR (default: AMD's)\n"
    "  collateral_proxy      URL of an HTTP proxy (default: https_proxy of the environment)\n"
    "  fetch_from            places that inputs may be fetched from: URLs with spaces between (default: none)\n"
    "  fetch_private         also from addresses that are not public (default false)\n"
    "  fetch_max_bytes       of one object (default 1099511627776)\n"
    "  fetch_seconds         to wait for a place, for one object (default 600)\n"
    "  fetch_program         what fetches (default: cella-fetch beside cella-host; \"none\": nothing does)\n"
    "  log                   \"text\" or \"json\" (default \"text\")\n"
    "\n"
    "SIGTERM or SIGINT: take no new tasks or connections, wait for running tasks, exit. A second one ends at "
    "once.\n"
    "Exit status: 0 ended as asked, 1 failed, 2 wrong use or configuration. doctor: 0 an executor can serve here, with the\n"
    "platform asked for; 1 it can not, and the report says why.\n";

static const char *const platforms[] = { "auto", "snp", "tdx", "sgx", "nitro", "tpm", "soft" };

const char *cella_host_help(void)
{
    return help_text;
}

cella_status cella_host_address_split(const char *text, char host[64], uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return CELLA_BAD_ARGUMENT;
    }
    size_t size = (size_t) (colon - text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= 64 || colon[1] < '0' || colon[1] > '9') {
        return CELLA_BAD_ARGUMENT;
    }
    char *end;
    unsigned long value = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || value > UINT16_MAX) {
        return CELLA_BAD_ARGUMENT;
    }
    memcpy(host, text, size);
    host[size] = '\0';
    *port = (uint16_t) value;
    return CELLA_OK;
}

static cella_status set_text(char *out, size_t size, const char *value)
{
    return (size_t) snprintf(out, size, "%s", value) < size ? CELLA_OK : CELLA_BAD_ARGUMENT;
}

static cella_status set_platform(struct cella_host_config *config, const char *value)
{
    for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
        if (strcmp(value, platforms[i]) == 0) {
            return set_text(config->platform, sizeof(config->platform), value);
        }
    }
    return CELLA_BAD_ARGUMENT;
}

static cella_status check_url(const char *name, const char *url, bool may_be_folder,
                              char blame[CELLA_HOST_BLAME_MAX])
{
    bool folder = may_be_folder && strncmp(url, "file:///", 8) == 0;
    if (url[0] == '\0' || folder || strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0) {
        return CELLA_OK;
    }
    snprintf(blame, CELLA_HOST_BLAME_MAX, "%s: \"%.100s\" does not begin with https:// or http://%s", name, url,
             may_be_folder ? " or file:///" : "");
    return CELLA_BAD_FIELD;
}

static cella_status check_collateral(const struct cella_host_config *config, char blame[CELLA_HOST_BLAME_MAX])
{
    const char *program = config->collateral_program;
    if (program[0] != '\0' && program[0] != '/' && strcmp(program, "none") != 0) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "collateral_program: must be an absolute path, or \"none\"");
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(check_url("collateral_intel", config->collateral_intel, true, blame));
    CELLA_TRY(check_url("collateral_intel_root_crl", config->collateral_intel_root_crl, false, blame));
    CELLA_TRY(check_url("collateral_amd", config->collateral_amd, true, blame));
    return check_url("collateral_proxy", config->collateral_proxy, false, blame);
}

/* Each place is a URL of its own kind; cella-fetch takes it apart, and allows nothing below one that it can not read. */
static cella_status check_fetch(const struct cella_host_config *config, char blame[CELLA_HOST_BLAME_MAX])
{
    char places[sizeof(config->fetch_from)];
    char *rest = places;
    const char *program = config->fetch_program;
    if (program[0] != '\0' && program[0] != '/' && strcmp(program, "none") != 0) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "fetch_program: must be an absolute path, or \"none\"");
        return CELLA_BAD_FIELD;
    }
    snprintf(places, sizeof(places), "%s", config->fetch_from);
    for (char *place = strtok_r(places, " ", &rest); place != NULL; place = strtok_r(NULL, " ", &rest)) {
        const char *host = strstr(place, "://");
        CELLA_TRY(check_url("fetch_from", place, false, blame));
        if (host == NULL || host[3] == '\0' || host[3] == '/' || strpbrk(place, "?#@") != NULL) {
            snprintf(blame, CELLA_HOST_BLAME_MAX, "fetch_from: \"%.100s\" is not a place: SCHEME://HOST[:PORT]/PATH", place);
            return CELLA_BAD_FIELD;
        }
    }
    return CELLA_OK;
}

static cella_status check(const struct cella_host_config *config, char blame[CELLA_HOST_BLAME_MAX])
{
    char host[64];
    uint16_t port;
    if (cella_host_address_split(config->listen, host, &port) != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "listen: \"%.100s\" is not ADDR:PORT", config->listen);
        return CELLA_BAD_FIELD;
    }
    for (size_t i = 0; i < config->profiles.count; i++) {
        const char *name = config->profiles.items[i];
        if (name[0] == '\0' || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0') {
            snprintf(blame, CELLA_HOST_BLAME_MAX, "profiles: \"%.64s\" is not a profile's name", name);
            return CELLA_BAD_FIELD;
        }
    }
    if (config->ledger_program[0] != '\0' && config->ledger_program[0] != '/') {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "ledger_program: must be an absolute path");
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(check_collateral(config, blame));
    return check_fetch(config, blame);
}

/* What has a few values only, and what the whole has to fit together with. */
static cella_status take_words(const char *log, const char *platform, struct cella_host_config *config,
                               char blame[CELLA_HOST_BLAME_MAX])
{
    if (strcmp(log, "text") != 0 && strcmp(log, "json") != 0) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "log: must be \"text\" or \"json\"");
        return CELLA_BAD_FIELD;
    }
    config->log_json = strcmp(log, "json") == 0;
    if (set_platform(config, platform) != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "platform: \"%s\" is not one of auto, snp, tdx, sgx, nitro, tpm, soft",
                 platform);
        return CELLA_BAD_FIELD;
    }
    if (config->state[0] != '/') {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "state: must be an absolute path");
        return CELLA_BAD_FIELD;
    }
    return check(config, blame);
}

cella_status cella_host_config_parse(struct cella_view json, struct cella_host_config *config,
                                     char blame[CELLA_HOST_BLAME_MAX])
{
    char log[8] = "text";
    char platform[16] = "auto";
    char member[CELLA_FLAT_JSON_ITEM_MAX];
    struct cella_flat_json_member members[] = {
        { "state", CELLA_FLAT_JSON_TEXT, config->state, sizeof(config->state), 0, 0, true, false },
        { "listen", CELLA_FLAT_JSON_TEXT, config->listen, sizeof(config->listen), 0, 0, false, false },
        { "programs", CELLA_FLAT_JSON_TEXT, config->programs, sizeof(config->programs), 0, 0, false, false },
        { "profiles", CELLA_FLAT_JSON_LIST, &config->profiles, 0, 0, 0, false, false },
        { "pool", CELLA_FLAT_JSON_INTEGER, &config->pool, 0, 1, 64, false, false },
        { "pool_memory_bytes", CELLA_FLAT_JSON_INTEGER, &config->pool_memory_bytes, 0, 1, INT64_MAX, false, false },
        { "recycle", CELLA_FLAT_JSON_INTEGER, &config->recycle, 0, 1, INT64_MAX, false, false },
        { "concurrency", CELLA_FLAT_JSON_INTEGER, &config->concurrency, 0, 1, 64, false, false },
        { "allow_missing_layers", CELLA_FLAT_JSON_BOOLEAN, &config->allow_missing_layers, 0, 0, 0, false, false },
        { "platform", CELLA_FLAT_JSON_TEXT, platform, sizeof(platform), 0, 0, false, false },
        { "store_max_bytes", CELLA_FLAT_JSON_INTEGER, &config->store_max_bytes, 0, 0, INT64_MAX, false, false },
        { "ledger_max_bytes", CELLA_FLAT_JSON_INTEGER, &config->ledger_max_bytes, 0, 65536, INT64_MAX, false, false },
        { "ledger_program", CELLA_FLAT_JSON_TEXT, config->ledger_program, sizeof(config->ledger_program), 0, 0, false,
          false },
        { "drain_s", CELLA_FLAT_JSON_INTEGER, &config->drain_s, 0, 0, 86400, false, false },
        { "collateral_program", CELLA_FLAT_JSON_TEXT, config->collateral_program, sizeof(config->collateral_program), 0,
          0, false, false },
        { "collateral_intel", CELLA_FLAT_JSON_TEXT, config->collateral_intel, CELLA_HOST_URL_MAX, 0, 0, false, false },
        { "collateral_intel_root_crl", CELLA_FLAT_JSON_TEXT, config->collateral_intel_root_crl, CELLA_HOST_URL_MAX, 0, 0,
          false, false },
        { "collateral_amd", CELLA_FLAT_JSON_TEXT, config->collateral_amd, CELLA_HOST_URL_MAX, 0, 0, false, false },
        { "collateral_proxy", CELLA_FLAT_JSON_TEXT, config->collateral_proxy, CELLA_HOST_URL_MAX, 0, 0, false, false },
        { "fetch_program", CELLA_FLAT_JSON_TEXT, config->fetch_program, sizeof(config->fetch_program), 0, 0, false, false },
        { "fetch_from", CELLA_FLAT_JSON_TEXT, config->fetch_from, sizeof(config->fetch_from), 0, 0, false, false },
        { "fetch_private", CELLA_FLAT_JSON_BOOLEAN, &config->fetch_private, 0, 0, 0, false, false },
        { "fetch_max_bytes", CELLA_FLAT_JSON_INTEGER, &config->fetch_max_bytes, 0, 1, INT64_MAX, false, false },
        { "fetch_seconds", CELLA_FLAT_JSON_INTEGER, &config->fetch_seconds, 0, 1, 86400, false, false },
        { "log", CELLA_FLAT_JSON_TEXT, log, sizeof(log), 0, 0, false, false },
    };
    cella_status status = cella_flat_json_read(json, members, sizeof(members) / sizeof(members[0]), member);
    if (status != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%s%s%s", member, member[0] == '\0' ? "" : ": ",
                 cella_status_text(status));
        return status;
    }
    return take_words(log, platform, config, blame);
}

static void close_descriptor(const int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
}

static cella_status read_file(const char *path, struct cella_host_config *config, char blame[CELLA_HOST_BLAME_MAX])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(close_descriptor) int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%.180s: %s", path, strerror(errno));
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_bytes_resize(&text, CELLA_HOST_CONFIG_FILE_MAX));
    ssize_t size = read(file, text.data, text.size);
    if (size < 0 || (size_t) size == text.size) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%.180s: can not be read, or is larger than 64 KiB", path);
        return CELLA_SYSTEM_FAILED;
    }
    text.size = (size_t) size;
    char detail[CELLA_HOST_BLAME_MAX];
    cella_status status = cella_host_config_parse(cella_bytes_view(&text), config, detail);
    if (status != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%.100s: %.140s", path, detail);
    }
    return status;
}

/* The folder that this program was started from: the others are built beside it. */
static cella_status own_folder(char out[CELLA_HOST_PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", out, CELLA_HOST_PATH_MAX - 1);
    if (size <= 0) {
        return CELLA_SYSTEM_FAILED;
    }
    out[size] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL || slash == out) {
        return CELLA_SYSTEM_FAILED;
    }
    *slash = '\0';
    return CELLA_OK;
}

/* The program of that name beside this one, unless the operator names another. */
static void set_program(char out[CELLA_HOST_PATH_MAX], const char *folder, const char *name)
{
    if (out[0] == '\0') {
        int size = snprintf(out, CELLA_HOST_PATH_MAX, "%s/%s", folder, name);
        if (folder[0] == '\0' || size < 0 || (size_t) size >= CELLA_HOST_PATH_MAX) {
            (void) set_text(out, CELLA_HOST_PATH_MAX, "none");
        }
    }
}

static cella_status set_defaults(struct cella_host_config *config, char blame[CELLA_HOST_BLAME_MAX])
{
    char folder[CELLA_HOST_PATH_MAX];
    bool found = own_folder(folder) == CELLA_OK;
    if (config->programs[0] == '\0') {
        snprintf(config->programs, sizeof(config->programs), "%s", found ? folder : "");
    }
    if (config->programs[0] == '\0') {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "--programs: give the folder of the executor's programs");
        return CELLA_BAD_ARGUMENT;
    }
    set_program(config->collateral_program, found ? folder : "", "cella-collateral");
    set_program(config->fetch_program, found ? folder : "", "cella-fetch");
    set_program(config->ledger_program, found ? folder : "", "cella-ledger");
    if (config->ledger_program[0] != '/') {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "ledger_program: give the path of cella-ledger");
        return CELLA_BAD_ARGUMENT;
    }
    if (config->platform[0] == '\0') {
        CELLA_TRY(set_platform(config, config->development ? "soft" : "auto")); /* for --dev a trust file is written */
    }
    return CELLA_OK;
}

/* Names between commas. */
static cella_status split_names(const char *text, struct cella_flat_json_list *out)
{
    out->count = 0;
    for (const char *start = text; start != NULL;) {
        size_t size = strcspn(start, ",");
        if (size == 0 || size >= CELLA_FLAT_JSON_ITEM_MAX || out->count == CELLA_FLAT_JSON_ITEMS_MAX) {
            return CELLA_BAD_ARGUMENT;
        }
        memcpy(out->items[out->count], start, size);
        out->items[out->count++][size] = '\0';
        start = start[size] == ',' ? start + size + 1 : NULL;
    }
    return CELLA_OK;
}

/* One option and its value. */
static cella_status set_option(const char *name, const char *value, struct cella_host_config *config,
                               const char **file)
{
    if (strcmp(name, "--dev") == 0) {
        config->development = true;
        return set_text(config->state, sizeof(config->state), value);
    }
    if (strcmp(name, "--config") == 0) {
        *file = value;
        return CELLA_OK;
    }
    if ((strcmp(name, "--to") == 0 && config->command == CELLA_HOST_BACKUP) ||
        (strcmp(name, "--from") == 0 && config->command == CELLA_HOST_RESTORE)) {
        return set_text(config->copy, sizeof(config->copy), value);
    }
    if (strcmp(name, "--listen") == 0) {
        return set_text(config->listen, sizeof(config->listen), value);
    }
    if (strcmp(name, "--programs") == 0) {
        return set_text(config->programs, sizeof(config->programs), value);
    }
    if (strcmp(name, "--profiles") == 0) {
        return split_names(value, &config->profiles);
    }
    if (strcmp(name, "--platform") == 0) {
        return set_platform(config, value);
    }
    if (strcmp(name, "--log") == 0) {
        config->log_json = strcmp(value, "json") == 0;
        return config->log_json || strcmp(value, "text") == 0 ? CELLA_OK : CELLA_BAD_ARGUMENT;
    }
    if (strcmp(name, "--ready-fd") == 0) {
        char *end;
        long number = strtol(value, &end, 10);
        config->ready_fd = (int) number;
        return *value != '\0' && *end == '\0' && number > 2 && number < 1024 ? CELLA_OK : CELLA_BAD_ARGUMENT;
    }
    return CELLA_BAD_ARGUMENT;
}

/* Options in order; called once before the file is read and once after, so that the command line wins. */
static cella_status read_options(int argc, char **argv, struct cella_host_config *config, const char **file,
                                 char blame[CELLA_HOST_BLAME_MAX])
{
    for (int i = 2; i < argc; i += 2) {
        if (config->command == CELLA_HOST_DOCTOR && strcmp(argv[i], "--json") == 0) {
            config->json = true;
            i--; /* it has no value */
            continue;
        }
        if (i + 1 == argc || set_option(argv[i], argv[i + 1], config, file) != CELLA_OK) {
            snprintf(blame, CELLA_HOST_BLAME_MAX, "%.100s: not an option, or its value is missing or wrong",
                     argv[i]);
            return CELLA_BAD_ARGUMENT;
        }
    }
    return CELLA_OK;
}

static cella_status read_command(int argc, char **argv, struct cella_host_config *out,
                                 char blame[CELLA_HOST_BLAME_MAX])
{
    static const struct {
        const char *name;
        enum cella_host_command command;
    } commands[] = {
        { "run", CELLA_HOST_RUN },     { "measure", CELLA_HOST_MEASURE }, { "doctor", CELLA_HOST_DOCTOR },
        { "--help", CELLA_HOST_HELP }, { "help", CELLA_HOST_HELP },       { "-h", CELLA_HOST_HELP },
        { "--version", CELLA_HOST_VERSION },
        { "backup", CELLA_HOST_BACKUP }, { "restore", CELLA_HOST_RESTORE },
    };
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            out->command = commands[i].command;
            return CELLA_OK;
        }
    }
    if (argc > 1) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%.100s: not a command; see cella-host --help", argv[1]);
    } else {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "a command is missing; see cella-host --help");
    }
    return CELLA_BAD_ARGUMENT;
}

cella_status cella_host_config_read(int argc, char **argv, struct cella_host_config *out,
                                    char blame[CELLA_HOST_BLAME_MAX])
{
    *out = (struct cella_host_config){
        .listen = "127.0.0.1:0",
        .profiles = { { "python", "numpy", "science" }, 3 },
        .pool = 4,
        .pool_memory_bytes = (int64_t) 1 << 30,
        .recycle = 10000,
        .store_max_bytes = (int64_t) 1 << 40,
        .ledger_max_bytes = (int64_t) 1 << 40,
        .drain_s = 3600,
        .fetch_max_bytes = (int64_t) 1 << 40,
        .fetch_seconds = 600,
        .ready_fd = -1,
    };
    const char *file = NULL;
    blame[0] = '\0';
    CELLA_TRY(read_command(argc, argv, out, blame));
    if (out->command == CELLA_HOST_HELP || out->command == CELLA_HOST_VERSION) {
        return CELLA_OK;
    }
    CELLA_TRY(read_options(argc, argv, out, &file, blame));
    if (out->development && file != NULL) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "--dev and --config exclude each other");
        return CELLA_BAD_ARGUMENT;
    }
    if (file != NULL) {
        CELLA_TRY(read_file(file, out, blame));
        CELLA_TRY(read_options(argc, argv, out, &file, blame));
    }
    bool copies = out->command == CELLA_HOST_BACKUP || out->command == CELLA_HOST_RESTORE;
    if ((out->command == CELLA_HOST_RUN || copies) && out->state[0] == '\0') {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%s: give --dev DIR or --config FILE", argv[1]);
        return CELLA_BAD_ARGUMENT;
    }
    if (copies && out->copy[0] == '\0') {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%s: give %s DIR", argv[1],
                 out->command == CELLA_HOST_BACKUP ? "--to" : "--from");
        return CELLA_BAD_ARGUMENT;
    }
    CELLA_TRY(set_defaults(out, blame));
    return check(out, blame);
}
