/* SPDX-License-Identifier: MIT */
/* Why no state of a process is known, as far as the recording knows. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"

static void add_time(struct es_query *query, int64_t time, struct es_text *out)
{
    int64_t first = 0, last;
    es_query_span(query, &first, &last);
    es_text_printf(out, "%+.6f s", (double)(time - first) / 1e9);
}

/* Has anything of calls been recorded of it, while it lived? */
static bool find_calls(struct es_query *query, es_ref pid)
{
    const struct es_process *process = es_query_process(query, pid);
    struct es_filter filter = {.pids = &pid,
                               .n_pids = 1,
                               .kinds = UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_RETURN,
                               .since = process ? process->spawned : INT64_MIN,
                               .until = process && process->exited < INT64_MAX ? process->exited + 1 : INT64_MAX,
                               .limit = 1,
                               .no_payload = true};
    struct es_cursor *cursor;
    const struct es_event *event;
    if (es_cursor_open(query, &filter, &cursor) < 0)
        return false;
    bool found = es_cursor_next(cursor, &event) > 0;
    es_cursor_close(cursor);
    return found;
}

/* It is remembered: of a process that lives long all blocks are looked at. */
static bool has_calls(struct es_query *query, es_ref pid)
{
    enum { NO = 1, YES };
    uint64_t *known = pid ? es_refmap_place(&query->with_calls, pid) : NULL;
    if (known && *known)
        return *known == YES;
    bool found = find_calls(query, pid);
    if (known)
        *known = found ? YES : NO;
    return found;
}

static bool level_has_states(const char *level)
{
    return strcmp(level, "minimal") != 0 && strcmp(level, "messages_only") != 0;
}

static void say_why_never(struct es_query *query, es_ref pid, struct es_text *out)
{
    const char *level = es_recording_meta(query->recording, "level");
    const struct es_process *process = es_query_process(query, pid);
    if (level && !level_has_states(level)) {
        es_text_printf(out, "level %s records states only where --trace states:MODULE asks for them", level);
        es_hint("Record with --level balanced, or --trace states:MODULE.");
    } else if (has_calls(query, pid)) {
        es_text_puts(out, "calls of it were recorded, but no callback that returned a state");
    } else if (process && process->module) {
        struct es_event call = {
            .kind = ES_K_SPAWN, .module = process->module, .function = process->function, .arity = process->arity};
        es_text_puts(out, "no callback of it was recorded; it runs ");
        es_query_print_fun(query, &call, false, out);
        es_text_puts(out, ", which is no gen_server, gen_statem or gen_event whose states are recorded, or it handled "
                          "nothing while it was recorded");
        if (level && strcmp(level, "full") != 0)
            es_hint("Level %s has the states of the application's own behaviours; --level full those of all.", level);
    } else {
        es_text_puts(out, "nothing is known of what it runs");
    }
}

int es_state_unknown(struct es_query *query, es_ref pid, int64_t at)
{
    struct es_version_seen seen;
    struct es_version_info first;
    const struct es_process *process = es_query_process(query, pid);
    bool any = es_version_number(query, pid, 1, &seen) == 0;
    int rc = -ENODATA;
    struct es_text who = {0}, why = {0};
    es_query_print_ref(query, pid, true, &who);
    if (process && process->spawned > at) {
        rc = -ENOENT;
        es_text_puts(&why, "it did not live yet: it was spawned at ");
        add_time(query, process->spawned, &why);
    } else if (any && es_query_version_info(query, pid, &seen, &first) == 0) {
        es_text_puts(&why, "the first version that was recorded is of ");
        add_time(query, first.time, &why);
    } else {
        say_why_never(query, pid, &why);
    }
    rc = es_fail(rc, "no state of %s is known%s: %s", who.bytes ? who.bytes : "?", any ? " then" : "",
                 why.bytes ? why.bytes : "?");
    es_text_fini(&who);
    es_text_fini(&why);
    return rc;
}
