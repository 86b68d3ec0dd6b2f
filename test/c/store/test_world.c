/* SPDX-License-Identifier: MIT */
/* What a world says after events that were written by hand, and after random ones beside a model of a few lines; a world that was saved and
 * loaded on the way is the same as one that was not; bytes that were damaged never do harm. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/keyframe.h"
#include "store/world.h"
#include "wire/term.h"

static struct es_world world;
static uint64_t last_seq;

static es_ref pid(uint32_t n) { return es_ref_pid(n, 0); }
static es_ref atom(uint64_t n) { return es_ref_make(ES_REF_ATOM, 64 * n + 11); }

static uint64_t give(struct es_event event)
{
    event.seq = ++last_seq;
    event.time = (int64_t)last_seq * 1000;
    if (event.cause)
        event.cause_state = ES_CAUSE_PAIRED;
    assert_int_equal(es_world_feed(&world, &event), 0);
    return event.seq;
}

#define GIVE(...) give((struct es_event){__VA_ARGS__})

static int begin(void **state)
{
    (void)state;
    last_seq = 0;
    es_world_init(&world, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    es_world_fini(&world);
    return 0;
}

static const struct es_world_proc *proc(uint32_t n)
{
    const struct es_world_proc *found = es_world_find(&world, pid(n));
    assert_non_null(found);
    return found;
}

static uint64_t spawn(uint32_t parent, uint32_t child)
{
    uint64_t seq = GIVE(.kind = ES_K_SPAWN, .pid = pid(parent), .peer = pid(child), .module = atom(1),
                        .function = atom(2), .arity = 1);
    GIVE(.kind = ES_K_SPAWNED, .pid = pid(child), .peer = pid(parent), .cause = seq);
    return seq;
}

static uint64_t deliver(uint32_t to, uint64_t corr) { return GIVE(.kind = ES_K_DELIVER, .pid = pid(to), .corr = corr); }

static uint64_t handle(uint32_t who, uint64_t delivery)
{
    return GIVE(.kind = ES_K_CALL, .flags = ES_E_CALLBACK, .pid = pid(who), .module = atom(1), .function = atom(3),
                .arity = 2, .cause = delivery);
}

static uint64_t returns(uint32_t who, uint64_t function)
{
    return GIVE(.kind = ES_K_RETURN, .pid = pid(who), .module = atom(1), .function = atom(function), .arity = 2);
}

/* ---- by hand ------------------------------------------------------------------------------------------------------- */

static void lives_and_dies(void **state)
{
    (void)state;
    uint64_t seq = spawn(1, 2);
    assert_int_equal(proc(2)->spawn_seq, seq);
    assert_true(proc(2)->parent == pid(1));
    assert_true(world.funs[proc(2)->fun].module == atom(1) && world.funs[proc(2)->fun].arity == 1);
    GIVE(.kind = ES_K_REGISTER, .pid = pid(2), .peer = atom(9));
    assert_true(proc(2)->name == atom(9));
    GIVE(.kind = ES_K_UNREGISTER, .pid = pid(2), .peer = atom(9));
    assert_true(proc(2)->name == 0);
    GIVE(.kind = ES_K_EXIT, .pid = pid(2));
    assert_null(es_world_find(&world, pid(2)));
    GIVE(.kind = ES_K_OUT, .pid = pid(2)); /* the emulator's last word comes behind */
    deliver(2, 0);
    assert_null(es_world_find(&world, pid(2)));
    GIVE(.kind = ES_K_SPAWNED, .pid = pid(2), .peer = pid(1)); /* numbers come again */
    assert_true(proc(2)->received == 0 && proc(2)->links == 0);
    assert_int_equal(world.n, 2);
}

static uint32_t links_of(uint32_t n, es_ref *ret, uint32_t room)
{
    uint32_t at = proc(n)->link, found = 0;
    while (at != ES_TABLE_NONE) {
        assert_true(found < room);
        ret[found++] = es_world_link_at(&world, &at);
    }
    assert_int_equal(found, proc(n)->links);
    return found;
}

static void knows_links(void **state)
{
    (void)state;
    es_ref links[8];
    spawn(1, 2);
    GIVE(.kind = ES_K_LINK, .pid = pid(1), .peer = pid(2));
    GIVE(.kind = ES_K_GETTING_LINKED, .pid = pid(2), .peer = pid(1));
    GIVE(.kind = ES_K_LINK, .pid = pid(1), .peer = pid(3));
    GIVE(.kind = ES_K_LINK, .pid = pid(1), .peer = pid(4));
    GIVE(.kind = ES_K_LINK, .pid = pid(1), .peer = pid(3)); /* once is enough */
    assert_int_equal(links_of(1, links, 8), 3);
    GIVE(.kind = ES_K_UNLINK, .pid = pid(1), .peer = pid(3));
    assert_int_equal(links_of(1, links, 8), 2);
    assert_true(links[0] == pid(2) && links[1] == pid(4));
    GIVE(.kind = ES_K_GETTING_UNLINKED, .pid = pid(2), .peer = pid(1));
    assert_int_equal(links_of(2, links, 8), 0);
    GIVE(.kind = ES_K_EXIT, .pid = pid(1));
    assert_int_equal(world.link_of.used, 0);
}

static void counts_what_is_not_handled(void **state)
{
    (void)state;
    spawn(1, 2);
    GIVE(.kind = ES_K_CALL, .flags = ES_E_CALLBACK, .pid = pid(2), .module = atom(1), .function = atom(2), .arity = 1);
    uint64_t first = deliver(2, 0), second = deliver(2, 0), third = deliver(2, 0);
    assert_false(proc(2)->flags & ES_WP_HANDLES); /* nothing was handled yet, so nobody knows that it would be told */
    handle(2, first);
    assert_true(proc(2)->flags & ES_WP_HANDLES);
    assert_int_equal(es_world_mail_count(proc(2)), 2);
    assert_int_equal(es_world_mail_at(proc(2), 0)->seq, second);
    assert_int_equal(es_world_mail_at(proc(2), 1)->time, (int64_t)third * 1000);
    handle(2, third); /* the second was taken by a receive of its own */
    assert_int_equal(es_world_mail_count(proc(2)), 0);
    uint64_t fourth = deliver(2, 0);
    GIVE(.kind = ES_K_CALL, .flags = ES_E_CALLBACK, .pid = pid(2), .module = atom(1), .function = atom(3), .arity = 2,
         .cause_state = ES_CAUSE_LOST);
    assert_true(proc(2)->flags & ES_WP_AT_MOST);
    handle(2, fourth);
    assert_false(proc(2)->flags & ES_WP_AT_MOST);
}

/* A mailbox with far more than is kept one by one: the number stays right, as they are handled in turn. */
static void counts_large_mailboxes(void **state)
{
    (void)state;
    enum { N = 5000 };
    uint64_t *seqs = malloc(N * sizeof *seqs);
    GIVE(.kind = ES_K_CALL, .flags = ES_E_CALLBACK, .pid = pid(2), .module = atom(1), .function = atom(2), .arity = 1);
    for (unsigned i = 0; i < N; i++)
        seqs[i] = deliver(2, 0);
    assert_int_equal(proc(2)->mail_n, ES_WORLD_MAIL);
    for (unsigned i = 0; i < N; i++) {
        handle(2, seqs[i]);
        returns(2, 3);
        assert_int_equal(es_world_mail_count(proc(2)), N - 1 - i);
    }
    assert_false(proc(2)->flags & ES_WP_AT_MOST);
    free(seqs);
    for (unsigned i = 0; i < N; i++) /* no behaviour: a number, and little memory */
        deliver(3, 0);
    assert_int_equal(es_world_mail_count(proc(3)), N);
    assert_int_equal(proc(3)->mail_room, ES_WORLD_MAIL_FEW);
}

static void waits_for_replies(void **state)
{
    (void)state;
    uint64_t seq = GIVE(.kind = ES_K_SEND, .flags = ES_E_REQUEST, .pid = pid(1), .peer = atom(9), .corr = 77);
    assert_true(proc(1)->wait_seq == seq && proc(1)->wait_peer == atom(9) && proc(1)->wait_time == (int64_t)seq * 1000);
    deliver(1, 0);
    GIVE(.kind = ES_K_IN, .pid = pid(1)); /* it looks at what came, and sleeps again */
    GIVE(.kind = ES_K_OUT, .pid = pid(1));
    GIVE(.kind = ES_K_GETTING_LINKED, .pid = pid(1), .peer = pid(5));
    assert_int_equal(proc(1)->wait_seq, seq);
    deliver(2, 77);
    assert_int_equal(es_world_mail_count(proc(2)), 1);
    GIVE(.kind = ES_K_SEND, .pid = pid(2), .peer = pid(1), .corr = 77); /* who answers has taken the request */
    assert_int_equal(es_world_mail_count(proc(2)), 0);
    assert_int_equal(proc(2)->wait_seq, 0);
    deliver(1, 77);
    assert_int_equal(proc(1)->wait_seq, 0);
    assert_int_equal(es_world_mail_count(proc(1)), 2);
    GIVE(.kind = ES_K_SEND, .pid = pid(1), .peer = pid(3)); /* who goes on has taken the reply */
    assert_int_equal(es_world_mail_count(proc(1)), 1);
    GIVE(.kind = ES_K_SEND, .flags = ES_E_REQUEST, .pid = pid(1), .peer = pid(2), .corr = 78);
    GIVE(.kind = ES_K_TIMEOUT, .pid = pid(1));
    assert_int_equal(proc(1)->wait_seq, 0);
}

static uint64_t call(uint32_t who, uint64_t function)
{
    return GIVE(.kind = ES_K_CALL, .pid = pid(who), .module = atom(1), .function = atom(function), .arity = 2);
}

static void knows_open_calls(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        call(1, 5); /* nothing says that it ever ends */
    assert_true(proc(1)->frame == ES_TABLE_NONE);
    call(1, 6);
    returns(1, 6);
    uint64_t outer = call(1, 6);
    call(1, 5);
    uint64_t inner = call(1, 6);
    assert_int_equal(world.frames[proc(1)->frame].seq, inner);
    returns(1, 6);
    assert_int_equal(world.frames[proc(1)->frame].seq, outer);
    uint64_t callback = handle(1, 0);
    assert_int_equal(world.frames[proc(1)->frame].seq, callback);
    returns(1, 6); /* ends the callback with it, whose own end was not seen */
    assert_true(proc(1)->frame == ES_TABLE_NONE);
    for (unsigned i = 0; i < 2 * ES_WORLD_DEPTH; i++)
        call(1, 6);
    assert_int_equal(proc(1)->depth, ES_WORLD_DEPTH);
    for (unsigned i = 0; i < 2 * ES_WORLD_DEPTH; i++)
        returns(1, 6);
    assert_true(proc(1)->frame == ES_TABLE_NONE && world.frames_used == 0);
}

static void knows_states_and_heaps(void **state)
{
    (void)state;
    uint64_t seq = GIVE(.kind = ES_K_STATE, .pid = pid(1), .hash = 5, .payload_len = 99);
    GIVE(.kind = ES_K_STATE, .flags = ES_E_STATE_SAME, .pid = pid(1), .hash = 5);
    assert_true(proc(1)->state_seq == seq && proc(1)->state_len == 99);
    GIVE(.kind = ES_K_STATE, .flags = ES_E_STATE_MISSED, .pid = pid(1));
    assert_true(proc(1)->state_seq == seq && proc(1)->flags & ES_WP_STATE_LOST);
    seq = GIVE(.kind = ES_K_STATE, .pid = pid(1), .hash = 6, .payload_len = 98);
    assert_true(proc(1)->state_seq == seq && proc(1)->state_hash == 6 && !(proc(1)->flags & ES_WP_STATE_LOST));
    GIVE(.kind = ES_K_GC_MAJOR_END, .pid = pid(1), .num = {10, 20, UINT64_C(1) << 40});
    assert_true(proc(1)->heap[0] == 10 && proc(1)->heap[1] == 20 && proc(1)->heap[2] == UINT32_MAX);
}

/* ---- a census ------------------------------------------------------------------------------------------------------ */

static const char *const facts[] = {"registered_name", "links",    "link_count",   "message_queue_len", "cart",
                                    "nonode@nohost",   "monitors", "monitor_count"};

static const uint8_t *fact(uint64_t word, size_t *ret_len, void *context)
{
    (void)context;
    if (word / 64 >= sizeof facts / sizeof *facts)
        return NULL;
    *ret_len = strlen(facts[word / 64]);
    return (const uint8_t *)facts[word / 64];
}

static void write_pid(struct es_writer *w, uint32_t number)
{
    es_write_u8(w, ES_T_NEW_PID);
    es_write_atom_ref(w, 64 * 5 + 11);
    const uint8_t rest[] = {0, 0, 0, (uint8_t)number, 0, 0, 0, 0, 0, 0, 0, 1};
    es_write_bytes(w, rest, sizeof rest);
}

static uint32_t monitors_of(uint32_t n, es_ref *ret, uint32_t room)
{
    uint32_t at = proc(n)->monitor, found = 0;
    while (at != ES_TABLE_NONE) {
        assert_true(found < room);
        ret[found++] = es_world_link_at(&world, &at);
    }
    assert_int_equal(found, proc(n)->monitors);
    return found;
}

/* A census of process 1: it monitors `n` processes from number 10 on, and one by the name "cart", and says that they are `count`. */
static void give_monitors(uint32_t n, int64_t count)
{
    static uint8_t bytes[8192];
    struct es_writer w;
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_map(&w, 2);
    es_write_atom_ref(&w, 64 * 7 + 11);
    es_write_int(&w, count);
    es_write_atom_ref(&w, 64 * 6 + 11);
    es_write_list(&w, n + 1);
    es_write_atom_ref(&w, 64 * 4 + 11);
    for (uint32_t i = 0; i < n; i++)
        write_pid(&w, 10 + i);
    es_write_nil(&w);
    assert_false(w.full);
    GIVE(.kind = ES_K_CENSUS, .pid = pid(1), .payload = bytes, .payload_len = (uint32_t)(w.at - bytes));
}

static void knows_monitors_of_a_census(void **state)
{
    (void)state;
    es_ref monitors[ES_WORLD_MONITORS];
    struct es_buf saved = {0};
    world.text = (struct es_world_text){.atom = fact, .node = "nonode@nohost"};
    spawn(1, 2);
    assert_true(!(proc(2)->flags & ES_WP_MONITORS) && proc(2)->monitor == ES_TABLE_NONE);
    give_monitors(2, 3);
    assert_int_equal(monitors_of(1, monitors, ES_WORLD_MONITORS), 3);
    assert_true(monitors[0] == atom(4) && monitors[1] == pid(10) && monitors[2] == pid(11));
    assert_true(proc(1)->flags & ES_WP_MONITORS && !(proc(1)->flags & ES_WP_MONITORS_CUT));
    GIVE(.kind = ES_K_LINK, .pid = pid(1), .peer = pid(10)); /* has nothing to do with them */
    GIVE(.kind = ES_K_UNLINK, .pid = pid(1), .peer = pid(10));
    give_monitors(2, 4); /* another census takes the place of the first */
    assert_int_equal(monitors_of(1, monitors, ES_WORLD_MONITORS), 3);
    assert_true(proc(1)->flags & ES_WP_MONITORS_CUT);
    give_monitors(100, 101); /* more than are kept */
    assert_int_equal(monitors_of(1, monitors, ES_WORLD_MONITORS), ES_WORLD_MONITORS);
    assert_true(proc(1)->flags & ES_WP_MONITORS_CUT);
    assert_int_equal(es_world_save(&world, &saved), 0);
    es_world_fini(&world);
    es_world_init(&world, NULL);
    assert_int_equal(es_world_load(&world, saved.bytes, saved.len), 0);
    assert_int_equal(monitors_of(1, monitors, ES_WORLD_MONITORS), ES_WORLD_MONITORS);
    assert_true(monitors[0] == atom(4) && monitors[63] == pid(10 + 62));
    uint32_t links = world.n_links;
    GIVE(.kind = ES_K_EXIT, .pid = pid(1));
    for (uint32_t i = 0; i < ES_WORLD_MONITORS; i++) /* their places are free again */
        GIVE(.kind = ES_K_LINK, .pid = pid(2), .peer = pid(100 + i));
    assert_int_equal(world.n_links, links);
    es_buf_fini(&saved);
}

static void believes_a_census(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct es_writer w;
    es_ref links[4];
    world.text = (struct es_world_text){.atom = fact, .node = "nonode@nohost"};
    es_writer_init(&w, bytes, sizeof bytes);
    es_write_map(&w, 4);
    es_write_atom_ref(&w, 64 * 2 + 11);
    es_write_int(&w, 3); /* one more than are told */
    es_write_atom_ref(&w, 64 * 1 + 11);
    es_write_list(&w, 2);
    write_pid(&w, 7);
    write_pid(&w, 8);
    es_write_nil(&w);
    es_write_atom_ref(&w, 64 * 3 + 11);
    es_write_int(&w, 12);
    es_write_atom_ref(&w, 64 * 0 + 11);
    es_write_atom_ref(&w, 64 * 4 + 11);
    assert_false(w.full);
    deliver(1, 0);
    GIVE(.kind = ES_K_CENSUS, .pid = pid(1), .peer = pid(3), .payload = bytes, .payload_len = (uint32_t)(w.at - bytes));
    assert_int_equal(links_of(1, links, 4), 2);
    assert_true(links[0] == pid(7) && links[1] == pid(8));
    assert_true(proc(1)->flags & ES_WP_LINKS_CUT && proc(1)->flags & ES_WP_CENSUS);
    assert_int_equal(es_world_mail_count(proc(1)), 12); /* the one that was seen among them */
    assert_true(es_ref_value(proc(1)->name) == 64 * 4 + 11 && proc(1)->parent == pid(3));
    for (size_t cut = 0; cut < (size_t)(w.at - bytes); cut++) /* what was cut is passed over */
        GIVE(.kind = ES_K_CENSUS, .pid = pid(2), .payload = bytes, .payload_len = (uint32_t)cut);
}

/* ---- at random ----------------------------------------------------------------------------------------------------- */

static uint64_t seed;
static uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

#define PIDS 24

/* A model of what matters, written as plainly as it goes. */
static struct {
    bool alive, behaviour, handles;
    bool linked[PIDS];
    uint64_t box[4096], wait; /* sequence numbers of deliveries */
    unsigned n;
    es_ref name;
} model[PIDS];

static void random_event(void)
{
    uint32_t who = dice(PIDS), peer = dice(PIDS);
    if (!model[who].alive) {
        memset(&model[who], 0, sizeof model[who]);
        model[who].alive = true;
        GIVE(.kind = ES_K_SPAWNED, .pid = pid(who), .peer = pid(peer));
        return;
    }
    uint64_t seq;
    switch (dice(14)) {
    case 0:
        model[who].linked[peer] = true;
        GIVE(.kind = ES_K_LINK, .pid = pid(who), .peer = pid(peer));
        break;
    case 1:
        model[who].linked[peer] = false;
        GIVE(.kind = ES_K_GETTING_UNLINKED, .pid = pid(who), .peer = pid(peer));
        return;
    case 2:
        model[who].name = atom(peer);
        GIVE(.kind = ES_K_REGISTER, .pid = pid(who), .peer = atom(peer));
        break;
    case 3:
        if (dice(10) == 0) {
            model[who].alive = false;
            GIVE(.kind = ES_K_EXIT, .pid = pid(who));
            return;
        }
        GIVE(.kind = ES_K_GC_MINOR_END, .pid = pid(who), .num = {dice(1000)});
        return;
    case 4: call(who, 5 + dice(4)); break;
    case 5: returns(who, 5 + dice(4)); break;
    case 6: GIVE(.kind = ES_K_STATE, .pid = pid(who), .hash = dice(1000), .payload_len = dice(1000)); break;
    case 7:
        GIVE(.kind = dice(2) ? ES_K_IN : ES_K_OUT, .pid = pid(who), .module = atom(1), .function = atom(dice(9)));
        return;
    case 8:
        seq = GIVE(.kind = ES_K_SEND, .flags = ES_E_REQUEST, .pid = pid(who), .peer = pid(peer), .corr = 1 + last_seq);
        model[who].wait = seq;
        return;
    case 9: /* behaviours handle their oldest or one behind it */
        if (model[who].n > 0 && model[who].n < 500) {
            unsigned skip = dice(4) == 0 ? dice(model[who].n) : 0;
            if (model[who].behaviour || skip == 0) {
                handle(who, model[who].box[skip]);
                model[who].behaviour = model[who].handles = true;
                memmove(model[who].box, model[who].box + skip + 1,
                        (model[who].n - skip - 1) * sizeof model[who].box[0]);
                model[who].n -= skip + 1;
                returns(who, 3);
                break;
            }
        }
        return;
    default:
        if (model[who].n == 4096)
            return;
        model[who].box[model[who].n++] = deliver(who, 0);
        return;
    }
    model[who].wait = 0;
}

static void compare(void)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < PIDS; i++) {
        const struct es_world_proc *p = es_world_find(&world, pid(i));
        assert_int_equal(p != NULL, model[i].alive);
        if (!p)
            continue;
        alive++;
        es_ref links[PIDS];
        uint32_t n = links_of(i, links, PIDS), linked = 0;
        for (uint32_t k = 0; k < PIDS; k++)
            linked += model[i].linked[k];
        assert_int_equal(n, linked);
        for (uint32_t k = 0; k < n; k++)
            assert_true(model[i].linked[es_ref_pid_number(links[k])]);
        assert_true(p->name == model[i].name);
        assert_int_equal(p->wait_seq, model[i].wait);
        if (p->flags & ES_WP_AT_MOST)
            assert_true(es_world_mail_count(p) >= model[i].n);
        else
            assert_int_equal(es_world_mail_count(p), model[i].n);
        for (uint32_t k = 0; k < p->mail_n && !(p->flags & ES_WP_AT_MOST); k++)
            assert_int_equal(es_world_mail_at(p, p->mail_n - 1 - k)->seq, model[i].box[model[i].n - 1 - k]);
    }
    assert_int_equal(world.n, alive);
}

static void agrees_with_a_model(void **state)
{
    (void)state;
    memset(model, 0, sizeof model);
    seed = (uint64_t)time(NULL) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    printf("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 40000; i++) {
        random_event();
        if (i % 97 == 0)
            compare();
    }
    compare();
}

static void save(const struct es_world *of, struct es_buf *buf)
{
    buf->len = 0;
    assert_int_equal(es_world_save(of, buf), 0);
}

/* `world` goes through bytes again and again; the same events go to another that does not. */
static void is_the_same_when_loaded(void **state)
{
    (void)state;
    struct es_buf a = {0}, b = {0};
    uint64_t first;
    memset(model, 0, sizeof model);
    seed = first = (uint64_t)time(NULL) * UINT64_C(0xd1b54a32d192ed03) | 1;
    printf("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 20000; i++) {
        random_event();
        if (dice(200) > 0)
            continue;
        save(&world, &a);
        es_world_fini(&world);
        es_world_init(&world, NULL);
        assert_int_equal(es_world_load(&world, a.bytes, a.len), 0);
        save(&world, &b);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.bytes, b.bytes, a.len);
    }
    save(&world, &a);
    es_world_fini(&world);
    es_world_init(&world, NULL);
    memset(model, 0, sizeof model);
    seed = first;
    last_seq = 0;
    for (unsigned i = 0; i < 20000; i++) {
        random_event();
        (void)dice(200);
    }
    save(&world, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    es_buf_fini(&a);
    es_buf_fini(&b);
}

static void survives_damage(void **state)
{
    (void)state;
    struct es_buf good = {0};
    memset(model, 0, sizeof model);
    seed = 4711;
    for (unsigned i = 0; i < 3000; i++)
        random_event();
    save(&world, &good);
    uint8_t *bytes = malloc(good.len + 1);
    unsigned refused = 0;
    for (size_t i = 0; i < good.len; i++) {
        struct es_world other;
        es_world_init(&other, NULL);
        memcpy(bytes, good.bytes, good.len);
        bytes[i] ^= (uint8_t)(1 + dice(255));
        if (es_world_load(&other, bytes, good.len) == 0) { /* another number, it may be right */
            struct es_event event = {.seq = last_seq + 1, .kind = ES_K_EXIT, .pid = pid(dice(PIDS))};
            assert_int_equal(es_world_feed(&other, &event), 0);
        } else {
            refused++;
        }
        es_world_fini(&other);
        es_world_init(&other, NULL);
        assert_int_equal(es_world_load(&other, good.bytes, i), -EBADMSG);
        es_world_fini(&other);
    }
    assert_true(refused > 0);
    free(bytes);
    es_buf_fini(&good);
}

static void keyframes_have_two_parts(void **state)
{
    (void)state;
    struct es_buf buf = {0};
    struct es_keyframe_parts parts = {.own = {(const uint8_t *)"mails", 5}, .world = {(const uint8_t *)"world!", 6}},
                             back;
    assert_int_equal(es_keyframe_join(&parts, &buf), 0);
    assert_int_equal(es_keyframe_split(buf.bytes, buf.len, &back), 0);
    assert_true(back.own.len == 5 && memcmp(back.own.bytes, "mails", 5) == 0);
    assert_true(back.world.len == 6 && memcmp(back.world.bytes, "world!", 6) == 0);
    for (size_t len = 1; len < buf.len; len++)
        assert_int_equal(es_keyframe_split(buf.bytes, len, &back), -EBADMSG);
    assert_int_equal(es_keyframe_split(NULL, 0, &back), 0);
    assert_int_equal(back.world.len, 0);
    buf.bytes[0]++;
    assert_int_equal(es_keyframe_split(buf.bytes, buf.len, &back), -EBADMSG);
    es_buf_fini(&buf);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {T(lives_and_dies),
                                       T(knows_links),
                                       T(knows_monitors_of_a_census),
                                       T(counts_what_is_not_handled),
                                       T(counts_large_mailboxes),
                                       T(waits_for_replies),
                                       T(knows_open_calls),
                                       T(knows_states_and_heaps),
                                       T(believes_a_census),
                                       T(agrees_with_a_model),
                                       T(is_the_same_when_loaded),
                                       T(survives_damage),
                                       T(keyframes_have_two_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
