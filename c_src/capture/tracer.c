/* SPDX-License-Identifier: MIT */
/* From the emulator's trace calls to events. trace(Tag, State, Tracee, Term, Options): what Term and Options hold depends on the tag
 * and is described in erl_tracer(3). Both functions run on any thread, often without a process, with locks of the tracee held. */
#include "capture/tracer.h"

#include "capture/atoms.h"
#include "capture/handled.h"
#include "capture/hash.h"
#include "capture/heap.h"
#include "capture/refs.h"
#include "capture/sample.h"
#include "capture/walk.h"

struct es_trace { /* one trace call */
    struct es_draft d;
    uint8_t kind;
    ERL_NIF_TERM tracee, term, options;
};

typedef void es_handler(struct es_trace *c);

/* ---- helpers ------------------------------------------------------------------------------------------------------- */

/* An option, or 0 where it is not there: no term is 0. */
static inline ERL_NIF_TERM option(const struct es_trace *c, ERL_NIF_TERM name)
{
    ERL_NIF_TERM value;
    return es_get_value(c->d.env, c->options, name, &value) ? value : 0;
}

static bool begin(struct es_trace *c, const struct es_budget *budget)
{
    struct es_draft_plan plan = {.kind = c->kind, .payload = budget ? es_budget_room(budget) : 0};
    plan.pid = es_ref_of_local(c->d.env, c->d.t, c->tracee);
    return es_draft_begin(&c->d, &plan);
}

/* Writes the payload, where there is a budget and a term for it, and publishes. */
static void end(struct es_trace *c, ERL_NIF_TERM payload, const struct es_budget *budget)
{
    if (payload && budget->bytes)
        es_walk(&c->d, payload, budget);
    else
        c->d.record->flags |= ES_R_NO_PAYLOAD;
    es_draft_end(&c->d);
}

static inline bool process_kept(const struct es_trace *c) { return es_sample_keeps_process(c->d.s, c->tracee); }

/* {Module, Function, Arity or Arguments}, taken apart; all 0 where it is none. */
struct es_mfa {
    ERL_NIF_TERM module, function, arguments; /* arguments 0: only their number is known */
    uint16_t arity;
};

static struct es_mfa mfa_of(ErlNifEnv *env, ERL_NIF_TERM term)
{
    int arity;
    int64_t number;
    const ERL_NIF_TERM *e;
    if (!term || !es_get_tuple(env, term, &arity, &e) || arity != 3)
        return (struct es_mfa){0};
    struct es_mfa mfa = {.module = e[0], .function = e[1]};
    if (es_get_int64(env, e[2], &number)) {
        mfa.arity = (uint16_t)number;
        return mfa;
    }
    ERL_NIF_TERM head, rest = e[2];
    while (mfa.arity < 255 && es_get_cell(env, rest, &head, &rest))
        mfa.arity++;
    mfa.arguments = e[2];
    return mfa;
}

static inline void put_function(struct es_draft *d, const struct es_mfa *mfa)
{
    es_draft_word(d, mfa->module ? es_ref_of_atom(d, mfa->module) : 0);
    es_draft_word(d, mfa->function ? es_ref_of_atom(d, mfa->function) : 0);
    d->record->arity = mfa->arity;
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

/* Both ends know sender and content, so a message is sampled together with its delivery. */
static bool message_kept(struct es_trace *c, ERL_NIF_TERM sender)
{
    uint32_t sample = es_sample_now(c->d.s);
    if (ES_LIKELY(sample >= ES_SAMPLE_ALL))
        return true;
    c->d.stamp = es_clock_now(c->d.s->clock);
    return es_sample_keeps(sample, es_hash_mix(sender, es_hash_term(&c->d, c->term)));
}

/* `node`: of the sender, where that itself is not known. */
static void message(struct es_trace *c, ERL_NIF_TERM peer, ERL_NIF_TERM node, const struct es_budget *budget)
{
    struct es_draft *d = &c->d;
    if (!begin(c, budget))
        return;
    es_draft_word(d, peer ? es_ref_of_peer(d, peer) : node ? es_ref_of_node(d, node) : 0);
    uint8_t *hash_at = d->at;
    es_draft_word(d, 0);
    uint64_t hash, asked, corr = es_correlate(d->env, c->term);
    es_draft_word(d, corr);
    if (budget->bytes) {
        hash = es_walk_hash(d, c->term, budget);
    } else {
        hash = es_hash_term(d, c->term);
        d->record->flags |= ES_R_NO_PAYLOAD;
    }
    if (corr && (asked = es_asked_hash(d, c->term)) != 0)
        hash = asked;
    __builtin_memcpy(hash_at, &hash, sizeof hash);
    es_draft_end(d);
}

static void trace_send(struct es_trace *c)
{
    ERL_NIF_TERM receiver = option(c, es_am.extra);
    if (ES_UNLIKELY(es_gate_excludes(receiver)) || !message_kept(c, c->tracee))
        return;
    struct es_budget budget = es_budget_now(&c->d, false);
    message(c, receiver, 0, &budget);
}

/* {'EXIT', Pid, Reason}, {'DOWN', Reference, process, Pid, Reason}: no send says what is in it. */
static bool is_signal(ErlNifEnv *env, ERL_NIF_TERM message)
{
    int arity;
    const ERL_NIF_TERM *e;
    if (!enif_get_tuple(env, message, &arity, &e))
        return false;
    return (arity == 3 && e[0] == es_am.exit_signal) || (arity == 5 && e[0] == es_am.down);
}

/* The match specification gives {Node, Sender}; the sender is `undefined` where there is none. */
static void trace_receive(struct es_trace *c)
{
    struct es_draft *d = &c->d;
    int arity;
    const ERL_NIF_TERM *from;
    ERL_NIF_TERM result = option(c, es_am.match_spec_result), sender = 0, node = es_am.clock_service;
    if (result && es_get_tuple(d->env, result, &arity, &from) && arity == 2) {
        node = from[0];
        sender = from[1] == es_am.undefined ? 0 : from[1];
    }
    if (c->term == es_am.timeout && !sender && node == es_am.clock_service) {
        c->kind = ES_K_TIMEOUT;
        if (process_kept(c) && begin(c, NULL))
            es_draft_end(d);
        return;
    }
    if (ES_UNLIKELY(es_gate_excludes(sender)) || !message_kept(c, sender))
        return;
    if (result && !sender && node == es_am.clock_service)
        sender = node; /* a timer's */
    struct es_budget budget = es_budget_now(d, false);
    bool with_payload = atomic_load_explicit(&d->s->arena.head->limits.deliver_payload, memory_order_relaxed) != 0;
    if (!with_payload && sender && es_ref_of_local(d->env, d->t, sender) && !is_signal(d->env, c->term))
        budget.bytes = 0; /* the send has it */
    message(c, sender, node == es_am.clock_service ? 0 : node, &budget);
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

/* {es_callback, Arguments}: a behaviour's callback, its arguments without the state. */
static ERL_NIF_TERM callback_arguments(const struct es_trace *c)
{
    int arity;
    const ERL_NIF_TERM *e;
    ERL_NIF_TERM result = option(c, es_am.match_spec_result);
    return result && es_get_tuple(c->d.env, result, &arity, &e) && arity == 2 && e[0] == es_am.es_callback ? e[1] : 0;
}

static void trace_call(struct es_trace *c)
{
    if (!process_kept(c))
        return;
    struct es_mfa mfa = mfa_of(c->d.env, c->term);
    ERL_NIF_TERM of_callback = callback_arguments(c), arguments = of_callback ? of_callback : mfa.arguments;
    struct es_budget budget = {0};
    if (arguments)
        budget = es_budget_now(&c->d, false);
    if (!begin(c, &budget))
        return;
    put_function(&c->d, &mfa);
    es_draft_word(&c->d, of_callback                  ? es_handled_hash(&c->d, mfa.module, mfa.function, of_callback)
                         : mfa.module == es_am.erlang ? es_timer_hash(&c->d, mfa.function, mfa.arguments)
                                                      : 0);
    if (of_callback)
        c->d.record->flags |= ES_R_CALLBACK;
    end(c, arguments, &budget);
}

/* What a behaviour's callback returns begins so, or is one of these alone. */
static bool is_answer(ERL_NIF_TERM atom)
{
    return atom == es_am.reply || atom == es_am.noreply || atom == es_am.ok || atom == es_am.stop ||
           atom == es_am.next_state || atom == es_am.keep_state || atom == es_am.keep_state_and_data ||
           atom == es_am.repeat_state || atom == es_am.repeat_state_and_data || atom == es_am.stop_and_reply;
}

static bool is_callback_name(ERL_NIF_TERM name)
{
    return name == es_am.handle_call || name == es_am.handle_cast || name == es_am.handle_info ||
           name == es_am.handle_continue || name == es_am.handle_event || name == es_am.init || name == es_am.init_it ||
           name == es_am.terminate || name == es_am.code_change;
}

/* A guess that decides about the budget; which modules are behaviours is known to the engine. */
static bool is_callback(ErlNifEnv *env, const struct es_mfa *mfa, ERL_NIF_TERM value)
{
    int arity;
    const ERL_NIF_TERM *e;
    if (value && es_get_tuple(env, value, &arity, &e) && arity > 0 && is_answer(e[0]))
        return true;
    return is_callback_name(mfa->function) || is_answer(value);
}

static void trace_end_of_call(struct es_trace *c)
{
    bool returned = c->kind == ES_K_RETURN;
    if (returned && !process_kept(c))
        return;
    struct es_mfa mfa = mfa_of(c->d.env, c->term);
    ERL_NIF_TERM value = option(c, es_am.extra);
    bool callback = is_callback(c->d.env, &mfa, returned ? value : 0);
    struct es_budget budget = es_budget_now(&c->d, callback && returned);
    if (!begin(c, &budget))
        return;
    put_function(&c->d, &mfa);
    if (callback)
        c->d.record->flags |= ES_R_CALLBACK;
    end(c, value, &budget);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static void trace_spawn(struct es_trace *c)
{
    if (es_gate_excludes(c->term))
        return;
    struct es_mfa mfa = mfa_of(c->d.env, option(c, es_am.extra));
    struct es_budget budget = es_budget_now(&c->d, false);
    if (!begin(c, &budget))
        return;
    es_draft_word(&c->d, es_ref_of_peer(&c->d, c->term));
    put_function(&c->d, &mfa);
    end(c, mfa.arguments, &budget);
}

static void trace_spawned(struct es_trace *c)
{
    struct es_mfa mfa = mfa_of(c->d.env, option(c, es_am.extra));
    if (!begin(c, NULL))
        return;
    es_draft_word(&c->d, es_ref_of_peer(&c->d, c->term));
    put_function(&c->d, &mfa);
    es_draft_end(&c->d);
}

static void trace_exit(struct es_trace *c)
{
    struct es_budget budget = es_budget_now(&c->d, false);
    if (begin(c, &budget))
        end(c, c->term, &budget);
}

/* Links, unlinks, names. */
static void trace_peer(struct es_trace *c)
{
    if (es_gate_excludes(c->term) || !begin(c, NULL))
        return;
    es_draft_word(&c->d, es_ref_of_peer(&c->d, c->term));
    es_draft_end(&c->d);
}

/* ---- scheduling and memory ----------------------------------------------------------------------------------------- */

/* {Module, Function, Arity}, or 0 where the emulator does not know. */
static void trace_scheduled(struct es_trace *c)
{
    struct es_mfa mfa = mfa_of(c->d.env, c->term);
    if (!process_kept(c) || !begin(c, NULL))
        return;
    put_function(&c->d, &mfa);
    es_draft_end(&c->d);
}

static ERL_NIF_TERM gc_names[ES_NUMS];

/* [{Name, Words}]. During a collection not even a term may be made. */
static void trace_gc(struct es_trace *c)
{
    if (!process_kept(c) || !begin(c, NULL))
        return;
    uint64_t numbers[ES_NUMS] = {0};
    ERL_NIF_TERM head, list = c->term;
    for (int n = 0; n < 32 && es_get_cell(c->d.env, list, &head, &list); n++) {
        int arity;
        const ERL_NIF_TERM *pair;
        ErlNifUInt64 value;
        if (!es_get_tuple(c->d.env, head, &arity, &pair) || arity != 2 || !enif_get_uint64(c->d.env, pair[1], &value))
            continue;
        for (int i = 0; i < ES_NUMS; i++)
            if (pair[0] == gc_names[i])
                numbers[i] = value;
    }
    for (int i = 0; i < ES_NUMS; i++)
        es_draft_word(&c->d, numbers[i]);
    es_draft_end(&c->d);
}

/* ---- tags ---------------------------------------------------------------------------------------------------------- */

/*    tag               handler            kind */
/* clang-format off */
#define TAGS(T) \
    T(send,             trace_send,        SEND) \
    T(send_dead,        trace_send,        SEND_DEAD) \
    T(receive,          trace_receive,     DELIVER) \
    T(call,             trace_call,        CALL) \
    T(return_from,      trace_end_of_call, RETURN) \
    T(exception_from,   trace_end_of_call, EXCEPTION) \
    T(spawn,            trace_spawn,       SPAWN) \
    T(spawned,          trace_spawned,     SPAWNED) \
    T(exit,             trace_exit,        EXIT) \
    T(register_,        trace_peer,        REGISTER) \
    T(unregister,       trace_peer,        UNREGISTER) \
    T(link,             trace_peer,        LINK) \
    T(unlink,           trace_peer,        UNLINK) \
    T(getting_linked,   trace_peer,        GETTING_LINKED) \
    T(getting_unlinked, trace_peer,        GETTING_UNLINKED) \
    T(in,               trace_scheduled,   IN) \
    T(in_exiting,       trace_scheduled,   IN) \
    T(out,              trace_scheduled,   OUT) \
    T(out_exiting,      trace_scheduled,   OUT) \
    T(out_exited,       trace_scheduled,   OUT) \
    T(gc_minor_start,   trace_gc,          GC_MINOR_START) \
    T(gc_minor_end,     trace_gc,          GC_MINOR_END) \
    T(gc_major_start,   trace_gc,          GC_MAJOR_START) \
    T(gc_major_end,     trace_gc,          GC_MAJOR_END)
/* clang-format on */

#define TAG_SLOTS 128
static struct {
    ERL_NIF_TERM tag;
    es_handler *handler;
    uint8_t kind;
} tags[TAG_SLOTS]; /* written once, at load */

static inline uint32_t tag_slot(ERL_NIF_TERM tag) { return (uint32_t)((tag * UINT64_C(0x9e3779b97f4a7c15)) >> 57); }

static void add_tag(ERL_NIF_TERM tag, es_handler *handler, uint8_t kind)
{
    uint32_t at = tag_slot(tag);
    while (tags[at].tag && tags[at].tag != tag)
        at = (at + 1) & (TAG_SLOTS - 1);
    tags[at].handler = handler;
    tags[at].kind = kind;
    tags[at].tag = tag;
}

void es_tracer_load(ErlNifEnv *env)
{
    for (int i = 0; i < ES_NUMS; i++)
        gc_names[i] = enif_make_atom(env, es_gc_num_names[i]);
#define T(tag, handler, kind) add_tag(es_am.tag, handler, ES_K_##kind);
    TAGS(T)
#undef T
}

static void dispatch(struct es_trace *c, ERL_NIF_TERM tag)
{
    uint32_t at = tag_slot(tag);
    while (tags[at].tag != tag) {
        if (!tags[at].tag)
            return; /* ports, seq_trace, return_to: not asked for */
        at = (at + 1) & (TAG_SLOTS - 1);
    }
    c->kind = tags[at].kind;
    tags[at].handler(c);
}

/* ---- what the emulator calls --------------------------------------------------------------------------------------- */

/* Without side effects: called without a process and several times for one event. While a session is open the tracer is never taken
 * off a process. */
ERL_NIF_TERM es_tracer_enabled(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)env, (void)argc;
    if (argv[0] == es_am.trace_status)
        return atomic_load_explicit(&es_session, memory_order_relaxed) ? es_am.trace : es_am.remove;
    bool yes = atomic_load_explicit(&es_gate.on, memory_order_relaxed) && !es_gate_excludes(argv[2]);
    return ES_LIKELY(yes) ? es_am.trace : es_am.discard;
}

/* Whoever holds the arena may have switched recording off there too. */
ERL_NIF_TERM es_tracer_trace(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct es_thread *t = es_thread_enter();
    if (ES_UNLIKELY(!t))
        return es_am.ok;
    struct es_session *s = es_session_get();
    if (ES_LIKELY(s != NULL) && atomic_load_explicit(&s->arena.head->enabled, memory_order_relaxed)) {
        struct es_trace c = {.tracee = argv[2], .term = argv[3], .options = argv[4]};
        c.d.env = env;
        c.d.s = s;
        c.d.t = t;
        if (ES_LIKELY(es_thread_ready(t, s)))
            dispatch(&c, argv[0]);
        else
            atomic_fetch_add_explicit(&s->arena.head->unclaimed_lost, 1, memory_order_relaxed);
    }
    es_thread_leave(t);
    return es_am.ok;
}
