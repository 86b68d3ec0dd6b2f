/* SPDX-License-Identifier: MIT */
/* The engine as a process of its own: started, started again when it dies, and able to finish alone when the recorder dies. */
#ifndef ES_CLI_ENGINEPROC_H
#define ES_CLI_ENGINEPROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/engine.h"
#include "wire/arena.h"
#include "wire/sessiondir.h"

#define ES_ENGINE_RESTARTS 20       /* so many within … */
#define ES_ENGINE_RESTARTS_MS 10000 /* … this time, and it is given up */
#define ES_RESCUE_RESTARTS 2        /* the same of one that drains what others left: it dies of what it reads */

struct es_engine_report;

struct es_engineproc {
    pid_t pid;                       /* 0: not running */
    struct es_engine_report *report; /* shared with the process */
    struct es_arena *arena;
    struct es_session_dir *dir;
    struct es_engine_options options;
    int64_t restarted[ES_ENGINE_RESTARTS]; /* ms of the last restarts, round robin */
    unsigned restarts, max_restarts;
    bool ended; /* for good */
    int rc;     /* then: 0 and why, or a negative errno and a cause in the report */
    enum es_engine_end end;
};

/* Starts it. `arena`, `dir` and the strings in `options` must outlive it. The caller must be single-threaded. */
int es_engineproc_start(struct es_engineproc *engine, struct es_arena *arena, struct es_session_dir *dir,
                        const struct es_engine_options *options);

/* Looks whether it died: starts it again, or notes that it ended. 1 where it was started again, else 0. */
int es_engineproc_reap(struct es_engineproc *engine);

/* Waits for the end of a process that was told to stop (head->stop), restarting it as needed. */
void es_engineproc_wait(struct es_engineproc *engine);

/* Adds the engine's own words to the chain of causes. */
int es_engineproc_fail(const struct es_engineproc *engine);
void es_engineproc_fini(struct es_engineproc *engine);

int64_t es_now_ms(void);

#endif
