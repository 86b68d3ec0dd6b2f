/* SPDX-License-Identifier: MIT */
/* A world as bytes and back: a field of all processes after the other, so that zstd finds what processes have in common. docs/format.md
 * has the layout. Loading believes nothing. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "store/world_inner.h"
#include "wire/term.h"

#define VERSION 3 /* 1 had no monitors, 2 no tokens: nothing was woven */

enum how { PLAIN /* varint */, RELATIVE /* varint, zigzag: less the process before */, RAW /* 8 bytes */ };

/* clang-format off */
#define F(field, how) {offsetof(struct es_world_proc, field), sizeof((struct es_world_proc *)0)->field, how}
/* clang-format on */
static const struct {
    size_t at, width;
    enum how how;
} fields[] = {
    F(pid, RELATIVE),       F(parent, RELATIVE),     F(name, RELATIVE),      F(flags, PLAIN),
    F(spawn_seq, RELATIVE), F(fun, PLAIN),           F(events, PLAIN),       F(sent, PLAIN),
    F(received, PLAIN),     F(own_seq, RELATIVE),    F(end_seq, RELATIVE),   F(run_seq, RELATIVE),
    F(run_fun, PLAIN),      F(deeper, PLAIN),        F(reply_seq, RELATIVE), F(wait_corr, RAW),
    F(wait_seq, RELATIVE),  F(wait_time, RELATIVE),  F(wait_peer, RELATIVE), F(mail_older, PLAIN),
    F(state_seq, RELATIVE), F(state_time, RELATIVE), F(state_hash, RAW),     F(state_len, RELATIVE),
    F(state_flags, PLAIN),  F(heap_seq, RELATIVE),   F(heap[0], PLAIN),      F(heap[1], PLAIN),
    F(heap[2], PLAIN),      F(heap[3], PLAIN),       F(heap[4], PLAIN),      F(heap[5], PLAIN),
};
#define N_FIELDS (sizeof fields / sizeof *fields)

static uint64_t get_field(const struct es_world_proc *proc, size_t i)
{
    const uint8_t *at = (const uint8_t *)proc + fields[i].at;
    uint64_t value = 0;
    memcpy(&value, at, fields[i].width); /* little endian, as all of wire/ */
    return value;
}

static bool set_field(struct es_world_proc *proc, size_t i, uint64_t value)
{
    if (fields[i].width < 8 && value >> (8 * fields[i].width))
        return false;
    memcpy((uint8_t *)proc + fields[i].at, &value, fields[i].width);
    return true;
}

/* ---- saving -------------------------------------------------------------------------------------------------------- */

struct out {
    struct es_buf *buf;
    bool failed;
};

static void put(struct out *out, uint64_t value)
{
    if (out->failed || (out->failed = es_buf_reserve(out->buf, ES_VARINT_MAX) < 0))
        return;
    out->buf->len = (size_t)(es_put_varint(out->buf->bytes + out->buf->len, value) - out->buf->bytes);
}

static void put_raw(struct out *out, uint64_t value)
{
    if (out->failed || (out->failed = es_buf_reserve(out->buf, 8) < 0))
        return;
    es_put_le64(out->buf->bytes + out->buf->len, value);
    out->buf->len += 8;
}

static void put_signed(struct out *out, uint64_t value) { put(out, es_zigzag((int64_t)value)); }

static void put_funs(const struct es_world *world, struct out *out)
{
    struct es_world_fun before = {0};
    put(out, world->n_funs);
    for (uint32_t i = 1; i < world->n_funs; i++) {
        const struct es_world_fun *fun = &world->funs[i];
        put_signed(out, fun->module - before.module);
        put_signed(out, fun->function - before.function);
        put(out, (uint64_t)fun->arity << 1 | fun->ends);
        before = *fun;
    }
}

static void put_graves(const struct es_world *world, struct out *out)
{
    struct es_world_grave before = {0};
    put(out, world->grave_n);
    for (uint32_t i = 0; i < world->grave_n; i++) {
        const struct es_world_grave *grave = &world->graves[(world->grave_first + i) % ES_WORLD_GRAVES];
        put_signed(out, grave->pid - before.pid);
        put_signed(out, grave->exit_seq - before.exit_seq);
        before = *grave;
    }
}

static void put_fields(const struct es_world *world, struct out *out)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        uint64_t before = 0;
        for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc));) {
            uint64_t value = get_field(proc, i);
            if (fields[i].how == PLAIN)
                put(out, value);
            else if (fields[i].how == RAW)
                put_raw(out, value);
            else
                put_signed(out, value - before);
            before = value;
        }
    }
}

/* Open calls from the outermost on, so that they can be made again in this order. */
static void put_calls(const struct es_world *world, const struct es_world_proc *proc, struct out *out)
{
    uint32_t places[ES_WORLD_DEPTH], n = 0;
    for (uint32_t at = proc->frame; at != ES_TABLE_NONE && n < ES_WORLD_DEPTH; at = world->frames[at].below)
        places[n++] = at;
    put(out, n);
    for (uint64_t before = proc->spawn_seq; n > 0;) {
        const struct es_world_frame *frame = &world->frames[places[--n]];
        put_signed(out, frame->seq - before);
        put(out, (uint64_t)frame->fun << 3 | (frame->token != 0) << 2 | frame->woven << 1 | frame->callback);
        if (frame->token)
            put_raw(out, frame->token);
        before = frame->seq;
    }
}

static void put_links(const struct es_world *world, const struct es_world_proc *proc, struct out *out)
{
    es_ref before = proc->pid;
    put(out, proc->links);
    for (uint32_t at = proc->link; at != ES_TABLE_NONE; at = world->link[at].next) {
        put_signed(out, world->link[at].peer - before);
        before = world->link[at].peer;
    }
}

static void put_monitors(const struct es_world *world, const struct es_world_proc *proc, struct out *out)
{
    es_ref before = proc->pid;
    put(out, proc->monitors);
    for (uint32_t at = proc->monitor; at != ES_TABLE_NONE; at = world->link[at].next) {
        put_signed(out, world->link[at].peer - before);
        before = world->link[at].peer;
    }
}

static void put_mail(const struct es_world_proc *proc, struct out *out)
{
    struct es_world_mail before = {.seq = proc->own_seq, .time = 0};
    put(out, proc->mail_n);
    for (uint32_t i = 0; i < proc->mail_n; i++) {
        const struct es_world_mail *mail = es_world_mail_at(proc, i);
        put_signed(out, mail->seq - before.seq);
        put_signed(out, (uint64_t)mail->time - (uint64_t)before.time);
        put_raw(out, mail->corr);
        before = *mail;
    }
}

int es_world_save(const struct es_world *world, struct es_buf *buf)
{
    struct out out = {.buf = buf};
    put(&out, VERSION);
    put(&out, world->seq);
    put_signed(&out, (uint64_t)world->time);
    put(&out, world->gap_seq);
    put(&out, world->thinned);
    put(&out, world->untracked);
    put_funs(world, &out);
    put_graves(world, &out);
    put(&out, world->n);
    put_fields(world, &out);
    for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc));)
        put_calls(world, proc, &out);
    for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc));)
        put_links(world, proc, &out);
    for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc));)
        put_mail(proc, &out);
    for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc));)
        put_monitors(world, proc, &out);
    return out.failed ? -ENOMEM : 0;
}

/* ---- loading ------------------------------------------------------------------------------------------------------- */

static uint64_t get_signed(struct es_reader *r) { return (uint64_t)es_unzigzag(es_reader_varint(r)); }

/* A number of things that take at least `least` bytes each. */
static uint64_t get_count(struct es_reader *r, uint64_t most, size_t least)
{
    uint64_t n = es_reader_varint(r);
    r->bad = r->bad || n > most || n > es_reader_left(r) / least;
    return r->bad ? 0 : n;
}

static int get_funs(struct es_world *world, struct es_reader *r)
{
    struct es_world_fun fun = {0};
    uint64_t n = es_reader_varint(r);
    if (n > ES_WORLD_FUNS || n > es_reader_left(r))
        return -EBADMSG;
    for (uint64_t i = 1; i < n && !r->bad; i++) {
        fun.module += get_signed(r);
        fun.function += get_signed(r);
        uint64_t arity = es_reader_varint(r);
        int64_t place =
            arity >> 1 <= UINT16_MAX ? es_world_fun(world, fun.module, fun.function, (unsigned)(arity >> 1)) : -EBADMSG;
        if (place < 0)
            return (int)place;
        if ((uint64_t)place != i) /* twice the same */
            return -EBADMSG;
        world->funs[place].ends = arity & 1;
    }
    return r->bad ? -EBADMSG : 0;
}

static int get_graves(struct es_world *world, struct es_reader *r)
{
    struct es_world_grave grave = {0};
    for (uint64_t n = get_count(r, ES_WORLD_GRAVES, 2); n > 0; n--) {
        grave.pid += get_signed(r);
        grave.exit_seq += get_signed(r);
        if (r->bad || es_ref_class_of(grave.pid) != ES_REF_PID)
            return -EBADMSG;
        if (es_world_bury(world, grave.pid, grave.exit_seq) < 0)
            return -ENOMEM;
    }
    return r->bad ? -EBADMSG : 0;
}

/* The first field is the pid, which makes the process; all others find it in the same order. */
static int get_pids(struct es_world *world, struct es_reader *r, uint64_t n)
{
    for (es_ref pid = 0; n > 0; n--) {
        pid += get_signed(r);
        if (r->bad || es_ref_class_of(pid) != ES_REF_PID || es_world_find(world, pid))
            return -EBADMSG;
        if (!es_world_add(world, pid))
            return -ENOMEM;
    }
    return 0;
}

static int get_field_of_all(struct es_world *world, struct es_reader *r, size_t i)
{
    uint64_t value = 0;
    for (uint32_t at = world->first; at != ES_TABLE_NONE; at = es_world_at(world, at)->next) {
        if (fields[i].how == PLAIN)
            value = es_reader_varint(r);
        else if (fields[i].how == RAW)
            value = es_reader_le64(r);
        else
            value += get_signed(r);
        if (r->bad || !set_field(es_world_at(world, at), i, value))
            return -EBADMSG;
    }
    return 0;
}

static int get_processes(struct es_world *world, struct es_reader *r)
{
    int rc = get_pids(world, r, get_count(r, ES_WORLD_PROCESSES, N_FIELDS));
    for (size_t i = 1; rc == 0 && i < N_FIELDS; i++)
        rc = get_field_of_all(world, r, i);
    for (const struct es_world_proc *proc = NULL; rc == 0 && (proc = es_world_next(world, proc));)
        if ((proc->fun && proc->fun >= world->n_funs) || (proc->run_fun && proc->run_fun >= world->n_funs))
            rc = -EBADMSG;
    return r->bad ? -EBADMSG : rc;
}

/* The function of an open call, and what else is known of it. */
static bool get_call(const struct es_world *world, struct es_reader *r, bool tokens, struct es_world_frame *frame)
{
    uint64_t fun = es_reader_varint(r);
    unsigned bits = tokens ? 3 : 1;
    if (r->bad || fun >> bits >= world->n_funs)
        return false;
    frame->fun = (uint32_t)(fun >> bits);
    frame->callback = fun & 1;
    frame->woven = tokens && fun >> 1 & 1;
    frame->token = tokens && fun >> 2 & 1 ? es_reader_le64(r) : 0;
    return !r->bad;
}

static int get_calls(struct es_world *world, struct es_world_proc *proc, struct es_reader *r, unsigned version)
{
    uint32_t deeper = proc->deeper;
    struct es_world_frame frame = {.seq = proc->spawn_seq};
    for (uint64_t n = get_count(r, ES_WORLD_DEPTH, 2); n > 0; n--) {
        frame.seq += get_signed(r);
        if (!get_call(world, r, version > 2, &frame))
            return -EBADMSG;
        if (es_world_call(world, proc, &frame) < 0)
            return -ENOMEM;
    }
    proc->deeper = deeper;
    return 0;
}

static int get_links(struct es_world *world, struct es_world_proc *proc, struct es_reader *r, unsigned version)
{
    (void)version;
    es_ref peer = proc->pid;
    for (uint64_t n = get_count(r, ES_WORLD_LINKS, 1); n > 0 && !r->bad; n--) {
        peer += get_signed(r);
        if (es_world_add_link(world, proc, peer) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int get_monitors(struct es_world *world, struct es_world_proc *proc, struct es_reader *r, unsigned version)
{
    (void)version;
    es_ref peer = proc->pid;
    for (uint64_t n = get_count(r, ES_WORLD_MONITORS, 1); n > 0 && !r->bad; n--) {
        peer += get_signed(r);
        if (peer == 0)
            return -EBADMSG;
        if (es_world_add_monitor(world, proc, peer) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int get_mail(struct es_world *world, struct es_world_proc *proc, struct es_reader *r, unsigned version)
{
    (void)version;
    struct es_world_mail mail = {.seq = proc->own_seq};
    for (uint64_t n = get_count(r, ES_WORLD_MAIL, 10); n > 0 && !r->bad; n--) {
        mail.seq += get_signed(r);
        mail.time = (int64_t)((uint64_t)mail.time + get_signed(r));
        mail.corr = es_reader_le64(r);
        if (es_world_mail_push(world, proc, &mail) < 0)
            return -ENOMEM;
    }
    return 0;
}

typedef int get_part(struct es_world *, struct es_world_proc *, struct es_reader *, unsigned version);
static int get_parts(struct es_world *world, struct es_reader *r, unsigned version, get_part *part)
{
    int rc = 0;
    for (uint32_t at = world->first; rc == 0 && !r->bad && at != ES_TABLE_NONE; at = es_world_at(world, at)->next)
        rc = part(world, es_world_at(world, at), r, version);
    return r->bad ? -EBADMSG : rc;
}

int es_world_load(struct es_world *world, const uint8_t *bytes, size_t len)
{
    struct es_reader r;
    es_reader_init(&r, bytes, len);
    uint64_t version = es_reader_varint(&r);
    if (version == 0 || version > VERSION)
        return -EBADMSG;
    world->seq = es_reader_varint(&r);
    world->time = (int64_t)get_signed(&r);
    world->gap_seq = es_reader_varint(&r);
    world->thinned = es_reader_varint(&r) != 0;
    world->untracked = es_reader_varint(&r);
    int rc = r.bad ? -EBADMSG : get_funs(world, &r);
    if (rc == 0)
        rc = get_graves(world, &r);
    if (rc == 0)
        rc = get_processes(world, &r);
    if (rc == 0)
        rc = get_parts(world, &r, (unsigned)version, get_calls);
    if (rc == 0)
        rc = get_parts(world, &r, (unsigned)version, get_links);
    if (rc == 0)
        rc = get_parts(world, &r, (unsigned)version, get_mail);
    if (rc == 0 && version > 1)
        rc = get_parts(world, &r, (unsigned)version, get_monitors);
    return rc == 0 && es_reader_left(&r) > 0 ? -EBADMSG : rc;
}
