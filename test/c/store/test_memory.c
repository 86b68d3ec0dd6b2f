/* SPDX-License-Identifier: MIT */
/* The writer's memory is bounded, whatever it is given: measured in a process of its own. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "scope.h"

#define MOST_MB 60
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

typedef void (*make_event)(struct es_event *event, uint8_t *payload);

static void huge(struct es_event *event, uint8_t *payload)
{
    event->kind = event->seq % 3 ? ES_K_STATE : ES_K_SEND;
    event->payload_len = 1u << 20;
    for (uint32_t i = 0; i < event->payload_len; i += 8)
        memcpy(payload + i, &(uint64_t){random_next()}, 8);
}

static void largest(struct es_event *event, uint8_t *payload)
{
    huge(event, payload);
    event->payload_len = 8u << 20;
}

/* New processes, functions and hashes with every event: nothing can be said in a short way. */
static void all_different(struct es_event *event, uint8_t *payload)
{
    event->kind = event->seq % 2 ? ES_K_SEND : ES_K_CALL;
    event->pid = random_next();
    event->peer = random_next();
    event->module = random_next();
    event->function = random_next();
    event->hash = random_next();
    event->corr = random_next();
    event->time = (int64_t)random_next();
    event->payload_len = 120;
    for (uint32_t i = 0; i < event->payload_len; i += 8)
        memcpy(payload + i, &(uint64_t){random_next()}, 8);
}

/* Feeds until so many bytes were given, commits when told to. The most memory that was used, in MB; negative: what failed. */
static int feed(make_event make, uint64_t bytes, bool defines)
{
    struct es_store *store;
    struct es_store_options options = scope_options();
    struct rusage usage;
    uint8_t *payload = malloc(8 << 20);
    if (es_store_create(&options, &store) < 0)
        return -1;
    for (uint64_t given = 0, seq = 1; given < bytes; seq++) {
        struct es_event event = {.seq = seq, .kind = ES_K_MARK, .time = (int64_t)seq};
        size_t waiting;
        make(&event, payload);
        event.payload = payload;
        if (es_store_event(store, &event) < 0)
            return -2;
        if (defines) {
            struct es_process process = {.pid = event.pid, .facts = payload, .facts_len = 100};
            if (es_store_define(store, random_next(), payload, 100) < 0 || es_store_process(store, &process) < 0)
                return -3;
        }
        es_store_pending(store, &waiting);
        if (waiting > ES_STORE_BATCH_BYTES && es_store_commit(store, NULL) < 0)
            return -4;
        given += event.payload_len + 100;
    }
    if (es_store_close(store, NULL) < 0)
        return -5;
    getrusage(RUSAGE_SELF, &usage);
    return (int)(usage.ru_maxrss / 1024) - 8; /* less our own payload */
}

static void stays_below(make_event make, uint64_t bytes, bool defines)
{
    int told[2], most = -100;
#ifdef SANITIZED
    (void)bytes;
    bytes = 100 << 20;
#endif
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        most = feed(make, bytes, defines);
        _exit(write(told[1], &most, sizeof most) != sizeof most);
    }
    assert_int_equal(read(told[0], &most, sizeof most), sizeof most);
    waitpid(child, NULL, 0);
    close(told[0]);
    close(told[1]);
    print_message("%d MB\n", most);
    assert_true(most >= 0);
#ifndef SANITIZED
    assert_true(most <= MOST_MB);
#endif
}

static void huge_payloads(void **state)
{
    (void)state;
    stays_below(huge, UINT64_C(400) << 20, false);
}
static void largest_payloads(void **state)
{
    (void)state;
    stays_below(largest, UINT64_C(400) << 20, false);
}
static void everything_different(void **state)
{
    (void)state;
    stays_below(all_different, UINT64_C(200) << 20, false);
}
static void many_facts(void **state)
{
    (void)state;
    stays_below(all_different, UINT64_C(100) << 20, true);
}

/* Who does not commit is told to. */
static void without_commits(void **state)
{
    (void)state;
    struct es_store *store;
    struct es_store_options options = scope_options();
    uint8_t *payload = malloc(1 << 20);
    struct es_event event = {.seq = 0, .payload = payload};
    int r = 0;
    random_start();
    assert_ok(es_store_create(&options, &store));
    while (r == 0 && event.seq < 200) {
        event.seq++;
        huge(&event, payload);
        r = es_store_event(store, &event);
    }
    assert_int_equal(r, -ENOBUFS);
    assert_in_range(event.seq, 24, 60);
    assert_ok(es_store_commit(store, NULL));
    assert_ok(es_store_event(store, &event));
    assert_ok(es_store_close(store, NULL));
    free(payload);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scope_setup, scope_teardown)
    const struct CMUnitTest tests[] = {T(huge_payloads), T(largest_payloads), T(everything_different), T(many_facts),
                                       T(without_commits)};
    return cmocka_run_group_tests_name("store memory", tests, NULL, NULL);
}
