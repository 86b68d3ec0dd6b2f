/* SPDX-License-Identifier: MIT */
/* How fast full rings become a committed recording. Prints a line of JSON for each load.
 * Usage: bench_engine [MB A RING [LOAD [RECORDING TO KEEP]]] */
#include <inttypes.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "engine/engine.h"
#include "load.h"
#include "query/query.h"

#define IN_FLIGHT 64u

static uint64_t seed = 88172645463325252u;
uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void define_atoms(struct writer *w)
{
    for (uint32_t i = 0; i < FUNCTIONS * 2; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "name_%u", i);
        writer_define(w, atom_of(i), text, (size_t)len);
    }
}

/* A process runs for a while on one scheduler, then another. */
static struct {
    uint32_t process, depth, stack[8];
} running[RINGS];

static void step_calls(struct writer *w, uint64_t i)
{
    uint32_t r = (uint32_t)(w->ring - w->arena->rings);
    if (running[r].depth == 0 && dice(8) == 0)
        running[r].process = dice(PROCESSES);
    bool call = running[r].depth == 0 || (running[r].depth < 8 && dice(2));
    uint32_t f = call ? dice(FUNCTIONS) : running[r].stack[running[r].depth - 1];
    if (call)
        running[r].stack[running[r].depth++] = f;
    else
        running[r].depth--;
    (void)i;
    writer_put(w, &(struct record){.kind = call ? ES_K_CALL : ES_K_RETURN,
                                   .flags = ES_R_NO_PAYLOAD,
                                   .arity = (uint16_t)(f % 4),
                                   .pid = pid_of(running[r].process),
                                   .module = atom_of(f / 10),
                                   .function = atom_of(FUNCTIONS + f)});
}

static struct {
    uint32_t from, to;
    uint64_t hash, corr;
} flight[IN_FLIGHT];
static uint32_t n_flight, first_flight;

static void step_messages(struct writer *w, uint64_t i)
{
    static const uint8_t payload[24] = {104, 2, 97, 1, 109, 0, 0, 0, 15};
    if (n_flight < IN_FLIGHT && (n_flight < IN_FLIGHT / 2 || dice(2))) {
        uint32_t at = (first_flight + n_flight++) % IN_FLIGHT;
        flight[at].from = dice(PROCESSES);
        flight[at].to = dice(PROCESSES);
        flight[at].hash = i * UINT64_C(0x9e3779b97f4a7c15);
        flight[at].corr = dice(2) ? i | 1 : 0;
        writer_put(w, &(struct record){.kind = ES_K_SEND,
                                       .pid = pid_of(flight[at].from),
                                       .peer = pid_of(flight[at].to),
                                       .hash = flight[at].hash,
                                       .corr = flight[at].corr,
                                       .payload = payload,
                                       .len = sizeof payload});
        return;
    }
    uint32_t at = first_flight;
    first_flight = (first_flight + 1) % IN_FLIGHT;
    n_flight--;
    writer_put(w, &(struct record){.kind = ES_K_DELIVER,
                                   .flags = ES_R_NO_PAYLOAD,
                                   .pid = pid_of(flight[at].to),
                                   .peer = pid_of(flight[at].from),
                                   .hash = flight[at].hash,
                                   .corr = flight[at].corr});
}

/* A message, its delivery, the callback that handles it, and its end. */
static void step_handled(struct writer *w, uint64_t i)
{
    static const uint8_t payload[24] = {104, 2, 97, 1, 109, 0, 0, 0, 15};
    static struct record part;
    if (i % 4 == 0) {
        part = (struct record){.kind = ES_K_SEND, .hash = (i + 1) * UINT64_C(0x9e3779b97f4a7c15)};
        part.pid = pid_of(dice(PROCESSES));
        part.peer = pid_of(dice(PROCESSES));
        part.payload = payload;
        part.len = sizeof payload;
    } else if (i % 4 == 1) {
        part = (struct record){.kind = ES_K_DELIVER, .pid = part.peer, .peer = part.pid, .hash = part.hash};
        part.flags = ES_R_NO_PAYLOAD;
    } else if (i % 4 == 2) {
        part = (struct record){.kind = ES_K_CALL, .pid = part.pid, .hash = part.hash, .arity = 2};
        part.flags = ES_R_CALLBACK | ES_R_NO_PAYLOAD;
        part.module = atom_of((uint32_t)es_ref_pid_number(part.pid) % 50);
        part.function = atom_of(FUNCTIONS + es_ref_pid_number(part.pid) % 50);
    } else {
        part.kind = ES_K_RETURN;
        part.hash = 0;
    }
    writer_put(w, &part);
}

static void step_mixed(struct writer *w, uint64_t i)
{
    if (i % 3 == 0)
        step_messages(w, i);
    else
        step_calls(w, i);
}

/* ---- running it ---------------------------------------------------------------------------------------------------- */

static bool has_room(const struct es_ring *ring, uint32_t bytes)
{
    return ring->pos - atomic_load(&ring->head->tail) + bytes < ring->size / 8 * 7;
}

/* Returns how many records there are but definitions and clocks. */
static uint64_t fill(struct es_arena *arena, const struct load *load)
{
    struct writer w[RINGS];
    uint64_t i = 0, before = 0, after = 0;
    for (uint32_t r = 0; r < RINGS; r++)
        w[r] = writer_claim(arena, r, r + 1);
    if (load->begin)
        load->begin(w);
    else
        writer_clock(&w[0]);
    for (uint32_t r = 0; r < RINGS; r++) {
        define_atoms(&w[r]);
        before += w[r].written;
    }
    memset(running, 0, sizeof running);
    n_flight = first_flight = 0;
    /* both schedulers run at once: a few events of each in turn */
    while (has_room(w[0].ring, load->room) && has_room(w[1].ring, load->room))
        for (uint32_t r = 0; r < RINGS; r++)
            for (uint32_t n = load->begin ? 1 : 1 + dice(8); n > 0; n--)
                load->step(&w[r], i++);
    if (!load->begin)
        writer_clock(&w[0]);
    for (uint32_t r = 0; r < RINGS; r++) {
        after += w[r].written;
        writer_leave(&w[r]);
    }
    return after - before;
}

/* Memory of its own, looked at every now and then by a thread that takes no part. */
struct watch {
    _Atomic bool stop;
    long peak_kb;
    double seconds; /* of processor time that the watching took */
};

static long rss_kb(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kb = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

/* Seconds of processor time: of all threads (RUSAGE_SELF), or of this one, which drains, orders, encodes and commits (RUSAGE_THREAD); the
 * other one moves what is committed from the log into the file. */
static double cpu(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void *watch(void *context)
{
    struct watch *w = context;
    while (!atomic_load(&w->stop)) {
        long kb = rss_kb();
        w->peak_kb = kb > w->peak_kb ? kb : w->peak_kb;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    w->seconds = cpu(RUSAGE_THREAD);
    return NULL;
}

/* Events of the recording: with those the engine makes. */
static uint64_t recorded(const char *path)
{
    struct es_query *query;
    struct es_info info = {0};
    if (es_query_open(path, &query) < 0 || es_query_info(query, &info) < 0)
        return 0;
    uint64_t events = info.events;
    es_query_close(query);
    return events;
}

static int run(const struct load *load, uint64_t ring_bytes, const char *path)
{
    struct es_arena arena;
    struct es_engine_options options = {.store = {.path = path, .overwrite = true}, .commit_ms = 100};
    enum es_engine_end end;
    struct stat st;
    struct watch watching = {0};
    pthread_t watcher;
    if (writer_arena(&arena, RINGS, ring_bytes) < 0)
        return fprintf(stderr, "no memory for rings\n"), 1;
    uint64_t events = fill(&arena, load);
    atomic_store(&arena.head->vm_done, 1);
    long before_kb = rss_kb();
    pthread_create(&watcher, NULL, watch, &watching);
    double start = now(), all = cpu(RUSAGE_SELF), own = cpu(RUSAGE_THREAD);
    /* It runs as with a live VM, then is told to stop. `perf report --comm es_engine` shows it alone. */
    atomic_store(&arena.head->stop, 1);
    pthread_setname_np(pthread_self(), "es_engine");
    int r = es_engine_run(&arena, &options, &end);
    pthread_setname_np(pthread_self(), "bench_engine");
    double seconds = now() - start;
    all = cpu(RUSAGE_SELF) - all;
    own = cpu(RUSAGE_THREAD) - own;
    atomic_store(&watching.stop, true);
    pthread_join(watcher, NULL);
    if (r < 0)
        return fprintf(stderr, "%s\n", es_error_text()), 1;
    stat(path, &st);
    printf("{\"bench\":\"engine\",\"load\":\"%s\",\"events\":%" PRIu64 ",\"recorded\":%" PRIu64
           ",\"seconds\":%.3f,\"events_per_s\":%.0f,\"cpu_ns_per_event\":%.1f,\"thread_ns_per_event\":%.1f,"
           "\"bytes_per_event\":%.2f,\"rss_anon_mb\":%.1f}\n",
           load->name, events, recorded(path), seconds, (double)events / seconds,
           (all - watching.seconds) * 1e9 / (double)events, own * 1e9 / (double)events,
           (double)st.st_size / (double)events, (double)(watching.peak_kb - before_kb) / 1024);
    fflush(stdout);
    es_arena_close(&arena);
    return 0;
}

int main(int argc, char **argv)
{
    const struct load loads[] = {{.name = "calls", .step = step_calls, .room = 4096},
                                 {.name = "messages", .step = step_messages, .room = 4096},
                                 {.name = "handled", .step = step_handled, .room = 4096},
                                 {.name = "mixed", .step = step_mixed, .room = 4096},
                                 load_all};
    uint64_t ring_bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 128) << 20;
    const char *only = argc > 2 ? argv[2] : NULL;
    char path[64];
    int r = 0;
    const char *keep = argc > 3 ? argv[3] : NULL;
    snprintf(path, sizeof path, "/tmp/bench_engine.%d.scope", (int)getpid());
    for (size_t i = 0; i < sizeof loads / sizeof loads[0] && r == 0; i++)
        if (!only || strcmp(only, loads[i].name) == 0)
            r = run(&loads[i], ring_bytes, keep ? keep : path);
    unlink(path);
    return r;
}
