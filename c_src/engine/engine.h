/* SPDX-License-Identifier: MIT */
/* The engine: drains the rings of a session into a recording, in one causally consistent order that is final when given. */
#ifndef ES_ENGINE_ENGINE_H
#define ES_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"
#include "wire/arena.h"

struct es_engine_options {
    struct es_store_options store; /* path, retention */
    uint32_t commit_ms;            /* 100 */
    bool resume;                   /* take over: the recording may exist already */
    uint64_t keep_ns, keep_bytes;  /* flight recorder: keep only the last; 0 = everything */
    uint32_t on; /* set of es_trigger: what makes a flight recorder keep its file; 0 = not a flight recorder */
    uint64_t limit_events, limit_bytes, limit_ns,
        limit_rate; /* stop the recording (limit_rate: events/s) when reached; 0 = none */
};
enum es_trigger { ES_ON_CRASH = 1, ES_ON_ERROR = 2, ES_ON_MARK = 4 };

enum es_engine_end { ES_END_STOPPED, ES_END_VM_GONE, ES_END_LIMIT, ES_END_DISK_FULL, ES_END_TRIGGERED };

/* Runs until head->stop is set (then drains all), or the VM is gone and all is drained, or a limit is reached. Sets head->engine_beat each
 * round. SIGTERM and SIGINT are the caller's: set head->stop. Returns 0 and why it ended, or a negative errno. */
int es_engine_run(struct es_arena *arena, const struct es_engine_options *options, enum es_engine_end *ret_end);

/* Reads a dbg trace-port file, plain or the first of a wrapped set ("F0.trace" … found by its neighbours), into a new recording. */
struct es_import_report {
    uint64_t events, skipped, dropped;
    bool truncated;
};
int es_engine_import(const char *trace, const struct es_store_options *store, struct es_import_report *ret_report);

#endif
