/* SPDX-License-Identifier: MIT */
/* Events in words. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/why.h"
#include "wire/term.h"

size_t es_tell_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
        return size.ws_col;
    long n = columns ? strtol(columns, NULL, 10) : 0;
    return n >= 40 && n <= 1000 ? (size_t)n : 120;
}

void es_tell_who(struct es_teller *teller, es_ref pid, int64_t time, struct es_text *out)
{
    es_query_print_ref(teller->query, pid, true, out);
    es_ref name = es_query_name(teller->query, pid, time);
    if (name == ES_REF_NONE)
        return;
    es_text_puts(out, " ");
    es_query_print_ref(teller->query, name, teller->erlang, out);
}

size_t es_tell_cut(struct es_text *out, const struct es_text *text, size_t columns)
{
    size_t used = 0, at = 0;
    for (; at < text->len && text->bytes[at] != '\n'; at++) {
        bool starts = ((unsigned char)text->bytes[at] & 0xc0) != 0x80;
        if (starts && used + 1 >= columns && at + 1 < text->len)
            break;
        used += starts;
    }
    es_text_add(out, text->bytes ? text->bytes : "", at);
    if (at < text->len)
        es_text_puts(out, "…");
    return used + (at < text->len);
}

/* ---- terms --------------------------------------------------------------------------------------------------------- */

static bool is_atom(struct es_teller *teller, const struct es_token *token, const char *text)
{
    size_t len = token->len;
    const uint8_t *utf8 = token->type == ES_TOK_ATOM ? token->bytes : NULL;
    if (token->type == ES_TOK_ATOM_REF)
        utf8 = es_recording_define(es_query_recording(teller->query), es_ref_make(ES_REF_ATOM, token->word), &len);
    return utf8 && len == strlen(text) && memcmp(utf8, text, len) == 0;
}

static void print(struct es_teller *teller, const uint8_t *from, const uint8_t *to, struct es_text *out)
{
    struct es_print bounded = *es_query_print(teller->query, teller->erlang);
    bounded.max_bytes = teller->max_bytes;
    es_term_print(from, (size_t)(to - from), &bounded, out);
}

static void print_payload(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    if (teller->max_bytes && event->payload_len > 0 && event->kind != ES_K_CALL && event->kind != ES_K_SPAWN)
        print(teller, event->payload, event->payload + event->payload_len, out);
    else
        es_query_print_payload(teller->query, event, teller->erlang, out);
}

/* {'$gen_call', From, Request}: "call Request"; {'$gen_cast', Request}: "cast Request"; {[alias | Ref], Reply} and
 * {Ref, Reply}: "reply Reply". False: it is none of these. */
bool es_tell_wrapped(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    struct es_reader r;
    struct es_token tuple, tag;
    es_reader_init(&r, event->payload, event->payload_len);
    if (event->payload_len == 0 || es_token_next(&r, &tuple) < 0 || tuple.type != ES_TOK_TUPLE)
        return false;
    struct es_reader at_tag = r;
    if (es_term_skip(&r) < 0 || es_token_next(&at_tag, &tag) < 0)
        return false;
    bool call = tuple.count == 3 && is_atom(teller, &tag, "$gen_call");
    bool cast = tuple.count == 2 && is_atom(teller, &tag, "$gen_cast");
    bool reply = tuple.count == 2 && event->corr && (tag.type == ES_TOK_REF || tag.type == ES_TOK_LIST);
    if (!(call || cast || reply) || (call && es_term_skip(&r) < 0))
        return false;
    const uint8_t *from = r.at;
    if (es_term_skip(&r) < 0)
        return false;
    es_text_puts(out, call ? "call " : cast ? "cast " : "reply ");
    print(teller, from, r.at, out);
    return true;
}

void es_tell_message(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    if (event->payload_len == 0)
        es_text_puts(out, "(content not recorded)");
    else if (!es_tell_wrapped(teller, event, out))
        print_payload(teller, event, out);
}

/* Of {Reason, Stack} the reason, where the second is a list. */
static void add_reason(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    struct es_reader r;
    struct es_token tuple, list;
    es_reader_init(&r, event->payload, event->payload_len);
    if (event->payload_len > 0 && es_token_next(&r, &tuple) == 0 && tuple.type == ES_TOK_TUPLE && tuple.count == 2) {
        const uint8_t *from = r.at;
        if (es_term_skip(&r) == 0) {
            const uint8_t *to = r.at;
            if (es_token_next(&r, &list) == 0 && (list.type == ES_TOK_LIST || list.type == ES_TOK_NIL)) {
                print(teller, from, to, out);
                return;
            }
        }
    }
    es_query_print_payload(teller->query, event, teller->erlang, out);
}

/* ---- stack traces -------------------------------------------------------------------------------------------------- */

/* The list under `key` in a map or a keyword list; `r` then stands before it. */
static bool find_key(struct es_teller *teller, struct es_reader *r, const char *key)
{
    struct es_token token;
    if (es_token_next(r, &token) < 0 || (token.type != ES_TOK_MAP && token.type != ES_TOK_LIST))
        return false;
    bool map = token.type == ES_TOK_MAP;
    for (uint32_t n = token.count; n > 0; n--) {
        struct es_reader entry = *r;
        struct es_token name;
        if (!map && (es_token_next(&entry, &name) < 0 || name.type != ES_TOK_TUPLE || name.count != 2))
            return false;
        if (es_token_next(&entry, &name) < 0)
            return false;
        if (is_atom(teller, &name, key)) {
            *r = entry;
            return true;
        }
        if (es_term_skip(r) < 0 || (map && es_term_skip(r) < 0))
            return false;
    }
    return false;
}

/* The list of {M, F, Arity, Location}: second of an exit's reason, `stacktrace` of a crash report. */
static bool find_stack(struct es_teller *teller, const struct es_event *event, struct es_reader *r)
{
    struct es_token token;
    es_reader_init(r, event->payload, event->payload_len);
    if (event->payload_len == 0)
        return false;
    if (event->kind == ES_K_CRASH)
        return find_key(teller, r, "stacktrace");
    return es_token_next(r, &token) == 0 && token.type == ES_TOK_TUPLE && token.count == 2 && es_term_skip(r) == 0;
}

static void add_location(struct es_teller *teller, struct es_reader r, struct es_text *out)
{
    struct es_reader file = r, line = r;
    struct es_token token;
    if (!find_key(teller, &file, "file") || es_token_next(&file, &token) < 0 || token.type != ES_TOK_STRING)
        return;
    es_text_puts(out, " (");
    es_text_add(out, (const char *)token.bytes, token.len);
    if (find_key(teller, &line, "line") && es_token_next(&line, &token) == 0 && token.type == ES_TOK_INT)
        es_text_printf(out, ":%" PRId64, token.integer);
    es_text_puts(out, ")");
}

static es_ref atom_of(const struct es_token *token)
{
    return token->type == ES_TOK_ATOM_REF ? es_ref_make(ES_REF_ATOM, token->word) : ES_REF_NONE;
}

/* {Module, Function, Arity or arguments, Location}. */
static bool add_frame(struct es_teller *teller, struct es_reader r, struct es_text *out)
{
    struct es_token tuple, module, function, arity;
    if (es_token_next(&r, &tuple) < 0 || tuple.type != ES_TOK_TUPLE || tuple.count != 4 ||
        es_token_next(&r, &module) < 0 || es_token_next(&r, &function) < 0)
        return false;
    struct es_reader third = r;
    if (es_token_next(&third, &arity) < 0 || es_term_skip(&r) < 0 || !atom_of(&module) || !atom_of(&function))
        return false;
    uint32_t n = arity.type == ES_TOK_INT      ? (uint32_t)arity.integer
                 : arity.type == ES_TOK_LIST   ? arity.count
                 : arity.type == ES_TOK_STRING ? arity.count
                                               : 0;
    struct es_event call = {
        .kind = ES_K_CALL, .module = atom_of(&module), .function = atom_of(&function), .arity = (uint16_t)n};
    es_text_puts(out, "at ");
    es_query_print_fun(teller->query, &call, teller->erlang, out);
    add_location(teller, r, out);
    es_text_puts(out, "\n");
    return true;
}

void es_tell_stack(struct es_teller *teller, const struct es_event *event, unsigned max, struct es_text *out)
{
    struct es_reader r;
    struct es_token list;
    if (!find_stack(teller, event, &r) || es_token_next(&r, &list) < 0 || list.type != ES_TOK_LIST)
        return;
    for (uint32_t i = 0; i < list.count && i < max; i++)
        if (!add_frame(teller, r, out) || es_term_skip(&r) < 0)
            return;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static void add_fun(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    es_query_print_fun(teller->query, event, teller->erlang, out);
}

static void add_call(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    es_text_puts(out, event->flags & ES_E_CALLBACK ? "runs " : "calls ");
    add_fun(teller, event, out);
    if (event->payload_len == 0)
        return;
    es_text_puts(out, " with ");
    es_query_print_payload(teller->query, event, teller->erlang, out);
}

static void add_with_peer(struct es_teller *teller, const struct es_event *event, const char *verb, struct es_text *out)
{
    es_text_puts(out, verb);
    es_tell_who(teller, event->peer, event->time, out);
}

void es_tell_event(struct es_teller *teller, const struct es_event *event, struct es_text *out)
{
    switch (event->kind) {
    case ES_K_SEND:
    case ES_K_SEND_DEAD:
        add_with_peer(teller, event, event->kind == ES_K_SEND ? "sends to " : "sends to the dead ", out);
        es_text_puts(out, ": ");
        es_tell_message(teller, event, out);
        return;
    case ES_K_DELIVER:
        add_with_peer(teller, event, "gets from ", out);
        es_text_puts(out, ": ");
        if (event->payload_len == 0 && event->cause)
            es_text_puts(out, "the signal of its exit");
        else
            es_tell_message(teller, event, out);
        return;
    case ES_K_CALL: add_call(teller, event, out); return;
    case ES_K_RETURN:
        add_fun(teller, event, out);
        es_text_puts(out, " returns ");
        break;
    case ES_K_EXCEPTION:
        add_fun(teller, event, out);
        es_text_puts(out, " fails: ");
        break;
    case ES_K_EXIT:
        es_text_puts(out, "exits: ");
        add_reason(teller, event, out);
        return;
    case ES_K_SPAWN:
        add_with_peer(teller, event, "starts ", out);
        es_text_puts(out, ", ");
        add_fun(teller, event, out);
        es_text_puts(out, " ");
        break;
    case ES_K_SPAWNED: add_with_peer(teller, event, "began, started by ", out); return;
    case ES_K_STATE:
        es_text_puts(out, event->flags & ES_E_STATE_SAME     ? "keeps its state"
                          : event->flags & ES_E_STATE_MISSED ? "has a new state (not captured)"
                                                             : "has a new state: ");
        break;
    case ES_K_TIMEOUT: es_text_puts(out, "waited long enough: its receive timed out"); return;
    default:
        es_text_puts(out, es_kind_table[event->kind].name);
        es_text_puts(out, " ");
        if (event->peer != ES_REF_NONE)
            add_with_peer(teller, event, "", out);
    }
    es_query_print_payload(teller->query, event, teller->erlang, out);
}

/* ---- from words to events ------------------------------------------------------------------------------------------ */

/* Its exit, else its last event (or its first); of several processes that had a name, the last (first) of these. */
static int find_of(struct es_query *query, const es_ref *pids, size_t n, bool first, uint64_t *ret_seq)
{
    struct es_filter filter = {.pids = pids,
                               .n_pids = n,
                               .since = INT64_MIN,
                               .until = INT64_MAX,
                               .kinds = first ? 0 : UINT64_C(1) << ES_K_EXIT,
                               .reverse = !first,
                               .no_payload = true};
    struct es_cursor *cursor;
    const struct es_event *event;
    int rc = 0;
    for (int round = 0; rc == 0 && round < 2; round++) {
        rc = es_cursor_open(query, &filter, &cursor);
        if (rc < 0)
            return rc;
        rc = es_cursor_next(cursor, &event);
        if (rc > 0)
            *ret_seq = event->seq;
        es_cursor_close(cursor);
        filter.kinds = 0;
    }
    return rc > 0 ? 0 : rc < 0 ? rc : es_fail(-ENOENT, "the process has no events");
}

int es_tell_find(struct es_query *query, const char *what, bool first, uint64_t *ret_seq)
{
    char *end;
    errno = 0;
    unsigned long long seq = strtoull(what, &end, 10);
    if (*what >= '0' && *what <= '9' && *end == '\0' && errno == 0) {
        const struct es_event *event;
        *ret_seq = seq;
        return es_query_event(query, seq, &event);
    }
    es_ref *pids = NULL;
    size_t n = 0;
    int rc = es_query_pids(query, what, &pids, &n);
    if (rc < 0)
        return rc;
    rc = find_of(query, pids, n, first, ret_seq);
    free(pids);
    return rc;
}
