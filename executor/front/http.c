/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http.h"

#include <llhttp.h>
#include <strings.h>

#define LENGTH_DIGITS_MAX 18 /* more is larger than anything anywhere */

/* ---- the gate ---- */

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* A byte that is neither CR nor LF; before is the one before it, 0 at the start. */
static bool passes(uint8_t byte, uint8_t before)
{
    if (before == 0) {
        return is_letter(byte);
    }
    if (before == '\n' && (byte == ' ' || byte == '\t' || byte == ':')) {
        return false; /* folded line, or a header without a name */
    }
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t';
}

cella_status cella_http_gate(struct cella_view text, size_t *scanned, size_t *size)
{
    *size = 0;
    for (size_t i = *scanned; i < text.size && i < CELLA_HTTP_HEAD_MAX; i++) {
        uint8_t byte = text.data[i];
        uint8_t before = i == 0 ? 0 : text.data[i - 1];
        *scanned = i;
        if (byte == '\r') {
            if (i + 1 == text.size) {
                return CELLA_OK; /* looked at again when the next byte is there */
            }
            if (i == 0 || text.data[i + 1] != '\n') {
                return CELLA_BAD_HTTP;
            }
        } else if (byte == '\n') {
            if (before != '\r') {
                return CELLA_BAD_HTTP;
            }
            if (i >= 3 && text.data[i - 2] == '\n') {
                *size = i + 1;
                return CELLA_OK;
            }
        } else if (!passes(byte, before)) {
            return CELLA_BAD_HTTP;
        }
        *scanned = i + 1;
    }
    return text.size >= CELLA_HTTP_HEAD_MAX ? CELLA_TOO_LARGE : CELLA_OK;
}

/* ---- what llhttp finds ---- */

struct parse {
    struct cella_http_head *out;
    struct cella_view name;
    struct cella_view value;
    unsigned int hosts;
    unsigned int requests;
    bool complete;
};

/* llhttp may report one item in several pieces; within one buffer they are adjacent. */
static void extend(struct cella_view *view, const char *at, size_t size)
{
    *view = view->size == 0 ? cella_view_of(at, size) : cella_view_of(view->data, view->size + size);
}

static bool name_is(struct cella_view name, const char *text)
{
    return name.size == strlen(text) && strncasecmp((const char *) name.data, text, name.size) == 0;
}

static int refuse(struct parse *parse, unsigned int refusal)
{
    parse->out->refusal = refusal;
    return -1;
}

/* Digits only, no leading zero, so that nobody can read another number. */
static int read_length(struct parse *parse)
{
    struct cella_view value = parse->value;
    if (parse->out->has_length || value.size == 0 || (value.data[0] == '0' && value.size > 1)) {
        return refuse(parse, 400);
    }
    uint64_t length = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return refuse(parse, 400);
        }
        length = i < LENGTH_DIGITS_MAX ? length * 10 + (uint64_t) (value.data[i] - '0') : UINT64_MAX;
    }
    parse->out->has_length = true;
    parse->out->length = length;
    return 0;
}

/* A list of tokens, of which only close is of interest and upgrade is refused. */
static int read_connection(struct parse *parse)
{
    struct cella_view rest = parse->value;
    while (rest.size > 0) {
        const uint8_t *comma = memchr(rest.data, ',', rest.size);
        size_t size = comma == NULL ? rest.size : (size_t) (comma - rest.data);
        struct cella_view token = cella_view_of(rest.data, size);
        size_t skip = comma == NULL ? size : size + 1;
        rest = cella_view_of(rest.data + skip, rest.size - skip);
        while (token.size > 0 && (token.data[0] == ' ' || token.data[0] == '\t')) {
            token = cella_view_of(token.data + 1, token.size - 1);
        }
        while (token.size > 0 && (token.data[token.size - 1] == ' ' || token.data[token.size - 1] == '\t')) {
            token.size--;
        }
        if (name_is(token, "upgrade")) {
            return refuse(parse, 400);
        }
        parse->out->closes = parse->out->closes || name_is(token, "close");
    }
    return 0;
}

static int read_header(struct parse *parse)
{
    struct cella_view name = parse->name;
    /* Other software maps X_Y to X-Y, so an underscore may hide a header. */
    if (name.size == 0 || memchr(name.data, '_', name.size) != NULL) {
        return refuse(parse, 400);
    }
    if (name_is(name, "Transfer-Encoding")) {
        return refuse(parse, 411);
    }
    if (name_is(name, "Upgrade")) {
        return refuse(parse, 400);
    }
    if (name_is(name, "Content-Length")) {
        return read_length(parse);
    }
    if (name_is(name, "Connection")) {
        return read_connection(parse);
    }
    if (name_is(name, "Host")) {
        parse->hosts++;
    } else if (name_is(name, "Cella-Request")) {
        parse->requests++;
        parse->out->request = parse->value;
    } else if (name_is(name, "Expect")) {
        parse->out->expects_continue = name_is(parse->value, "100-continue");
        return parse->out->expects_continue ? 0 : refuse(parse, 417);
    }
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    struct parse *parse = parser->data;
    extend(&parse->value, at, size);
    return 0;
}

static int on_url_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    struct cella_view url = parse->value;
    if (url.size == 0 || url.data[0] != '/') {
        return refuse(parse, 400);
    }
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] <= 0x20 || url.data[i] >= 0x7f || url.data[i] == '#') {
            return refuse(parse, 400);
        }
    }
    if (url.size < CELLA_HTTP_PATH_MAX) {
        memcpy(parse->out->path, url.data, url.size);
        parse->out->path[url.size] = '\0';
    }
    parse->value = (struct cella_view){ 0 };
    return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t size)
{
    struct parse *parse = parser->data;
    extend(&parse->name, at, size);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    struct parse *parse = parser->data;
    extend(&parse->value, at, size);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    int result = read_header(parse);
    parse->name = (struct cella_view){ 0 };
    parse->value = (struct cella_view){ 0 };
    return result;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    parse->complete = true;
    return 0;
}

static enum cella_http_method method_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return CELLA_HTTP_GET;
    case HTTP_PUT:
        return CELLA_HTTP_PUT;
    case HTTP_POST:
        return CELLA_HTTP_POST;
    default:
        return CELLA_HTTP_OTHER;
    }
}

/* METHOD, one blank, path, one blank, version: nothing else, or two programs may see two paths. */
static bool request_line_is_plain(struct cella_view head)
{
    size_t blanks = 0;
    for (size_t i = 0; i < head.size && head.data[i] != '\r'; i++) {
        blanks += head.data[i] == ' ' ? 1 : 0;
        if (head.data[i] == '\t') {
            return false;
        }
    }
    return blanks == 2;
}

static cella_status check(const llhttp_t *parser, const struct parse *parse)
{
    struct cella_http_head *out = parse->out;
    bool carries = out->method == CELLA_HTTP_PUT || out->method == CELLA_HTTP_POST;
    if (!parse->complete || parser->http_major != 1 || parser->http_minor != 1 || parse->hosts != 1 ||
        parse->requests > 1 || parser->upgrade != 0 || parser->method == HTTP_CONNECT ||
        (!carries && out->length > 0)) {
        out->refusal = 400;
        return CELLA_BAD_HTTP;
    }
    if (out->length > INT64_MAX) {
        out->refusal = 413;
        return CELLA_TOO_LARGE;
    }
    if (carries && !out->has_length) {
        out->refusal = 411;
        return CELLA_BAD_HTTP;
    }
    return CELLA_OK;
}

cella_status cella_http_parse(struct cella_view head, struct cella_http_head *out)
{
    llhttp_settings_t settings;
    llhttp_t parser;
    *out = (struct cella_http_head){ .refusal = 0 };
    struct parse parse = { .out = out };
    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_url_complete = on_url_complete;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_value_complete;
    settings.on_headers_complete = on_headers_complete;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &parse;
    if (!request_line_is_plain(head) || llhttp_execute(&parser, (const char *) head.data, head.size) != HPE_OK) {
        out->refusal = out->refusal == 0 ? 400 : out->refusal;
        return CELLA_BAD_HTTP;
    }
    out->method = method_of(parser.method);
    return check(&parser, &parse);
}
