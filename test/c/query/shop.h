/* SPDX-License-Identifier: MIT */
/* A recording for tests, made with the store's writer: atoms by name, processes by number, events one
 * microsecond apart. */
#ifndef ES_TEST_QUERY_SHOP_H
#define ES_TEST_QUERY_SHOP_H

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "query/query.h"
#include "store/store.h"
#include "term/text.h"
#include "wire/term.h"

#define SHOP_START INT64_C(-576460751234567890) /* monotonic times are mostly negative */
#define SHOP_WALL INT64_C(1769869501300000000)  /* of the first event: 2026-01-31 14:25:01.3 UTC */
#define SHOP_STEP 1000

#define assert_ok(expression)                                                          \
    do {                                                                               \
        int result_ = (expression);                                                    \
        if (result_ < 0)                                                               \
            fail_msg("%s: %s (%s)", #expression, strerror(-result_), es_error_text()); \
    } while (0)

static char shop_dir[64], shop_path[128];
static struct es_store *shop_store;
static uint64_t shop_seq;
static int64_t shop_now;
static const char *shop_atoms[256];
static size_t shop_n_atoms;
static uint8_t shop_bytes[1 << 16];
static struct es_writer shop_term;

static inline int shop_setup(void **state)
{
    (void)state;
    strcpy(shop_dir, "/tmp/es_query_XXXXXX");
    if (!mkdtemp(shop_dir))
        return -1;
    snprintf(shop_path, sizeof shop_path, "%s/shop.scope", shop_dir);
    es_error_clear();
    return 0;
}

static inline int shop_teardown(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", shop_dir);
    return system(command);
}

/* The name of a file in the test's directory; valid until the next call. */
static inline const char *shop_file(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", shop_dir, name);
    return path;
}

static inline void shop_begin(void)
{
    struct es_store_options options = {.path = shop_path};
    char offset[32];
    assert_ok(es_store_create(&options, &shop_store));
    shop_seq = 0;
    shop_now = SHOP_START;
    shop_n_atoms = 0;
    snprintf(offset, sizeof offset, "%" PRId64, SHOP_WALL - SHOP_START);
    assert_ok(es_store_meta(shop_store, "wall_offset_ns", offset));
    assert_ok(es_store_meta(shop_store, "node", "shop@host"));
}

static inline void shop_end(void) { assert_ok(es_store_close(shop_store, NULL)); }

/* Words of atoms are opaque: these look like the emulator's. */
static inline es_ref shop_atom(const char *name)
{
    size_t i = 0;
    while (i < shop_n_atoms && strcmp(shop_atoms[i], name) != 0)
        i++;
    es_ref ref = es_ref_make(ES_REF_ATOM, 64 * (i + 1) + 11);
    if (i == shop_n_atoms) {
        shop_atoms[shop_n_atoms++] = name;
        assert_ok(es_store_define(shop_store, ref, name, strlen(name)));
    }
    return ref;
}

static inline es_ref shop_pid(uint32_t number) { return es_ref_pid(number, 0); }

/* ---- payloads: write with es_write_*(&shop_term, …) ---------------------------------------------------------------- */

static inline struct es_writer *shop_payload(void)
{
    es_writer_init(&shop_term, shop_bytes, sizeof shop_bytes);
    return &shop_term;
}

static inline void shop_write_atom(const char *name) { es_write_atom_ref(&shop_term, es_ref_value(shop_atom(name))); }

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* Adds the event with what was written since shop_payload(); gives its sequence number. */
static inline uint64_t shop_add(struct es_event event)
{
    event.seq = ++shop_seq;
    event.time = shop_now;
    shop_now += SHOP_STEP;
    if (shop_term.at) {
        assert_false(shop_term.full);
        event.payload = shop_bytes;
        event.payload_len = (uint32_t)(shop_term.at - shop_bytes);
        shop_term.at = NULL;
    }
    assert_ok(es_store_event(shop_store, &event));
    return event.seq;
}

static inline struct es_event shop_fun(enum es_kind kind, uint32_t pid, const char *module, const char *function)
{
    return (struct es_event){.kind = (uint8_t)kind,
                             .pid = shop_pid(pid),
                             .module = shop_atom(module),
                             .function = shop_atom(function),
                             .arity = 2};
}

/* A message of {order, Number}, delivered without its payload, as captures do. */
static inline uint64_t shop_message(uint32_t from, uint32_t to, int64_t number)
{
    shop_payload();
    es_write_tuple(&shop_term, 2);
    shop_write_atom("order");
    es_write_int(&shop_term, number);
    uint64_t send = shop_add((struct es_event){
        .kind = ES_K_SEND, .pid = shop_pid(from), .peer = shop_pid(to), .hash = (uint64_t)number + 1});
    return shop_add((struct es_event){.kind = ES_K_DELIVER,
                                      .pid = shop_pid(to),
                                      .peer = shop_pid(from),
                                      .hash = (uint64_t)number + 1,
                                      .cause = send,
                                      .cause_state = ES_CAUSE_PAIRED,
                                      .flags = ES_E_NO_PAYLOAD});
}

static inline void shop_process(uint32_t number, int64_t spawned, int64_t exited, const char *name)
{
    struct es_process process = {.pid = shop_pid(number),
                                 .parent = shop_pid(1),
                                 .spawned = spawned,
                                 .exited = exited,
                                 .module = shop_atom("Elixir.Shop.Cart"),
                                 .function = shop_atom("init"),
                                 .arity = 1,
                                 .name = name ? shop_atom(name) : ES_REF_NONE};
    assert_ok(es_store_process(shop_store, &process));
}

static inline struct es_filter shop_filter(void) { return (struct es_filter){.since = INT64_MIN, .until = INT64_MAX}; }

static inline struct es_query *shop_open(void)
{
    struct es_query *query;
    assert_ok(es_query_open(shop_path, &query));
    return query;
}

#endif
