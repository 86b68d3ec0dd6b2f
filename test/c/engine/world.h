/* SPDX-License-Identifier: MIT */
/* A session for tests: an arena, an engine in a process or thread of its own, and the recording it made, read back whole. */
#ifndef TEST_ENGINE_WORLD_H
#define TEST_ENGINE_WORLD_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/error.h"
#include "engine/engine.h"
#include "store/reader.h"
#include "writer.h"

struct world {
    struct es_arena arena;
    struct es_engine_options options;
    char path[128];
    pid_t engine;     /* as a process */
    pthread_t thread; /* as a thread */
    enum es_engine_end end;
    int rc;
    /* the recording */
    struct es_recording *recording;
    struct es_event *events; /* by sequence number - 1; payloads are copies */
    size_t n;
};

static inline void pause_ms(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&ts, NULL);
}

static inline void world_open(struct world *world, const char *name, uint32_t rings, uint64_t bytes)
{
    *world = (struct world){.options = {.commit_ms = 20}};
    snprintf(world->path, sizeof world->path, "/tmp/es_engine_%s.%d.scope", name, (int)getpid());
    world->options.store.path = world->path;
    world->options.store.overwrite = true;
    assert_int_equal(writer_arena(&world->arena, rings, bytes), 0);
    atomic_store(&world->arena.head->enabled, 1);
}

static inline void world_remove(const struct world *world)
{
    char name[160];
    const char *const suffix[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", world->path, suffix[i]);
        unlink(name);
    }
}

static inline void world_close(struct world *world)
{
    for (size_t i = 0; i < world->n; i++)
        free((void *)(uintptr_t)world->events[i].payload);
    free(world->events);
    if (world->recording)
        es_recording_close(world->recording);
    es_arena_close(&world->arena);
    world_remove(world);
}

/* ---- the engine ---- */

static inline void *world_thread(void *context)
{
    struct world *world = context;
    world->rc = es_engine_run(&world->arena, &world->options, &world->end);
    if (world->rc < 0)
        fprintf(stderr, "engine: %s\n", es_error_text());
    return NULL;
}
static inline void world_start(struct world *world)
{
    assert_int_equal(pthread_create(&world->thread, NULL, world_thread, world), 0);
}
static inline void world_join(struct world *world)
{
    pthread_join(world->thread, NULL);
    assert_int_equal(world->rc, 0);
}
/* Nothing more will be written: drain, and end. */
static inline void world_stop(struct world *world)
{
    atomic_store(&world->arena.head->vm_done, 1);
    atomic_store(&world->arena.head->stop, 1);
}
/* Everything that was written so far, by an engine that starts now. */
static inline void world_run(struct world *world)
{
    world_stop(world);
    world_thread(world);
    assert_int_equal(world->rc, 0);
}

static inline void world_fork(struct world *world)
{
    fflush(NULL);
    world->engine = fork();
    assert_true(world->engine >= 0);
    if (world->engine == 0) {
        enum es_engine_end end;
        int r = es_engine_run(&world->arena, &world->options, &end);
        if (r < 0)
            fprintf(stderr, "engine: %s\n", es_error_text());
        _exit(r < 0 ? 200 : (int)end);
    }
}
static inline int world_wait(struct world *world)
{
    int status;
    assert_int_equal(waitpid(world->engine, &status, 0), world->engine);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the recording ---- */

static inline void world_read(struct world *world)
{
    const struct es_block_info *blocks;
    assert_int_equal(es_recording_open(world->path, &world->recording), 0);
    size_t n = es_recording_blocks(world->recording, &blocks);
    world->n = n ? (size_t)blocks[n - 1].last_seq : 0;
    world->events = calloc(world->n + 1, sizeof *world->events);
    uint64_t seq = 0;
    for (size_t b = 0; b < n; b++) {
        struct es_block *block;
        assert_int_equal(es_block_get(world->recording, b, &block), 0);
        for (size_t i = 0; i < block->n; i++) {
            struct es_event *event = &world->events[seq++];
            *event = block->events[i];
            assert_int_equal(event->seq, seq); /* without holes */
            struct es_buf copy = {0};
            if (event->kind == ES_K_STATE && event->payload_len)
                assert_int_equal(es_recording_state_read(world->recording, seq, &copy), 0);
            else
                assert_int_equal(es_buf_add(&copy, event->payload, event->payload_len), 0);
            assert_int_equal(copy.len, event->payload_len);
            event->payload = copy.bytes;
        }
        es_block_unref(world->recording, block);
    }
    assert_int_equal(seq, world->n);
}

static inline const struct es_event *world_event(const struct world *world, uint64_t seq)
{
    return seq >= 1 && seq <= world->n ? &world->events[seq - 1] : NULL;
}

/* The first event of this kind and process after `after`; NULL where there is none. */
static inline const struct es_event *world_find(const struct world *world, unsigned kind, es_ref pid, uint64_t after)
{
    for (size_t i = after; i < world->n; i++)
        if (world->events[i].kind == kind && (pid == 0 || world->events[i].pid == pid))
            return &world->events[i];
    return NULL;
}

static inline size_t world_count(const struct world *world, unsigned kind)
{
    size_t n = 0;
    for (size_t i = 0; i < world->n; i++)
        n += world->events[i].kind == kind;
    return n;
}

/* No cause is after its effect, in neither order; times of a process never fall. */
static inline void world_check_order(const struct world *world)
{
    for (size_t i = 0; i < world->n; i++) {
        const struct es_event *event = &world->events[i];
        const struct es_event *cause = event->cause ? world_event(world, event->cause) : NULL;
        if (event->cause) {
            assert_non_null(cause);
            assert_true(cause->seq < event->seq);
            assert_true(cause->time < event->time);
        }
    }
}

static inline uint64_t world_counter(struct world *world, const char *name);
struct world_counter {
    const char *name;
    uint64_t value;
};
static inline int world_counter_each(const char *name, uint64_t value, void *context)
{
    struct world_counter *counter = context;
    if (strcmp(name, counter->name) == 0)
        counter->value = value;
    return 0;
}
static inline uint64_t world_counter(struct world *world, const char *name)
{
    struct world_counter counter = {name, 0};
    es_recording_each_counter(world->recording, world_counter_each, &counter);
    return counter.value;
}

static inline es_ref pid_of(uint32_t i) { return es_ref_pid(100 + i, 0); }
static inline es_ref atom_of(uint32_t i) { return es_ref_make(ES_REF_ATOM, 0x1000b + 64u * i); }
static inline uint64_t mix(uint64_t value) { return es_hash_mix(value, UINT64_C(0x9e3779b97f4a7c15)); }

/* Every event's number in its process, for the check that order is kept. */
struct dice {
    uint64_t state;
};
static inline uint32_t dice(struct dice *d, uint32_t n)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t)((d->state >> 16) % n);
}

#endif
