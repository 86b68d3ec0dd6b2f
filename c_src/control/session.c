/* SPDX-License-Identifier: MIT */
/* The shared memory of a session: how many rings, how large, what is redacted. */
#include "control/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/memory.h"

#define OTHER_RING (UINT64_C(1) << 20)

const char *const es_redact_default[] = {
    "password",     "passwd",        "secret",      "token",  "authorization", "api_key", "apikey",
    "access_token", "refresh_token", "private_key", "cookie", "credit_card",   "cvv",     NULL};

static uint64_t power_of_two(uint64_t n)
{
    uint64_t size = ES_RING_MIN;
    while (size < n && size < UINT64_C(1) << 40)
        size *= 2;
    return size;
}

static uint32_t bounded(int64_t n, uint32_t low, uint32_t high)
{
    return n < low ? low : n > high ? high : (uint32_t)n;
}

static int add_redaction(struct es_arena *arena, enum es_redact_kind kind, const char *text)
{
    int rc = es_arena_redact(arena, kind, text);
    if (rc == -ENOSPC)
        return es_fail(rc, "there are more than %d redaction rules", ES_REDACT_MAX);
    return rc < 0 ? es_fail(rc, "'%s' cannot be a redaction rule: at most %d bytes", text, ES_REDACT_TEXT) : 0;
}

/* A struct is known by its module's atom; people leave "Elixir." away. */
static int add_rule(struct es_arena *arena, const struct es_redaction *rule)
{
    char module[ES_REDACT_TEXT + sizeof "Elixir."];
    if (rule->kind != ES_REDACT_STRUCT || strncmp(rule->text, "Elixir.", 7) == 0)
        return add_redaction(arena, rule->kind, rule->text);
    snprintf(module, sizeof module, "Elixir.%s", rule->text);
    return add_redaction(arena, ES_REDACT_STRUCT, module);
}

static int prepare(struct es_arena *arena, const struct es_session_options *options)
{
    int rc = 0;
    for (const char *const *key = es_redact_default; options->default_redaction && rc == 0 && *key; key++)
        rc = add_redaction(arena, ES_REDACT_KEY, *key);
    for (size_t i = 0; rc == 0 && i < options->n_redact; i++)
        rc = add_rule(arena, &options->redact[i]);
    struct es_limits *limits = &arena->head->limits;
    if (options->payload_bytes >= 0)
        atomic_store(&limits->payload_bytes, bounded(options->payload_bytes, 0, ES_RECORD_MAX / 2));
    if (options->state_bytes >= 0)
        atomic_store(&limits->state_bytes, bounded(options->state_bytes, 0, ES_RECORD_MAX / 2));
    if (options->whole_states) { /* states have many times as much as others, whose bytes bound them */
        atomic_store(&limits->max_elements, ES_RECORD_MAX / 16);
        atomic_store(&limits->work, ES_WORK_UNLIMITED);
        atomic_store(&limits->max_depth, UINT32_MAX);
    }
    return rc;
}

/* A thread that copies states writes 100 MB/s and more. Who is to miss nothing while the machine has other things to do for half a second
 * needs rings as large as that; all of them together are at most a 64th of the memory. */
#define MEMORY_PART 64u

static uint64_t ring_default(uint32_t schedulers)
{
    uint64_t bytes = ES_RING_DEFAULT, part = es_memory_available() / MEMORY_PART;
    while (bytes > ES_RING_DEFAULT_LEAST && bytes * schedulers > part)
        bytes /= 2;
    return bytes;
}

int es_session_arena(struct es_session_dir *dir, const struct es_hello *hello, const struct es_session_options *options,
                     uid_t owner, struct es_arena *ret_arena)
{
    uint32_t schedulers = bounded(hello->schedulers, 1, ES_RINGS_MAX / 2);
    /* Dirty threads, and some foreign ones: the poll thread, threads of other NIFs. */
    int64_t dirty = (int64_t)bounded(hello->dirty_cpu, 0, ES_RINGS_MAX) + bounded(hello->dirty_io, 0, ES_RINGS_MAX);
    struct es_arena_plan plan = {
        .schedulers = schedulers,
        .others = bounded(2 * dirty + 4, 4, ES_RINGS_MAX - schedulers),
        .scheduler_bytes = options->ring_bytes ? power_of_two(options->ring_bytes) : ring_default(schedulers),
        .other_bytes = OTHER_RING,
        .owner = owner,
    };
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/arena", dir->path) >= (int)sizeof path)
        return es_fail(-ENAMETOOLONG, "the session's path is too long");
    struct es_arena arena;
    int rc = es_arena_create(path, &plan, &arena);
    if (rc < 0) {
        es_hint("`elixirscope doctor` says how much shared memory there is; --ring-size makes the rings smaller.");
        return es_fail(rc, "the rings cannot be made: %s", strerror(-rc));
    }
    rc = prepare(&arena, options);
    if (rc < 0) {
        es_arena_close(&arena);
        unlink(path);
        return rc;
    }
    if (arena.memfd)
        snprintf(dir->arena, sizeof dir->arena, "/proc/%d/fd/%d", (int)getpid(), arena.fd);
    else
        strcpy(dir->arena, path);
    *ret_arena = arena;
    return 0;
}
