/* SPDX-License-Identifier: MIT */
/* How small and how fast: bytes an event, events a second, commits, opening, decoding, over mixes of events like those of running systems.
 *   bench DIRECTORY [MILLIONS [MIX]] */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "store/reader.h"

#define MADE (1u << 18) /* different events; then they repeat, later in time: blocks do not know of each other */
#define THREADS 4

static uint64_t state = 42;
static uint64_t dice(uint64_t n)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Of this thread, so that neighbours on the machine do not count. */
static double cpu(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct es_event *made;
static uint8_t states[32][2048], templates[16][2048]; /* of servers; of the messages and values of a function */

static es_ref process(uint64_t n) { return es_ref_pid((uint32_t)(200 + n), 0); }
static es_ref atom(uint64_t n) { return es_ref_make(ES_REF_ATOM, n * 64 + 11); }

/* One process at a time on each thread; functions either from a few scripts (as programs do) or at random. */
struct runner {
    uint64_t pid;
    unsigned left, depth, script, step;
    uint64_t stack[64];
};

static uint64_t next_function(struct runner *r, bool scripted)
{
    return scripted ? (r->script * 7 + r->step++ * (r->script % 5 + 1)) % 200 : dice(200);
}

static void make_calls(unsigned processes, unsigned slice, bool scripted)
{
    static struct runner runner[THREADS], *at;
    struct runner *all = calloc(processes, sizeof *all);
    uint64_t clock[THREADS] = {0};
    for (uint32_t i = 0; i < MADE; i++) {
        unsigned t = 0;
        for (unsigned j = 1; j < THREADS; j++)
            if (clock[j] < clock[t])
                t = j;
        if (runner[t].left == 0) {
            runner[t].pid = dice(processes);
            runner[t].left = slice == 1 ? 1 : (unsigned)(slice / 2 + dice(slice));
        }
        runner[t].left--;
        at = &all[runner[t].pid];
        bool call = at->depth == 0 || (at->depth < 12 && dice(2));
        struct es_event *e = &made[i];
        *e = (struct es_event){
            .kind = call ? ES_K_CALL : ES_K_RETURN, .thread = (uint16_t)(t + 1), .pid = process(runner[t].pid)};
        if (call) {
            if (at->depth == 0) {
                at->script = (unsigned)dice(20);
                at->step = 0;
            }
            at->stack[at->depth++] = next_function(at, scripted);
        } else {
            at->depth--;
        }
        uint64_t function = at->stack[call ? at->depth - 1 : at->depth];
        e->module = atom(1000 + function / 10);
        e->function = atom(2000 + function);
        e->arity = (uint16_t)(function % 4);
        e->time = (int64_t)clock[t];
        clock[t] += 100 * THREADS + dice(1900 * THREADS);
    }
    free(all);
}

static void make_same_process(void) { make_calls(1000, 100, true); }
static void make_random_calls(void) { make_calls(1000, 100, false); }
static void make_scattered(void) { make_calls(10000, 1, false); }

/* Requests and replies between clients and servers: send, deliver, call, state, return, send, deliver. */
static void make_messages_with(uint32_t bytes, bool changing)
{
    uint64_t time = 0, corr = 0;
    for (uint32_t i = 0; i + 8 <= MADE; i += 8) {
        uint64_t client = 100 + dice(2000), server = dice(20), function = 1 + server % 5, request = dice(UINT64_MAX),
                 reply = dice(UINT64_MAX);
        corr = dice(UINT64_MAX);
        const struct es_event script[8] = {
            {.kind = ES_K_SEND,
             .pid = process(client),
             .peer = process(server),
             .hash = request,
             .corr = corr,
             .thread = 1,
             .payload_len = bytes},
            {.kind = ES_K_DELIVER,
             .pid = process(server),
             .peer = process(client),
             .hash = request,
             .corr = corr,
             .thread = 1,
             .cause = 1,
             .cause_state = ES_CAUSE_PAIRED,
             .flags = ES_E_NO_PAYLOAD},
            {.kind = ES_K_OUT, .pid = process(client), .module = atom(7), .function = atom(8), .arity = 3, .thread = 1},
            {.kind = ES_K_CALL,
             .pid = process(server),
             .module = atom(1000 + function),
             .function = atom(9),
             .arity = 3,
             .thread = 2,
             .flags = ES_E_CALLBACK,
             .payload_len = bytes},
            {.kind = ES_K_STATE,
             .pid = process(server),
             .module = atom(1000 + function),
             .function = atom(9),
             .arity = 3,
             .thread = 2,
             .hash = changing ? dice(UINT64_MAX) : 77,
             .flags = changing ? 0 : ES_E_STATE_SAME,
             .payload_len = changing ? bytes * 4 : 0},
            {.kind = ES_K_RETURN,
             .pid = process(server),
             .module = atom(1000 + function),
             .function = atom(9),
             .arity = 3,
             .thread = 2,
             .flags = ES_E_CALLBACK,
             .payload_len = bytes / 4},
            {.kind = ES_K_SEND,
             .pid = process(server),
             .peer = process(client),
             .hash = reply,
             .corr = corr,
             .thread = 2,
             .payload_len = bytes / 4},
            {.kind = ES_K_DELIVER,
             .pid = process(client),
             .peer = process(server),
             .hash = reply,
             .corr = corr,
             .thread = 2,
             .cause = 7,
             .cause_state = ES_CAUSE_PAIRED,
             .flags = ES_E_NO_PAYLOAD},
        };
        for (uint32_t j = 0; j < 8; j++) {
            made[i + j] = script[j];
            made[i + j].time = (int64_t)(time += 100 + dice(1900));
            if (made[i + j].cause)
                made[i + j].cause = i + made[i + j].cause;
        }
    }
}
static void make_messages(void) { make_messages_with(0, false); }
static void make_payloads(void) { make_messages_with(120, false); }
static void make_states(void) { make_messages_with(120, true); }

static void make_gc(void)
{
    make_calls(1000, 100, true);
    for (uint32_t i = 0; i < MADE; i++) {
        struct es_event *e = &made[i];
        e->kind = e->kind == ES_K_CALL ? ES_K_GC_MINOR_START : ES_K_GC_MINOR_END;
        e->module = e->function = e->arity = 0;
        uint64_t heap = 200 + dice(10000);
        const uint64_t num[ES_NUMS] = {heap, 2586, 610, dice(100), 0, 46422};
        memcpy(e->num, num, sizeof num);
    }
}

static const struct {
    const char *name;
    void (*make)(void);
} mixes[] = {
    {"calls", make_same_process},
    {"random calls", make_random_calls},
    {"scattered calls", make_scattered},
    {"messages", make_messages},
    {"payloads", make_payloads},
    {"states", make_states},
    {"gc", make_gc},
};

static void check(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, es_error_text());
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A state of which one field has changed; or a message or value of its function's shape with a few fields of its own. */
static const uint8_t *payload_of(const struct es_event *e)
{
    static uint8_t bytes[2048];
    uint64_t id = dice(UINT64_MAX);
    if (e->kind == ES_K_STATE) {
        uint8_t *one = states[es_ref_pid_number(e->pid) % 32];
        memcpy(one + 16 * dice(e->payload_len / 16), &id, 8);
        return one;
    }
    memcpy(bytes, templates[(e->function / 64 + e->kind) % 16], e->payload_len);
    memcpy(bytes + 16, &id, 8 < e->payload_len - 16 ? 8 : 4);
    return bytes;
}

struct result {
    double seconds, commit_half, commit_most, open, decode, decode_light;
    uint64_t bytes, payload;
    size_t blocks, blocks_bytes;
};

static void write_events(const char *path, uint64_t n, struct result *result)
{
    static double commits[1 << 20];
    size_t n_commits = 0;
    struct es_store *store;
    struct es_store_options options = {.path = path, .overwrite = true};
    check(es_store_create(&options, &store), "create");
    int64_t span = made[MADE - 1].time + 1000;
    double start = cpu(), last = now();
    for (uint64_t seq = 1; seq <= n; seq++) {
        struct es_event e = made[(seq - 1) % MADE];
        uint64_t round = (seq - 1) / MADE;
        e.seq = seq;
        e.time += (int64_t)round * span;
        if (e.cause)
            e.cause += round * MADE;
        if (e.payload_len) {
            e.payload = payload_of(&e);
            result->payload += e.payload_len;
        }
        check(es_store_event(store, &e), "event");
        size_t waiting = 0;
        if (seq % 1024 == 0)
            es_store_pending(store, &waiting);
        if (waiting > ES_STORE_BATCH_BYTES || (seq % 1024 == 0 && now() - last > 0.1)) {
            double before = now();
            check(es_store_commit(store, NULL), "commit");
            last = now();
            commits[n_commits++] = last - before;
            if (es_store_group_full(store))
                check(es_store_keyframe(store, "keyframe", 8), "keyframe");
        }
    }
    check(es_store_commit(store, NULL), "commit");
    result->seconds = cpu() - start;
    check(es_store_close(store, NULL), "close");
    qsort(commits, n_commits, sizeof commits[0], by_value);
    result->commit_half = n_commits ? commits[n_commits / 2] : 0;
    result->commit_most = n_commits ? commits[n_commits - 1] : 0;
}

static void read_events(const char *path, struct result *result)
{
    struct es_recording *rec;
    const struct es_block_info *blocks;
    double start = now();
    check(es_recording_open(path, &rec), "open");
    size_t n = es_recording_blocks(rec, &blocks);
    result->open = now() - start;
    result->blocks = n;
    for (int light = 0; light < 2; light++) {
        start = cpu();
        for (size_t i = 0; i < n; i++) {
            struct es_block *block;
            check(light ? es_block_get_fields(rec, i, 0, &block) : es_block_get(rec, i, &block), "block");
            es_block_unref(rec, block);
        }
        *(light ? &result->decode_light : &result->decode) = (cpu() - start) / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        result->blocks_bytes += blocks[i].bytes;
    es_recording_close(rec);
}

int main(int argc, char **argv)
{
    uint64_t millions = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
    made = calloc(MADE, sizeof *made);
    if (argc < 2 || !made)
        return 1;
    for (size_t i = 0; i < sizeof states; i++)
        ((uint8_t *)states)[i] = (uint8_t)(dice(3) ? 'a' + dice(20) : dice(256));
    for (size_t i = 0; i < sizeof templates; i++)
        ((uint8_t *)templates)[i] = (uint8_t)(dice(3) ? 'a' + dice(20) : dice(256));
    printf("%-16s %8s %8s %9s %9s %9s %9s %9s %9s %7s\n", "mix", "B/event", "payload", "M event/s", "commit50",
           "commitmax", "open", "decode", "light", "RSS MB");
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        char path[4096];
        struct result result = {0};
        struct stat st;
        struct rusage usage;
        if (argc > 3 && strcmp(argv[3], mixes[i].name) != 0)
            continue;
        snprintf(path, sizeof path, "%s/bench.scope", argv[1]);
        mixes[i].make();
        write_events(path, millions * 1000000, &result);
        if (!getenv("ES_WRITE_ONLY"))
            read_events(path, &result);
        stat(path, &st);
        getrusage(RUSAGE_SELF, &usage);
        double n = (double)millions * 1e6;
        printf("%-16s %8.2f %8.1f %9.2f %7.1fms %7.1fms %7.2fms %7.2fms %7.2fms %7ld\n", mixes[i].name,
               (double)st.st_size / n, (double)result.payload / n, n / result.seconds / 1e6, result.commit_half * 1e3,
               result.commit_most * 1e3, result.open * 1e3, result.decode * 1e3, result.decode_light * 1e3,
               usage.ru_maxrss / 1024);
        if (!getenv("ES_KEEP"))
            unlink(path);
    }
    return 0;
}
