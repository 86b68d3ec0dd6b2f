/* SPDX-License-Identifier: MIT */
/* Writing and reading an engine's state; see resume.h. It is read by the same program on the same machine, but from a file: so everything
 * in it is checked. */
#include "engine/resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAGIC 0x32535345u /* "ESS2" */
#define NAMES_KEPT 4096u  /* of state machines' states */

struct module_row {
    es_ref module;
    uint64_t set;
};
struct name_row {
    es_ref pid;
    uint8_t len, bytes[30];
};

struct head {
    uint32_t magic, size;
    uint64_t given, watermark, unclaimed_told, skew;
    int64_t first_time, last_time;
    struct es_clock_map clock;
    es_ref words[ES_W_MAX];
    char node[256];
    uint32_t seen, n_modules, n_names, pad;
    uint8_t messages, lost, wall_known, uncalibrated;
};

/* ---- saving -------------------------------------------------------------------------------------------------------- */

static struct head head_of(const struct es_drain *drain)
{
    const struct es_core *core = drain->core;
    struct head head;
    memset(&head, 0, sizeof head);
    head.magic = MAGIC;
    head.size = sizeof head;
    head.given = drain->given;
    head.watermark = drain->watermark;
    head.unclaimed_told = drain->unclaimed_told;
    head.skew = core->skew;
    head.first_time = core->first_time;
    head.last_time = core->last_time;
    head.clock = drain->clock;
    memcpy(head.words, core->names.word_ref, sizeof head.words);
    memcpy(head.node, core->names.node, sizeof head.node);
    head.seen = core->seen;
    head.n_modules = core->states.modules.used;
    head.messages = core->messages;
    head.lost = core->pairs.lost;
    head.wall_known = drain->wall_known;
    head.uncalibrated = drain->uncalibrated;
    return head;
}

static void put_modules(const struct es_states *states, struct es_writer *w)
{
    for (uint32_t i = 0; states->modules.mask && i <= states->modules.mask; i++) {
        const struct es_table_slot *slot = &states->modules.slots[i];
        struct module_row row = {slot->key, slot->value};
        if (slot->key)
            es_write_bytes(w, &row, sizeof row);
    }
}

static uint32_t put_names(const struct es_processes *p, struct es_writer *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->used && n < NAMES_KEPT; i++) {
        const struct es_proc *proc = es_proc_at(p, i);
        if (!proc->pid || !proc->state_name_len || (proc->flags & ES_P_DEAD))
            continue;
        struct name_row row;
        memset(&row, 0, sizeof row);
        row.pid = proc->pid;
        row.len = proc->state_name_len;
        memcpy(row.bytes, proc->state_name, row.len);
        es_write_bytes(w, &row, sizeof row);
        n++;
    }
    return n;
}

static int make_blob(const struct es_drain *drain, struct es_position_room *room, size_t *ret_len)
{
    const struct es_core *core = drain->core;
    struct head head = head_of(drain);
    size_t most = sizeof head + head.n_modules * sizeof(struct module_row) + NAMES_KEPT * sizeof(struct name_row) +
                  es_hold_size(&core->hold);
    if (most > room->blob_room) {
        uint8_t *grown = realloc(room->blob, most + most / 2);
        if (!grown)
            return es_fail(-ENOMEM, "no memory for a commit");
        room->blob = grown;
        room->blob_room = most + most / 2;
    }
    struct es_writer w;
    es_writer_init(&w, room->blob, room->blob_room);
    es_write_bytes(&w, &head, sizeof head);
    put_modules(&core->states, &w);
    head.n_names = put_names(&core->processes, &w);
    es_hold_save(&core->hold, &w);
    memcpy(room->blob, &head, sizeof head);
    *ret_len = (size_t)(w.at - room->blob);
    return w.full ? es_fail(-ENOMEM, "no memory for a commit") : 0;
}

int es_position_make(const struct es_drain *drain, struct es_position_room *room, struct es_store_position *position)
{
    if (!room->rings && !(room->rings = calloc(drain->n + 1, sizeof *room->rings)))
        return es_fail(-ENOMEM, "no memory for a commit");
    *position = (struct es_store_position){.next_seq = drain->core->next_seq,
                                           .last_time = drain->core->last_time,
                                           .watermark = drain->given,
                                           .rings = room->rings};
    for (uint32_t i = 0; i < drain->n; i++) {
        const struct es_source *source = &drain->sources[i];
        if (!source->used)
            continue;
        struct es_ring_position *row = &room->rings[position->n_rings++];
        *row = (struct es_ring_position){.ring = i, .generation = source->generation, .position = source->next};
        memcpy(row->lost, source->told, sizeof row->lost);
    }
    int r = make_blob(drain, room, &position->blob_len);
    position->blob = room->blob;
    return r;
}

void es_position_fini(struct es_position_room *room)
{
    free(room->rings);
    free(room->blob);
}

/* ---- loading ------------------------------------------------------------------------------------------------------- */

static int load_words(struct es_core *core, const struct head *head)
{
    for (int word = ES_W_NONE + 1; word < ES_W_MAX; word++) {
        if (es_ref_class_of(head->words[word]) != ES_REF_ATOM)
            continue;
        core->names.word_ref[word] = head->words[word];
        if (es_table_put(&core->names.words, head->words[word], (uint32_t)word) < 0)
            return -ENOMEM;
    }
    es_names_node(&core->names, (const uint8_t *)head->node, strnlen(head->node, sizeof head->node - 1));
    return 0;
}

static int load_modules(struct es_core *core, struct es_reader *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct module_row row;
        const uint8_t *bytes = es_reader_take(r, sizeof row);
        if (!bytes)
            return -EBADMSG;
        memcpy(&row, bytes, sizeof row);
        if (es_ref_class_of(row.module) != ES_REF_ATOM ||
            es_table_put(&core->states.modules, row.module, (uint32_t)row.set & 7) < 0)
            return -EBADMSG;
    }
    return 0;
}

static int load_names(struct es_core *core, struct es_reader *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct name_row row;
        const uint8_t *bytes = es_reader_take(r, sizeof row);
        if (!bytes)
            return -EBADMSG;
        memcpy(&row, bytes, sizeof row);
        struct es_proc *proc = es_proc_find(&core->processes, row.pid);
        if (!proc || row.len > sizeof row.bytes)
            continue;
        proc->state_name_len = row.len;
        memcpy(proc->state_name, row.bytes, row.len);
    }
    return 0;
}

static void load_head(struct es_drain *drain, const struct head *head)
{
    struct es_core *core = drain->core;
    drain->given = head->given;
    drain->watermark = head->given;
    drain->unclaimed_told = head->unclaimed_told;
    drain->clock = head->clock;
    drain->wall_known = head->wall_known;
    drain->uncalibrated = head->uncalibrated;
    core->first_time = head->first_time;
    core->last_time = head->last_time;
    core->skew = head->skew;
    core->messages = head->messages;
    core->seen = head->seen;
}

static int load_blob(struct es_drain *drain, const struct es_store_position *position, const char *path)
{
    struct es_core *core = drain->core;
    struct es_reader r;
    struct head head;
    es_reader_init(&r, position->blob, position->blob_len);
    const uint8_t *bytes = es_reader_take(&r, sizeof head);
    if (!bytes)
        return -EBADMSG;
    memcpy(&head, bytes, sizeof head);
    if (head.magic != MAGIC || head.size != sizeof head || !es_clock_map_valid(&head.clock))
        return -EBADMSG;
    load_head(drain, &head);
    int rc = load_words(core, &head);
    if (rc == 0)
        rc = load_modules(core, &r, head.n_modules);
    if (rc == 0)
        rc = es_replay(core, path);
    if (rc == 0)
        rc = load_names(core, &r, head.n_names);
    if (rc == 0)
        rc = es_hold_load(core, &r);
    core->pairs.lost = head.lost;
    if (head.lost) /* which lanes were in doubt is not written down */
        es_pairs_doubt(&core->pairs, core->last_time);
    return rc;
}

static void load_rings(struct es_drain *drain, const struct es_store_position *position)
{
    for (uint32_t i = 0; i < position->n_rings; i++) {
        const struct es_ring_position *row = &position->rings[i];
        if (row->ring >= drain->n)
            continue;
        struct es_source *source = &drain->sources[row->ring];
        uint64_t ahead = row->position - source->next;
        if (ahead <= source->ring->size) /* the old engine died before it could give this back */
            source->next = source->scanned = row->position;
        source->used = true;
        memcpy(source->told, row->lost, sizeof source->told);
    }
}

int es_resume(struct es_drain *drain, const char *path)
{
    struct es_core *core = drain->core;
    struct es_store_position position;
    int r = es_store_position(core->store, &position);
    if (r < 0)
        return r;
    core->next_seq = position.next_seq;
    core->last_time = position.last_time;
    load_rings(drain, &position);
    r = position.blob_len ? load_blob(drain, &position, path) : 0;
    free(position.rings);
    free(position.blob);
    if (r == -EBADMSG) {
        es_error_clear();
        core->pairs.lost = true;
        es_pairs_doubt(&core->pairs, core->last_time);
        es_world_gap(&core->world, core->next_seq);
        r = 0;
    }
    es_drain_release(drain);
    return r < 0 ? es_fail(r, "cannot take over") : 0;
}
