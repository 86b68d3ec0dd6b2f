/* SPDX-License-Identifier: MIT */
/* The open block; see batch.h. */
#include "store/batch.h"

#include <errno.h>

#define SLOT_FREE UINT32_MAX

static uint64_t hash_of(uint64_t value)
{
    value *= UINT64_C(0x9e3779b97f4a7c15);
    return value ^ (value >> 29);
}

/* The upper bits of a multiple of the golden ratio: references in a row come to lie apart from each other. */
static uint32_t ref_home(const struct es_slots *slots, es_ref ref)
{
    return (uint32_t)((ref * UINT64_C(0x9e3779b97f4a7c15)) >> slots->shift);
}

static uint64_t fun_hash(const struct es_fun *fun)
{
    return hash_of(((uint64_t)fun->module << 32 | fun->function) ^ hash_of(fun->arity));
}

static int slots_init(struct es_slots *slots, uint32_t size)
{
    slots->slot = malloc(size * sizeof *slots->slot);
    if (!slots->slot)
        return -ENOMEM;
    slots->mask = size - 1;
    slots->shift = 64 - (unsigned)__builtin_ctz(size);
    memset(slots->slot, 0xff, size * sizeof *slots->slot);
    return 0;
}

static void slots_clear(struct es_slots *slots)
{
    memset(slots->slot, 0xff, ((size_t)slots->mask + 1) * sizeof *slots->slot);
}

static int refs_grow(struct es_batch *batch)
{
    uint32_t room = batch->refs_room * 2;
    struct es_slots slots;
    es_ref *refs = realloc(batch->refs, room * sizeof *refs);
    if (!refs)
        return -ENOMEM;
    batch->refs = refs;
    if (slots_init(&slots, room * 2) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < batch->n_refs; i++) {
        uint32_t at = ref_home(&slots, refs[i]);
        while (slots.slot[at] != SLOT_FREE)
            at = (at + 1) & slots.mask;
        slots.slot[at] = i;
    }
    free(batch->ref_slots.slot);
    batch->ref_slots = slots;
    batch->refs_room = room;
    return 0;
}

static int ref_number(struct es_batch *batch, es_ref ref, uint32_t *ret_number)
{
    uint32_t place = (uint32_t)(hash_of(ref) >> 40) & 63;
    if (batch->recent[place].ref == ref) {
        *ret_number = batch->recent[place].number;
        return 0;
    }
    if (batch->n_refs == batch->refs_room && refs_grow(batch) < 0)
        return -ENOMEM;
    const struct es_slots *slots = &batch->ref_slots;
    uint32_t at = ref_home(slots, ref);
    while (slots->slot[at] != SLOT_FREE && batch->refs[slots->slot[at]] != ref)
        at = (at + 1) & slots->mask;
    if (slots->slot[at] == SLOT_FREE) {
        batch->refs[batch->n_refs] = ref;
        slots->slot[at] = batch->n_refs++;
    }
    batch->recent[place].ref = ref;
    *ret_number = batch->recent[place].number = slots->slot[at];
    return 0;
}

void es_batch_foresee(const struct es_batch *batch, es_ref ref)
{
    __builtin_prefetch(&batch->ref_slots.slot[ref_home(&batch->ref_slots, ref)]);
}

static int funs_grow(struct es_batch *batch)
{
    uint32_t room = batch->funs_room * 2;
    struct es_slots slots;
    struct es_fun *funs = realloc(batch->funs, room * sizeof *funs);
    if (!funs)
        return -ENOMEM;
    batch->funs = funs;
    if (slots_init(&slots, room * 2) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < batch->n_funs; i++) {
        uint32_t at = (uint32_t)fun_hash(&funs[i]) & slots.mask;
        while (slots.slot[at] != SLOT_FREE)
            at = (at + 1) & slots.mask;
        slots.slot[at] = i;
    }
    free(batch->fun_slots.slot);
    batch->fun_slots = slots;
    batch->funs_room = room;
    return 0;
}

static int find_fun(struct es_batch *batch, const struct es_event *event, uint32_t *ret_number)
{
    struct es_fun fun = {.arity = event->arity};
    if (ref_number(batch, event->module, &fun.module) < 0 || ref_number(batch, event->function, &fun.function) < 0)
        return -ENOMEM;
    if (batch->n_funs == batch->funs_room && funs_grow(batch) < 0)
        return -ENOMEM;
    const struct es_slots *slots = &batch->fun_slots;
    uint32_t at = (uint32_t)fun_hash(&fun) & slots->mask;
    while (slots->slot[at] != SLOT_FREE && memcmp(&batch->funs[slots->slot[at]], &fun, sizeof fun) != 0)
        at = (at + 1) & slots->mask;
    if (slots->slot[at] == SLOT_FREE) {
        batch->funs[batch->n_funs] = fun;
        slots->slot[at] = batch->n_funs++;
    }
    *ret_number = slots->slot[at];
    return 0;
}

static int fun_number(struct es_batch *batch, const struct es_event *event, uint32_t *ret_number)
{
    size_t place = hash_of(event->function ^ event->arity) >> 58;
    if (batch->recent_funs[place].function != event->function || batch->recent_funs[place].module != event->module ||
        batch->recent_funs[place].arity != event->arity) {
        if (find_fun(batch, event, &batch->recent_funs[place].number) < 0) {
            batch->recent_funs[place].arity = UINT32_MAX;
            return -ENOMEM;
        }
        batch->recent_funs[place].module = event->module;
        batch->recent_funs[place].function = event->function;
        batch->recent_funs[place].arity = event->arity;
    }
    *ret_number = batch->recent_funs[place].number;
    return 0;
}

int es_batch_init(struct es_batch *batch, uint64_t first_seq)
{
    *batch = (struct es_batch){.refs_room = 1024, .funs_room = 256};
    batch->events = malloc(ES_BLOCK_EVENTS * sizeof *batch->events);
    batch->refs = malloc(batch->refs_room * sizeof *batch->refs);
    batch->funs = malloc(batch->funs_room * sizeof *batch->funs);
    /* All the room payloads may need: what is not used is never given a page. */
    if (es_buf_reserve(&batch->payload, ES_BLOCK_PAYLOAD) < 0 || !batch->events || !batch->refs || !batch->funs ||
        slots_init(&batch->ref_slots, batch->refs_room * 2) < 0 ||
        slots_init(&batch->fun_slots, batch->funs_room * 2) < 0) {
        es_batch_fini(batch);
        return -ENOMEM;
    }
    es_batch_reset(batch, first_seq);
    return 0;
}

void es_batch_fini(struct es_batch *batch)
{
    free(batch->events);
    free(batch->refs);
    free(batch->funs);
    free(batch->ref_slots.slot);
    free(batch->fun_slots.slot);
    es_chains_fini(&batch->chains);
    es_buf_fini(&batch->payload);
    es_buf_fini(&batch->words);
    *batch = (struct es_batch){0};
}

void es_batch_reset(struct es_batch *batch, uint64_t first_seq)
{
    batch->first_seq = first_seq;
    batch->n = batch->n_refs = batch->n_funs = 0;
    batch->payload.len = batch->words.len = 0;
    es_chains_reset(&batch->chains);
    slots_clear(&batch->ref_slots);
    slots_clear(&batch->fun_slots);
    /* "None" is always number 0: so a cleared cache of recent references says something true. */
    memset(batch->recent, 0, sizeof batch->recent);
    for (size_t i = 0; i < sizeof batch->recent_funs / sizeof batch->recent_funs[0]; i++)
        batch->recent_funs[i].arity = UINT32_MAX;
    batch->refs[batch->n_refs++] = 0;
    batch->ref_slots.slot[ref_home(&batch->ref_slots, 0)] = 0;
}

/* There is room for it. */
static int add_payload(struct es_batch *batch, const struct es_event *event, struct es_staged *row)
{
    row->payload_len = event->payload_len;
    if (event->kind == ES_K_STATE) {
        row->payload = batch->chains.n;
        return es_chains_add(&batch->chains,
                             (struct es_version_place){batch->n, row->pid, batch->funs[row->fun].module},
                             (struct es_span){event->payload, event->payload_len}, &batch->payload);
    }
    row->payload = (uint32_t)batch->payload.len;
    memcpy(batch->payload.bytes + batch->payload.len, event->payload, event->payload_len);
    batch->payload.len += event->payload_len;
    return 0;
}

int es_batch_add(struct es_batch *batch, const struct es_event *event)
{
    unsigned fields = es_kind_table[event->kind].fields;
    struct es_staged *row = &batch->events[batch->n];
    *row = (struct es_staged){.time = event->time, .thread = event->thread, .kind = event->kind, .flags = event->flags};
    if (es_buf_reserve(&batch->words, (2 + ES_NUMS) * sizeof(uint64_t)) < 0 ||
        es_buf_reserve(&batch->payload, event->payload_len) < 0 || ref_number(batch, event->pid, &row->pid) < 0)
        return -ENOMEM;
    if ((fields & ES_F_PEER) && ref_number(batch, event->peer, &row->peer) < 0)
        return -ENOMEM;
    if ((fields & ES_F_SITE) && ref_number(batch, event->site, &row->peer) < 0)
        return -ENOMEM;
    if ((fields & ES_F_FUN) && fun_number(batch, event, &row->fun) < 0)
        return -ENOMEM;
    if (fields & (ES_F_HASH | ES_F_CORR | ES_F_NUM)) {
        uint64_t *words = (uint64_t *)(void *)(batch->words.bytes + batch->words.len);
        size_t n = 0;
        row->words = (uint32_t)(batch->words.len / sizeof *words);
        if (fields & ES_F_HASH)
            words[n++] = event->hash;
        if (fields & ES_F_CORR)
            words[n++] = event->corr;
        for (unsigned i = 0; (fields & ES_F_NUM) && i < ES_NUMS; i++)
            words[n++] = event->num[i];
        batch->words.len += n * sizeof *words;
    }
    if ((fields & ES_F_PAYLOAD) && event->payload_len && add_payload(batch, event, row) < 0)
        return -ENOMEM;
    if (fields & ES_F_CAUSE) {
        row->cause_state = event->cause_state;
        row->cause = event->cause ? event->seq - event->cause : 0;
    }
    if (event->flags & ES_E_MOVED)
        row->moved = event->moved;
    batch->n++;
    return 0;
}
