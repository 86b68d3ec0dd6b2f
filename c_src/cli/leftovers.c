/* SPDX-License-Identifier: MIT */
/* What dead recorders left: their rings are drained into their recordings, by an engine in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "control/place.h"

#define DISARM_MS 3000 /* the agent takes all out within 2 s of its recorder's death */

static bool lives(int pid, uint64_t start) { return start && es_process_start(pid) == start; }

static void wait_for_agent(const struct es_session_dir *dir, struct es_arena_head *head)
{
    int64_t until = es_now_ms() + DISARM_MS;
    struct timespec pause = {.tv_nsec = 50000000};
    while (lives(dir->vm, dir->vm_start) && !atomic_load(&head->vm_done) && es_now_ms() < until)
        nanosleep(&pause, NULL);
    atomic_store(&head->enabled, 0);
}

static int drain(struct es_session_dir *dir, struct es_arena *arena)
{
    struct es_engine_options options = {.commit_ms = 100, .resume = true, .store.path = dir->recording};
    struct es_engineproc engine;
    memcpy(options.store.session, arena->head->id, sizeof options.store.session);
    wait_for_agent(dir, arena->head);
    atomic_store(&arena->head->stop, 1);
    int rc = es_engineproc_start(&engine, arena, dir, &options);
    engine.max_restarts = ES_RESCUE_RESTARTS;
    if (rc == 0) {
        es_engineproc_wait(&engine);
        rc = engine.rc < 0 ? es_engineproc_fail(&engine) : 0;
    }
    es_engineproc_fini(&engine);
    return rc;
}

static enum es_rescue rescue(struct es_session_dir *dir)
{
    struct es_arena arena;
    if (!dir->arena[0] || !dir->recording[0]) {
        es_place_remove(dir);
        return ES_RESCUE_EMPTY;
    }
    int rc = es_arena_open(dir->arena, &arena);
    if (rc == -ENOENT || rc == -ESRCH || rc == -ENXIO) {
        enum es_rescue result = strncmp(dir->arena, "/proc/", 6) == 0 && access(dir->recording, F_OK) == 0
                                    ? ES_RESCUE_LOST
                                    : ES_RESCUE_EMPTY;
        es_place_remove(dir);
        return result;
    }
    if (rc < 0) {
        es_fail(rc, "the rings of session %s cannot be read: %s", dir->id, strerror(-rc));
        return ES_RESCUE_FAILED;
    }
    dir->recorder = getpid(); /* others see it live */
    dir->recorder_start = es_process_start(dir->recorder);
    es_session_dir_save(dir);
    rc = drain(dir, &arena);
    es_arena_close(&arena);
    if (rc == 0) {
        es_place_remove(dir);
        return ES_RESCUE_SAVED;
    }
    if (rc == -ESTALE) {
        es_error_clear();
        es_place_remove(dir);
        return ES_RESCUE_REPLACED;
    }
    dir->recorder = 0;
    es_session_dir_save(dir);
    es_fail(rc, "session %s cannot be saved into %s", dir->id, dir->recording);
    return ES_RESCUE_FAILED;
}

enum es_rescue es_rescue_session(const struct es_session_dir *dir)
{
    struct es_session_dir now;
    int lock = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        return ES_RESCUE_EMPTY; /* it is gone meanwhile */
    enum es_rescue result = ES_RESCUE_BUSY;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        if (es_session_dir_load(dir->path, &now) < 0)
            result = ES_RESCUE_EMPTY;
        else if (es_session_dir_life(&now) == ES_SESSION_LIVE)
            result = ES_RESCUE_LIVE;
        else if (!now.arena[0] && lives(now.vm, now.vm_start))
            result = ES_RESCUE_KEPT;
        else if (!lives(now.engine, now.engine_start))
            result = rescue(&now);
    }
    close(lock);
    return result;
}

static int rescue_one(const struct es_session_dir *dir, void *context)
{
    const struct es_recorder *recorder = context;
    uint64_t events, lost;
    struct es_cli_buf buf;
    switch (es_rescue_session(dir)) {
    case ES_RESCUE_SAVED:
        if (es_summary_counts(dir->recording, &events, &lost))
            es_recorder_tell(recorder, "finished %s, whose recorder had died: %s events", dir->recording,
                             es_cli_count(events, &buf));
        break;
    case ES_RESCUE_LOST:
        es_recorder_warn(recorder,
                         "the recorder of %s had died together with its rings: the last events before that are missing",
                         dir->recording);
        break;
    case ES_RESCUE_REPLACED:
        es_recorder_warn(recorder, "%s was replaced before its first recorder's rest was written: that is thrown away",
                         dir->recording);
        break;
    case ES_RESCUE_FAILED:
        es_recorder_warn(recorder, "%s (see `elixirscope recover`)", es_error_text());
        es_error_clear();
        break;
    default: break;
    }
    return 0;
}

void es_rescue_all(const struct es_recorder *recorder) { es_session_dir_each(rescue_one, (void *)(uintptr_t)recorder); }
