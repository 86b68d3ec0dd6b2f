/* SPDX-License-Identifier: MIT */
/* The conversation with the agent, over a real socket: frames whole, in pieces, too large, and of hostile bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/agentlink.h"
#include "control/etf.h"

struct pair {
    char folder[64], path[96];
    int listener, agent; /* agent: the other end */
    struct es_link link;
};

static int make_pair(void **state)
{
    static struct pair pair;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(pair.folder, "/tmp/es-test-link-XXXXXX");
    assert_non_null(mkdtemp(pair.folder));
    snprintf(pair.path, sizeof pair.path, "%s/agent.sock", pair.folder);
    assert_int_equal(es_link_listen(pair.path, (uid_t)-1, &pair.listener), 0);
    strcpy(to.sun_path, pair.path);
    pair.agent = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(pair.agent, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(es_link_accept(pair.listener, (uid_t)-1, &pair.link), 0);
    *state = &pair;
    return 0;
}

static int drop_pair(void **state)
{
    struct pair *pair = *state;
    es_link_close(&pair->link);
    if (pair->agent >= 0)
        close(pair->agent);
    close(pair->listener);
    unlink(pair->path);
    rmdir(pair->folder);
    return 0;
}

/* ---- terms of the agent -------------------------------------------------------------------------------------------- */

struct made {
    uint8_t bytes[4096];
    struct es_writer w;
};

static struct es_writer *begin(struct made *made, const char *tag, uint32_t arity)
{
    es_writer_init(&made->w, made->bytes + 4, sizeof made->bytes - 4);
    es_write_u8(&made->w, 131);
    es_write_tuple(&made->w, arity);
    es_etf_put_atom(&made->w, tag);
    return &made->w;
}

static size_t finish(struct made *made)
{
    size_t body = (size_t)(made->w.at - made->bytes) - 4;
    assert_false(made->w.full);
    for (int i = 0; i < 4; i++)
        made->bytes[i] = (uint8_t)(body >> (24 - 8 * i));
    return body + 4;
}

static size_t make_hello(struct made *made)
{
    struct es_writer *w = begin(made, "hello", 2);
    es_write_map(w, 7);
    es_etf_put_atom(w, "protocol");
    es_write_int(w, 1);
    es_etf_put_atom(w, "node");
    es_etf_put_text(w, "shop@host");
    es_etf_put_atom(w, "schedulers");
    es_write_int(w, 8);
    es_etf_put_atom(w, "elixir");
    es_etf_put_atom(w, "undefined");
    es_etf_put_atom(w, "of_a_later_version");
    es_write_tuple(w, 2);
    es_write_nil(w);
    es_etf_put_text(w, "?");
    es_etf_put_atom(w, "start");
    es_etf_put_atom(w, "eval");
    es_etf_put_text(w, "a key that is no atom");
    es_write_int(w, 1);
    return finish(made);
}

static size_t make_armed(struct made *made)
{
    struct es_writer *w = begin(made, "armed", 2);
    es_write_map(w, 4);
    es_etf_put_atom(w, "processes");
    es_write_int(w, 61);
    es_etf_put_atom(w, "matched");
    es_write_list(w, 1);
    es_write_tuple(w, 2);
    es_etf_put_text(w, "calls:lists:map/2");
    es_write_int(w, 3);
    es_write_nil(w);
    es_etf_put_atom(w, "refused");
    es_write_list(w, 1);
    es_write_tuple(w, 2);
    es_etf_put_text(w, "<0.1.2>");
    es_etf_put_text(w, "<0.9.0>");
    es_write_nil(w);
    es_etf_put_atom(w, "notices");
    es_write_nil(w);
    return finish(made);
}

static size_t make_stopped(struct made *made)
{
    struct es_writer *w = begin(made, "stopped", 2);
    es_write_map(w, 3);
    es_etf_put_atom(w, "clean");
    es_etf_put_atom(w, "false");
    es_etf_put_atom(w, "left");
    es_write_list(w, 1);
    es_etf_put_text(w, "a trace flag");
    es_write_nil(w);
    es_etf_put_atom(w, "why");
    es_etf_put_atom(w, "stop");
    return finish(made);
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static struct es_agent_message message;

static void hello_is_read_and_what_is_unknown_is_passed_over(void **state)
{
    struct pair *pair = *state;
    struct made made;
    size_t len = make_hello(&made);
    assert_int_equal(es_link_receive(&pair->link, &message), 0);
    assert_int_equal(write(pair->agent, made.bytes, len), len);
    assert_int_equal(es_link_receive(&pair->link, &message), 1);
    assert_int_equal(message.say, ES_SAY_HELLO);
    assert_int_equal(message.hello.protocol, 1);
    assert_int_equal(message.hello.schedulers, 8);
    assert_string_equal(message.hello.node, "shop@host");
    assert_string_equal(message.hello.start, "eval");
    assert_string_equal(message.hello.elixir, "");
    assert_int_equal(pair->link.peer_pid, getpid());
    assert_int_equal(pair->link.peer_uid, geteuid());
}

static void frames_may_come_byte_by_byte_and_together(void **state)
{
    struct pair *pair = *state;
    struct made hello, stopped;
    size_t len = make_hello(&hello), more = make_stopped(&stopped);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(es_link_receive(&pair->link, &message), 0);
        assert_int_equal(write(pair->agent, hello.bytes + i, 1), 1);
    }
    assert_int_equal(write(pair->agent, stopped.bytes, more), more);
    assert_int_equal(es_link_receive(&pair->link, &message), 1);
    assert_int_equal(message.say, ES_SAY_HELLO);
    assert_int_equal(es_link_receive(&pair->link, &message), 1);
    assert_int_equal(message.say, ES_SAY_STOPPED);
    assert_false(message.clean);
    assert_int_equal(message.n_listed, 1);
    assert_string_equal(message.listed[0], "a trace flag");
    assert_string_equal(message.text, "stop");
    assert_int_equal(es_link_receive(&pair->link, &message), 0);
    close(pair->agent);
    pair->agent = -1;
    assert_int_equal(es_link_receive(&pair->link, &message), -ECONNRESET);
}

static void armed_tells_counts_and_refusals(void **state)
{
    struct made made;
    size_t len = make_armed(&made);
    (void)state;
    assert_int_equal(es_agent_message_read(made.bytes + 4, len - 4, &message), 0);
    assert_int_equal(message.say, ES_SAY_ARMED);
    assert_int_equal(message.processes, 61);
    assert_int_equal(message.n_matched, 1);
    assert_string_equal(message.matched[0].spec, "calls:lists:map/2");
    assert_int_equal(message.matched[0].functions, 3);
    assert_int_equal(message.n_listed, 1);
    assert_non_null(strstr(message.listed[0], "<0.9.0>"));
}

static void more_than_fits_is_counted(void **state)
{
    struct made made;
    struct es_writer *w = begin(&made, "stopped", 2);
    (void)state;
    es_write_map(w, 1);
    es_etf_put_atom(w, "left");
    es_write_list(w, 100);
    for (int i = 0; i < 100; i++)
        es_etf_put_text(w, "x");
    es_write_nil(w);
    size_t len = finish(&made);
    assert_int_equal(es_agent_message_read(made.bytes + 4, len - 4, &message), 0);
    assert_int_equal(message.n_listed, ES_SAY_LISTED);
    assert_int_equal(message.n_unlisted, 100 - ES_SAY_LISTED);
}

static void a_frame_above_one_mebibyte_is_refused(void **state)
{
    struct pair *pair = *state;
    const uint8_t head[] = {0, 0x10, 0, 1};
    assert_int_equal(write(pair->agent, head, sizeof head), sizeof head);
    assert_int_equal(es_link_receive(&pair->link, &message), -EMSGSIZE);
}

static void what_is_no_term_is_refused(void **state)
{
    struct pair *pair = *state;
    const uint8_t empty[] = {0, 0, 0, 0};
    assert_int_equal(write(pair->agent, empty, sizeof empty), sizeof empty);
    assert_int_equal(es_link_receive(&pair->link, &message), -EBADMSG);
    struct made made;
    size_t len = make_hello(&made);
    assert_int_equal(es_agent_message_read(made.bytes + 4, len - 5, &message), -EBADMSG); /* cut */
    made.bytes[len] = 106;
    assert_int_equal(es_agent_message_read(made.bytes + 4, len - 3, &message), -EBADMSG); /* more behind it */
}

/* Every byte of every message changed in many ways, and every length: whatever the answer, it comes, within bounds. */
static void hostile_bytes_are_survived(void **state)
{
    size_t (*const makers[])(struct made *) = {make_hello, make_armed, make_stopped};
    uint32_t random = 1;
    (void)state;
    for (size_t m = 0; m < sizeof makers / sizeof *makers; m++) {
        struct made made;
        size_t len = makers[m](&made) - 4;
        for (size_t i = 0; i < len; i++) {
            for (int round = 0; round < 40; round++) {
                uint8_t *copy = malloc(len); /* exactly as long: a step beyond is seen by the sanitizer */
                memcpy(copy, made.bytes + 4, len);
                random = random * 1664525u + 1013904223u;
                copy[i] = (uint8_t)(random >> 24);
                es_agent_message_read(copy, len, &message);
                es_agent_message_read(copy, i, &message);
                free(copy);
            }
        }
    }
}

static void read_frame(struct pair *pair, uint8_t *bytes, size_t room, struct es_reader *ret_term)
{
    uint32_t arity;
    ssize_t n = read(pair->agent, bytes, room);
    assert_true(n > 4);
    assert_int_equal((bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]) + 4, n);
    es_reader_init(ret_term, bytes + 4, (size_t)n - 4);
    assert_true(es_etf_version(ret_term));
    struct es_reader whole = *ret_term;
    assert_int_equal(es_term_skip(&whole), 0);
    assert_int_equal(es_reader_left(&whole), 0);
    assert_true(es_etf_tuple(ret_term, &arity));
}

static int pairs_seen;
static void count_pair(const char *key, struct es_reader *value, void *context)
{
    char text[64];
    uint32_t n;
    (void)context;
    pairs_seen++;
    if (strcmp(key, "level") == 0) {
        assert_true(es_etf_atom(value, text, sizeof text));
        assert_string_equal(text, "balanced");
    }
    if (strcmp(key, "specs") == 0) {
        assert_true(es_etf_list(value, &n));
        assert_int_equal(n, 64);
    }
    if (strcmp(key, "budget") == 0)
        assert_int_equal(*value->at, ES_T_NEW_FLOAT);
}

static void the_recorder_speaks_whole_terms(void **state)
{
    struct pair *pair = *state;
    static uint8_t bytes[256 << 10];
    struct es_reader r;
    char text[64];
    uint32_t n;
    static struct es_spec specs[64];
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(es_spec_parse("calls:MyApp.Cart.add/2", false, &specs[i]), 0);
    struct es_weave weave = {.modules = {"MyApp.*", "lists"}, .n = 2, .depth = ES_DEPTH_VALUES};
    struct es_open open = {.arena = "/a",
                           .nif = "/n.so",
                           .level = ES_LEVEL_BALANCED,
                           .specs = specs,
                           .n_specs = 64,
                           .budget = 5,
                           .weave = &weave};
    assert_int_equal(es_link_open(&pair->link, &open), 0);
    read_frame(pair, bytes, sizeof bytes, &r);
    assert_true(es_etf_is_atom(&r, "open"));
    assert_true(es_etf_text(&r, text, sizeof text));
    assert_string_equal(text, "/a");
    assert_true(es_etf_map(&r, count_pair, NULL));
    assert_true(pairs_seen >= 9);
    assert_int_equal(es_link_weave(&pair->link, &weave), 0);
    read_frame(pair, bytes, sizeof bytes, &r);
    assert_true(es_etf_is_atom(&r, "weave"));
    assert_true(es_etf_list(&r, &n) && n == 2 && es_etf_text(&r, text, sizeof text));
    assert_string_equal(text, "MyApp.*");
    assert_int_equal(es_link_unweave(&pair->link, &(struct es_weave){0}, true), 0);
    read_frame(pair, bytes, sizeof bytes, &r);
    assert_true(es_etf_is_atom(&r, "unweave") && es_etf_is_atom(&r, "all") && es_etf_is_atom(&r, "true"));
    assert_int_equal(es_link_mark(&pair->link, "label"), 0);
    read_frame(pair, bytes, sizeof bytes, &r);
    assert_true(es_etf_is_atom(&r, "mark"));
    assert_int_equal(es_link_stop(&pair->link, "stop"), 0);
    read_frame(pair, bytes, sizeof bytes, &r);
    assert_true(es_etf_is_atom(&r, "stop"));
    assert_int_equal(es_link_refuse(&pair->link, "taken"), 0);
    read_frame(pair, bytes, sizeof bytes, &r);
    assert_true(es_etf_is_atom(&r, "refuse"));
    close(pair->agent);
    pair->agent = -1;
    assert_int_equal(es_link_stop(&pair->link, "stop"), -EPIPE);
}

static void the_socket_is_private(void **state)
{
    struct pair *pair = *state;
    struct stat st;
    int fd = -1;
    assert_int_equal(stat(pair->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(es_link_listen(pair->path, (uid_t)-1, &fd), -EADDRINUSE);
    char longest[200];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(es_link_listen(longest, (uid_t)-1, &fd), -ENAMETOOLONG);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hello_is_read_and_what_is_unknown_is_passed_over, make_pair, drop_pair),
        cmocka_unit_test_setup_teardown(frames_may_come_byte_by_byte_and_together, make_pair, drop_pair),
        cmocka_unit_test(armed_tells_counts_and_refusals),
        cmocka_unit_test(more_than_fits_is_counted),
        cmocka_unit_test_setup_teardown(a_frame_above_one_mebibyte_is_refused, make_pair, drop_pair),
        cmocka_unit_test_setup_teardown(what_is_no_term_is_refused, make_pair, drop_pair),
        cmocka_unit_test(hostile_bytes_are_survived),
        cmocka_unit_test_setup_teardown(the_recorder_speaks_whole_terms, make_pair, drop_pair),
        cmocka_unit_test_setup_teardown(the_socket_is_private, make_pair, drop_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
