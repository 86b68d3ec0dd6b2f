/* SPDX-License-Identifier: MIT */
/* Events as Erlang terms: a 4-byte big-endian length, then a map in plain ETF. Keys are those of the JSON;
 * what is absent has no key. Names are atoms, pids text, the payload is the term itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query/export.h"
#include "wire/term.h"

#define PIECE_BYTES 1536 /* of the longest atom, with its header */

struct map {
    struct es_exporter *x;
    struct es_text *out;
    size_t count_at;
    uint32_t count;
};

/* ---- values -------------------------------------------------------------------------------------------------------- */

static void add_piece(struct es_text *out, void (*write)(struct es_writer *w, const void *value, size_t len),
                      const void *value, size_t len)
{
    uint8_t bytes[PIECE_BYTES];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    write(&w, value, len);
    if (!w.full)
        es_text_add(out, (const char *)bytes, (size_t)(w.at - bytes));
    else
        es_text_add(out, "\x6a", 1); /* [] */
}

static void write_atom(struct es_writer *w, const void *value, size_t len) { es_write_atom(w, value, len); }
static void write_binary(struct es_writer *w, const void *value, size_t len) { es_write_binary(w, value, len); }
static void write_int(struct es_writer *w, const void *value, size_t len)
{
    (void)len;
    es_write_int(w, *(const int64_t *)value);
}
static void write_uint(struct es_writer *w, const void *value, size_t len)
{
    (void)len;
    es_write_uint(w, *(const uint64_t *)value);
}

static void key(struct map *m, const char *name)
{
    add_piece(m->out, write_atom, name, strlen(name));
    m->count++;
}

static void put_int(struct map *m, const char *name, int64_t value)
{
    key(m, name);
    add_piece(m->out, write_int, &value, 0);
}

static void put_uint(struct map *m, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    key(m, name);
    add_piece(m->out, write_uint, &value, 0);
}

static void put_atom(struct map *m, const char *name, const char *text)
{
    key(m, name);
    add_piece(m->out, write_atom, text, strlen(text));
}

/* Recorded terms carry the version byte when they come as ETF; inside a map they must not. */
static void add_term(struct map *m, const uint8_t *bytes, size_t len)
{
    struct es_query *query = m->x->query;
    struct es_text term = {0};
    if (es_term_to_etf(bytes, len, &query->print[1], &term) == 0) {
        es_text_add(m->out, term.bytes + 1, term.len - 1);
    } else {
        es_text_puts(m->out, "h\x02"); /* {'$malformed', Bytes} */
        add_piece(m->out, write_atom, "$malformed", 10);
        add_piece(m->out, write_binary, bytes, len < PIECE_BYTES / 2 ? len : PIECE_BYTES / 2);
    }
    es_text_fini(&term);
}

static void put_ref(struct map *m, const char *name, es_ref ref)
{
    size_t len = 0;
    struct es_text text = {0};
    if (ref == ES_REF_NONE)
        return;
    const uint8_t *definition =
        es_ref_class_of(ref) < ES_REF_ATOM ? NULL : es_recording_define(m->x->query->recording, ref, &len);
    key(m, name);
    if (definition && es_ref_class_of(ref) == ES_REF_ATOM) {
        add_piece(m->out, write_atom, definition, len);
    } else if (definition) {
        add_term(m, definition, len);
    } else {
        es_query_print_ref(m->x->query, ref, true, &text);
        add_piece(m->out, write_binary, text.bytes ? text.bytes : "", text.len);
    }
    es_text_fini(&text);
}

/* ---- an event ------------------------------------------------------------------------------------------------------ */

static void put_flags(struct map *m, const struct es_shown *shown)
{
    if (shown->n_flags == 0)
        return;
    uint8_t head[5];
    struct es_writer w;
    key(m, "flags");
    es_writer_init(&w, head, sizeof head);
    es_write_list(&w, (uint32_t)shown->n_flags);
    es_text_add(m->out, (const char *)head, sizeof head);
    for (size_t i = 0; i < shown->n_flags; i++)
        add_piece(m->out, write_atom, shown->flags[i], strlen(shown->flags[i]));
    es_text_add(m->out, "\x6a", 1);
}

static void put_numbers(struct map *m, const struct es_event *event)
{
    if (event->kind >= ES_KIND_MAX || !(es_kind_table[event->kind].fields & ES_F_NUM))
        return;
    uint8_t head[5];
    struct es_writer w;
    key(m, "numbers");
    es_writer_init(&w, head, sizeof head);
    es_write_map(&w, ES_NUMS);
    es_text_add(m->out, (const char *)head, sizeof head);
    for (size_t i = 0; i < ES_NUMS; i++) {
        add_piece(m->out, write_atom, es_gc_num_names[i], strlen(es_gc_num_names[i]));
        add_piece(m->out, write_uint, &event->num[i], 0);
    }
}

static void put_all(struct map *m, const struct es_event *event, const struct es_shown *shown)
{
    struct es_query *query = m->x->query;
    put_uint(m, "seq", event->seq);
    put_int(m, "time", event->time);
    put_atom(m, "kind", event->kind < ES_KIND_MAX ? es_kind_table[event->kind].name : "unknown");
    put_ref(m, "pid", event->pid);
    put_ref(m, "name", es_query_name(query, event->pid, event->time));
    put_ref(m, "peer", event->peer);
    put_ref(m, "peer_name", es_query_name(query, event->peer, event->time));
    put_ref(m, "module", event->module);
    put_ref(m, "function", event->function);
    if (shown->has_arity)
        put_int(m, "arity", event->arity);
    put_uint(m, "cause", event->cause);
    if (event->cause_state != ES_CAUSE_NONE && event->cause_state < ES_CAUSE_MAX)
        put_atom(m, "cause_state", es_cause_names[event->cause_state]);
    put_uint(m, "parent", shown->parent);
    put_flags(m, shown);
    put_uint(m, "moved", event->flags & ES_E_MOVED ? event->moved : 0);
    put_uint(m, "thread", event->thread);
    put_uint(m, "hash", event->hash);
    put_uint(m, "corr", event->corr);
    put_numbers(m, event);
    if (shown->wall != INT64_MIN)
        put_int(m, "wall", shown->wall);
    if (event->payload_len > 0) {
        key(m, "payload");
        add_term(m, event->payload, event->payload_len);
    }
}

static void patch_be32(struct es_text *out, size_t at, size_t value)
{
    for (int i = 0; i < 4 && !out->failed; i++)
        out->bytes[at + (size_t)i] = (char)(value >> (24 - 8 * i));
}

static int etf_event(struct es_exporter *x, const struct es_event *event)
{
    static const char head[] = {0, 0, 0, 0, (char)131, ES_T_MAP, 0, 0, 0, 0};
    size_t before = x->out.len;
    struct es_shown *shown = x->query->shown;
    es_shown_fill(x->query, event, &(struct es_show){.erlang = true}, shown);
    es_text_add(&x->out, head, sizeof head);
    struct map m = {x, &x->out, before + 6, 0};
    put_all(&m, event, shown);
    patch_be32(&x->out, m.count_at, m.count);
    patch_be32(&x->out, before, x->out.len - before - 4);
    return 0;
}

const struct es_exporter_type es_export_etf = {.event = etf_event};
