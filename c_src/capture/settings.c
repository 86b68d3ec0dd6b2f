/* SPDX-License-Identifier: MIT */
/* Settings and numbers of the session; see settings.h. */
#include "capture/settings.h"

#include "capture/atoms.h"
#include "capture/heap.h"
#include "capture/refs.h"
#include "capture/session.h"
#include "wire/clock.h"

/* A function that needs the session: it runs while the calling thread is inside. */
typedef ERL_NIF_TERM es_function(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM argument);

static ERL_NIF_TERM with_session(ErlNifEnv *env, es_function *function, ERL_NIF_TERM argument)
{
    struct es_thread *t = es_thread_enter();
    struct es_session *s = t ? es_session_get() : NULL;
    ERL_NIF_TERM answer =
        s ? function(env, s, t, argument) : enif_make_tuple2(env, es_am.error, enif_make_atom(env, "closed"));
    if (t)
        es_thread_leave(t);
    return answer;
}

/* ---- exclude ------------------------------------------------------------------------------------------------------- */

static bool exclude_one(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM pid)
{
    return es_session_exclude(s, pid, es_ref_of_local(env, t, pid)) == 0;
}

static ERL_NIF_TERM exclude(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM pids)
{
    es_thread_ready(t, s); /* the table of known pids is this session's from here on */
    ErlNifPid pid;
    ERL_NIF_TERM head;
    bool all = enif_self(env, &pid) && exclude_one(env, s, t, pid.pid);
    while (all && enif_get_list_cell(env, pids, &head, &pids)) {
        if (!enif_get_local_pid(env, head, &pid))
            return enif_make_badarg(env);
        all = exclude_one(env, s, t, head);
    }
    return all ? es_am.ok : enif_make_tuple2(env, es_am.error, enif_make_atom(env, "enospc"));
}

ERL_NIF_TERM es_exclude_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    return enif_is_list(env, argv[0]) ? with_session(env, exclude, argv[0]) : enif_make_badarg(env);
}

/* ---- enable, done -------------------------------------------------------------------------------------------------- */

static ERL_NIF_TERM enable(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM on)
{
    (void)env, (void)t;
    es_session_enable(s, on == es_am.true_);
    return es_am.ok;
}

ERL_NIF_TERM es_enable_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    return enif_is_atom(env, argv[0]) ? with_session(env, enable, argv[0]) : enif_make_badarg(env);
}

static ERL_NIF_TERM done(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM none)
{
    (void)env, (void)t, (void)none;
    atomic_store(&s->arena.head->vm_done, 1);
    return es_am.ok;
}

ERL_NIF_TERM es_done_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    return with_session(env, done, 0);
}

/* ---- limits -------------------------------------------------------------------------------------------------------- */

static void limit(ErlNifEnv *env, ERL_NIF_TERM map, ERL_NIF_TERM name, _Atomic uint32_t *value)
{
    ERL_NIF_TERM term;
    unsigned number;
    if (enif_get_map_value(env, map, name, &term) && enif_get_uint(env, term, &number))
        atomic_store(value, number);
}

static ERL_NIF_TERM limits(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM map)
{
    (void)t;
    struct es_limits *l = &s->arena.head->limits;
    limit(env, map, es_am.payload_bytes, &l->payload_bytes);
    limit(env, map, es_am.state_bytes, &l->state_bytes);
    limit(env, map, es_am.max_depth, &l->max_depth);
    limit(env, map, es_am.max_elements, &l->max_elements);
    limit(env, map, es_am.work, &l->work);
    limit(env, map, es_am.sample, &l->sample);
    limit(env, map, es_am.deliver_payload, &l->deliver_payload);
    return es_am.ok;
}

ERL_NIF_TERM es_limits_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    return enif_is_map(env, argv[0]) ? with_session(env, limits, argv[0]) : enif_make_badarg(env);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

static uint64_t ring_lost(const struct es_ring_head *head)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < ES_KIND_MAX; kind++)
        sum += atomic_load_explicit(&head->lost[kind], memory_order_relaxed);
    return sum;
}

static uint64_t ring_full(const struct es_ring *ring)
{
    uint64_t used = atomic_load(&ring->head->head) - atomic_load(&ring->head->tail);
    return used > ring->size ? 100 : used * 100 / ring->size;
}

static ERL_NIF_TERM put(ErlNifEnv *env, ERL_NIF_TERM map, ERL_NIF_TERM name, uint64_t value)
{
    ERL_NIF_TERM result = map;
    enif_make_map_put(env, map, name, enif_make_uint64(env, value), &result);
    return result;
}

static ERL_NIF_TERM stats(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM none)
{
    (void)t, (void)none;
    struct es_arena_head *head = s->arena.head;
    uint64_t events = 0, ticks = 0, lost = atomic_load(&head->unclaimed_lost), threads = 0, full = 0;
    for (uint32_t i = 0; i < s->arena.n_rings; i++) {
        struct es_ring *ring = &s->arena.rings[i];
        events += atomic_load_explicit(&ring->head->events, memory_order_relaxed);
        ticks += atomic_load_explicit(&ring->head->nanos, memory_order_relaxed);
        lost += ring_lost(ring->head);
        threads += atomic_load_explicit(&ring->head->claimed, memory_order_relaxed);
        full = ring_full(ring) > full ? ring_full(ring) : full;
    }
    ERL_NIF_TERM map = put(env, enif_make_new_map(env), es_am.events, events);
    map = put(env, map, es_am.lost, lost);
    map = put(env, map, es_am.nanos, (uint64_t)((double)ticks * 1e9 / (double)head->clock_rate));
    map = put(env, map, es_am.threads, threads);
    enif_make_map_put(env, map, es_am.terms, es_heap_known ? es_am.read : es_am.asked, &map);
    return put(env, map, es_am.full, full);
}

ERL_NIF_TERM es_stats_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    return with_session(env, stats, 0);
}

static ERL_NIF_TERM beat(ErlNifEnv *env, struct es_session *s, struct es_thread *t, ERL_NIF_TERM none)
{
    (void)t, (void)none;
    uint64_t last = atomic_load(&s->arena.head->engine_beat), now = es_clock_now(s->clock);
    if (last == 0)
        return es_am.undefined;
    return enif_make_uint64(
        env, now <= last ? 0 : (uint64_t)((double)(now - last) * 1e3 / (double)s->arena.head->clock_rate));
}

ERL_NIF_TERM es_beat_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    return with_session(env, beat, 0);
}
