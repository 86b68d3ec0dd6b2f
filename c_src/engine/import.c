/* SPDX-License-Identifier: MIT */
/* A trace that dbg wrote, as a recording. The file port takes messages of all schedulers in the order they come, which is not quite that of
 * their timestamps: a window of events is put in order before they go on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/dbgfile.h"
#include "engine/dbgterm.h"
#include "engine/engine.h"
#include "engine/gap.h"
#include "engine/resume.h"

#define WINDOW_EVENTS 4096u
#define WINDOW_BYTES (32u << 20)
#define TICKS_MS 1000000u /* keys are nanoseconds */

struct waiting {
    struct es_input in;
    uint64_t number;
    uint8_t *payload;
};

struct import {
    struct es_core core;
    struct es_dbg dbg;
    struct es_dbg_files files;
    struct es_import_report report;
    struct waiting window[WINDOW_EVENTS]; /* a heap, the earliest first */
    uint32_t n;
    size_t bytes;
    uint64_t number;   /* of events read */
    int64_t last_time; /* of the last one read */
    bool ordered;      /* times were met that were not in order, or missing */
};

/* ---- the window ---------------------------------------------------------------------------------------------------- */

static bool is_before(const struct waiting *a, const struct waiting *b)
{
    return a->in.time != b->in.time ? a->in.time < b->in.time : a->number < b->number;
}

static void swap(struct import *im, uint32_t a, uint32_t b)
{
    struct waiting held = im->window[a];
    im->window[a] = im->window[b];
    im->window[b] = held;
}

static void sink(struct import *im)
{
    for (uint32_t at = 0;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < im->n; child++)
            if (is_before(&im->window[child], &im->window[least]))
                least = child;
        if (least == at)
            return;
        swap(im, at, least);
        at = least;
    }
}

static int give_first(struct import *im)
{
    struct waiting first = im->window[0];
    im->window[0] = im->window[--im->n];
    sink(im);
    im->bytes -= first.in.view.payload_len;
    first.in.key = (uint64_t)first.in.time + (UINT64_C(1) << 63); /* times may be negative */
    int r = es_core_take(&im->core, &first.in);
    free(first.payload);
    im->report.events++;
    return r;
}

static int put(struct import *im, const struct es_dbg_event *event)
{
    while (im->n == WINDOW_EVENTS || (im->n > 0 && im->bytes + event->view.payload_len > WINDOW_BYTES)) {
        int r = give_first(im);
        if (r < 0)
            return r;
    }
    struct waiting *w = &im->window[im->n];
    *w = (struct waiting){.in = {.view = event->view, .time = event->time, .thread = event->thread},
                          .number = im->number++,
                          .payload = malloc(event->view.payload_len + 1)};
    if (!w->payload)
        return es_fail(-ENOMEM, "no memory to import");
    memcpy(w->payload, event->view.payload, event->view.payload_len);
    w->in.view.payload = w->payload;
    im->bytes += event->view.payload_len;
    for (uint32_t at = im->n++; at > 0 && is_before(&im->window[at], &im->window[(at - 1) / 2]); at = (at - 1) / 2)
        swap(im, at, (at - 1) / 2);
    return 0;
}

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static int take_term(struct import *im, const struct es_dbg_frame *frame)
{
    struct es_dbg_event event;
    int r = es_dbg_read(&im->dbg, frame->bytes, frame->len, &event);
    if (r <= 0) {
        im->report.skipped += r == 0;
        return r;
    }
    if (!event.timed) { /* all that is known is that it came after the last one */
        event.time = im->last_time + 1;
        im->ordered = true;
    }
    im->last_time = event.time;
    if (im->number == 0 && !event.timed) /* keys only count: a delivery waits for the next thousands of events */
        im->core.shortest_wait = im->core.longest_wait = WINDOW_EVENTS;
    return put(im, &event);
}

static int take_drop(struct import *im, uint32_t dropped)
{
    struct es_gap gap = {
        .from = im->last_time, .to = im->last_time, .time = im->last_time, .why = "dropped by the trace port"};
    int r = 0;
    while (im->n > 0 && r == 0)
        r = give_first(im);
    gap.lost[ES_K_NONE] = dropped;
    im->report.dropped += dropped;
    return r == 0 ? es_gap_tell(&im->core, &gap) : r;
}

static int commit(struct import *im, bool all)
{
    size_t bytes, events = es_store_pending(im->core.store, &bytes);
    struct es_store_position position = {.next_seq = im->core.next_seq, .last_time = im->core.last_time};
    if (!all && bytes < ES_STORE_BATCH_BYTES && events < 262144)
        return 0;
    int r = es_core_flush(&im->core);
    if (r == 0 && es_store_group_full(im->core.store))
        r = es_keyframe_make(&im->core);
    return r == 0 ? es_store_commit(im->core.store, &position) : r;
}

static int take_all(struct import *im)
{
    struct es_dbg_frame frame;
    int r;
    while ((r = es_dbg_files_next(&im->files, &frame)) > 0) {
        r = frame.is_drop ? take_drop(im, frame.dropped) : take_term(im, &frame);
        if (r >= 0)
            r = commit(im, false);
        if (r < 0)
            return r;
    }
    while (im->n > 0 && r == 0) {
        r = give_first(im);
        if (r == 0)
            r = commit(im, false);
    }
    return r == 0 ? es_core_reached(&im->core, UINT64_MAX) : r;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static int tell(struct import *im, const char *trace)
{
    static const char *const clocks[] = {"none: only the order is known", "wall clock", "monotonic"};
    struct es_store *store = im->core.store;
    int r = es_store_meta(store, "imported_from", trace);
    if (r == 0 && im->dbg.node[0])
        r = es_store_meta(store, "node", im->dbg.node);
    if (r == 0)
        r = es_store_meta(store, "timestamps", clocks[im->dbg.clock]);
    if (r == 0 && im->dbg.clock != ES_DBG_NONE && im->ordered)
        r = es_store_meta(store, "timestamps_missing",
                          "some events had none: they were put 1 ns behind the one before");
    if (r == 0 && im->dbg.clock == ES_DBG_WALL)
        r = es_store_meta(store, "wall_offset_ns", "0");
    if (r == 0)
        r = es_store_meta(store, "end_reason", im->report.truncated ? "truncated" : "imported");
    return r == 0 ? es_core_flush(&im->core) : r;
}

static int import(struct import *im, const char *trace)
{
    int r = take_all(im);
    im->report.truncated = im->files.truncated;
    im->report.skipped += im->files.too_large;
    if (r == 0 && im->report.events == 0 && im->report.skipped == 0 && im->report.truncated)
        return es_fail(-EBADMSG, "%s is not a trace file of dbg", trace);
    return r == 0 ? tell(im, trace) : r;
}

static void remove_recording(const char *path)
{
    static const char *const suffix[] = {"-wal", "-shm", ""};
    char name[4096];
    for (size_t i = 0; i < sizeof suffix / sizeof suffix[0]; i++)
        if ((size_t)snprintf(name, sizeof name, "%s%s", path, suffix[i]) < sizeof name)
            unlink(name);
}

int es_engine_import(const char *trace, const struct es_store_options *options, struct es_import_report *ret_report)
{
    struct es_store *store = NULL;
    struct import *im = calloc(1, sizeof *im);
    if (!im)
        return es_fail(-ENOMEM, "no memory to import");
    int r = es_dbg_files_open(trace, &im->files);
    if (r == 0)
        r = es_store_create(options, &store);
    if (r == 0)
        r = es_core_init(&im->core, store, TICKS_MS);
    if (r == 0) {
        im->core.by_content = true;
        im->dbg.core = &im->core;
        r = import(im, trace);
        if (r == 0)
            r = es_store_close(store, "imported");
        else
            es_store_abandon(store);
        if (r < 0)
            remove_recording(options->path);
    } else if (store) {
        es_store_abandon(store);
        remove_recording(options->path);
    }
    if (r == 0)
        *ret_report = im->report;
    while (im->n > 0)
        free(im->window[--im->n].payload);
    es_dbg_files_close(&im->files);
    es_core_fini(&im->core);
    free(im);
    return r;
}
