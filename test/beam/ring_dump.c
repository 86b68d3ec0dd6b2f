/* SPDX-License-Identifier: MIT */
/* Makes an arena and reads it back, for tests of the NIF and its benchmark: what the engine does, without the engine.
 *   ring_dump create PATH SCHEDULERS OTHERS BYTES OTHER_BYTES [key:NAME | struct:NAME]...
 *   ring_dump dump PATH     each record as an Erlang term for file:consult/1; tails stay where they are
 *   ring_dump drain PATH    reads and releases until standard input ends, then prints {drained, Records, Bytes} */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/arena.h"
#include "wire/term.h"

/* ---- create -------------------------------------------------------------------------------------------------------- */

static int create(int argc, char **argv)
{
    struct es_arena_plan plan = {.owner = (uid_t)-1};
    plan.schedulers = (uint32_t)strtoul(argv[1], NULL, 10);
    plan.others = (uint32_t)strtoul(argv[2], NULL, 10);
    plan.scheduler_bytes = strtoull(argv[3], NULL, 10);
    plan.other_bytes = strtoull(argv[4], NULL, 10);
    struct es_arena arena;
    int rc = es_arena_create(argv[0], &plan, &arena);
    for (int i = 5; i < argc && rc == 0; i++) {
        const char *name = strchr(argv[i], ':') + 1;
        rc = es_arena_redact(&arena, argv[i][0] == 'k' ? ES_REDACT_KEY : ES_REDACT_STRUCT, name);
    }
    if (rc < 0)
        fprintf(stderr, "ring_dump: %s\n", strerror(-rc));
    return rc < 0;
}

/* ---- definitions --------------------------------------------------------------------------------------------------- */

struct def {
    uint64_t ref;
    const uint8_t *payload;
    uint32_t len;
};
static struct def *defs;
static size_t n_defs, room_for_defs;

static void define(const struct es_record_view *view)
{
    if (n_defs == room_for_defs) {
        room_for_defs = room_for_defs ? room_for_defs * 2 : 1024;
        defs = realloc(defs, room_for_defs * sizeof *defs);
    }
    defs[n_defs++] = (struct def){view->peer, view->payload, view->payload_len};
}

static const struct def *lookup(uint64_t ref)
{
    for (size_t i = n_defs; i-- > 0;)
        if (defs[i].ref == ref)
            return &defs[i];
    return NULL;
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

static void print_hex(const uint8_t *bytes, size_t len)
{
    printf("<<16#");
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    printf("%s:%zu>>", len ? "" : "0", len * 8);
}

static void print_ref(uint64_t ref)
{
    const struct def *def = lookup(ref);
    switch (es_ref_class_of(ref)) {
    case ES_REF_NONE: printf("none"); return;
    case ES_REF_PID: printf("{pid,%u,%u}", es_ref_pid_number(ref), es_ref_pid_serial(ref)); return;
    case ES_REF_PORT: printf("{port,%" PRIu64 "}", es_ref_value(ref)); return;
    case ES_REF_ATOM: printf("{atom,"); break;
    default: printf("{other,"); break;
    }
    if (def)
        print_hex(def->payload, def->len);
    else
        printf("not_defined");
    printf("}");
}

/* An atom in plain format; one without definition is called '$not_defined'. */
static void write_atom(struct es_writer *w, uint64_t word)
{
    const struct def *def = lookup(es_ref_make(ES_REF_ATOM, word));
    es_write_atom(w, def ? (const char *)def->payload : "$not_defined", def ? def->len : 12);
}

static void write_cut(struct es_writer *w, const struct es_cut *cut)
{
    static const char *const types[] = {"any", "binary", "bitstring", "list",  "tuple",
                                        "map", "fun",    "integer",   "state", "redacted"};
    const char *type = cut->type < ES_CUT_TYPE_MAX ? types[cut->type] : "unknown";
    es_write_tuple(w, 6);
    es_write_atom(w, "$cut", 4);
    es_write_atom(w, type, strlen(type));
    es_write_int(w, cut->flags);
    es_write_uint(w, cut->size);
    es_write_uint(w, cut->hash);
    es_write_binary(w, cut->prefix, cut->prefix_len);
}

/* Where a pid, port or reference has its node as an atom reference, `skip` bytes from its beginning. */
static void write_named(struct es_writer *w, const uint8_t *raw, const uint8_t *end, const struct es_token *token)
{
    size_t skip = token->type == ES_TOK_REF ? 3 : 1;
    es_write_bytes(w, raw, skip);
    write_atom(w, token->node.word);
    raw += skip + (raw[skip] == ES_T_ATOM_REF4 ? 5 : 9);
    es_write_bytes(w, raw, (size_t)(end - raw));
}

/* One term, in plain format. A tuple whose end was cut has as many elements here as were written, the cut being the last. */
static void convert(struct es_reader *r, struct es_writer *w);

static void convert_tuple(struct es_reader *r, struct es_writer *w, uint32_t arity)
{
    es_write_u8(w, ES_T_LARGE_TUPLE);
    uint8_t *count = w->at;
    es_write_bytes(w, "\0\0\0", 4);
    bool rest = false;
    uint32_t n = 0;
    for (; n < arity && !rest; n++) {
        rest = es_reader_left(r) > 2 && r->at[0] == ES_T_CUT && (r->at[2] & ES_CUT_REST);
        convert(r, w);
    }
    for (int i = 0; i < 4; i++)
        count[i] = (uint8_t)(n >> (24 - 8 * i));
}

static void convert(struct es_reader *r, struct es_writer *w)
{
    const uint8_t *raw = r->at;
    struct es_token token = {0};
    es_token_next(r, &token);
    bool named = token.type == ES_TOK_PID || token.type == ES_TOK_PORT || token.type == ES_TOK_REF;
    uint32_t inside = token.type == ES_TOK_LIST     ? token.count + 1
                      : token.type == ES_TOK_MAP    ? 2 * token.count
                      : token.type == ES_TOK_EXPORT ? 3
                                                    : 0;
    if (token.type == ES_TOK_ATOM_REF)
        write_atom(w, token.word);
    else if (token.type == ES_TOK_CUT)
        write_cut(w, &token.cut);
    else if (token.type == ES_TOK_TUPLE)
        convert_tuple(r, w, token.count);
    else if (named && !token.node.text)
        write_named(w, raw, r->at, &token);
    else
        es_write_bytes(w, raw, (size_t)(r->at - raw));
    while (inside-- > 0)
        convert(r, w);
}

static int print_term(const uint8_t *payload, size_t len)
{
    struct es_reader r;
    es_reader_init(&r, payload, len);
    if (es_term_skip(&r) < 0 || es_reader_left(&r) != 0)
        return -EBADMSG;
    size_t room = 64 + 300 * len;
    uint8_t *bytes = malloc(room);
    struct es_writer w;
    es_writer_init(&w, bytes, room);
    es_write_u8(&w, 131);
    es_reader_init(&r, payload, len);
    convert(&r, &w);
    print_hex(bytes, (size_t)(w.at - bytes));
    free(bytes);
    return w.full ? -ENOSPC : 0;
}

static void print_lost(const struct es_record_view *view)
{
    printf("[");
    for (uint32_t at = 8; at + 16 <= view->payload_len; at += 16) {
        uint64_t pair[2];
        memcpy(pair, view->payload + at, sizeof pair);
        printf("%s{%s,%" PRIu64 "}", at == 8 ? "" : ",", es_kind_table[pair[0]].name, pair[1]);
    }
    printf("]");
}

static void print_payload(const struct es_record_view *view)
{
    if (view->kind == ES_K_LOST)
        print_lost(view);
    else if (view->payload_len == 0)
        printf("none");
    else if (print_term(view->payload, view->payload_len) < 0)
        printf("malformed");
}

/* {Kind, #{...}}. */
static void print_record(const struct es_record_view *view, uint32_t ring)
{
    printf("{'%s',#{ring=>%u,stamp=>%" PRIu64 ",size=>%u,arity=>%u,pid=>", es_kind_table[view->kind].name, ring,
           view->stamp, view->size, view->arity);
    print_ref(view->pid);
    printf(",flags=>[%s%s%s%s%s none],peer=>", view->flags & ES_R_CUT ? "cut," : "",
           view->flags & ES_R_REDACTED ? "redacted," : "", view->flags & ES_R_NO_PAYLOAD ? "no_payload," : "",
           view->flags & ES_R_CALLBACK ? "callback," : "", view->flags & ES_R_WOVEN ? "woven," : "");
    print_ref(view->peer);
    printf(",site=>");
    print_ref(view->site);
    printf(",module=>");
    print_ref(view->module);
    printf(",function=>");
    print_ref(view->function);
    printf(",hash=>%" PRIu64 ",corr=>%" PRIu64 ",num=>[", view->hash, view->corr);
    for (int i = 0; i < ES_NUMS; i++)
        printf("%s%" PRIu64, i ? "," : "", view->num[i]);
    printf("],payload=>");
    print_payload(view);
    printf("}}.\n");
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

struct span {
    const uint8_t *at, *end;
};

static bool next_record(struct span *span, struct es_record_view *view)
{
    if (span->at >= span->end)
        return false;
    if (es_record_read(span->at, (size_t)(span->end - span->at), view) < 0) {
        printf("{malformed,#{}}.\n");
        return false;
    }
    span->at += view->size;
    return true;
}

/* Definitions stand behind the event that needs them, in one publication: so they are read ahead up to the next other record. */
static void dump_ring(const struct es_ring *ring, uint32_t index)
{
    bool busy;
    uint64_t head = es_ring_published(ring, &busy), tail = atomic_load(&ring->head->tail);
    struct span span = {es_ring_at(ring, tail), es_ring_at(ring, tail) + (head - tail)};
    struct es_record_view view, def;
    while (next_record(&span, &view)) {
        struct span ahead = span;
        while (next_record(&ahead, &def) && def.kind == ES_K_DEF) {
            define(&def);
            span = ahead;
        }
        print_record(&view, index);
    }
    printf("{ring,#{ring=>%u,thread=>%u,class=>%u,claimed=>%u,busy=>%u,events=>%" PRIu64 ",nanos=>%" PRIu64 "}}.\n",
           index, atomic_load(&ring->head->thread), ring->head->class, atomic_load(&ring->head->claimed), busy,
           (uint64_t)atomic_load(&ring->head->events), (uint64_t)atomic_load(&ring->head->nanos));
    n_defs = 0; /* each ring has its own */
}

static void dump(const struct es_arena *arena)
{
    printf("{arena,#{enabled=>%u,done=>%u,unclaimed=>%" PRIu64 "}}.\n", atomic_load(&arena->head->enabled),
           atomic_load(&arena->head->vm_done), (uint64_t)atomic_load(&arena->head->unclaimed_lost));
    for (uint32_t i = 0; i < arena->n_rings; i++)
        dump_ring(&arena->rings[i], i);
}

static void drain(const struct es_arena *arena)
{
    uint64_t records = 0, bytes = 0;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (bool ended = false; !ended;) {
        ended = poll(&input, 1, 1) != 0;
        for (uint32_t i = 0; i < arena->n_rings; i++) {
            struct es_ring *ring = &arena->rings[i];
            bool busy;
            uint64_t head = es_ring_published(ring, &busy), tail = atomic_load(&ring->head->tail);
            struct span span = {es_ring_at(ring, tail), es_ring_at(ring, tail) + (head - tail)};
            struct es_record_view view;
            for (; next_record(&span, &view); records++)
                ;
            bytes += head - tail;
            es_ring_release(ring, head);
        }
    }
    printf("{drained,%" PRIu64 ",%" PRIu64 "}.\n", records, bytes);
}

int main(int argc, char **argv)
{
    if (argc >= 7 && strcmp(argv[1], "create") == 0)
        return create(argc - 2, argv + 2);
    if (argc != 3 || (strcmp(argv[1], "dump") != 0 && strcmp(argv[1], "drain") != 0))
        return fprintf(stderr, "usage: see the head of ring_dump.c\n"), 2;
    struct es_arena arena;
    int rc = es_arena_open(argv[2], &arena);
    if (rc < 0)
        return fprintf(stderr, "ring_dump: %s: %s\n", argv[2], strerror(-rc)), 1;
    if (argv[1][1] == 'u')
        dump(&arena);
    else
        drain(&arena);
    es_arena_close(&arena);
    return 0;
}
