/* SPDX-License-Identifier: MIT */
/* Messages: a send, its delivery, and the call that handled it as one row. A first look finds which sends were
 * delivered and which deliveries were handled, one bit an event; so that a second one can tell at once of those
 * that never were, and needs memory for those only that are on their way. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

#define KIND(k) (UINT64_C(1) << ES_K_##k)
#define FIELDS (ES_F_PEER | ES_F_HASH | ES_F_CORR | ES_F_CAUSE)

struct message {
    uint64_t key; /* the event that others wait for: the send, then the delivery */
    uint64_t send, deliver;
    int64_t sent, delivered;
    es_ref sender, receiver;
    uint64_t hash, corr;
    uint8_t cause_state;
    bool dead;
};

struct messages {
    struct es_cursor *cursor;
    struct es_pending waiting; /* struct message by key */
    uint64_t first, n;         /* bits: events from `first` on */
    uint8_t *followed;         /* it is the cause of another */
};

static bool is_followed(const struct messages *m, uint64_t seq)
{
    uint64_t i = seq - m->first;
    return seq >= m->first && i < m->n && (m->followed[i / 8] >> i % 8 & 1);
}

/* What follows may lie behind what is asked for: both looks go to the end. */
static int find_followed(struct es_sql_scan *scan, struct messages *m)
{
    struct es_cursor *cursor;
    const struct es_event *event = NULL;
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(scan->sql->query->recording, &blocks);
    m->first = n ? blocks[0].first_seq : 1;
    m->n = n ? blocks[n - 1].last_seq - m->first + 1 : 0;
    m->followed = calloc(1, m->n / 8 + 1);
    if (!m->followed)
        return es_fail(-ENOMEM, "no memory for the messages of %zu blocks", n);
    int rc = es_sql_events(scan, KIND(DELIVER) | KIND(CALL) | KIND(TAKEN), ES_F_CAUSE, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_sql_next(scan->sql, cursor, &event)) > 0) {
        uint64_t i = event->cause - m->first;
        if (event->cause >= m->first && i < m->n)
            m->followed[i / 8] = (uint8_t)(m->followed[i / 8] | 1u << i % 8);
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
    m->waiting.size = sizeof(struct message);
    struct es_sql_ask asked = scan->ask;
    scan->ask.seq_to = UINT64_MAX >> 1;
    scan->ask.time_to = INT64_MAX;
    int rc = find_followed(scan, m);
    if (rc == 0)
        rc = es_sql_events(scan, KIND(SEND) | KIND(SEND_DEAD) | KIND(DELIVER) | KIND(CALL) | KIND(TAKEN), FIELDS,
                           &m->cursor);
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

static void put_message(struct es_sql_scan *scan, const struct message *message)
{
    struct es_sql_row *row = &scan->row;
    row->present = 0;
    row->time = message->deliver ? message->delivered : message->sent;
    row->id = (int64_t)(message->send ? message->send : message->deliver);
    es_sql_put(row, ES_MESSAGE_DEAD, message->dead);
    es_sql_put(row, ES_MESSAGE_PAYLOAD, row->id);
    if (message->send) {
        es_sql_put(row, ES_MESSAGE_SEQ, (int64_t)message->send);
        es_sql_put(row, ES_MESSAGE_TIME, message->sent);
    }
    if (message->deliver) {
        es_sql_put(row, ES_MESSAGE_DELIVER_SEQ, (int64_t)message->deliver);
        es_sql_put(row, ES_MESSAGE_DELIVERED, message->delivered);
    }
    if (message->send && message->deliver)
        es_sql_put(row, ES_MESSAGE_LATENCY, message->delivered - message->sent);
    put_who(scan, ES_MESSAGE_SENDER, message->sender, message->send ? message->sent : message->delivered);
    put_who(scan, ES_MESSAGE_RECEIVER, message->receiver, row->time);
    if (message->cause_state != ES_CAUSE_NONE)
        es_sql_put(row, ES_MESSAGE_CAUSE_STATE, message->cause_state);
    if (message->hash)
        es_sql_put(row, ES_MESSAGE_HASH, (int64_t)message->hash);
    if (message->corr)
        es_sql_put(row, ES_MESSAGE_CORR, (int64_t)message->corr);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* A row now, or later if something follows. 1: a row. */
static int put_or_wait(struct es_sql_scan *scan, const struct message *message, uint64_t seq)
{
    struct messages *m = scan->state;
    if (message->dead || !is_followed(m, seq)) {
        put_message(scan, message);
        return 1;
    }
    struct message *place = es_pending_place(&m->waiting, seq);
    if (!place)
        return -ENOMEM;
    *place = *message;
    place->key = seq;
    return 0;
}

static int see_send(struct es_sql_scan *scan, const struct es_event *event)
{
    return put_or_wait(scan,
                       &(struct message){.send = event->seq,
                                         .sent = event->time,
                                         .sender = event->pid,
                                         .receiver = event->peer,
                                         .hash = event->hash,
                                         .corr = event->corr,
                                         .dead = event->kind == ES_K_SEND_DEAD},
                       event->seq);
}

static int see_delivery(struct es_sql_scan *scan, const struct es_event *event)
{
    struct messages *m = scan->state;
    struct message message = {.sender = event->peer, .hash = event->hash, .corr = event->corr}, sent;
    if (es_pending_take(&m->waiting, event->cause, &sent) == 0)
        message = sent;
    message.deliver = event->seq;
    message.delivered = event->time;
    message.receiver = event->pid;
    message.cause_state = event->cause_state;
    return put_or_wait(scan, &message, event->seq);
}

static int see_call(struct es_sql_scan *scan, const struct es_event *event)
{
    struct messages *m = scan->state;
    struct message message;
    if (es_pending_take(&m->waiting, event->cause, &message) < 0)
        return 0;
    put_message(scan, &message);
    if (!message.deliver) /* a timer that a call set: not handled by it */
        return 1;
    es_sql_put(&scan->row, ES_MESSAGE_HANDLED_SEQ, (int64_t)event->seq);
    es_sql_put(&scan->row, ES_MESSAGE_HANDLED, event->time);
    es_sql_put(&scan->row, ES_MESSAGE_QUEUED, event->time - message.delivered);
    return 1;
}

static int see(struct es_sql_scan *scan, const struct es_event *event)
{
    switch (event->kind) {
    case ES_K_DELIVER: return see_delivery(scan, event);
    case ES_K_TAKEN:
    case ES_K_CALL: return see_call(scan, event);
    default: return see_send(scan, event);
    }
}

static int next_message(struct es_sql_scan *scan)
{
    struct messages *m = scan->state;
    const struct es_event *event = NULL;
    int rc;
    while ((rc = es_sql_next(scan->sql, m->cursor, &event)) > 0) {
        bool past = event->seq > scan->ask.seq_to || event->time > scan->ask.time_to;
        bool takes = event->kind == ES_K_CALL || event->kind == ES_K_TAKEN;
        rc = past && !takes && !es_pending_find(&m->waiting, event->cause) ? 0 : see(scan, event);
        if (rc != 0)
            return rc;
        if (past && m->waiting.n == 0)
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
    es_pending_fini(&m->waiting);
    free(m->followed);
    free(m);
}

const struct es_sql_source es_sql_message_source = {open_messages, next_message, close_messages};
