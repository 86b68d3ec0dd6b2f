/* SPDX-License-Identifier: MIT */
/* States at rest: bytes a version, events a second with large states among them, and how long it takes to find and read one.
 *   bench_states DIRECTORY [MILLIONS [PROCESSES]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "store/reader.h"

#define STATE 50000u
#define FIELD 16u    /* bytes of a field: a tag, a name's number, eight bytes of value */
#define EVERY 10000u /* events from version to version: 100 a second at a million events a second */
#define PROCESSES 10000u
#define LOOKS 2000u

static uint64_t dice_state = 42;
static uint64_t dice(uint64_t n)
{
    uint64_t z = (dice_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static double seconds(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void check(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, es_error_text());
    exit(1);
}

/* A map of numbered fields whose values are integers of some size, as the term format has them. */
static uint8_t *new_state(void)
{
    uint8_t *bytes = malloc(STATE + 4096);
    for (uint32_t i = 0; i < STATE / FIELD; i++) {
        const uint8_t head[8] = {
            109, 0, 0, 0, 3, (uint8_t)('a' + i % 26), (uint8_t)('a' + i / 26 % 26), (uint8_t)('a' + i / 676)};
        uint64_t value = dice(UINT64_MAX) >> dice(48);
        memcpy(bytes + i * FIELD, head, 8);
        memcpy(bytes + i * FIELD + 8, &value, 8);
    }
    return bytes;
}

static void change(uint8_t *state)
{
    uint64_t value = dice(UINT64_MAX) >> dice(48);
    memcpy(state + dice(STATE / FIELD) * FIELD + 8, &value, 8);
}

static size_t size_of(const char *path, const char *end)
{
    char name[4200];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", path, end);
    return stat(name, &st) == 0 ? (size_t)st.st_size : 0;
}

/* 10,000 versions of one state, a commit after so many. */
static void sizes(const char *path, unsigned commit_every, bool grows)
{
    struct es_store *store;
    struct es_store_options options = {.path = path, .overwrite = true};
    uint8_t *state = new_state();
    size_t log = 0, file = 0, len = STATE;
    check(es_store_create(&options, &store), "create");
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t seq = 1; seq <= 10000; seq++) {
        change(state);
        if (grows && seq % 2 && len < STATE + 4000) { /* a list in the middle gets an element, or loses one */
            memmove(state + STATE / 2 + FIELD, state + STATE / 2, len - STATE / 2);
            len += FIELD;
        } else if (grows && len > STATE) {
            memmove(state + STATE / 2, state + STATE / 2 + FIELD, len - STATE / 2 - FIELD);
            len -= FIELD;
        }
        struct es_event e = {.seq = seq,
                             .time = (int64_t)seq * 10000000,
                             .kind = ES_K_STATE,
                             .pid = es_ref_pid(7, 0),
                             .hash = dice(UINT64_MAX),
                             .payload = state,
                             .payload_len = (uint32_t)len};
        size_t bytes;
        check(es_store_event(store, &e), "event");
        es_store_pending(store, &bytes);
        if (seq % commit_every == 0 || bytes > ES_STORE_BATCH_BYTES)
            check(es_store_commit(store, NULL), "commit");
        log = size_of(path, "-wal") > log ? size_of(path, "-wal") : log;
        file = size_of(path, "") > file ? size_of(path, "") : file;
    }
    double used = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    check(es_store_close(store, NULL), "close");
    printf(
        "10,000 versions of 50 kB%s, a commit each %4u: %.2f MB; meanwhile file %.2f, log %.2f MB; %.0f us a version\n",
        grows ? ", lengths change" : "", commit_every, (double)size_of(path, "") / 1e6, (double)file / 1e6,
        (double)log / 1e6, used * 100);
    free(state);
    unlink(path);
}

/* Processes that hold the same 50 kB and a counter of their own: their first versions, then so many changes of the counters. */
static void shared(const char *path, unsigned processes, unsigned changes)
{
    struct es_store *store;
    struct es_store_options options = {.path = path, .overwrite = true};
    uint8_t *state = new_state();
    uint64_t *counters = calloc(processes, sizeof *counters);
    check(es_store_create(&options, &store), "create");
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t seq = 1; seq <= (uint64_t)processes + changes; seq++) {
        size_t who = seq <= processes ? seq - 1 : dice(processes), bytes;
        counters[who]++;
        memcpy(state + 8, &counters[who], sizeof *counters);
        memcpy(state + STATE - 8, &who, sizeof who);
        struct es_event e = {.seq = seq,
                             .time = (int64_t)seq * 1000,
                             .kind = ES_K_STATE,
                             .pid = es_ref_pid((uint32_t)(100 + who), 0),
                             .module = es_ref_make(ES_REF_ATOM, 64 * 7 + 11),
                             .function = es_ref_make(ES_REF_ATOM, 64 * 8 + 11),
                             .hash = dice(UINT64_MAX),
                             .payload = state,
                             .payload_len = STATE};
        check(es_store_event(store, &e), "event");
        es_store_pending(store, &bytes);
        if (bytes > ES_STORE_BATCH_BYTES)
            check(es_store_commit(store, NULL), "commit");
    }
    double used = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    check(es_store_close(store, NULL), "close");
    printf("%u processes that hold the same 50 kB and a counter, %u changes: %.3f MB; %.0f us a version\n", processes,
           changes, (double)size_of(path, "") / 1e6, used * 1e6 / (processes + changes));
    free(state);
    free(counters);
    unlink(path);
}

/* A sixth deliveries, 40 bytes of payload on half of the events. */
static struct es_event other(uint64_t seq)
{
    static uint8_t bytes[64];
    static const uint8_t kinds[] = {ES_K_SEND, ES_K_DELIVER, ES_K_CALL, ES_K_RETURN, ES_K_IN, ES_K_OUT};
    struct es_event e = {.seq = seq, .kind = kinds[(seq + 5) % 6], .thread = 1, .time = (int64_t)seq * 1000};
    e.pid = es_ref_pid((uint32_t)(1000 + dice(PROCESSES)), 0);
    unsigned fields = es_kind_table[e.kind].fields;
    if (fields & ES_F_PEER)
        e.peer = es_ref_pid((uint32_t)(1000 + dice(PROCESSES)), 0);
    if (fields & ES_F_FUN) {
        e.module = es_ref_make(ES_REF_ATOM, 64 * dice(30) + 11);
        e.function = es_ref_make(ES_REF_ATOM, 64 * dice(100) + 11);
    }
    if (fields & ES_F_HASH)
        e.hash = dice(UINT64_MAX);
    if (e.kind == ES_K_DELIVER) {
        e.cause = seq - 1;
        e.cause_state = ES_CAUSE_PAIRED;
    }
    if ((fields & ES_F_PAYLOAD) && e.kind != ES_K_DELIVER) {
        uint64_t id = dice(UINT64_MAX);
        memset(bytes, 'x', sizeof bytes);
        memcpy(bytes + 8, &id, 8);
        e.payload = bytes;
        e.payload_len = 40;
    }
    return e;
}

struct truth {
    uint64_t seq, sum;
    uint32_t process;
};

static uint64_t sum_of(const uint8_t *bytes, size_t len)
{
    uint64_t sum = len;
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return sum;
}

static size_t write_mixed(const char *path, uint64_t n, unsigned processes, struct truth *truth)
{
    struct es_store *store;
    struct es_store_options options = {.path = path, .overwrite = true};
    uint8_t **state = calloc(processes, sizeof *state);
    size_t versions = 0;
    for (unsigned i = 0; i < processes; i++)
        state[i] = new_state();
    check(es_store_create(&options, &store), "create");
    double last = seconds(CLOCK_MONOTONIC);
    for (uint64_t seq = 1; seq <= n; seq++) {
        struct es_event e = other(seq);
        size_t bytes = 0;
        if (seq % EVERY == 0) {
            unsigned process = (unsigned)dice(processes);
            change(state[process]);
            e = (struct es_event){.seq = seq,
                                  .kind = ES_K_STATE,
                                  .thread = 1,
                                  .time = (int64_t)seq * 1000,
                                  .hash = dice(UINT64_MAX),
                                  .pid = es_ref_pid(1000 + process, 0),
                                  .payload = state[process],
                                  .payload_len = STATE};
            truth[versions++] = (struct truth){seq, sum_of(state[process], STATE), process};
        }
        check(es_store_event(store, &e), "event");
        if (seq % 1024 == 0)
            es_store_pending(store, &bytes);
        if (bytes > ES_STORE_BATCH_BYTES || (seq % 1024 == 0 && seconds(CLOCK_MONOTONIC) - last > 0.1)) {
            check(es_store_commit(store, NULL), "commit");
            last = seconds(CLOCK_MONOTONIC);
        }
    }
    check(es_store_close(store, NULL), "close");
    for (unsigned i = 0; i < processes; i++)
        free(state[i]);
    free(state);
    return versions;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void look(const char *path, uint64_t n, unsigned processes, const struct truth *truth, size_t versions)
{
    static double took[LOOKS], at[LOOKS];
    struct es_recording *rec;
    struct es_buf bytes = {0};
    size_t found = 0, wrong = 0;
    check(es_recording_open(path, &rec), "open");
    for (size_t i = 0; i < LOOKS; i++) {
        uint64_t when = 1 + dice(n), seq = 0;
        uint32_t process = (uint32_t)dice(processes);
        struct es_state_at state;
        double start = seconds(CLOCK_MONOTONIC);
        check(es_recording_seq_at(rec, (int64_t)when * 1000, &seq), "time");
        at[i] = seconds(CLOCK_MONOTONIC) - start;
        bytes.len = 0;
        int r = es_recording_state_find(rec, es_ref_pid(1000 + process, 0), (struct es_seq_range){1, seq}, &state);
        if (r == 0)
            check(es_recording_state_read(rec, state.seq, &bytes), "state");
        took[i] = seconds(CLOCK_MONOTONIC) - start;
        size_t k = versions;
        while (k > 0 && (truth[k - 1].process != process || truth[k - 1].seq > when))
            k--;
        wrong += (k > 0) != (r == 0) || (k > 0 && truth[k - 1].sum != sum_of(bytes.bytes, bytes.len)) || seq != when;
        found += r == 0;
    }
    double first = took[0];
    qsort(took, LOOKS, sizeof took[0], by_value);
    qsort(at, LOOKS, sizeof at[0], by_value);
    printf("state of one process at a random time (%zu of %u found, %zu wrong): first %.2f ms, p50 %.3f, p99 %.3f, max "
           "%.3f ms; of that "
           "the time's event p50 %.3f, p99 %.3f ms\n",
           found, LOOKS, wrong, first * 1e3, took[LOOKS / 2] * 1e3, took[LOOKS * 99 / 100] * 1e3, took[LOOKS - 1] * 1e3,
           at[LOOKS / 2] * 1e3, at[LOOKS * 99 / 100] * 1e3);
    es_buf_fini(&bytes);
    es_recording_close(rec);
}

int main(int argc, char **argv)
{
    char path[4096];
    struct rusage usage;
    uint64_t n = (argc > 2 ? strtoull(argv[2], NULL, 10) : 10) * 1000000;
    unsigned processes = argc > 3 ? (unsigned)atoi(argv[3]) : 20;
    struct truth *truth = calloc(n / EVERY + 1, sizeof *truth);
    if (argc < 2 || !truth || processes == 0)
        return 1;
    snprintf(path, sizeof path, "%s/bench.scope", argv[1]);
    sizes(path, 10, false);
    sizes(path, 1, false);
    sizes(path, 10000, false);
    sizes(path, 10, true);
    shared(path, 1000, 0);
    shared(path, 1000, 10000);
    if (n == 0)
        return 0;
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    uint64_t kinds = 0; /* making them costs too: that is not counted */
    for (uint64_t seq = 1; seq <= n; seq++)
        kinds += other(seq).kind;
    double made = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    start = seconds(CLOCK_THREAD_CPUTIME_ID);
    size_t versions = write_mixed(path, n, processes, truth);
    double used = seconds(CLOCK_THREAD_CPUTIME_ID) - start - (kinds ? made : 0);
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "%llu M events with %zu versions of 50 kB of %u processes: %.2f M events/s, %.2f B an event, memory %ld MB\n",
        (unsigned long long)(n / 1000000), versions, processes, (double)n / used / 1e6,
        (double)size_of(path, "") / (double)n, usage.ru_maxrss / 1024);
    look(path, n, processes, truth, versions);
    look(path, n, processes, truth, versions);
    if (!getenv("ES_KEEP"))
        unlink(path);
    free(truth);
    return 0;
}
