/* SPDX-License-Identifier: MIT */
/* Opening and closing the session; see session.h. */
#include "capture/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/atoms.h"
#include "wire/term.h"

_Atomic(struct es_session *) es_session;
struct es_gate es_gate;
bool es_thread_must_fence;

static struct es_session *closing;          /* taken from es_session, not unmapped yet */
static atomic_flag turn = ATOMIC_FLAG_INIT; /* who opens or closes; nobody waits for it */
static uint64_t sessions;

/* ---- what has to be known of this emulator ------------------------------------------------------------------------- */

/* Where the node's name lies in the caller's pid in external format, and the pid's last words. -ENOTSUP where either is unknown. */
static int learn_node(ErlNifEnv *env, struct es_session *s)
{
    ErlNifPid self;
    ErlNifBinary etf;
    if (!enif_self(env, &self) || !enif_term_to_binary(env, self.pid, &etf))
        return -ENOTSUP;
    struct es_reader r;
    struct es_token pid = {0};
    es_reader_init(&r, etf.data + 1, etf.size - 1);
    int rc = es_token_next(&r, &pid);
    size_t len = etf.size < 14 ? 0 : etf.size - 14; /* 131, tag, name, then number, serial, creation */
    if (rc == 0 && pid.type == ES_TOK_PID && len > 0 && len < sizeof s->node_etf && pid.number >> 28 == 0) {
        s->node_etf[0] = 131;
        memcpy(s->node_etf + 1, etf.data + 2, len);
        s->node_etf_len = (uint32_t)len;
        s->creation = pid.creation;
        if (enif_binary_to_term(s->env, s->node_etf, len + 1, &s->node, ERL_NIF_BIN2TERM_SAFE) != len + 1)
            rc = -ENOTSUP;
    } else {
        rc = -ENOTSUP;
    }
    enif_release_binary(&etf);
    return rc;
}

/* References hold an atom's word in 60 bits. */
static int check_words(const struct es_session *s)
{
    const ERL_NIF_TERM *word = (const ERL_NIF_TERM *)(const void *)&es_am;
    for (size_t i = 0; i < sizeof es_am / sizeof *word; i++)
        if ((uint64_t)word[i] >> 60 != 0)
            return -ENOTSUP;
    return (uint64_t)s->node >> 60 != 0 || !enif_is_atom(s->env, s->node) ? -ENOTSUP : 0;
}

/* Integers of 255 bytes: encoding a larger one could take milliseconds, but comparing with one does not. */
static int make_big(struct es_session *s)
{
    uint8_t etf[259] = {131, ES_T_SMALL_BIG, 255};
    etf[4 + 254] = 1;
    if (enif_binary_to_term(s->env, etf, sizeof etf, &s->big_max, 0) == 0)
        return -ENOTSUP;
    etf[3] = 1;
    return enif_binary_to_term(s->env, etf, sizeof etf, &s->big_min, 0) == 0 ? -ENOTSUP : 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int fill(ErlNifEnv *env, struct es_session *s, const char *path)
{
    s->env = enif_alloc_env();
    if (!s->env)
        return -ENOMEM;
    int rc = learn_node(env, s);
    if (rc == 0)
        rc = check_words(s);
    if (rc == 0)
        rc = make_big(s);
    if (rc == 0)
        rc = es_arena_open(path, &s->arena);
    if (rc < 0)
        return rc;
    struct es_arena_head *head = s->arena.head;
    s->clock = (enum es_clock)head->clock;
    s->ticks_us = head->clock_rate / 1000000u;
    es_redact_init(&s->redact, head);
    es_arena_populate(&s->arena);
    atomic_store(&head->vm_pid, (uint32_t)getpid());
    return 0;
}

static int open_session(ErlNifEnv *env, const char *path)
{
    if (atomic_load(&es_session))
        return -EALREADY;
    if (closing)
        return -EBUSY;
    es_thread_must_fence = !es_thread_fence_all();
    struct es_session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int rc = fill(env, s, path);
    if (rc < 0) {
        if (s->env)
            enif_free_env(s->env);
        free(s);
        return rc;
    }
    s->number = ++sessions;
    atomic_store(&es_gate.n_excluded, 0);
    atomic_store(&es_gate.on, atomic_load(&s->arena.head->enabled));
    atomic_store(&es_session, s);
    return 0;
}

int es_session_open(ErlNifEnv *env, const char *path)
{
    if (atomic_flag_test_and_set(&turn))
        return -EBUSY;
    int rc = open_session(env, path);
    atomic_flag_clear(&turn);
    return rc;
}

/* ---- closing ------------------------------------------------------------------------------------------------------- */

/* A thread that became inside before es_session was NULL is seen now; one that becomes so later finds NULL. */
static int close_session(void)
{
    atomic_store(&es_gate.on, 0);
    struct es_session *s = atomic_exchange(&es_session, NULL);
    if (s)
        closing = s;
    if (!closing)
        return -ENOENT;
    if (!es_thread_fence_all())
        atomic_thread_fence(memory_order_seq_cst);
    if (es_thread_any_inside())
        return -EBUSY;
    es_arena_close(&closing->arena);
    enif_free_env(closing->env);
    free(closing);
    closing = NULL;
    return 0;
}

int es_session_close(void)
{
    if (atomic_flag_test_and_set(&turn))
        return -EBUSY;
    int rc = close_session();
    atomic_flag_clear(&turn);
    return rc;
}

/* ---- what is recorded ---------------------------------------------------------------------------------------------- */

void es_session_enable(struct es_session *s, bool on)
{
    atomic_store(&s->arena.head->enabled, on);
    atomic_store(&es_gate.on, on);
}

int es_session_exclude(struct es_session *s, ERL_NIF_TERM pid, es_ref ref)
{
    if (es_gate_excludes(pid))
        return 0;
    uint32_t n = atomic_load(&es_gate.n_excluded);
    if (n == ES_EXCLUDED_MAX)
        return -ENOSPC;
    atomic_store(&es_gate.excluded[n], pid);
    atomic_store(&s->arena.head->excluded[n], ref);
    atomic_store(&es_gate.n_excluded, n + 1);
    return 0;
}
