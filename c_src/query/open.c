/* SPDX-License-Identifier: MIT */
/* Opening a recording for questions, single events, and the text of references and terms. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/fields.h"
#include "query/index.h"
#include "query/nodes.h"
#include "query/timeline_index.h"
#include "query/version_index.h"

static const uint8_t *look_up_atom(uint64_t word, size_t *ret_len, void *context)
{
    struct es_query *query = context;
    return es_recording_define(query->recording, es_ref_make(ES_REF_ATOM, word), ret_len);
}

static int read_meta(struct es_query *query)
{
    const char *node = es_recording_meta(query->recording, "node");
    query->node = node ? strdup(node) : NULL;
    const char *wall = es_recording_meta(query->recording, "wall_offset_ns");
    char *end;
    errno = 0;
    query->wall_offset = wall ? strtoll(wall, &end, 10) : 0;
    query->has_wall = wall && end != wall && *end == '\0' && errno == 0;
    int rc = es_nodes_read(query);
    for (int erlang = 0; erlang < 2; erlang++)
        query->print[erlang] = (struct es_print){.erlang = erlang == 1,
                                                 .atoms = look_up_atom,
                                                 .context = query,
                                                 .local_node = query->node,
                                                 .local_node_len = query->node ? strlen(query->node) : 0,
                                                 .nodes = query->nodes,
                                                 .n_nodes = query->n_nodes};
    return rc;
}

int es_query_open(const char *path, struct es_query **ret_query)
{
    struct es_query *query = calloc(1, sizeof *query);
    if (!query)
        return es_fail(-ENOMEM, "no memory to open %s", path);
    query->path = strdup(path);
    query->shown = calloc(1, sizeof *query->shown);
    int rc = query->path && query->shown ? 0 : es_fail(-ENOMEM, "no memory to open %s", path);
    if (rc == 0)
        rc = es_recording_open(path, &query->recording);
    if (rc < 0) {
        free(query->shown);
        free(query->path);
        free(query);
        return rc;
    }
    rc = read_meta(query);
    if (rc < 0)
        es_query_close(query);
    else
        *ret_query = query;
    return rc;
}

/* What was learned from the recording as it was. */
static void forget(struct es_query *query)
{
    for (size_t i = 0; i < ES_HELD_BLOCKS; i++) {
        if (query->held[i].block)
            es_block_unref(query->recording, query->held[i].block);
        query->held[i] = (struct es_held){0};
    }
    for (size_t i = 0; i < 2; i++) {
        es_parents_free(query->parents[i]);
        query->parents[i] = NULL;
    }
    es_worlds_free(query->worlds);
    query->worlds = NULL;
    for (size_t i = 0; i < ES_VERSIONS_KEPT; i++) {
        es_versions_free(query->versions[i]);
        query->versions[i] = NULL;
    }
    es_version_index_refresh(query->version_index);
    es_refmap_fini(&query->rows);
    es_refmap_fini(&query->with_calls);
    query->thinned_ready = false;
    es_index_free(query->index);
    query->index = NULL;
    es_refmap_fini(&query->ended);
    query->ended_ready = false;
    free(query->names);
    query->names = NULL;
    query->n_names = 0;
    query->names_ready = false;
}

void es_query_close(struct es_query *query)
{
    if (!query)
        return;
    forget(query);
    es_lanes_free(query->lanes);
    es_version_index_free(query->version_index);
    es_recording_close(query->recording);
    es_shown_fini(query->shown);
    free(query->shown);
    es_buf_fini(&query->state);
    es_nodes_fini(query);
    free(query->path);
    free(query->node);
    free(query);
}

struct es_recording *es_query_recording(struct es_query *query) { return query->recording; }

int es_query_refresh(struct es_query *query)
{
    forget(query);
    int rc = es_recording_refresh(query->recording);
    free(query->node);
    int read = read_meta(query);
    return rc < 0 ? rc : read;
}

/* ---- single events ------------------------------------------------------------------------------------------------- */

size_t es_query_block_of(struct es_query *query, uint64_t seq)
{
    const struct es_block_info *blocks = NULL;
    size_t from = 0, to = es_recording_blocks(query->recording, &blocks);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (blocks[middle].last_seq < seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct es_held *find_held(struct es_query *query, uint64_t seq)
{
    for (size_t i = 0; i < ES_HELD_BLOCKS; i++)
        if (query->held[i].block && seq >= query->held[i].first && seq <= query->held[i].last)
            return &query->held[i];
    return NULL;
}

static int hold(struct es_query *query, uint64_t seq, struct es_held **ret_held)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks), i = es_query_block_of(query, seq);
    if (i == n || blocks[i].first_seq > seq)
        return -ENOENT;
    struct es_block *block;
    int rc = es_block_get(query->recording, i, &block);
    if (rc < 0)
        return rc;
    struct es_held *oldest = &query->held[0];
    for (size_t k = 1; k < ES_HELD_BLOCKS; k++)
        if (query->held[k].used < oldest->used)
            oldest = &query->held[k];
    if (oldest->block)
        es_block_unref(query->recording, oldest->block);
    *oldest = (struct es_held){.block = block, .first = blocks[i].first_seq, .last = blocks[i].last_seq};
    *ret_held = oldest;
    return 0;
}

int es_query_stored(struct es_query *query, uint64_t seq, const struct es_event **ret_event)
{
    struct es_held *held = find_held(query, seq);
    int rc = held ? 0 : hold(query, seq, &held);
    if (rc < 0)
        return rc;
    held->used = ++query->clock;
    if (seq - held->first >= held->block->n)
        return -EBADMSG;
    *ret_event = &held->block->events[seq - held->first];
    return 0;
}

static void fill_state(struct es_query *query, struct es_event *event, struct es_buf *state)
{
    state->len = 0;
    if (es_recording_state_read(query->recording, event->seq, state) == 0) {
        event->payload = state->bytes;
        event->payload_len = (uint32_t)state->len;
        return;
    }
    es_error_clear();
    event->payload_len = 0;
    event->flags |= ES_E_NO_PAYLOAD;
}

void es_query_fill(struct es_query *query, struct es_event *event, struct es_buf *state)
{
    const struct es_event *cause;
    if (event->kind == ES_K_STATE && event->payload_len > 0 && !event->payload)
        fill_state(query, event, state);
    if (event->kind != ES_K_DELIVER || event->payload_len > 0 || event->cause == 0 ||
        es_query_stored(query, event->cause, &cause) < 0 ||
        (cause->kind != ES_K_SEND && cause->kind != ES_K_SEND_DEAD) ||
        cause->payload_len == 0) /* the reason of an exit is not its message */
        return;
    event->payload = cause->payload;
    event->payload_len = cause->payload_len;
    event->flags = (uint8_t)((event->flags & ~ES_E_NO_PAYLOAD) | (cause->flags & (ES_E_CUT | ES_E_REDACTED)));
}

int es_query_event(struct es_query *query, uint64_t seq, const struct es_event **ret_event)
{
    const struct es_event *stored;
    int rc = es_query_stored(query, seq, &stored);
    if (rc < 0)
        return es_fail(rc, "event %llu %s", (unsigned long long)seq,
                       rc == -ENOENT ? "is not in the recording" : "cannot be read");
    query->event = *stored;
    es_query_fill(query, &query->event, &query->state);
    *ret_event = &query->event;
    return 0;
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

const struct es_print *es_query_print(struct es_query *query, bool erlang) { return &query->print[erlang]; }

void es_query_print_term(struct es_query *query, const uint8_t *bytes, size_t len, bool erlang, struct es_text *out)
{
    es_term_print(bytes, len, &query->print[erlang], out); /* what is malformed says so in the text */
}

void es_query_print_payload(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out)
{
    struct es_print print = query->print[erlang];
    struct es_event filled = *event; /* of a state that is only known to be there, it is read now */
    if (!filled.payload)
        es_query_fill(query, &filled, &query->state);
    print.arguments = filled.kind == ES_K_CALL || filled.kind == ES_K_SPAWN || filled.kind == ES_K_LINE;
    if (filled.payload_len > 0)
        es_term_print(filled.payload, filled.payload_len, &print, out);
}

/* The name of a module, function or process as it stands in code; without the colon of Elixir's other
 * atoms. */
static void print_name(struct es_query *query, es_ref ref, bool erlang, struct es_text *out)
{
    size_t len = 0, before = out->len;
    const uint8_t *text = es_recording_define(query->recording, ref, &len);
    if (!text) {
        es_text_printf(out, "#Atom<%llu>", (unsigned long long)es_ref_value(ref));
        return;
    }
    es_print_atom(text, len, erlang, out);
    if (!erlang && !out->failed && out->bytes[before] == ':') {
        memmove(out->bytes + before, out->bytes + before + 1, out->len - before);
        out->len--;
    }
}

static void print_node(const struct es_query *query, es_ref ref, struct es_text *out)
{
    unsigned node = es_ref_node(ref);
    if (node == 0)
        es_text_puts(out, "0");
    else if (node < query->n_nodes)
        es_print_node_label(&query->nodes[node], out);
    else
        es_text_printf(out, "?%u", node);
}

void es_query_print_ref(struct es_query *query, es_ref ref, bool erlang, struct es_text *out)
{
    size_t len = 0;
    const uint8_t *term;
    switch (es_ref_class_of(ref)) {
    case ES_REF_NONE: break;
    case ES_REF_PID:
        es_text_puts(out, erlang ? "<" : "#PID<");
        print_node(query, ref, out);
        es_text_puts(out, ".");
        es_text_uint(out, es_ref_pid_number(ref));
        es_text_puts(out, ".");
        es_text_uint(out, es_ref_pid_serial(ref));
        es_text_puts(out, ">");
        break;
    case ES_REF_PORT:
        es_text_puts(out, "#Port<");
        print_node(query, ref, out);
        es_text_printf(out, ".%llu>", (unsigned long long)es_ref_port_number(ref));
        break;
    case ES_REF_ATOM: print_name(query, ref, erlang, out); break;
    default:
        term = es_recording_define(query->recording, ref, &len);
        if (term)
            es_term_print(term, len, &query->print[erlang], out);
        else
            es_text_printf(out, "#Other<%llx>", (unsigned long long)es_ref_value(ref));
    }
}

void es_query_print_who(struct es_query *query, es_ref ref, bool erlang, struct es_text *out)
{
    es_query_print_ref(query, ref, erlang || es_ref_class_of(ref) != ES_REF_ATOM, out);
}

void es_query_print_fun(struct es_query *query, const struct es_event *event, bool erlang, struct es_text *out)
{
    size_t len = 0;
    const uint8_t *module = es_recording_define(query->recording, event->module, &len);
    if (event->module == ES_REF_NONE)
        return;
    if (module)
        es_print_atom(module, len, erlang, out);
    else
        es_query_print_ref(query, event->module, erlang, out);
    if (event->function == ES_REF_NONE)
        return;
    es_text_puts(out, erlang ? ":" : ".");
    const uint8_t *function = es_recording_define(query->recording, event->function, &len);
    if (function)
        es_print_atom_name(function, len, erlang, out);
    else
        es_query_print_ref(query, event->function, erlang, out);
    es_text_printf(out, "/%u", event->arity);
}
