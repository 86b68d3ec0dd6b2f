/* SPDX-License-Identifier: MIT */
/* A ring with two sides at work at once: two threads, and a process that is killed while it writes. */
#include "check.h"

#include <pthread.h>
#include <sched.h>

#define EVENTS 400000u

struct writer {
    struct es_ring *ring;
    uint64_t events; /* to produce; UINT64_MAX: until killed */
    uint64_t written, lost;
    _Atomic bool done, stop;
};

static uint64_t mix(uint64_t n) { return (n ^ (n >> 7)) * UINT64_C(0x9e3779b97f4a7c15); }

/* Event n: a send or, every tenth, an exit; its words and payload follow from n, its size too. */
static uint32_t size_of(uint64_t n) { return (uint32_t)(48 + 8 * ((mix(n) >> 32) % 61)); }
static unsigned kind_of(uint64_t n) { return n % 10 == 0 ? ES_K_EXIT : ES_K_SEND; }

static bool goes_on(struct writer *writer, uint64_t n)
{
    while (n == 5000 && atomic_load(&writer->ring->head->tail) == 0 && !atomic_load(&writer->stop))
        sched_yield(); /* the ring is full by now; what follows must tell the losses */
    return n <= writer->events && !atomic_load_explicit(&writer->stop, memory_order_relaxed);
}

static void produce(struct writer *writer)
{
    struct es_ring *ring = writer->ring;
    for (uint64_t n = 1; goes_on(writer, n); n++) {
        es_ring_begin(ring);
        uint32_t size = size_of(n);
        struct es_record *record = es_ring_reserve(ring, kind_of(n), size);
        if (record) {
            *record = (struct es_record){.size = size, .kind = (uint8_t)kind_of(n), .stamp = n};
            for (uint32_t i = 0; i < (size - sizeof *record) / 8; i++)
                record->word[i] = mix(n + i);
            es_ring_append(ring, size);
            writer->written++;
        } else {
            es_ring_lose(ring, kind_of(n), n);
            writer->lost++;
        }
        es_ring_end(ring);
        if (n % 4096 == 0)
            sched_yield(); /* so that full and empty both happen on one core too */
    }
}

static void *run_writer(void *context)
{
    struct writer *writer = context;
    produce(writer);
    atomic_store(&writer->done, true);
    return NULL;
}

struct reader {
    struct es_ring *ring;
    uint64_t pos, events, lost, lost_records;
};

static bool content_is_right(const struct es_record_view *view, const uint8_t *bytes)
{
    if (view->size != size_of(view->stamp) || view->kind != kind_of(view->stamp))
        return false;
    for (uint32_t i = 0; i < (view->size - sizeof(struct es_record)) / 8; i++) {
        uint64_t word;
        memcpy(&word, bytes + sizeof(struct es_record) + 8 * i, 8);
        if (word != mix(view->stamp + i))
            return false;
    }
    return true;
}

static bool take_lost(struct reader *reader, const struct es_record_view *view)
{
    uint64_t since, count;
    memcpy(&since, view->payload, 8);
    bool right = since == reader->events + reader->lost + 1;
    reader->lost_records++;
    for (size_t at = 16; at + 8 <= view->payload_len; at += 16) {
        memcpy(&count, view->payload + at, 8);
        reader->lost += count;
    }
    return right;
}

/* Reads and checks all that is published, and releases it: events come without holes but those told. False at
 * the first that is wrong; no assertions here, for a writer is still at work. */
static bool drain(struct reader *reader)
{
    bool busy;
    uint64_t end = es_ring_published(reader->ring, &busy);
    if (end - reader->pos > reader->ring->size)
        return false;
    while (reader->pos < end) {
        struct es_record_view view;
        const uint8_t *bytes = es_ring_at(reader->ring, reader->pos);
        if (es_record_read(bytes, end - reader->pos, &view) < 0)
            return false;
        if (view.kind == ES_K_LOST ? !take_lost(reader, &view) : !content_is_right(&view, bytes))
            return false;
        reader->events += view.kind != ES_K_LOST;
        if (view.stamp != reader->events + reader->lost)
            return false;
        reader->pos += view.size;
    }
    es_ring_release(reader->ring, reader->pos);
    return true;
}

static uint64_t counted(const struct es_ring *ring)
{
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        sum += atomic_load(&ring->head->lost[kind]);
    return sum;
}

static void hammer(struct es_ring *write_side, struct es_ring *read_side)
{
    struct writer writer = {.ring = write_side, .events = EVENTS};
    struct reader reader = {.ring = read_side};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_writer, &writer), 0);
    bool right = true;
    while (counted(read_side) == 0)
        sched_yield();
    for (unsigned rounds = 0; right && !atomic_load(&writer.done); rounds++) {
        if (rounds % 64 < 32) /* now and then too slow: the ring must fill */
            right = drain(&reader);
        sched_yield();
    }
    atomic_store(&writer.stop, !right);
    pthread_join(thread, NULL);
    assert_true(right && drain(&reader));
    uint64_t untold = counted(read_side) - reader.lost;
    assert_int_equal(reader.events, writer.written);
    assert_int_equal(reader.lost + untold, writer.lost);
    assert_int_equal(reader.events + reader.lost + untold, EVENTS);
    assert_true(reader.events > 0 && reader.lost_records > 0);
}

static void two_threads_one_mapping(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    hammer(&arena.rings[0], &arena.rings[0]);
    es_arena_close(&arena);
}

static void two_threads_two_mappings(void **state)
{
    (void)state;
    struct es_arena arena = one_ring(), second;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", arena.fd);
    assert_int_equal(es_arena_open(path, &second), 0);
    hammer(&second.rings[0], &arena.rings[0]);
    es_arena_close(&second);
    es_arena_close(&arena);
}

static int write_until_killed(void *context)
{
    const struct es_arena *arena = context;
    char path[64];
    struct es_arena own;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getppid(), arena->fd);
    if (es_arena_open(path, &own) < 0)
        return 1;
    struct writer writer = {.ring = &own.rings[0], .events = UINT64_MAX};
    produce(&writer);
    return 0;
}

static void all_that_was_published_survives_the_writer(void **state)
{
    (void)state;
    struct es_arena arena = one_ring();
    for (int round = 0; round < 5; round++) {
        struct es_ring *ring = &arena.rings[0];
        memset((void *)ring->head->lost, 0, sizeof ring->head->lost);
        struct reader reader = {.ring = ring, .pos = atomic_load(&ring->head->head)};
        pid_t pid = in_child(write_until_killed, &arena);
        bool right = true;
        while (right && reader.events < 20000 && kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0)
            right = drain(&reader);
        kill(pid, SIGKILL);
        assert_int_equal(exit_code(pid), -SIGKILL);
        assert_true(right && drain(&reader)); /* checks each record up to the last */
        assert_int_equal(reader.pos, atomic_load(&ring->head->head));
    }
    es_arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_one_mapping),
        cmocka_unit_test(two_threads_two_mappings),
        cmocka_unit_test(all_that_was_published_survives_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
