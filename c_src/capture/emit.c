/* SPDX-License-Identifier: MIT */
/* What the agent writes itself; see emit.h. These run as functions of its processes, seldom, so they may take their time. */
#include "capture/emit.h"

#include <time.h>

#include "capture/atoms.h"
#include "capture/put.h"
#include "capture/refs.h"
#include "capture/walk.h"
#include "wire/clock.h"

#define PAYLOAD_MIN 16384
#define ES_SOURCE_MAX (512u << 10) /* bytes */

/* ---- entering and leaving ------------------------------------------------------------------------------------------ */

static bool enter(struct es_draft *d, ErlNifEnv *env)
{
    struct es_thread *t = es_thread_enter();
    if (!t)
        return false;
    struct es_session *s = es_session_get();
    if (s && es_thread_ready(t, s)) {
        *d = (struct es_draft){.env = env, .s = s, .t = t};
        return true;
    }
    if (s)
        atomic_fetch_add(&s->arena.head->unclaimed_lost, 1);
    es_thread_leave(t);
    return false;
}

static uint64_t losses(const struct es_draft *d, unsigned kind) { return atomic_load(&d->t->ring->head->lost[kind]); }

/* What the agent has to say is not cut below 16 KiB. */
static struct es_budget budget_of(const struct es_draft *d)
{
    struct es_budget budget = es_budget_now(d, false);
    budget.bytes = budget.bytes < PAYLOAD_MIN ? PAYLOAD_MIN : budget.bytes;
    budget.depth = 64;
    budget.elements = budget.elements < 4096 ? 4096 : budget.elements;
    budget.work = budget.work < PAYLOAD_MIN ? PAYLOAD_MIN : budget.work;
    return budget;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static const uint8_t kinds[] = {
    ES_K_CENSUS,    ES_K_LOG,           ES_K_CRASH,     ES_K_LONG_GC,        ES_K_LARGE_HEAP,
    ES_K_MEMORY,    ES_K_LONG_SCHEDULE, ES_K_BUSY_PORT, ES_K_BUSY_DIST_PORT, ES_K_NODE_UP,
    ES_K_NODE_DOWN, ES_K_MARK,          ES_K_NOTICE,    ES_K_BUDGET,         ES_K_VM,
};
static ERL_NIF_TERM kind_names[sizeof kinds];

void es_emit_load(ErlNifEnv *env)
{
    for (size_t i = 0; i < sizeof kinds; i++)
        kind_names[i] = enif_make_atom(env, es_kind_table[kinds[i]].name);
}

static int kind_of(ERL_NIF_TERM name)
{
    for (size_t i = 0; i < sizeof kinds; i++)
        if (kind_names[i] == name)
            return kinds[i];
    return -1;
}

/* Elements of the term by the kind's fields: {Peer, {M, F, A}, Payload}, {Peer, Payload} or the payload alone. */
struct es_parts {
    ERL_NIF_TERM peer, mfa, payload;
};

static bool take_apart(ErlNifEnv *env, unsigned kind, ERL_NIF_TERM term, struct es_parts *parts)
{
    unsigned fields = es_kind_table[kind].fields;
    int expected = 1 + !!(fields & ES_F_PEER) + !!(fields & ES_F_FUN), arity;
    const ERL_NIF_TERM *e;
    *parts = (struct es_parts){.payload = term};
    if (expected == 1)
        return true;
    if (!enif_get_tuple(env, term, &arity, &e) || arity != expected)
        return false;
    parts->peer = e[0] == es_am.undefined ? 0 : e[0];
    parts->mfa = expected == 3 && e[1] != es_am.undefined ? e[1] : 0;
    parts->payload = e[expected - 1];
    return true;
}

static void put_function(struct es_draft *d, ERL_NIF_TERM mfa)
{
    int arity, number = 0;
    const ERL_NIF_TERM *e;
    bool known = mfa && enif_get_tuple(d->env, mfa, &arity, &e) && arity == 3 && enif_get_int(d->env, e[2], &number);
    es_draft_word(d, known ? es_ref_of_atom(d, e[0]) : 0);
    es_draft_word(d, known ? es_ref_of_atom(d, e[1]) : 0);
    d->record->arity = (uint16_t)number;
}

static void emit(struct es_draft *d, const struct es_draft_plan *plan, const struct es_parts *parts)
{
    struct es_budget budget = budget_of(d);
    struct es_draft_plan full = *plan;
    full.payload = es_budget_room(&budget);
    if (!es_draft_begin(d, &full))
        return;
    unsigned fields = es_kind_table[plan->kind].fields;
    if (fields & ES_F_PEER)
        es_draft_word(d, parts->peer ? es_ref_of_peer(d, parts->peer) : 0);
    if (fields & ES_F_FUN)
        put_function(d, parts->mfa);
    es_walk(d, parts->payload, &budget);
    es_draft_end(d);
}

static ERL_NIF_TERM emit_as(ErlNifEnv *env, const struct es_draft_plan *plan, const struct es_parts *parts,
                            ERL_NIF_TERM pid)
{
    struct es_draft d;
    if (!enter(&d, env))
        return es_am.lost;
    struct es_draft_plan named = *plan;
    named.pid = pid ? es_ref_of_local(env, d.t, pid) : 0;
    uint64_t before = losses(&d, plan->kind);
    emit(&d, &named, parts);
    bool lost = losses(&d, plan->kind) != before;
    es_thread_leave(d.t);
    return lost ? es_am.lost : es_am.ok;
}

ERL_NIF_TERM es_emit_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    int kind = kind_of(argv[0]);
    struct es_parts parts;
    if (kind < 0 || !take_apart(env, (unsigned)kind, argv[2], &parts))
        return enif_make_badarg(env);
    struct es_draft_plan plan = {.kind = (uint8_t)kind};
    return emit_as(env, &plan, &parts, argv[1] == es_am.undefined ? 0 : argv[1]);
}

ERL_NIF_TERM es_module_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    if (!enif_is_atom(env, argv[0]) || !enif_is_list(env, argv[1]))
        return enif_make_badarg(env);
    struct es_draft_plan plan = {.kind = ES_K_MODULE};
    struct es_parts parts = {.peer = argv[0], .payload = argv[1]};
    return emit_as(env, &plan, &parts, 0);
}

/* ---- source -------------------------------------------------------------------------------------------------------- */

/* Written whole, in external format: it is the project's text, and nothing of what it computes. */
static bool put_source(struct es_draft *d, uint64_t key, const ErlNifBinary *etf)
{
    struct es_draft_plan plan = {.kind = ES_K_SOURCE, .payload = (uint32_t)etf->size};
    if (etf->size > ES_SOURCE_MAX || !es_draft_begin(d, &plan))
        return false;
    es_draft_word(d, es_ref_make(ES_REF_OTHER, key));
    d->at = es_put_bytes(d->at, etf->data + 1, etf->size - 1);
    es_draft_end(d);
    return true;
}

ERL_NIF_TERM es_source_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    struct es_draft d;
    ErlNifBinary etf;
    ErlNifUInt64 key;
    if (!enif_get_uint64(env, argv[0], &key) || key == 0 || key >> 56 || !enif_term_to_binary(env, argv[1], &etf))
        return enif_make_badarg(env);
    bool written = enter(&d, env);
    if (written) {
        written = put_source(&d, key, &etf);
        es_thread_leave(d.t);
    }
    enif_release_binary(&etf);
    return written ? es_am.ok : es_am.lost;
}

/* ---- clock --------------------------------------------------------------------------------------------------------- */

struct es_moment {
    uint64_t stamp, mono, wall, error;
};

/* Three clocks at one moment: of several tries the tightest, as the thread may be interrupted between them. */
static struct es_moment moment_now(const struct es_session *s)
{
    struct es_moment best = {.error = UINT64_MAX};
    for (int i = 0; i < 5; i++) {
        uint64_t before = es_clock_now(s->clock);
        uint64_t mono = (uint64_t)enif_monotonic_time(ERL_NIF_NSEC);
        uint64_t width = es_clock_now(s->clock) - before;
        if (width >= best.error)
            continue;
        best = (struct es_moment){.stamp = before + width / 2, .mono = mono, .error = width};
        best.wall = mono + (uint64_t)enif_time_offset(ERL_NIF_NSEC);
    }
    best.error = (uint64_t)((double)best.error / 2 * 1e9 / (double)s->arena.head->clock_rate) + 1;
    return best;
}

static ERL_NIF_TERM clock_record(struct es_draft *d)
{
    struct es_draft_plan plan = {.kind = ES_K_CLOCK};
    if (!es_draft_begin(d, &plan))
        return es_am.lost;
    struct es_moment now = moment_now(d->s); /* after the ring has become busy, so no later stamp is before it */
    d->record->stamp = now.stamp;
    uint64_t numbers[ES_NUMS] = {[ES_CLOCK_MONO] = now.mono, [ES_CLOCK_WALL] = now.wall, [ES_CLOCK_ERROR] = now.error};
    for (int i = 0; i < ES_NUMS; i++)
        es_draft_word(d, numbers[i]);
    es_draft_end(d);
    return enif_make_tuple2(d->env, enif_make_int64(d->env, (ErlNifSInt64)now.mono),
                            enif_make_uint64(d->env, now.error));
}

ERL_NIF_TERM es_clock_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    struct es_draft d;
    if (!enter(&d, env))
        return es_am.lost;
    ERL_NIF_TERM result = clock_record(&d);
    es_thread_leave(d.t);
    return result;
}
