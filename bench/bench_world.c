/* SPDX-License-Identifier: MIT */
/* What following the processes costs: feeding a recording's events to a world, and the keyframe of 10,000 processes that are idle.
 * Usage: bench_world FILE.scope; prints JSON lines {"name", "median", "unit"}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "store/reader.h"
#include "store/world.h"
#include "wire/clock.h"

#define ROUNDS 5
#define BLOCKS 8
#define FIELDS (ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_CAUSE | ES_F_NUM | ES_FIELD_LENGTHS)

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, double median, const char *unit)
{
    printf("{\"name\":\"%s\",\"median\":%.1f,\"unit\":\"%s\"}\n", name, median, unit);
}

/* Nanoseconds an event, of events that are in memory. */
static double feed(struct es_block **blocks, size_t n)
{
    struct es_world world;
    size_t events = 0;
    es_world_init(&world, NULL);
    uint64_t before = es_clock_os();
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < blocks[i]->n; k++, events++)
            if (es_world_feed(&world, &blocks[i]->events[k]) < 0)
                exit(1);
    double took = (double)(es_clock_os() - before);
    es_world_fini(&world);
    return took / (double)events;
}

static void bench_feed(struct es_recording *recording)
{
    struct es_block *blocks[BLOCKS];
    const struct es_block_info *info;
    size_t n = es_recording_blocks(recording, &info), got = 0;
    double took[ROUNDS];
    while (got < BLOCKS && got < n && es_block_get_fields(recording, got, FIELDS, &blocks[got]) == 0)
        got++;
    for (int i = 0; i < ROUNDS; i++)
        took[i] = feed(blocks, got);
    qsort(took, ROUNDS, sizeof *took, by_value);
    print("following processes, an event", took[ROUNDS / 2], "ns");
}

static uint64_t seed = 88172645463325252u;
static uint64_t dice(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 16) % n;
}

static void give(struct es_world *world, struct es_event event)
{
    event.seq = world->seq + 1;
    event.time = world->time + (int64_t)(200 + dice(2000));
    if (es_world_feed(world, &event) < 0)
        exit(1);
}

/* Servers that one supervisor started one after the other, each with a state of its own; some are still linked to a client. */
static void bench_keyframe(bool states)
{
    struct es_world world;
    struct es_buf saved = {0};
    es_ref parent = es_ref_pid(99, 0), module = es_ref_make(ES_REF_ATOM, 0x1000b),
           init = es_ref_make(ES_REF_ATOM, 0x2000b);
    es_world_init(&world, NULL);
    world.time = -INT64_C(576460752000000000);
    for (uint32_t i = 0; i < 10000; i++) {
        struct es_event spawn = {.kind = ES_K_SPAWN, .pid = parent, .module = module, .function = init, .arity = 1};
        es_ref pid = spawn.peer = es_ref_pid(100 + i, 0);
        give(&world, spawn);
        give(&world, (struct es_event){.kind = ES_K_LINK, .pid = parent, .peer = pid});
        give(&world, (struct es_event){.kind = ES_K_SPAWNED, .pid = pid, .peer = parent});
        give(&world, (struct es_event){.kind = ES_K_GETTING_LINKED, .pid = pid, .peer = parent});
        if (states)
            give(&world,
                 (struct es_event){.kind = ES_K_STATE, .pid = pid, .hash = dice(UINT64_MAX), .payload_len = 80});
    }
    if (es_world_save(&world, &saved) < 0)
        exit(1);
    size_t room = ZSTD_compressBound(saved.len);
    void *packed = malloc(room);
    print(states ? "keyframe of 10,000 idle servers, each with a state" : "keyframe of 10,000 idle processes",
          packed ? (double)ZSTD_compress(packed, room, saved.bytes, saved.len, 1) / 1000 : 0, "kB");
    free(packed);
    es_buf_fini(&saved);
    es_world_fini(&world);
}

int main(int argc, char **argv)
{
    struct es_recording *recording;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_world FILE.scope\n");
        return 2;
    }
    if (es_recording_open(argv[1], &recording) < 0) {
        fprintf(stderr, "bench_world: %s\n", es_error_text());
        return 1;
    }
    bench_feed(recording);
    es_recording_close(recording);
    bench_keyframe(false);
    bench_keyframe(true);
    return 0;
}
