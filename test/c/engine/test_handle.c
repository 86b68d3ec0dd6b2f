/* SPDX-License-Identifier: MIT */
/* Callbacks find what they handle; where two messages may be meant, none is named. */
#include "sim.h"

#include "engine/handle.h"

#define RING (UINT64_C(16) << 20)

enum {
    MODULE = 700,
    STATE_MODULE,
    EVENT_MODULE,
    CALL,
    INFO,
    OPEN,
    EVENT,
    TIMEOUT,
    NEXT,
    KEEP,
    POSTPONE,
    NOREPLY,
    GEN_STATEM,
    GEN_EVENT,
    GEN_SERVER,
    KILLED,
    CLOCK,
    ERLANG,
    SEND_AFTER
};

static const struct {
    uint32_t atom;
    const char *text;
} atoms[] = {{MODULE, "server"},         {STATE_MODULE, "machine"},
             {EVENT_MODULE, "handler"},  {CALL, "handle_call"},
             {INFO, "handle_info"},      {OPEN, "open"},
             {EVENT, "handle_event"},    {TIMEOUT, "timeout"},
             {NEXT, "next_state"},       {KEEP, "keep_state_and_data"},
             {POSTPONE, "postpone"},     {NOREPLY, "noreply"},
             {GEN_STATEM, "gen_statem"}, {GEN_EVENT, "gen_event"},
             {GEN_SERVER, "gen_server"}, {KILLED, "boom"},
             {CLOCK, "clock_service"},   {ERLANG, "erlang"},
             {SEND_AFTER, "send_after"}};

struct bench {
    struct world world;
    struct writer w;
    uint64_t expected[64]; /* of each callback in turn: index of its delivery + 1, or 0 */
    uint32_t n;
};

static void module_of(struct writer *w, uint32_t module, uint32_t behaviour)
{
    uint8_t list[64];
    struct es_writer out;
    es_writer_init(&out, list, sizeof list);
    es_write_list(&out, 1);
    es_write_atom_ref(&out, es_ref_value(atom_of(behaviour)));
    es_write_nil(&out);
    assert_true(writer_put(
        w, &(struct record){
               .kind = ES_K_MODULE, .peer = atom_of(module), .payload = list, .len = (size_t)(out.at - list)}));
}

static void begin(struct bench *b, const char *name)
{
    world_open(&b->world, name, 1, RING);
    b->w = writer_claim(&b->world.arena, 0, 1);
    b->n = 0;
    b->w.at = es_clock_now(b->w.clock) - b->world.arena.head->clock_rate * 10;
    struct record clock = {.kind = ES_K_CLOCK};
    clock.num[ES_CLOCK_MONO] = 1000000000;
    clock.num[ES_CLOCK_WALL] = UINT64_C(1700000000000000000);
    writer_put(&b->w, &clock);
    for (size_t i = 0; i < sizeof atoms / sizeof *atoms; i++)
        writer_define(&b->w, atom_of(atoms[i].atom), atoms[i].text, strlen(atoms[i].text));
    module_of(&b->w, MODULE, GEN_SERVER);
    module_of(&b->w, STATE_MODULE, GEN_STATEM);
    module_of(&b->w, EVENT_MODULE, GEN_EVENT);
}

static void put(struct bench *b, struct record record)
{
    b->w.at += b->world.arena.head->clock_rate / 1000000; /* a microsecond */
    assert_true(writer_put(&b->w, &record));
}

/* A message from process 9, sent and delivered. */
static void message(struct bench *b, uint32_t to, uint64_t hash)
{
    put(b, (struct record){.kind = ES_K_SEND, .pid = pid_of(9), .peer = pid_of(to), .hash = hash});
    put(b, (struct record){.kind = ES_K_DELIVER, .pid = pid_of(to), .peer = pid_of(9), .hash = hash});
}

static size_t atom_term(uint8_t *bytes, size_t room, uint32_t atom, bool in_list)
{
    struct es_writer w;
    es_writer_init(&w, bytes, room);
    if (in_list)
        es_write_list(&w, 1);
    es_write_atom_ref(&w, es_ref_value(atom_of(atom)));
    if (in_list)
        es_write_nil(&w);
    return (size_t)(w.at - bytes);
}

/* A callback of `module`, called with [Argument]; `delivery`: which delivery in the recording it must be caused by, from 1; 0 none. */
static void called(struct bench *b, uint32_t of, uint32_t module, uint32_t function, uint16_t arity, uint64_t hash,
                   uint64_t delivery)
{
    uint8_t arguments[32];
    size_t len = atom_term(arguments, sizeof arguments, hash == 1 ? TIMEOUT : KILLED, true);
    put(b, (struct record){.kind = ES_K_CALL,
                           .flags = ES_R_CALLBACK,
                           .arity = arity,
                           .pid = pid_of(of),
                           .module = atom_of(module),
                           .function = atom_of(function),
                           .hash = hash,
                           .payload = arguments,
                           .len = len});
    b->expected[b->n++] = delivery;
}

static void returned(struct bench *b, uint32_t of, uint32_t module, uint32_t function, uint16_t arity, uint32_t answer,
                     uint32_t action)
{
    uint8_t value[64];
    struct es_writer w;
    es_writer_init(&w, value, sizeof value);
    es_write_tuple(&w, 2);
    es_write_atom_ref(&w, es_ref_value(atom_of(answer)));
    es_write_atom_ref(&w, es_ref_value(atom_of(action)));
    put(b, (struct record){.kind = ES_K_RETURN,
                           .flags = ES_R_CALLBACK,
                           .arity = arity,
                           .pid = pid_of(of),
                           .module = atom_of(module),
                           .function = atom_of(function),
                           .payload = value,
                           .len = (size_t)(w.at - value)});
}

static void server(struct bench *b, uint64_t hash, uint64_t delivery)
{
    called(b, 1, MODULE, INFO, 2, hash, delivery);
    returned(b, 1, MODULE, INFO, 2, NOREPLY, KILLED);
}
static void machine(struct bench *b, uint64_t hash, uint64_t delivery, bool postpones)
{
    called(b, 2, STATE_MODULE, OPEN, 3, hash, delivery);
    returned(b, 2, STATE_MODULE, OPEN, 3, postpones ? KEEP : NEXT, postpones ? POSTPONE : KILLED);
}

#define TIMED UINT64_C(1000) /* `expected`: the TIMEOUT event */

static void check(struct bench *b)
{
    writer_leave(&b->w);
    world_run(&b->world);
    world_read(&b->world);
    world_check_order(&b->world);
    uint64_t deliveries[64] = {0}, timed = 0;
    uint32_t n_deliveries = 0, n = 0;
    for (size_t i = 0; i < b->world.n; i++) {
        const struct es_event *event = &b->world.events[i];
        if (event->kind == ES_K_DELIVER && event->pid != pid_of(8))
            deliveries[++n_deliveries] = event->seq;
        else if (event->kind == ES_K_TIMEOUT)
            timed = event->seq;
        if (event->kind != ES_K_CALL || !(event->flags & ES_E_CALLBACK))
            continue;
        uint64_t must = b->expected[n++];
        assert_int_equal(event->cause, must == TIMED ? timed : deliveries[must]);
        assert_int_equal(event->cause_state, must ? ES_CAUSE_PAIRED : ES_CAUSE_UNKNOWN);
    }
    assert_int_equal(n, b->n);
    world_close(&b->world);
}

/* Processes that are known as behaviours': their first callbacks say so. */
static void meet(struct bench *b)
{
    message(b, 8, 1); /* deliveries are recorded */
    called(b, 1, MODULE, INFO, 2, 5000, 0);
    returned(b, 1, MODULE, INFO, 2, NOREPLY, KILLED);
    called(b, 2, STATE_MODULE, OPEN, 3, 5001, 0);
    returned(b, 2, STATE_MODULE, OPEN, 3, NEXT, KILLED);
    called(b, 3, EVENT_MODULE, EVENT, 2, 5002, 0);
    returned(b, 3, EVENT_MODULE, EVENT, 2, KEEP, KILLED);
}

static void in_order(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_order");
    meet(&b);
    for (uint64_t i = 1; i <= 4; i++)
        message(&b, 1, 10 + i % 2);
    message(&b, 1, 77);
    message(&b, 1, 78);
    server(&b, 11, 1);
    server(&b, 10, 2);
    server(&b, 11, 3);
    server(&b, 78, 6); /* those before it were taken inside of a callback */
    server(&b, 10, 0);
    check(&b);
}

static void timeouts(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_timeout");
    meet(&b);
    put(&b, (struct record){.kind = ES_K_TIMEOUT, .pid = pid_of(1)});
    server(&b, 1, TIMED);
    server(&b, 1, 0); /* not a second time */
    message(&b, 1, 1);
    server(&b, 1, 1); /* a message that is the same */
    check(&b);
}

static void a_callback_in_a_callback(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_nested");
    meet(&b);
    message(&b, 1, 10);
    message(&b, 1, 11);
    called(&b, 1, MODULE, INFO, 2, 10, 1);
    called(&b, 1, MODULE, CALL, 3, 11, 0); /* called by the first, for no message */
    returned(&b, 1, MODULE, CALL, 3, NOREPLY, KILLED);
    called(&b, 1, MODULE, INFO, 2, 10, 1);
    returned(&b, 1, MODULE, INFO, 2, NOREPLY, KILLED);
    returned(&b, 1, MODULE, INFO, 2, NOREPLY, KILLED);
    server(&b, 11, 2);
    check(&b);
}

static void postponed(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_postponed");
    meet(&b);
    message(&b, 2, 10);
    message(&b, 2, 11);
    message(&b, 2, 12);
    machine(&b, 10, 1, true);
    machine(&b, 11, 2, true);
    machine(&b, 12, 3, false);
    machine(&b, 10, 1, true); /* again, and again postponed */
    machine(&b, 11, 2, false);
    machine(&b, 10, 1, false);
    machine(&b, 10, 0, false);
    message(&b, 2, 20);
    message(&b, 2, 20);
    machine(&b, 20, 4, true);
    machine(&b, 20, 0, false); /* the one that was postponed, or the other */
    check(&b);
}

static void handlers(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_event");
    meet(&b);
    message(&b, 3, 10);
    for (int i = 0; i < 3; i++) {
        called(&b, 3, EVENT_MODULE, EVENT, 2, 10, 1);
        returned(&b, 3, EVENT_MODULE, EVENT, 2, KEEP, KILLED);
    }
    message(&b, 3, 10);
    called(&b, 3, EVENT_MODULE, EVENT, 2, 10, 0); /* a fourth handler, or the first again */
    returned(&b, 3, EVENT_MODULE, EVENT, 2, KEEP, KILLED);
    message(&b, 3, 11);
    called(&b, 3, EVENT_MODULE, EVENT, 2, 11, 3);
    returned(&b, 3, EVENT_MODULE, EVENT, 2, KEEP, KILLED);
    check(&b);
}

/* A mailbox that is too long forgets its oldest: until it is certain again, nothing is named. */
static void too_many(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_many");
    meet(&b);
    for (uint64_t i = 0; i < 5000; i++)
        message(&b, 1, 100 + i);
    for (uint64_t i = 0; i < 5000; i++) {
        put(&b, (struct record){.kind = ES_K_CALL,
                                .flags = ES_R_CALLBACK,
                                .arity = 2,
                                .pid = pid_of(1),
                                .module = atom_of(MODULE),
                                .function = atom_of(INFO),
                                .hash = 100 + i});
        returned(&b, 1, MODULE, INFO, 2, NOREPLY, KILLED);
    }
    writer_leave(&b.w);
    world_run(&b.world);
    world_read(&b.world);
    uint64_t paired = 0, evicted = 0, number = 0;
    for (size_t i = 0; i < b.world.n; i++) {
        const struct es_event *event = &b.world.events[i];
        if (event->kind != ES_K_CALL || event->hash < 100 || event->hash >= 5000 + 100)
            continue;
        number++;
        paired += event->cause_state == ES_CAUSE_PAIRED;
        evicted += event->cause_state == ES_CAUSE_EVICTED;
        if (event->cause)
            assert_int_equal(world_event(&b.world, event->cause)->hash, event->hash);
    }
    assert_true(paired > 4000);
    assert_true(evicted >= 5000 - ES_MAILBOX_MAX);
    assert_int_equal(paired + evicted + 3, number);
    assert_int_equal(world_counter(&b.world, "deliveries.evicted"), 5000 - ES_MAILBOX_MAX);
    world_close(&b.world);
}

/* The same where many messages are equal: the one that is handled is never another one than the one that came as the same in number. */
static void too_many_equal(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "handle_equal");
    meet(&b);
    for (uint64_t i = 0; i < 6000; i++)
        message(&b, 1, i % 10 ? 10000 + i : 77);
    for (uint64_t i = 0; i < 6000; i++) {
        put(&b, (struct record){.kind = ES_K_CALL,
                                .flags = ES_R_CALLBACK,
                                .arity = 2,
                                .pid = pid_of(1),
                                .module = atom_of(MODULE),
                                .function = atom_of(INFO),
                                .hash = i % 10 ? 10000 + i : 77});
        returned(&b, 1, MODULE, INFO, 2, NOREPLY, KILLED);
    }
    writer_leave(&b.w);
    world_run(&b.world);
    world_read(&b.world);
    uint64_t came[6000], n_came = 0, handled = 0, paired = 0;
    for (size_t i = 0; i < b.world.n; i++) {
        const struct es_event *event = &b.world.events[i];
        if (event->hash != 77 && (event->hash <= 10000))
            continue;
        if (event->kind == ES_K_DELIVER)
            came[n_came++] = event->seq;
        if (event->kind != ES_K_CALL)
            continue;
        assert_true(event->cause == 0 || event->cause == came[handled]);
        paired += event->cause != 0;
        handled++;
    }
    assert_int_equal(handled, 6000);
    assert_int_equal(n_came, 6000);
    assert_true(paired > 3000);
    world_close(&b.world);
}

/* ---- timers -------------------------------------------------------------------------------------------------------- */

static void set_timer(struct bench *b, uint64_t hash, uint8_t ms)
{
    uint8_t arguments[64];
    struct es_writer w;
    es_writer_init(&w, arguments, sizeof arguments);
    es_write_list(&w, 3);
    es_write_u8(&w, ES_T_SMALL_INT);
    es_write_u8(&w, ms);
    es_write_u8(&w, ES_T_NEW_PID);
    es_write_atom_ref(&w, es_ref_value(atom_of(MODULE)));
    uint32_t numbers[3] = {__builtin_bswap32(es_ref_pid_number(pid_of(1))), 0, 0};
    es_write_bytes(&w, numbers, sizeof numbers);
    es_write_nil(&w);
    es_write_nil(&w);
    put(b, (struct record){.kind = ES_K_CALL,
                           .arity = 3,
                           .pid = pid_of(9),
                           .module = atom_of(ERLANG),
                           .function = atom_of(SEND_AFTER),
                           .hash = hash,
                           .payload = arguments,
                           .len = (size_t)(w.at - arguments)});
}

static void fires(struct bench *b, uint64_t hash)
{
    put(b, (struct record){.kind = ES_K_DELIVER, .pid = pid_of(1), .peer = atom_of(CLOCK), .hash = hash});
}

static void wait_ms(struct bench *b, uint32_t ms) { b->w.at += b->world.arena.head->clock_rate / 1000 * ms; }

static void timers(void **state)
{
    (void)state;
    struct bench b;
    static const struct {
        uint64_t call; /* which; 0 none */
        uint8_t state;
    } must[] = {{1, ES_CAUSE_PAIRED},
                {0, ES_CAUSE_EXTERNAL},
                {0, ES_CAUSE_UNKNOWN},
                {4, ES_CAUSE_PAIRED},
                {0, ES_CAUSE_UNKNOWN}};
    begin(&b, "handle_timers");
    set_timer(&b, 10, 5);
    wait_ms(&b, 6);
    fires(&b, 10);
    fires(&b, 10); /* nobody has set it */
    set_timer(&b, 20, 5);
    set_timer(&b, 20, 7);
    wait_ms(&b, 8);
    fires(&b, 20); /* either */
    set_timer(&b, 30, 20);
    wait_ms(&b, 30);
    fires(&b, 30);
    set_timer(&b, 40, 200);
    fires(&b, 40); /* before it is due: another one */
    writer_leave(&b.w);
    world_run(&b.world);
    world_read(&b.world);
    world_check_order(&b.world);
    uint64_t calls[8] = {0}, n_calls = 0, n = 0;
    for (size_t i = 0; i < b.world.n; i++) {
        const struct es_event *event = &b.world.events[i];
        if (event->kind == ES_K_CALL)
            calls[++n_calls] = event->seq;
        if (event->kind != ES_K_DELIVER)
            continue;
        assert_int_equal(event->cause_state, must[n].state);
        assert_int_equal(event->cause, calls[must[n].call]);
        n++;
    }
    assert_int_equal(n, 5);
    assert_int_equal(world_counter(&b.world, "timers.paired"), 2);
    world_close(&b.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),       cmocka_unit_test(timeouts), cmocka_unit_test(a_callback_in_a_callback),
        cmocka_unit_test(postponed),      cmocka_unit_test(handlers), cmocka_unit_test(too_many),
        cmocka_unit_test(too_many_equal), cmocka_unit_test(timers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
