/* SPDX-License-Identifier: MIT */
/* Messages: a send and its delivery as one row. A first look finds which sends were delivered, one bit an
 * event; so that a second one can tell at once of those that never were, and needs memory for those only that
 * are on their way. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

#define SENDS (UINT64_C(1) << ES_K_SEND | UINT64_C(1) << ES_K_SEND_DEAD)
#define DELIVERS (UINT64_C(1) << ES_K_DELIVER)
#define FIELDS (ES_F_PEER | ES_F_HASH | ES_F_CORR | ES_F_CAUSE)

struct sent {
    uint64_t seq;
    int64_t time;
    es_ref pid, peer;
    uint64_t hash, corr;
};

struct messages {
    struct es_cursor *cursor;
    struct es_pending sent; /* struct sent by seq */
    uint64_t first, n;      /* bits: events from `first` on */
    uint8_t *delivered;
};

static bool was_delivered(const struct messages *m, uint64_t seq)
{
    uint64_t i = seq - m->first;
    return seq >= m->first && i < m->n && (m->delivered[i / 8] >> i % 8 & 1);
}

/* Deliveries behind what is asked for count too: the second look goes to the end. */
static int find_delivered(struct es_sql_scan *scan, struct messages *m)
{
    struct es_cursor *cursor;
    const struct es_event *event = NULL;
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(scan->sql->query->recording, &blocks);
    m->first = n ? blocks[0].first_seq : 1;
    m->n = n ? blocks[n - 1].last_seq - m->first + 1 : 0;
    m->delivered = calloc(1, m->n / 8 + 1);
    if (!m->delivered)
        return es_fail(-ENOMEM, "no memory for the messages of %zu blocks", n);
    int rc = es_sql_events(scan, DELIVERS, ES_F_CAUSE, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_sql_next(scan->sql, cursor, &event)) > 0) {
        uint64_t i = event->cause - m->first;
        if (event->cause >= m->first && i < m->n)
            m->delivered[i / 8] = (uint8_t)(m->delivered[i / 8] | 1u << i % 8);
    }
    es_cursor_close(cursor);
    return rc;
}

static int open_messages(struct es_sql_scan *scan)
{
    struct messages *m = calloc(1, sizeof *m);
    scan->state = m;
    if (!m)
        return -ENOMEM;
    m->sent.size = sizeof(struct sent);
    struct es_sql_ask asked = scan->ask;
    scan->ask.seq_to = UINT64_MAX >> 1;
    scan->ask.time_to = INT64_MAX;
    int rc = find_delivered(scan, m);
    if (rc == 0)
        rc = es_sql_events(scan, SENDS | DELIVERS, FIELDS, &m->cursor);
    scan->ask = asked;
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static void put_who(struct es_sql_scan *scan, size_t column, es_ref who, int64_t time)
{
    if (who == ES_REF_NONE)
        return;
    es_sql_put(&scan->row, column, (int64_t)who);
    es_ref name = es_ref_class_of(who) == ES_REF_PID ? es_query_name(scan->sql->query, who, time) : ES_REF_NONE;
    if (name != ES_REF_NONE)
        es_sql_put(&scan->row, column + 1, (int64_t)name);
}

static void put_content(struct es_sql_row *row, const struct sent *sent)
{
    if (sent->hash)
        es_sql_put(row, ES_MESSAGE_HASH, (int64_t)sent->hash);
    if (sent->corr)
        es_sql_put(row, ES_MESSAGE_CORR, (int64_t)sent->corr);
}

static void put_sent(struct es_sql_scan *scan, const struct sent *sent)
{
    struct es_sql_row *row = &scan->row;
    row->present = 0;
    row->time = sent->time;
    row->id = (int64_t)sent->seq;
    es_sql_put(row, ES_MESSAGE_SEQ, (int64_t)sent->seq);
    es_sql_put(row, ES_MESSAGE_TIME, sent->time);
    es_sql_put(row, ES_MESSAGE_DEAD, 0);
    es_sql_put(row, ES_MESSAGE_PAYLOAD, (int64_t)sent->seq);
    put_who(scan, ES_MESSAGE_SENDER, sent->pid, sent->time);
    put_who(scan, ES_MESSAGE_RECEIVER, sent->peer, sent->time);
    put_content(row, sent);
}

static struct sent sent_of(const struct es_event *event)
{
    return (struct sent){event->seq, event->time, event->pid, event->peer, event->hash, event->corr};
}

/* 1 where it is a row of its own: nobody was there, or it was not delivered. */
static int see_send(struct es_sql_scan *scan, struct messages *m, const struct es_event *event)
{
    struct sent sent = sent_of(event);
    if (event->kind == ES_K_SEND && was_delivered(m, event->seq)) {
        struct sent *place = es_pending_place(&m->sent, event->seq);
        if (!place)
            return -ENOMEM;
        *place = sent;
        return 0;
    }
    put_sent(scan, &sent);
    es_sql_put(&scan->row, ES_MESSAGE_DEAD, event->kind == ES_K_SEND_DEAD);
    return 1;
}

static int see_delivery(struct es_sql_scan *scan, struct messages *m, const struct es_event *event)
{
    struct sent sent;
    struct es_sql_row *row = &scan->row;
    if (es_pending_take(&m->sent, event->cause, &sent) == 0) {
        put_sent(scan, &sent);
        es_sql_put(row, ES_MESSAGE_LATENCY, event->time - sent.time);
    } else {
        row->present = 0;
        row->id = (int64_t)event->seq;
        sent = sent_of(event);
        es_sql_put(row, ES_MESSAGE_PAYLOAD, (int64_t)event->seq);
        es_sql_put(row, ES_MESSAGE_DEAD, 0);
        put_who(scan, ES_MESSAGE_SENDER, event->peer, event->time);
        put_content(row, &sent);
    }
    row->time = event->time;
    put_who(scan, ES_MESSAGE_RECEIVER, event->pid, event->time);
    es_sql_put(row, ES_MESSAGE_DELIVER_SEQ, (int64_t)event->seq);
    es_sql_put(row, ES_MESSAGE_DELIVERED, event->time);
    if (event->cause_state != ES_CAUSE_NONE)
        es_sql_put(row, ES_MESSAGE_CAUSE_STATE, event->cause_state);
    return 1;
}

static int next_message(struct es_sql_scan *scan)
{
    struct messages *m = scan->state;
    const struct es_event *event = NULL;
    int rc;
    while ((rc = es_sql_next(scan->sql, m->cursor, &event)) > 0) {
        rc = event->kind == ES_K_DELIVER ? see_delivery(scan, m, event) : see_send(scan, m, event);
        if (rc != 0)
            return rc;
        if (m->sent.n == 0 && (event->seq > scan->ask.seq_to || event->time > scan->ask.time_to))
            return 0;
    }
    return rc;
}

static void close_messages(struct es_sql_scan *scan)
{
    struct messages *m = scan->state;
    if (!m)
        return;
    es_cursor_close(m->cursor);
    es_pending_fini(&m->sent);
    free(m->delivered);
    free(m);
}

const struct es_sql_source es_sql_message_source = {open_messages, next_message, close_messages};
