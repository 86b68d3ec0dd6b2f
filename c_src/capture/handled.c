/* SPDX-License-Identifier: MIT */
/* Behaviours take their messages out of what they came in; here they are put back into it, for the hash alone. */
#include "capture/handled.h"

#include "capture/atoms.h"
#include "capture/hash.h"
#include "capture/heap.h"
#include "capture/walk.h"

#define ARGUMENTS 4

struct arguments {
    ERL_NIF_TERM at[ARGUMENTS];
    uint32_t n;
};

static struct arguments take(ErlNifEnv *env, ERL_NIF_TERM list)
{
    struct arguments a = {.n = 0};
    while (a.n < ARGUMENTS && es_get_cell(env, list, &a.at[a.n], &list))
        a.n++;
    return a;
}

static uint64_t called(struct es_draft *d, ERL_NIF_TERM request, ERL_NIF_TERM from)
{
    return es_hash_tuple(d, (ERL_NIF_TERM[]){es_am.gen_call, from, request}, 3);
}

static uint64_t cast(struct es_draft *d, ERL_NIF_TERM request)
{
    return es_hash_tuple(d, (ERL_NIF_TERM[]){es_am.gen_cast, request}, 2);
}

/* gen_server's: handle_call(Request, From, _), handle_cast(Request, _), handle_info(Message, _). */
static uint64_t by_server(struct es_draft *d, ERL_NIF_TERM callback, const ERL_NIF_TERM *arguments, uint32_t n)
{
    if (callback == es_am.handle_call && n >= 2)
        return called(d, arguments[0], arguments[1]);
    if (callback == es_am.handle_cast && n >= 1)
        return cast(d, arguments[0]);
    return callback == es_am.handle_info && n >= 1 ? es_hash_term(d, arguments[0]) : 0;
}

/* gen_statem's: its events are {call, From}, cast, info; all others it makes itself. */
static uint64_t by_statem(struct es_draft *d, ERL_NIF_TERM type, ERL_NIF_TERM content)
{
    int arity;
    const ERL_NIF_TERM *tagged;
    if (type == es_am.info)
        return es_hash_term(d, content);
    if (type == es_am.cast)
        return cast(d, content);
    bool call = es_get_tuple(d->env, type, &arity, &tagged) && arity == 2 && tagged[0] == es_am.call;
    return call ? called(d, content, tagged[1]) : 0;
}

/* gen_event's handle_event(Event, _), of what was sent by notify: that is {notify, Event}. What sync_notify sends has the same hash. */
static uint64_t by_handler(struct es_draft *d, ERL_NIF_TERM event)
{
    return es_hash_tuple(d, (ERL_NIF_TERM[]){es_am.notify, event}, 2);
}

/* gen_event's handle_call(Request, _) is not told who calls, nor which handler it is. */
static uint64_t by_called_handler(struct es_draft *d, ERL_NIF_TERM request)
{
    return es_hash_tuple(d, (ERL_NIF_TERM[]){es_am.call, request}, 2);
}

uint64_t es_asked_hash(struct es_draft *d, ERL_NIF_TERM message)
{
    int arity;
    const ERL_NIF_TERM *e;
    if (!es_get_tuple(d->env, message, &arity, &e) || arity != 3 || !enif_is_pid(d->env, e[0]) ||
        !es_get_tuple(d->env, e[2], &arity, &e))
        return 0;
    if (arity == 2 && e[0] == es_am.sync_notify)
        return by_handler(d, e[1]);
    return arity == 3 && e[0] == es_am.call ? by_called_handler(d, e[2]) : 0;
}

uint64_t es_delivered_hash(struct es_draft *d, ERL_NIF_TERM message)
{
    uint64_t asked = es_correlate(d->env, message) ? es_asked_hash(d, message) : 0;
    return asked ? asked : es_hash_term(d, message);
}

uint64_t es_handled_hash(struct es_draft *d, ERL_NIF_TERM module, ERL_NIF_TERM function, ERL_NIF_TERM arguments)
{
    struct arguments a = take(d->env, arguments);
    if (module == es_am.gen_server)
        return a.n >= 3 ? by_server(d, a.at[1], a.at + 2, a.n - 2) : 0;
    if (function == es_am.init || function == es_am.terminate || function == es_am.code_change || a.n < 2)
        return 0;
    if (function == es_am.handle_event && a.n == 2)
        return by_handler(d, a.at[0]);
    if (function == es_am.handle_call && a.n == 2)
        return by_called_handler(d, a.at[0]);
    uint64_t hash = by_server(d, function, a.at, a.n - 1);
    return hash || a.n < 3 ? hash : by_statem(d, a.at[0], a.at[1]);
}

uint64_t es_timer_hash(struct es_draft *d, ERL_NIF_TERM function, ERL_NIF_TERM arguments)
{
    if ((function != es_am.send_after && function != es_am.start_timer) || !arguments)
        return 0;
    struct arguments a = take(d->env, arguments);
    return a.n >= 3 ? es_hash_term(d, a.at[2]) : 0;
}
