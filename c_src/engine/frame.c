/* SPDX-License-Identifier: MIT */
/* What the engine keeps at the beginning of each group, so that a new one can go on from there: rows of its own (sends that have not
 * arrived, mailboxes, links, timers), and the world, which readers need. It is read from a file: so everything in it is checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/resume.h"
#include "store/keyframe.h"

#define FRAME_SENDS 65536u /* the newest ones */
#define FRAME_MAILS 65536u /* of processes whose mailbox is kept whole */
#define FRAME_LINKS 65536u
#define FRAME_TIME (INT64_C(1) << 61) /* none lies beyond */
#define FRAME_BYTES (30u << 20)

struct row { /* a send; those of other things have one of enum row_of as `to`, which no process and no content has */
    es_ref from;
    uint64_t to, hash, corr, seq, timer, started;
    int64_t time;
};
enum row_of { ROW_WAITS = 16, ROW_POSTPONED, ROW_FORGOTTEN, ROW_LINK, ROW_TIMER };

struct rows {
    struct row *rows;
    size_t n, all, room; /* all: sends that were counted; room: for mails or links, still */
};

/* ---- making -------------------------------------------------------------------------------------------------------- */

static int count_send(const struct es_lane *lane, const struct es_sent *sent, void *context)
{
    (void)lane;
    (void)sent;
    ((struct rows *)context)->all++;
    return 0;
}

static int put_send(const struct es_lane *lane, const struct es_sent *sent, void *context)
{
    struct rows *rows = context;
    rows->rows[rows->n++] = (struct row){.from = lane->from,
                                         .to = lane->to,
                                         .hash = sent->hash,
                                         .corr = sent->corr,
                                         .seq = sent->seq,
                                         .time = sent->time};
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct row *)a)->seq, y = ((const struct row *)b)->seq;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int oldest_first(const void *a, const void *b) { return newest_first(b, a); }

static void put_mail(const struct es_proc *proc, const struct es_mail *mail, enum es_mail_queue queue, void *context)
{
    struct rows *rows = context;
    struct row *before = rows->n ? &rows->rows[rows->n - 1] : NULL;
    if (rows->room > 0) {
        rows->room--;
        rows->rows[rows->n++] = (struct row){.from = proc->pid,
                                             .to = queue == ES_MAIL_WAITS ? ROW_WAITS : ROW_POSTPONED,
                                             .hash = mail->hash,
                                             .corr = mail->corr,
                                             .seq = mail->seq,
                                             .timer = mail->timer,
                                             .started = mail->started,
                                             .time = mail->time};
    } else if (!before || before->from != proc->pid || before->to != ROW_FORGOTTEN) {
        rows->rows[rows->n++] = (struct row){.from = proc->pid, .to = ROW_FORGOTTEN};
    }
}

static void put_link(es_ref a, es_ref b, void *context)
{
    struct rows *rows = context;
    if (rows->room > 0) {
        rows->room--;
        rows->rows[rows->n++] = (struct row){.from = a, .to = ROW_LINK, .hash = b};
    }
}

static void put_timer(const struct es_timer *timer, void *context)
{
    struct rows *rows = context;
    rows->rows[rows->n++] =
        (struct row){.from = timer->to, .to = ROW_TIMER, .hash = timer->key, .seq = timer->seq, .time = timer->due};
}

static int make_rows(const struct es_core *core, struct rows *rows)
{
    es_pairs_each(&core->pairs, count_send, rows);
    rows->rows = malloc((rows->all + core->mails.used + FRAME_LINKS + ES_TIMERS + 1) * sizeof *rows->rows);
    if (!rows->rows)
        return -ENOMEM;
    es_pairs_each(&core->pairs, put_send, rows);
    qsort(rows->rows, rows->n, sizeof *rows->rows, newest_first);
    rows->n = rows->n < FRAME_SENDS ? rows->n : FRAME_SENDS;
    qsort(rows->rows, rows->n, sizeof *rows->rows, oldest_first);
    rows->room = FRAME_MAILS;
    es_mails_each(&core->mails, &core->processes, put_mail, rows);
    rows->room = FRAME_LINKS;
    es_links_each(&core->links, put_link, rows);
    es_timers_each(&core->timers, core->last_time, put_timer, rows);
    return 0;
}

/* A world that is too large for a row of the recording is left out: readers begin at an earlier one then. */
static int join(const struct rows *rows, const struct es_world *world, struct es_buf *frame)
{
    struct es_buf saved = {0};
    int r = es_world_save(world, &saved);
    struct es_keyframe_parts parts = {.own = {(const uint8_t *)rows->rows, rows->n * sizeof *rows->rows},
                                      .world = {saved.bytes, saved.len}};
    if (parts.own.len + parts.world.len > FRAME_BYTES)
        parts.world.len = 0;
    if (r == 0)
        r = es_keyframe_join(&parts, frame);
    es_buf_fini(&saved);
    return r;
}

int es_keyframe_make(struct es_core *core)
{
    struct rows rows = {0};
    struct es_buf frame = {0};
    int r = make_rows(core, &rows);
    if (r == 0)
        r = join(&rows, &core->world, &frame);
    r = r == 0 ? es_store_keyframe(core->store, frame.bytes, frame.len) : es_fail(r, "no memory for a keyframe");
    es_buf_fini(&frame);
    free(rows.rows);
    return r;
}

/* ---- loading ------------------------------------------------------------------------------------------------------- */

static int load_send(struct es_core *core, const struct row *row)
{
    if (row->from == 0 || row->to == 0 || row->seq == 0 || row->seq >= core->next_seq)
        return -EBADMSG;
    struct es_lane *lane = es_lane_find(&core->pairs, row->from, row->to);
    struct es_sent sent = {.hash = row->hash, .corr = row->corr, .seq = row->seq, .time = row->time};
    if ((!lane && !(lane = es_lane_add(&core->pairs, row->from, row->to))) ||
        es_lane_push(&core->pairs, lane, &sent) < 0)
        return -ENOMEM;
    struct es_proc *sender = row->to >> 60 == 0xf ? es_proc_meet(&core->processes, row->from) : NULL;
    if (sender)
        sender->contents++;
    return 0;
}

/* What belongs to a process that has died since is of no use. */
static int load_mail(struct es_core *core, const struct row *row)
{
    struct es_mail mail = {.hash = row->hash,
                           .corr = row->corr,
                           .seq = row->seq,
                           .timer = row->timer,
                           .started = row->started,
                           .time = row->time};
    struct es_proc *proc = es_proc_find(&core->processes, row->from);
    if (!proc)
        return 0;
    if (row->to == ROW_FORGOTTEN) {
        es_mail_forgotten(proc);
        return 0;
    }
    if (row->seq == 0 || row->seq >= core->next_seq)
        return -EBADMSG;
    return es_mail_restore(&core->mails, proc, &mail, row->to == ROW_WAITS ? ES_MAIL_WAITS : ES_MAIL_POSTPONED);
}

static int load_timer(struct es_core *core, const struct row *row)
{
    struct es_timer timer = {.key = row->hash, .seq = row->seq, .to = row->from, .due = row->time};
    if (row->seq == 0 || row->seq >= core->next_seq || (row->time > FRAME_TIME && row->time != INT64_MAX) ||
        row->time < -FRAME_TIME)
        return -EBADMSG;
    return es_timers_restore(&core->timers, &timer);
}

static int load_rows(struct es_core *core, const uint8_t *bytes, size_t len)
{
    int r = 0;
    for (size_t at = 0; r == 0 && at + sizeof(struct row) <= len; at += sizeof(struct row)) {
        struct row row;
        memcpy(&row, bytes + at, sizeof row);
        if (row.to == ROW_LINK)
            r = es_links_add(&core->links, row.from, row.hash);
        else if (row.to >= ROW_WAITS && row.to <= ROW_FORGOTTEN)
            r = load_mail(core, &row);
        else if (row.to == ROW_TIMER)
            r = load_timer(core, &row);
        else
            r = load_send(core, &row);
    }
    return r;
}

/* What cannot be read again is not known, and what comes from now on stands on that. */
static void forget_world(struct es_core *core)
{
    struct es_world_text text = core->world.text;
    es_world_fini(&core->world);
    es_world_init(&core->world, &text);
    es_world_gap(&core->world, core->next_seq);
}

int es_keyframe_load(struct es_core *core, const uint8_t *bytes, size_t len)
{
    struct es_keyframe_parts parts;
    int r = es_keyframe_split(bytes, len, &parts);
    if (r == 0)
        r = load_rows(core, parts.own.bytes, parts.own.len);
    if (r == 0 && parts.world.len)
        r = es_world_load(&core->world, parts.world.bytes, parts.world.len);
    if (r < 0 || (len > 0 && parts.world.len == 0))
        forget_world(core);
    return r;
}
