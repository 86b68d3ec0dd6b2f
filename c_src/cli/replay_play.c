/* SPDX-License-Identifier: MIT */
/* Playing: events follow each other as they did, faster or slower. Long pauses in which nothing happened are shortened, which is said. */
#include "base/error.h"
#include "cli/replay.h"

#define PAUSE INT64_C(500000000)    /* ns in front of the screen; longer ones are shortened to this */
#define STEP_MAX INT64_C(200000000) /* ns that count as passed, however long the last drawing took */

static const double speeds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,
                                2,     5,     10,    20,   50,   100,  200, 500, 1000};
#define SPEEDS ((int)(sizeof speeds / sizeof *speeds))
#define REAL_TIME 9

double es_replay_speed(const struct es_replay *r) { return speeds[REAL_TIME + r->speed]; }

void es_replay_faster(struct es_replay *r, bool slower)
{
    int speed = r->speed + (slower ? -1 : 1);
    if (REAL_TIME + speed < 0 || REAL_TIME + speed >= SPEEDS)
        es_replay_say(r, "this is as %s as it gets", slower ? "slow" : "fast");
    else
        r->speed = speed;
}

void es_replay_play(struct es_replay *r, bool play)
{
    r->playing = play && r->seq < r->last;
    r->follow = false;
    r->pause = 0;
    r->clock = r->event.time;
    if (play && !r->playing)
        es_replay_say(r, "there is nothing behind this event: Home goes to the first");
}

/* The event that comes next, in the list that is shown. */
static uint64_t next_of(struct es_replay *r)
{
    size_t at;
    if (!r->only)
        return r->seq < r->last ? (r->unreadable_last ? r->unreadable_last : r->seq) + 1 : 0;
    if (es_replay_own(r, 0, 2, &at) < 0)
        return 0;
    at += at < r->own.n && r->own.seqs[at] == r->seq;
    return at < r->own.n ? r->own.seqs[at] : 0;
}

/* The last event of the list at or before the clock. */
static uint64_t reached(struct es_replay *r)
{
    uint64_t seq = 0, own = 0;
    struct es_walk step = {.back = true, .pid = r->pid};
    if (es_query_seq_at(r->query, r->clock, &seq) < 0 || seq <= r->seq)
        return r->seq;
    step.seq = seq + 1;
    if (!r->only)
        return seq;
    return es_query_walk(r->query, &step, &own) == 0 && own > r->seq ? own : r->seq;
}

/* Is the next event too far away to wait for? Then the clock is set to shortly before it. */
static void shorten(struct es_replay *r, int64_t next_time)
{
    struct es_cli_buf buf;
    int64_t wait = (int64_t)((double)PAUSE * es_replay_speed(r)), left = next_time - r->clock;
    if (left <= wait)
        return;
    r->clock = next_time - wait;
    es_replay_say(r, "nothing for %s, shortened", es_cli_duration(left, &buf));
}

void es_replay_tick(struct es_replay *r, int64_t ns)
{
    struct es_event next;
    uint64_t seq = r->playing ? next_of(r) : 0;
    if (!r->playing)
        return;
    if (seq == 0) {
        r->playing = false;
        es_replay_say(r, "%s",
                      r->only   ? "its last event"
                      : r->live ? "the last event so far"
                                : "the end of the recording");
        return;
    }
    r->clock += (int64_t)((double)(ns < STEP_MAX ? ns : STEP_MAX) * es_replay_speed(r));
    if (es_query_peek(r->query, seq, &next) < 0) { /* damaged: passed over */
        es_error_clear();
        es_replay_go(r, seq);
        return;
    }
    if (next.time > r->clock) {
        shorten(r, next.time);
        return;
    }
    r->message[0] = '\0';
    es_replay_go(r, reached(r) > seq ? reached(r) : seq);
}
