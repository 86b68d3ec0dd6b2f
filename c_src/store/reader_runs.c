/* SPDX-License-Identifier: MIT */
/* Single events, and what one process did in a block, out of columns that are kept (kept.h). */
#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"
#include "store/runs.h"

static int kept_of(struct es_recording *rec, size_t block, enum es_kept_what what, const struct es_kept **ret_kept)
{
    const struct es_block_info *blocks;
    if (block >= es_recording_blocks(rec, &blocks))
        return es_fail(-EINVAL, "there is no block %zu", block);
    return es_kept_get(rec, &blocks[block], what, ret_kept);
}

static int kept_around(struct es_recording *rec, uint64_t seq, enum es_kept_what what, const struct es_kept **ret_kept)
{
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(rec, &blocks), i = es_reader_block_before(rec, seq);
    if (i == n || blocks[i].last_seq < seq)
        return es_fail(-ENOENT, "event %llu is not in the recording", (unsigned long long)seq);
    return es_kept_get(rec, &blocks[i], what, ret_kept);
}

static int damaged(struct es_recording *rec, const struct es_kept *kept, int code)
{
    if (code == -EBADMSG)
        es_reader_note_damaged(rec, kept->info.id);
    return code;
}

/* ---- times --------------------------------------------------------------------------------------------------------- */

int es_recording_time_of(struct es_recording *rec, uint64_t seq, int64_t *ret_time)
{
    const struct es_kept *kept;
    int r = kept_around(rec, seq, ES_KEPT_TIMES, &kept);
    if (r == 0)
        *ret_time = es_kept_time(kept, (uint32_t)(seq - kept->stored.first_seq));
    return r;
}

int es_recording_seq_at(struct es_recording *rec, int64_t time, uint64_t *ret_seq)
{
    const struct es_block_info *blocks;
    const struct es_kept *kept;
    size_t n = es_recording_blocks(rec, &blocks), from = 0, to = n; /* the first that begins later */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (blocks[middle].first_time <= time)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == 0)
        return -ENOENT;
    if (blocks[from - 1].last_time <= time) {
        *ret_seq = blocks[from - 1].last_seq;
        return 0;
    }
    int r = es_kept_get(rec, &blocks[from - 1], ES_KEPT_TIMES, &kept);
    if (r < 0)
        return r;
    uint32_t until = es_kept_until(kept, time);
    *ret_seq = kept->stored.first_seq + until - 1;
    return until > 0 ? 0 : -ENOENT;
}

/* ---- runs ---------------------------------------------------------------------------------------------------------- */

/* The run that was decoded last is kept: who looks for one event of it looks for others. */
static int decode_run(struct es_recording *rec, const struct es_kept *kept, es_ref pid)
{
    struct es_reader_run *run = &rec->run;
    const struct es_block_info *stored = &kept->stored;
    if (run->pid == pid && run->id == stored->id && run->first_seq == stored->first_seq &&
        run->block_events == stored->events)
        return 0;
    struct es_run_place place = es_run_find(&kept->decoder, pid);
    *run = (struct es_reader_run){.events = run->events, .room = run->room};
    if (run->room < place.n) {
        free(run->events);
        run->events = malloc(place.n * sizeof *run->events);
        run->room = run->events ? place.n : 0;
        if (!run->events)
            return es_fail(-ENOMEM, "no memory for the events of a process");
    }
    int r = place.n ? es_run_decode(&kept->decoder, &place, run->events) : 0;
    if (r < 0)
        return damaged(rec, kept, r);
    run->pid = pid;
    run->id = stored->id;
    run->first_seq = stored->first_seq;
    run->block_events = stored->events;
    run->n = place.n;
    run->place = place;
    return 0;
}

int es_recording_run(struct es_recording *rec, size_t block, es_ref pid, struct es_block_run *ret_run)
{
    const struct es_kept *kept;
    int r = kept_of(rec, block, ES_KEPT_RUNS, &kept);
    if (r == 0)
        r = decode_run(rec, kept, pid);
    if (r < 0)
        return r;
    struct es_block_run run = {rec->run.events, rec->run.n};
    while (run.n > 0 && run.events[run.n - 1].seq > kept->info.last_seq)
        run.n--;
    while (run.n > 0 && run.events[0].seq < kept->info.first_seq) {
        run.events++;
        run.n--;
    }
    *ret_run = run;
    return 0;
}

static int find_event(struct es_recording *rec, uint64_t seq, es_ref pid, const struct es_kept **ret_kept,
                      uint32_t *ret_i)
{
    int r = kept_around(rec, seq, ES_KEPT_RUNS, ret_kept);
    if (r == 0)
        r = decode_run(rec, *ret_kept, pid);
    if (r < 0)
        return r;
    uint32_t from = 0, to = (uint32_t)rec->run.n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (rec->run.events[middle].seq < seq)
            from = middle + 1;
        else
            to = middle;
    }
    *ret_i = from;
    return from < rec->run.n && rec->run.events[from].seq == seq
               ? 0
               : es_fail(-ENOENT, "event %llu is not of that process", (unsigned long long)seq);
}

int es_recording_run_event(struct es_recording *rec, uint64_t seq, es_ref pid, struct es_run_event *ret_event)
{
    const struct es_kept *kept;
    uint32_t i;
    int r = find_event(rec, seq, pid, &kept, &i);
    if (r == 0)
        *ret_event = rec->run.events[i];
    return r;
}

int es_recording_run_origin(struct es_recording *rec, uint64_t seq, es_ref pid, struct es_run_origin *ret_origin)
{
    const struct es_kept *kept;
    struct es_run_origin origin = {0};
    struct es_run_peer peer;
    es_ref causer = ES_REF_NONE;
    uint32_t i;
    int r = find_event(rec, seq, pid, &kept, &i);
    if (r == 0)
        r = damaged(rec, kept, es_run_peer(&kept->decoder, rec->run.place, rec->run.events, i, &peer));
    if (r < 0)
        return r;
    uint64_t cause = rec->run.events[i].cause;
    origin.peer = peer.ref;
    if (peer.event && peer.event != cause)
        r = es_recording_owner(rec, peer.event, &origin.peer, &origin.kind);
    origin.kind = ES_K_NONE;
    if (r == 0 && cause && es_recording_owner(rec, cause, &causer, &origin.kind) < 0)
        es_error_clear();
    if (peer.event && peer.event == cause)
        origin.peer = causer;
    *ret_origin = origin;
    return r;
}

int es_recording_owner(struct es_recording *rec, uint64_t seq, es_ref *ret_pid, uint8_t *ret_kind)
{
    const struct es_kept *kept;
    int r = kept_around(rec, seq, ES_KEPT_RUNS, &kept);
    if (r == 0)
        r = damaged(rec, kept,
                    es_run_owner(&kept->decoder, (uint32_t)(seq - kept->stored.first_seq), ret_pid, ret_kind));
    return r;
}
