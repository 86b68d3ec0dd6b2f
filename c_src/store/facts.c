/* SPDX-License-Identifier: MIT */
/* Gathering what a recording knows besides events; see facts.h. */
#include "store/facts.h"

#include <errno.h>
#include <xxhash.h>

#include "base/error.h"
#include "store/facts_rows.h"

#define DEFINED_MAX (1u << 18)
#define TEXT_MAX 65536u

static int no_memory(void) { return es_fail(-ENOMEM, "no memory for the facts of the recording"); }

int es_facts_define(struct es_facts *f, es_ref ref, const void *bytes, size_t len)
{
    uint32_t known;
    if (ref == 0 || len > ES_ROW_MAX / 2)
        return es_fail(-EINVAL, "a definition of reference %llx with %zu bytes", (unsigned long long)ref, len);
    if (es_map_get(&f->defined, ref, &known))
        return 0;
    if (f->defined.n >= DEFINED_MAX)
        es_map_clear(&f->defined);
    uint64_t head[] = {ref, len};
    if (es_buf_reserve(&f->defines, sizeof head + len) < 0 || es_map_put(&f->defined, ref, 1) < 0)
        return no_memory();
    es_buf_add(&f->defines, head, sizeof head);
    es_buf_add(&f->defines, bytes, len);
    return 0;
}

/* Replaces a pointer by where its bytes are kept, as offset + 1, 0 for none. */
static const uint8_t *keep_bytes(struct es_facts *f, const uint8_t *bytes, uint32_t len)
{
    if (!bytes)
        return NULL;
    uintptr_t at = f->bytes.len + 1;
    es_buf_add(&f->bytes, bytes, len);
    return (const uint8_t *)at;
}

int es_facts_process(struct es_facts *f, struct es_process *process)
{
    if (process->reason_len > ES_ROW_MAX / 4 || process->facts_len > ES_ROW_MAX / 4)
        return es_fail(-EINVAL, "the facts of a process are too large");
    uint32_t place;
    uint64_t id = process->id ? process->id : f->next_process;
    bool waiting = es_map_get(&f->process_place, id, &place);
    if (es_buf_reserve(&f->bytes, (size_t)process->reason_len + process->facts_len) < 0)
        return no_memory();
    if (!waiting) {
        place = (uint32_t)(f->processes.len / sizeof *process);
        if (es_buf_reserve(&f->processes, sizeof *process) < 0 || es_map_put(&f->process_place, id, place) < 0)
            return no_memory();
        f->processes.len += sizeof *process;
    }
    struct es_process *row = (struct es_process *)(void *)f->processes.bytes + place;
    struct es_process before = waiting ? *row : (struct es_process){0};
    *row = *process;
    row->id = id;
    row->reason = keep_bytes(f, process->reason, process->reason_len);
    row->facts = keep_bytes(f, process->facts, process->facts_len);
    if (!row->reason) {
        row->reason = before.reason;
        row->reason_len = before.reason_len;
    }
    if (!row->facts) {
        row->facts = before.facts;
        row->facts_len = before.facts_len;
    }
    if (!process->id)
        f->next_process++;
    process->id = id;
    return 0;
}

int es_facts_name(struct es_facts *f, const struct es_name *name)
{
    return es_buf_add(&f->names, name, sizeof *name) < 0 ? no_memory() : 0;
}

int es_facts_count(struct es_facts *f, const char *counter, uint64_t add)
{
    size_t len = strlen(counter);
    f->counted = true;
    uint64_t key = XXH3_64bits(counter, len) | 1;
    uint32_t place;
    if (es_map_get(&f->counter_place, key, &place)) {
        ((struct es_counter *)(void *)f->counters.bytes)[place].add += add;
        return 0;
    }
    struct es_counter row = {.add = add};
    if (len == 0 || len >= sizeof row.name)
        return es_fail(-EINVAL, "a counter named %s", counter);
    memcpy(row.name, counter, len + 1);
    place = (uint32_t)(f->counters.len / sizeof row);
    if (es_buf_add(&f->counters, &row, sizeof row) < 0 || es_map_put(&f->counter_place, key, place) < 0)
        return no_memory();
    return 0;
}

int es_facts_loss(struct es_facts *f, const struct es_loss *loss)
{
    struct es_loss_row row = {.kind = loss->kind, .count = loss->count, .from = loss->from, .to = loss->to};
    strncpy(row.why, loss->why ? loss->why : "", sizeof row.why - 1);
    return es_buf_add(&f->losses, &row, sizeof row) < 0 ? no_memory() : 0;
}

int es_facts_meta(struct es_facts *f, const char *key, const char *value)
{
    size_t key_len = strlen(key) + 1, value_len = strlen(value) + 1;
    if (key_len == 1 || key_len > TEXT_MAX || value_len > TEXT_MAX)
        return es_fail(-EINVAL, "a fact %.40s of %zu bytes", key, value_len);
    if (es_buf_reserve(&f->metas, key_len + value_len) < 0)
        return no_memory();
    es_buf_add(&f->metas, key, key_len);
    return es_buf_add(&f->metas, value, value_len);
}

bool es_facts_wait(const struct es_facts *f) { return f->counted || es_facts_bytes(f) > 0; }

size_t es_facts_bytes(const struct es_facts *f)
{
    return f->defines.len + f->processes.len + f->bytes.len + f->names.len + f->losses.len + f->metas.len;
}

void es_facts_written(struct es_facts *f)
{
    es_buf_trim(&f->defines, 1 << 20);
    es_buf_trim(&f->processes, 1 << 20);
    es_buf_trim(&f->bytes, 1 << 20);
    es_buf_trim(&f->names, 1 << 16);
    es_buf_trim(&f->losses, 1 << 16);
    es_buf_trim(&f->metas, 1 << 16);
    es_map_clear(&f->process_place);
    f->counted = false;
    struct es_counter *counters = (struct es_counter *)(void *)f->counters.bytes;
    for (size_t i = 0; i < f->counters.len / sizeof *counters; i++)
        counters[i].add = 0;
}
