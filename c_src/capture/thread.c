/* SPDX-License-Identifier: MIT */
/* Threads of the VM and the rings they write to. What a thread keeps is allocated at its first event and used again by later threads,
 * never freed: so looking through all of them needs no lock. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "capture/session.h"

__thread struct es_thread *es_thread_self;

static _Atomic(struct es_thread *) threads;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool key_is_made;

/* ---- a thread's life ----------------------------------------------------------------------------------------------- */

static void release_ring(struct es_thread *t)
{
    struct es_session *s = es_session_get();
    if (s && t->session == s->number && t->ring)
        atomic_store_explicit(&t->ring->head->claimed, 0, memory_order_release);
    t->ring = NULL;
    t->session = 0;
}

/* The thread ends: its ring may be claimed by another, who goes on where this one stopped. */
static void thread_ends(void *self)
{
    struct es_thread *t = self;
    es_thread_self = t;
    if (es_thread_enter()) {
        release_ring(t);
        es_thread_leave(t);
    }
    es_thread_self = NULL;
    atomic_store_explicit(&t->taken, 0, memory_order_release);
}

static void make_key(void) { key_is_made = pthread_key_create(&key, thread_ends) == 0; }

static struct es_thread *take_free(void)
{
    for (struct es_thread *t = atomic_load(&threads); t; t = t->next) {
        uint32_t nobody = 0;
        if (atomic_compare_exchange_strong(&t->taken, &nobody, 1))
            return t;
    }
    return NULL;
}

static struct es_thread *make_new(void)
{
    struct es_thread *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    atomic_init(&t->taken, 1);
    t->next = atomic_load(&threads);
    while (!atomic_compare_exchange_weak(&threads, &t->next, t))
        ;
    return t;
}

struct es_thread *es_thread_attach(void)
{
    pthread_once(&key_once, make_key);
    struct es_thread *t = key_is_made ? take_free() : NULL;
    if (!t && (!key_is_made || !(t = make_new())))
        return NULL;
    if (pthread_setspecific(key, t) != 0) {
        atomic_store(&t->taken, 0);
        return NULL;
    }
    es_thread_self = t;
    return t;
}

/* ---- claiming a ring ----------------------------------------------------------------------------------------------- */

/* Scheduler threads carry their id in their name ("erts_sched_3", before OTP 24 "3_scheduler"); where they don't, their order of
 * coming has to do. */
static uint32_t scheduler_id(uint32_t index)
{
    char name[32] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    const char *digits = name + strcspn(name, "0123456789");
    uint32_t id = (uint32_t)strtoul(digits, NULL, 10);
    return id ? id : index + 1;
}

static struct es_ring *claim(struct es_session *s, enum es_ring_class class, bool scheduler)
{
    for (uint32_t i = 0; i < s->arena.n_rings; i++) {
        struct es_ring *ring = &s->arena.rings[i];
        uint32_t nobody = 0;
        if (ring->head->class != class || !atomic_compare_exchange_strong(&ring->head->claimed, &nobody, 1))
            continue;
        es_ring_resume(ring);
        atomic_store(&ring->head->thread, scheduler ? scheduler_id(i) : 0);
        atomic_fetch_add(&ring->head->generation, 1);
        return ring;
    }
    return NULL;
}

bool es_thread_claim(struct es_thread *t, struct es_session *s)
{
    bool scheduler = enif_thread_type() == ERL_NIF_THR_NORMAL_SCHEDULER;
    t->caller = (struct es_caller){0};
    memset(t->pids, 0, sizeof t->pids);
    memset(t->seen, 0, sizeof t->seen);
    t->n_pending = 0;
    t->until_measured = 63; /* the first events are slow: everything is new */
    t->slow_until = 0;
    t->ring = claim(s, scheduler ? ES_RING_SCHEDULER : ES_RING_OTHER, scheduler);
    if (!t->ring)
        t->ring = claim(s, scheduler ? ES_RING_OTHER : ES_RING_SCHEDULER, scheduler);
    t->session = s->number;
    return t->ring != NULL;
}

/* ---- leaving together ---------------------------------------------------------------------------------------------- */

bool es_thread_any_inside(void)
{
    for (struct es_thread *t = atomic_load(&threads); t; t = t->next)
        if (atomic_load(&t->inside))
            return true;
    return false;
}

bool es_thread_fence_all(void)
{
#if defined(__linux__) && defined(__NR_membarrier)
    if (syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        return true;
    return syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
           syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
    return false;
#endif
}

void es_thread_forget_all(void)
{
    if (key_is_made)
        pthread_key_delete(key);
    for (struct es_thread *t = atomic_load(&threads), *next; t; t = next) {
        next = t->next;
        free(t);
    }
}
