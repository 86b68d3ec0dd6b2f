/* SPDX-License-Identifier: MIT */
/* The engine's life: begin or take over, look, hand on, commit, until there is a reason to end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/resume.h"
#include "store/reader.h"
#include "wire/sessiondir.h"

#define MS UINT64_C(1000000)
#define RECORDS_A_RUN 65536u
#define EVENTS_A_COMMIT 262144u
#define RING_PART 85u  /* of 256 in use: commit, to give it back */
#define RING_MOST 128u /* … not even waiting for a whole block */
#define OPEN_FEW 4096u /* events of an open block: little work to write it as a mini-block first */
#define QUIET_MS 1000u /* without events, positions are written so seldom */
#define VM_LOOK_MS 50u
#define STOP_MS 2000u /* after being told to stop, the VM is given so long to say that it is done */
#define TAIL_MS 1000u /* what a flight recorder adds after its trigger */
#define FULL_MS 3000u /* a full disk is tried again for so long */
#define FULL_STEP_MS 100u
#define EVENTS_BEHIND 8192u   /* in a round: they came faster than they were taken */
#define EVENTS_BUSY 1024u     /* in a round */
#define SLEEP_MIN_US 500u     /* after such a one */
#define SLEEP_ACTIVE_US 1000u /* where there was something */
#define SLEEP_MAX_US 5000u    /* where there was nothing for the last 150 ms */

struct engine {
    struct es_arena *arena;
    struct es_arena_head *head;
    struct es_engine_options options;
    struct es_store *store;
    struct es_core core;
    struct es_drain drain;
    struct es_position_room room;
    uint64_t now; /* ns of the system's clock, of this round */
    uint64_t began, committed, looked, stopped, triggered, rated, full, tried; /* when; 0 = not */
    uint64_t rated_seq;
    uint64_t vm_start;
    uint32_t vm_pid, sleep_us;
    bool resumed, vm_gone, ended;
    enum es_engine_end end;
};

static const char *const end_names[] = {
    [ES_END_STOPPED] = "stopped",     [ES_END_VM_GONE] = "vm_gone",     [ES_END_LIMIT] = "limit",
    [ES_END_DISK_FULL] = "disk_full", [ES_END_TRIGGERED] = "triggered",
};

static void end(struct engine *e, enum es_engine_end why)
{
    if (!e->ended)
        e->end = why;
    e->ended = true;
}

static bool is_due(const struct engine *e, uint64_t since, uint64_t ms) { return e->now - since >= ms * MS; }

/* ---- beginning ----------------------------------------------------------------------------------------------------- */

/* What is kept of a flight recorder's recording is dropped in whole groups: so groups are an eighth of it. */
static struct es_store_options store_options(const struct engine *e)
{
    struct es_store_options options = e->options.store;
    memcpy(options.session, e->head->id, sizeof options.session);
    if (e->options.keep_ns) {
        options.max_age_ns = e->options.keep_ns;
        options.group_ns = (int64_t)(e->options.keep_ns / 8 + 1);
    }
    if (e->options.keep_bytes) {
        uint64_t events = e->options.keep_bytes / 8 / 16;
        options.max_bytes = e->options.keep_bytes;
        if (options.group_events == 0)
            options.group_events = events < 4096 ? 4096 : events > 262144 ? 0 : events;
    }
    return options;
}

/* The old engine may have died when everything was done but its own end. */
static bool is_finished(struct engine *e, const struct es_store_options *options)
{
    struct es_recording *recording;
    char session[33];
    bool finished = false;
    for (int i = 0; i < 16; i++)
        snprintf(session + 2 * i, 3, "%02x", options->session[i]);
    if (es_recording_open(options->path, &recording) < 0)
        return false;
    const char *value = es_recording_meta(recording, "session");
    finished = value && strcmp(value, session) == 0 && (value = es_recording_meta(recording, "closed")) &&
               strcmp(value, "1") == 0;
    value = finished ? es_recording_meta(recording, "end_reason") : NULL;
    for (unsigned i = 0; value && i < sizeof end_names / sizeof end_names[0]; i++)
        if (strcmp(value, end_names[i]) == 0)
            end(e, (enum es_engine_end)i);
    es_recording_close(recording);
    return finished && e->ended;
}

static int open_store(struct engine *e)
{
    struct es_store_options options = store_options(e);
    int r = -ENOENT;
    if (e->options.resume) {
        r = es_store_resume(&options, &e->store);
        e->resumed = r == 0;
        if (r == -ESTALE && is_finished(e, &options)) {
            es_error_clear();
            return 0;
        }
    }
    if (r == -ENOENT) {
        es_error_clear();
        r = es_store_create(&options, &e->store);
    }
    return r;
}

static void beat(struct engine *e)
{
    e->now = es_clock_os();
    atomic_store_explicit(&e->head->engine_beat, es_clock_now((enum es_clock)e->head->clock), memory_order_relaxed);
}

static int begin(struct engine *e)
{
    uint64_t rate = e->head->clock_rate;
    atomic_store(&e->head->engine_pid, (uint32_t)getpid());
    beat(e);
    int r = open_store(e);
    if (r < 0 || e->ended)
        return r;
    r = es_core_init(&e->core, e->store, rate / 1000);
    if (r == 0)
        r = es_drain_init(&e->drain, e->arena, &e->core);
    if (r == 0 && e->resumed)
        r = es_resume(&e->drain, e->options.store.path);
    if (r == 0 && e->resumed)
        r = es_store_count(e->store, "engine.takeovers", 1);
    e->core.latency = (struct es_latency){.map = &e->drain.clock, .clock = (enum es_clock)e->head->clock};
    beat(e);
    e->began = e->committed = e->rated = e->now;
    e->rated_seq = e->core.next_seq;
    e->core.limit_seq = e->options.limit_events ? e->options.limit_events + 1 : 0;
    e->core.full = e->core.limit_seq && e->core.next_seq >= e->core.limit_seq;
    return r;
}

/* ---- commits ------------------------------------------------------------------------------------------------------- */

static int try_commit(struct engine *e)
{
    struct es_store_position position;
    int r = es_core_flush(&e->core);
    if (r == 0)
        r = es_position_make(&e->drain, &e->room, &position);
    if (r == 0)
        r = es_store_commit(e->store, &position);
    if (r < 0)
        return r;
    es_drain_release(&e->drain);
    atomic_store_explicit(&e->head->drained, e->drain.given, memory_order_release);
    return 0;
}

/* A full disk may have room again in a moment. Meanwhile nothing more is read: the rings count what they lose. */
static int disk_full(struct engine *e)
{
    e->tried = e->now;
    if (e->full == 0)
        e->full = e->now;
    if (is_due(e, e->full, FULL_MS))
        end(e, ES_END_DISK_FULL);
    else
        es_error_clear();
    return 0;
}

static int commit(struct engine *e)
{
    int r = 0;
    if (e->full == 0) {
        r = es_gap_unclaimed(&e->drain, e->drain.given);
        if (r == 0 && es_store_group_full(e->store))
            r = es_keyframe_make(&e->core);
    }
    if (r == 0)
        r = try_commit(e);
    e->committed = e->now = es_clock_os();
    if (r == -ENOSPC)
        return disk_full(e);
    e->full = 0;
    return r;
}

/* While we are behind, the open block is whole in some milliseconds: to write it as a mini-block first would be done for nothing. */
static bool can_wait(const struct engine *e, bool more, unsigned part)
{
    uint32_t left, open = es_store_open(e->store, &left);
    return more && part < RING_MOST && open > OPEN_FEW && left > 0;
}

static bool wants_commit(const struct engine *e, bool more)
{
    size_t bytes, events = es_store_pending(e->store, &bytes);
    bool any;
    unsigned part = es_drain_unreleased(&e->drain, &any);
    if (bytes < ES_STORE_BATCH_BYTES && can_wait(e, more, part))
        return false;
    uint32_t ms = e->options.commit_ms ? e->options.commit_ms : 100;
    if (e->full == 0 &&
        es_store_group_full(e->store)) /* a question about a moment reads half a group: it is to end in time */
        return true;
    if (events >= EVENTS_A_COMMIT || bytes >= ES_STORE_BATCH_BYTES || part >= RING_PART)
        return true;
    return (events > 0 && is_due(e, e->committed, ms)) || ((any || bytes > 0) && is_due(e, e->committed, QUIET_MS));
}

/* ---- reasons to end ------------------------------------------------------------------------------------------------ */

static void look_at_vm(struct engine *e)
{
    uint32_t pid = atomic_load(&e->head->vm_pid);
    if (pid == 0 || e->vm_gone || (e->looked && !is_due(e, e->looked, VM_LOOK_MS)))
        return;
    e->looked = e->now;
    uint64_t start = es_process_start((int)pid);
    if (pid != e->vm_pid) {
        e->vm_pid = pid;
        e->vm_start = start;
    }
    e->vm_gone = start == 0 || start != e->vm_start;
}

static uint64_t file_bytes(const char *path)
{
    char log[4096];
    struct stat st;
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    if ((size_t)snprintf(log, sizeof log, "%s-wal", path) < sizeof log && stat(log, &st) == 0)
        bytes += (uint64_t)st.st_size;
    return bytes;
}

static bool is_too_fast(struct engine *e)
{
    if (!e->options.limit_rate || !is_due(e, e->rated, 1000))
        return false;
    double seconds = (double)(e->now - e->rated) / 1e9, events = (double)(e->core.next_seq - e->rated_seq);
    e->rated = e->now;
    e->rated_seq = e->core.next_seq;
    return events / seconds > (double)e->options.limit_rate;
}

static bool is_too_long(const struct engine *e)
{
    if (!e->options.limit_ns)
        return false;
    uint64_t span = e->now - e->began;
    if (e->core.first_time != INT64_MAX && e->drain.clock.started) {
        uint64_t stamp = es_clock_now((enum es_clock)e->head->clock);
        uint64_t recorded = (uint64_t)es_clock_map_line(&e->drain.clock, stamp) - (uint64_t)e->core.first_time;
        span = recorded > span && recorded < (uint64_t)INT64_MAX ? recorded : span;
    }
    return span >= e->options.limit_ns;
}

static void look_at_limits(struct engine *e)
{
    bool may_be_large = e->options.limit_bytes && e->committed == e->now;
    if (e->core.full || is_too_long(e) || is_too_fast(e) ||
        (may_be_large && file_bytes(e->options.store.path) >= e->options.limit_bytes))
        end(e, ES_END_LIMIT);
}

static void look_at_trigger(struct engine *e)
{
    if (e->triggered == 0 && (e->core.seen & e->options.on)) {
        e->triggered = e->now;
        atomic_fetch_add(&e->head->trigger, 1);
    }
    if (e->triggered && is_due(e, e->triggered, TAIL_MS))
        end(e, ES_END_TRIGGERED);
}

static void look_at_stop(struct engine *e)
{
    if (atomic_load(&e->head->stop) == 0) {
        if (e->vm_gone)
            end(e, ES_END_VM_GONE);
        return;
    }
    if (e->stopped == 0)
        e->stopped = e->now;
    bool done = atomic_load(&e->head->vm_done) || e->vm_pid == 0 || e->vm_gone || is_due(e, e->stopped, STOP_MS);
    if (done)
        end(e, ES_END_STOPPED);
}

/* ---- rounds -------------------------------------------------------------------------------------------------------- */

static void rest(struct engine *e, uint64_t events)
{
    uint32_t longer = e->sleep_us + e->sleep_us / 32, most = events > 0 ? SLEEP_ACTIVE_US : SLEEP_MAX_US;
    e->sleep_us = events >= EVENTS_BUSY ? SLEEP_MIN_US : longer < most ? longer : most;
    struct timespec pause = {.tv_nsec = (long)e->sleep_us * 1000};
    nanosleep(&pause, NULL);
}

/* Up to the end of the open block, about. */
static uint32_t records_a_run(const struct engine *e)
{
    uint32_t left;
    es_store_open(e->store, &left);
    return left > 0 ? left : RECORDS_A_RUN;
}

static int one_round(struct engine *e)
{
    bool more = false;
    uint64_t before = e->core.next_seq;
    beat(e);
    look_at_vm(e); /* before looking at the rings: what a dead VM published is there now */
    look_at_stop(e);
    if (e->ended)
        return 0;
    if (e->full) {
        rest(e, 0);
        return is_due(e, e->tried, FULL_STEP_MS) ? commit(e) : 0;
    }
    int r = es_drain_look(&e->drain, false);
    if (r == 0)
        r = es_drain_run(&e->drain, records_a_run(e), &more);
    es_store_hurry(e->store, more || e->core.next_seq - before >= EVENTS_BEHIND);
    if (r == 0 && wants_commit(e, more))
        r = commit(e);
    look_at_trigger(e);
    look_at_limits(e);
    if (r == 0 && !more && !e->ended)
        rest(e, e->core.next_seq - before);
    return r;
}

/* Everything that was published, whatever it waits for. */
static int drain_all(struct engine *e)
{
    bool more = true;
    e->core.latency.map = NULL; /* how long the rest takes is nobody's waiting */
    int r = es_drain_look(&e->drain, true);
    while (r == 0 && more && !e->core.full && e->full == 0) {
        r = es_drain_run(&e->drain, records_a_run(e), &more);
        es_store_hurry(e->store, more);
        beat(e);
        if (r == 0 && wants_commit(e, more))
            r = commit(e);
    }
    if (r == 0 && !e->core.full)
        r = es_core_reached(&e->core, UINT64_MAX);
    return r == 0 ? es_gap_rest(&e->drain) : r;
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

static const char *trigger_name(const struct engine *e)
{
    uint32_t seen = e->core.seen & e->options.on;
    return seen & ES_ON_CRASH ? "crash" : seen & ES_ON_ERROR ? "error" : seen & ES_ON_MARK ? "mark" : "none";
}

static int last_words(struct engine *e)
{
    char text[32];
    uint64_t duration =
        e->core.first_time == INT64_MAX ? 0 : (uint64_t)e->core.last_time - (uint64_t)e->core.first_time;
    snprintf(text, sizeof text, "%llu", (unsigned long long)duration);
    int r = es_core_flush(&e->core);
    if (r == 0)
        r = es_store_meta(e->store, "duration_ns", text);
    if (r == 0)
        r = es_store_meta(e->store, "end_reason", end_names[e->end]);
    return r == 0 && e->options.on ? es_store_meta(e->store, "trigger", trigger_name(e)) : r;
}

static int finish(struct engine *e)
{
    int r = 0;
    if (e->end == ES_END_LIMIT)
        atomic_store(&e->head->enabled, 0);
    if (e->end != ES_END_DISK_FULL && !(e->end == ES_END_LIMIT && e->core.full))
        r = drain_all(e);
    if (r == 0)
        r = last_words(e);
    if (r < 0)
        return r;
    r = es_store_close(e->store, end_names[e->end]);
    e->store = NULL;
    if (r == 0)
        es_drain_release(&e->drain);
    if (r == -ENOSPC) { /* what was committed is there; it is marked as ended early by not being closed */
        e->end = ES_END_DISK_FULL;
        es_error_clear();
        r = 0;
    }
    return r;
}

int es_engine_run(struct es_arena *arena, const struct es_engine_options *options, enum es_engine_end *ret_end)
{
    struct engine e = {.arena = arena, .head = arena->head, .options = *options, .sleep_us = SLEEP_MIN_US};
    int r = begin(&e);
    while (r == 0 && !e.ended)
        r = one_round(&e);
    if (r == 0 && e.store)
        r = finish(&e);
    if (e.store)
        es_store_abandon(e.store);
    es_position_fini(&e.room);
    es_drain_fini(&e.drain);
    es_core_fini(&e.core);
    atomic_store(&e.head->engine_pid, 0);
    if (r < 0)
        return es_fail(r, "the recording to %s broke off", options->store.path);
    *ret_end = e.end;
    return 0;
}
