/* SPDX-License-Identifier: MIT */
/* Any bytes as a keyframe's world, and any events to a world. What was loaded can be walked through, fed, saved, and loaded again into the
 * same bytes; what is not accepted leaves nothing behind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/keyframe.h"
#include "store/world.h"

/* Everything it points to lies within. */
static void walk(const struct es_world *world)
{
    uint32_t n = 0;
    for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc)); n++) {
        uint32_t links = 0, depth = 0;
        for (uint32_t at = proc->link; at != ES_TABLE_NONE; links++)
            if (es_world_link_at(world, &at) == 0)
                abort();
        for (uint32_t at = proc->frame; at != ES_TABLE_NONE; at = world->frames[at].below, depth++)
            if (world->frames[at].fun >= world->n_funs)
                abort();
        uint32_t monitors = 0;
        for (uint32_t at = proc->monitor; at != ES_TABLE_NONE; monitors++)
            if (es_world_link_at(world, &at) == 0)
                abort();
        if (monitors != proc->monitors || monitors > ES_WORLD_MONITORS || links != proc->links ||
            depth != proc->depth || es_world_find(world, proc->pid) != proc)
            abort();
        for (uint32_t i = 0; i < proc->mail_n; i++)
            (void)es_world_mail_at(proc, i)->seq;
    }
    if (n != world->n)
        abort();
}

/* 16 bytes an event: few processes and functions, so that they meet. */
static void feed(struct es_world *world, const uint8_t *data, size_t size)
{
    for (; size >= 16; data += 16, size -= 16) {
        struct es_event event = {.seq = world->seq + 1,
                                 .time = world->time,
                                 .kind = data[0] % ES_KIND_MAX,
                                 .flags = data[1],
                                 .cause_state = data[2] % ES_CAUSE_MAX,
                                 .pid = es_ref_pid(data[3] % 32, 0),
                                 .peer = es_ref_make(data[4] % 5, data[5] % 32),
                                 .module = es_ref_make(ES_REF_ATOM, data[6] % 8),
                                 .function = data[7] % 8,
                                 .arity = data[8] % 4,
                                 .corr = data[9] % 8,
                                 .hash = data[10],
                                 .payload = data + 11,
                                 .payload_len = 5};
        event.cause = event.cause_state == ES_CAUSE_PAIRED ? world->seq - data[11] % 64 : 0;
        event.num[0] = data[12];
        if (es_world_feed(world, &event) < 0)
            abort();
    }
}

/* The same again through bytes. */
static void round_trip(const struct es_world *world)
{
    struct es_buf first = {0}, second = {0};
    struct es_world again;
    es_world_init(&again, NULL);
    if (es_world_save(world, &first) < 0 || es_world_load(&again, first.bytes, first.len) < 0 ||
        es_world_save(&again, &second) < 0 || first.len != second.len ||
        memcmp(first.bytes, second.bytes, first.len) != 0)
        abort();
    es_buf_fini(&first);
    es_buf_fini(&second);
    es_world_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct es_world world;
    struct es_keyframe_parts parts;
    (void)es_keyframe_split(data, size, &parts);
    es_world_init(&world, NULL);
    if (size > 0 && (data[0] == 1 || data[0] == 2) &&
        es_world_load(&world, data, size) < 0) { /* versions; else events alone */
        es_world_fini(&world);
        es_world_init(&world, NULL);
    }
    walk(&world);
    feed(&world, data, size);
    walk(&world);
    round_trip(&world);
    es_world_fini(&world);
    return 0;
}
