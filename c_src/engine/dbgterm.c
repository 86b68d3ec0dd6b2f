/* SPDX-License-Identifier: MIT */
/* Trace messages; see dbgterm.h and erlang:trace/3. */
#include "engine/dbgterm.h"

#include <string.h>

#define ELEMENTS_MAX 8u
#define PAYLOAD_MAX (1u << 20)

struct message { /* what stands between the tag and the timestamp */
    struct es_dbg *dbg;
    struct es_dbg_event *event;
    struct es_slice arg[ELEMENTS_MAX];
    uint32_t n;
};

static void set_payload(struct message *m, struct es_slice term)
{
    struct es_record_view *view = &m->event->view;
    size_t len = (size_t)(term.end - term.at);
    view->payload = term.at;
    view->payload_len = (uint32_t)len;
    if (len <= PAYLOAD_MAX)
        return;
    struct es_writer w;
    es_writer_init(&w, m->dbg->cut, sizeof m->dbg->cut);
    es_write_cut(&w, &(struct es_cut){.type = ES_CUT_ANY});
    view->payload = m->dbg->cut;
    view->payload_len = (uint32_t)(w.at - m->dbg->cut);
    view->flags |= ES_R_CUT;
}

/* {M, F, Args} or {M, F, Arity} */
static bool set_function(struct message *m, struct es_slice term, bool arguments)
{
    struct es_slice part[3];
    struct es_token token;
    struct es_record_view *view = &m->event->view;
    if (es_dbg_tuple(term, part, 3) != 3 || !es_dbg_token(part[2], &token))
        return false;
    view->module = es_dbg_atom(m->dbg, part[0]);
    view->function = es_dbg_atom(m->dbg, part[1]);
    if (token.type == ES_TOK_INT) {
        view->arity = (uint16_t)(token.integer >= 0 && token.integer <= 255 ? token.integer : 0);
        view->flags |= arguments ? ES_R_NO_PAYLOAD : 0;
        return true;
    }
    if (token.type != ES_TOK_LIST && token.type != ES_TOK_STRING && token.type != ES_TOK_NIL)
        return false;
    view->arity = (uint16_t)(token.count <= 255 ? token.count : 255);
    if (arguments)
        set_payload(m, part[2]);
    return true;
}

static bool peer(struct message *m)
{
    if (m->n < 1)
        return false;
    m->event->view.peer = es_dbg_ref(m->dbg, m->arg[0]);
    return true;
}

static bool spawn(struct message *m) { return m->n >= 2 && peer(m) && set_function(m, m->arg[1], true); }
static bool spawned(struct message *m) { return m->n >= 2 && peer(m) && set_function(m, m->arg[1], false); }
static bool call(struct message *m) { return m->n >= 1 && set_function(m, m->arg[0], true); }

static bool payload(struct message *m)
{
    if (m->n < 1)
        return false;
    set_payload(m, m->arg[0]);
    return true;
}

static bool value(struct message *m)
{
    if (m->n < 2 || !set_function(m, m->arg[0], false))
        return false;
    set_payload(m, m->arg[1]);
    return true;
}

static void set_content(struct message *m, struct es_slice message)
{
    m->event->view.hash = es_hash_bytes(message.at, (size_t)(message.end - message.at), 1);
    m->event->view.corr = es_dbg_corr(message);
    set_payload(m, message);
}

static bool send(struct message *m)
{
    if (m->n < 2)
        return false;
    set_content(m, m->arg[0]);
    m->event->view.peer = es_dbg_ref(m->dbg, m->arg[1]);
    return true;
}

/* Who sent it is only said where a match specification asked for it, as {Node, Sender}: a process, a port or the clock. */
static bool receive(struct message *m)
{
    struct es_slice from[2];
    if (m->n < 1)
        return false;
    if (m->n == 1 && es_dbg_is_atom(m->arg[0], "timeout")) {
        m->event->view.kind = ES_K_TIMEOUT;
        return true;
    }
    set_content(m, m->arg[0]);
    if (m->n >= 2 && es_dbg_tuple(m->arg[1], from, 2) == 2) {
        bool named = es_dbg_is_atom(from[1], "undefined");
        m->event->view.peer = es_dbg_ref(m->dbg, named ? from[0] : from[1]);
    }
    return true;
}

/* {M, F, Arity}, or 0; before it the scheduler where that was asked for. */
static bool scheduled(struct message *m)
{
    struct es_token token;
    uint32_t at = 0;
    if (m->n >= 2 && es_dbg_token(m->arg[0], &token) && token.type == ES_TOK_INT) {
        m->event->thread = (uint16_t)(token.integer > 0 && token.integer < UINT16_MAX ? token.integer : 0);
        at = 1;
    }
    if (m->n > at)
        set_function(m, m->arg[at], false);
    return m->n > at;
}

/* [{heap_size, Words}, …] */
static bool collected(struct message *m)
{
    struct es_reader r;
    struct es_token token;
    if (m->n < 1)
        return false;
    es_reader_init(&r, m->arg[0].at, (size_t)(m->arg[0].end - m->arg[0].at));
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST)
        return false;
    for (uint32_t n = token.count; n > 0; n--) {
        struct es_slice pair = {r.at, r.end}, part[2];
        if (es_dbg_tuple(pair, part, 2) != 2 || es_term_skip(&r) < 0)
            return true;
        for (unsigned i = 0; i < ES_NUMS; i++)
            if (es_dbg_is_atom(part[0], es_gc_num_names[i]) && es_dbg_token(part[1], &token) &&
                token.type == ES_TOK_INT)
                m->event->view.num[i] = (uint64_t)token.integer;
    }
    return true;
}

static const struct {
    const char *tag;
    uint8_t kind;
    bool (*read)(struct message *m);
} tags[] = {
    {"call", ES_K_CALL, call},
    {"return_from", ES_K_RETURN, value},
    {"exception_from", ES_K_EXCEPTION, value},
    {"send", ES_K_SEND, send},
    {"send_to_non_existing_process", ES_K_SEND_DEAD, send},
    {"receive", ES_K_DELIVER, receive},
    {"spawn", ES_K_SPAWN, spawn},
    {"spawned", ES_K_SPAWNED, spawned},
    {"exit", ES_K_EXIT, payload},
    {"register", ES_K_REGISTER, peer},
    {"unregister", ES_K_UNREGISTER, peer},
    {"link", ES_K_LINK, peer},
    {"unlink", ES_K_UNLINK, peer},
    {"getting_linked", ES_K_GETTING_LINKED, peer},
    {"getting_unlinked", ES_K_GETTING_UNLINKED, peer},
    {"in", ES_K_IN, scheduled},
    {"out", ES_K_OUT, scheduled},
    {"in_exiting", ES_K_IN, scheduled},
    {"out_exiting", ES_K_OUT, scheduled},
    {"out_exited", ES_K_OUT, scheduled},
    {"gc_minor_start", ES_K_GC_MINOR_START, collected},
    {"gc_minor_end", ES_K_GC_MINOR_END, collected},
    {"gc_major_start", ES_K_GC_MAJOR_START, collected},
    {"gc_major_end", ES_K_GC_MAJOR_END, collected},
    {"gc_start", ES_K_GC_MINOR_START, collected},
    {"gc_end", ES_K_GC_MINOR_END, collected},
};

/* ---- timestamps ---------------------------------------------------------------------------------------------------- */

static bool integer(struct es_slice term, int64_t least, int64_t most, int64_t *ret_value)
{
    struct es_token token;
    if (!es_dbg_token(term, &token) || token.type != ES_TOK_INT || token.integer < least || token.integer > most)
        return false;
    *ret_value = token.integer;
    return true;
}

#define YEARS (INT64_C(1) << 61)

/* {MegaSeconds, Seconds, MicroSeconds}, monotonic nanoseconds, or {MonotonicNanoseconds, Unique}. */
static enum es_dbg_clock read_time(struct es_slice term, int64_t *ret_time)
{
    struct es_slice part[3];
    int64_t mega, seconds, micro;
    switch (es_dbg_tuple(term, part, 3)) {
    case 3:
        if (!integer(part[0], 0, 1000000, &mega) || !integer(part[1], 0, 999999, &seconds) ||
            !integer(part[2], 0, 999999, &micro))
            return ES_DBG_NONE;
        if (mega >= YEARS / INT64_C(1000000000000000))
            return ES_DBG_NONE;
        *ret_time = (mega * 1000000 + seconds) * 1000000000 + micro * 1000;
        return ES_DBG_WALL;
    case 2: return integer(part[0], -YEARS, YEARS, ret_time) ? ES_DBG_MONOTONIC : ES_DBG_NONE;
    default: return integer(term, -YEARS, YEARS, ret_time) ? ES_DBG_MONOTONIC : ES_DBG_NONE;
    }
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static int read_message(struct message *m, struct es_slice pid, struct es_slice tag)
{
    struct es_token token;
    m->event->view.pid = es_dbg_ref(m->dbg, pid);
    if (es_ref_class_of(m->event->view.pid) != ES_REF_PID || !es_dbg_token(tag, &token) || token.type != ES_TOK_ATOM)
        return 0;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (es_dbg_is_atom(tag, tags[i].tag)) {
            m->event->view.kind = tags[i].kind;
            return tags[i].read(m);
        }
    return 0;
}

int es_dbg_read(struct es_dbg *dbg, const uint8_t *bytes, size_t len, struct es_dbg_event *ret_event)
{
    struct es_slice element[ELEMENTS_MAX], whole = {bytes + 1, bytes + len};
    struct message m = {.dbg = dbg, .event = ret_event};
    *ret_event = (struct es_dbg_event){.view = {.payload = dbg->cut}};
    uint32_t n = len > 1 && bytes[0] == 131 ? es_dbg_tuple(whole, element, ELEMENTS_MAX) : 0;
    bool timed = n > 3 && es_dbg_is_atom(element[0], "trace_ts");
    if (n < 3 || (!timed && !es_dbg_is_atom(element[0], "trace")))
        return 0;
    if (timed) {
        enum es_dbg_clock clock = read_time(element[--n], &ret_event->time);
        dbg->clock = dbg->clock == ES_DBG_NONE ? clock : dbg->clock;
        ret_event->timed = clock != ES_DBG_NONE && clock == dbg->clock;
    }
    m.n = n - 3;
    memcpy(m.arg, element + 3, m.n * sizeof *m.arg);
    return read_message(&m, element[1], element[2]);
}
