/* SPDX-License-Identifier: MIT */
/* Clocks of a process; see lane.h. */
#include "query/lane.h"

void es_lane_init(struct es_lane *lane) { *lane = (struct es_lane){.woken = INT64_MIN, .gc_since = INT64_MIN}; }

static void scheduled_in(struct es_lane *lane, int64_t now)
{
    if (lane->status != ES_LANE_OFF) {
        lane->off = 0;
    } else if (lane->woken != INT64_MIN) {
        lane->clocks.waiting += lane->woken - lane->since;
        lane->clocks.runnable += now - lane->woken;
    } else {
        lane->off = now - lane->since;
    }
    lane->status = ES_LANE_RUNNING;
    lane->since = now;
}

static void scheduled_out(struct es_lane *lane, int64_t now)
{
    if (lane->status == ES_LANE_RUNNING)
        lane->clocks.running += now - lane->since;
    lane->status = ES_LANE_OFF;
    lane->since = now;
    lane->woken = INT64_MIN;
}

static void settle_off(struct es_lane *lane, bool timeout)
{
    *(timeout ? &lane->clocks.waiting : &lane->clocks.runnable) += lane->off;
    lane->off = 0;
}

/* The message that it handles first was sent before it went off: then it did not wait. `since` is the IN. */
static void settle_delivered(struct es_lane *lane, int64_t sent)
{
    int64_t out = lane->since - lane->off;
    int64_t waited = sent == INT64_MIN ? lane->off : sent <= out ? 0 : sent - out;
    waited = waited < lane->off ? waited : lane->off;
    lane->clocks.waiting += waited;
    lane->clocks.runnable += lane->off - waited;
    lane->off = 0;
}

static void collected(struct es_lane *lane, int64_t now)
{
    if (lane->gc_since != INT64_MIN)
        lane->clocks.gc += now - lane->gc_since;
    lane->gc_since = INT64_MIN;
}

void es_lane_event(struct es_lane *lane, const struct es_event *event, int64_t sent)
{
    if (event->kind == ES_K_DELIVER) {
        if (es_lane_asks(lane))
            settle_delivered(lane, sent);
        if (lane->status == ES_LANE_OFF && lane->woken == INT64_MIN)
            lane->woken = event->time;
        return;
    }
    settle_off(lane, event->kind == ES_K_TIMEOUT);
    switch (event->kind) {
    case ES_K_IN: scheduled_in(lane, event->time); return;
    case ES_K_OUT: scheduled_out(lane, event->time); return;
    case ES_K_GC_MINOR_START:
    case ES_K_GC_MAJOR_START: lane->gc_since = event->time; break;
    case ES_K_GC_MINOR_END:
    case ES_K_GC_MAJOR_END: collected(lane, event->time); break;
    default: break;
    }
    if (lane->status == ES_LANE_UNKNOWN) { /* who does something runs */
        lane->status = ES_LANE_RUNNING;
        lane->since = event->time;
    }
}

struct es_clocks es_lane_clocks(const struct es_lane *lane, int64_t now)
{
    struct es_clocks clocks = lane->clocks;
    clocks.runnable += lane->off;
    if (lane->status == ES_LANE_RUNNING)
        clocks.running += now - lane->since;
    else if (lane->status == ES_LANE_OFF && lane->woken == INT64_MIN)
        clocks.waiting += now - lane->since;
    else if (lane->status == ES_LANE_OFF) {
        clocks.waiting += lane->woken - lane->since;
        clocks.runnable += now - lane->woken;
    }
    if (lane->gc_since != INT64_MIN)
        clocks.gc += now - lane->gc_since;
    return clocks;
}
