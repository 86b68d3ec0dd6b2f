/* SPDX-License-Identifier: MIT */
/* Which message a callback handles. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/index.h"
#include "query/nodes.h"
#include "wire/term.h"

#define LOOKED_AT 256u /* deliveries */

struct bytes {
    const uint8_t *at;
    size_t len;
};

/* The next whole term. */
static bool take_term(struct es_reader *r, struct bytes *ret)
{
    ret->at = r->at;
    if (es_term_skip(r) < 0)
        return false;
    ret->len = (size_t)(r->at - ret->at);
    return true;
}

static bool is_atom(struct es_query *query, struct bytes term, const char *text)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, term.at, term.len);
    return es_token_next(&r, &token) == 0 && es_query_is_atom(query, &token, text);
}

/* What the callback gets of a message: of {'$gen_call', From, Request} and {'$gen_cast', Request} the request. */
static struct bytes request_in(struct es_query *query, struct bytes message)
{
    struct es_reader r;
    struct es_token token;
    struct bytes part, request = message;
    es_reader_init(&r, message.at, message.len);
    if (message.len == 0 || es_token_next(&r, &token) < 0 || token.type != ES_TOK_TUPLE || !take_term(&r, &part))
        return message;
    bool call = token.count == 3 && is_atom(query, part, "$gen_call");
    if (!call && !(token.count == 2 && is_atom(query, part, "$gen_cast")))
        return message;
    if (call && !take_term(&r, &part))
        return message;
    return take_term(&r, &request) ? request : message;
}

static struct bytes first_argument(const struct es_event *call, size_t skip)
{
    struct es_reader r;
    struct es_token token;
    struct bytes argument = {0};
    es_reader_init(&r, call->payload, call->payload_len);
    if (call->payload_len == 0 || es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST || token.count <= skip)
        return argument;
    for (size_t i = 0; i <= skip; i++)
        if (!take_term(&r, &argument))
            return (struct bytes){0};
    return argument;
}

/* {'EXIT', Pid, _} or {'DOWN', _, process, Pid, _} of the process whose exit was delivered. */
static bool is_signal_of(struct es_query *query, struct bytes argument, es_ref pid)
{
    struct es_reader r;
    struct es_token token;
    struct bytes word, skipped;
    es_reader_init(&r, argument.at, argument.len);
    if (argument.len == 0 || es_token_next(&r, &token) < 0 || token.type != ES_TOK_TUPLE || !take_term(&r, &word))
        return false;
    bool exit = token.count == 3 && is_atom(query, word, "EXIT");
    if (!exit &&
        !(token.count == 5 && is_atom(query, word, "DOWN") && take_term(&r, &skipped) && take_term(&r, &skipped)))
        return false;
    return es_token_next(&r, &token) == 0 && token.type == ES_TOK_PID && es_nodes_pid(query, &token) == pid;
}

/* gen_server gets the message as its first argument, gen_statem behind the kind of event. */
static bool fits(struct es_query *query, const struct es_event *call, const struct es_event *delivery)
{
    struct bytes message = request_in(query, (struct bytes){delivery->payload, delivery->payload_len});
    for (size_t skip = 0; skip < 2; skip++) {
        struct bytes argument = first_argument(call, skip);
        if (message.len == 0 && is_signal_of(query, argument, delivery->peer))
            return true;
        if (message.len > 0 && argument.len == message.len && memcmp(argument.at, message.at, message.len) == 0)
            return true;
    }
    return false;
}

static int guess(struct es_query *query, const struct es_event *call, uint64_t *ret_seq)
{
    uint64_t at = call->seq - 1, found;
    *ret_seq = 0;
    for (unsigned i = 0; i < LOOKED_AT && at > 0; i++) {
        const struct es_event *delivery;
        int rc = es_index_last(query, call->pid, ES_ROW_DELIVERIES, at, &found);
        if (rc < 0 || found == 0)
            return rc;
        if (es_query_event(query, found, &delivery) == 0 && fits(query, call, delivery)) {
            *ret_seq = found;
            return 0;
        }
        at = found - 1;
    }
    es_error_clear();
    return 0;
}

int es_query_handled(struct es_query *query, uint64_t call, uint64_t *ret_seq, bool *ret_maybe)
{
    const struct es_event *stored;
    struct es_indexed event;
    bool recorded = es_kind_table[ES_K_CALL].fields & ES_F_CAUSE; /* then nothing is to be guessed */
    int rc = recorded ? es_index_event(query, call, &event) : es_query_stored(query, call, &stored);
    if (rc < 0)
        return es_fail(rc, "event %llu cannot be read", (unsigned long long)call);
    if (recorded) {
        *ret_seq = event.kind == ES_K_CALL || event.kind == ES_K_TAKEN ? event.cause : 0;
        *ret_maybe = false;
        return 0;
    }
    *ret_seq = stored->kind == ES_K_CALL ? stored->cause : 0;
    *ret_maybe = false;
    if (stored->kind != ES_K_CALL || !(stored->flags & ES_E_CALLBACK) || stored->payload_len == 0)
        return 0;
    struct es_event copy = *stored; /* looking for deliveries takes its block away */
    uint8_t *bytes = malloc(stored->payload_len);
    if (!bytes)
        return es_fail(-ENOMEM, "no memory for a call's arguments");
    memcpy(bytes, stored->payload, stored->payload_len);
    copy.payload = bytes;
    *ret_maybe = true;
    rc = guess(query, &copy, ret_seq);
    free(bytes);
    return rc;
}
