/* SPDX-License-Identifier: MIT */
/* Finding and reading state versions. What was read of a block is kept: which processes have states there (of all blocks, they are walked
 * through again and again), the versions of a few, the bytes of some chunks, and the version that was put together last. */
#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"

#define OWNERS_BYTES (16u << 20)
#define CHUNK_BYTES (16u << 20)
#define MERGED_TRIES 3 /* blocks are merged while a recording is live */

static int damaged(struct es_recording *rec, const struct es_block_info *info, int code)
{
    if (code == -EBADMSG)
        es_reader_note_damaged(rec, info->id);
    return code;
}

/* ---- what is kept -------------------------------------------------------------------------------------------------- */

static void forget_owners(struct es_reader_states *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->owners[i].owners.owners);
    es_map_clear(&s->place);
    s->n = s->bytes = 0;
}

void es_reader_states_fini(struct es_reader_states *s)
{
    forget_owners(s);
    es_map_fini(&s->place);
    free(s->owners);
    for (size_t i = 0; i < ES_STATE_BLOCKS; i++)
        es_stored_states_fini(&s->blocks[i].states);
    for (size_t i = 0; i < ES_STATE_CHUNKS; i++)
        es_buf_fini(&s->chunks[i].bytes);
    es_unfold_fini(&s->unfold);
    *s = (struct es_reader_states){0};
}

static int owners_room(struct es_reader_states *s)
{
    if (s->n < s->room)
        return 0;
    size_t room = s->room ? s->room * 2 : 64;
    struct es_state_owners *owners = realloc(s->owners, room * sizeof *owners);
    if (!owners)
        return es_fail(-ENOMEM, "no memory for states");
    s->owners = owners;
    s->room = room;
    return 0;
}

int es_reader_owners(struct es_recording *rec, const struct es_block_info *info, struct es_state_owners *ret)
{
    struct es_reader_states *s = &rec->states;
    uint32_t place;
    if (es_map_get(&s->place, info->id, &place)) {
        *ret = s->owners[place];
        return 0;
    }
    if (s->bytes > OWNERS_BYTES)
        forget_owners(s);
    struct es_state_owners owners = {0};
    int r = owners_room(s);
    if (r == 0)
        r = es_reader_load(rec, info, ES_STATES_OWNERS);
    if (r == 0)
        r = es_owners_decode(rec->decoder, &rec->stored, &owners.owners);
    if (r == 0 && es_map_put(&s->place, info->id, (uint32_t)s->n) < 0) {
        free(owners.owners.owners);
        r = es_fail(-ENOMEM, "no memory for states");
    }
    if (r < 0)
        return damaged(rec, info, r);
    owners.from = rec->stored.info.id;
    s->owners[s->n++] = owners;
    s->bytes += owners.owners.n * sizeof *owners.owners.owners + sizeof owners;
    *ret = owners;
    return 0;
}

static struct es_state_block *place_for_block(struct es_reader_states *s, uint64_t id)
{
    struct es_state_block *oldest = &s->blocks[0];
    for (size_t i = 0; i < ES_STATE_BLOCKS; i++) {
        if (s->blocks[i].info.events && s->blocks[i].id == id)
            return &s->blocks[i];
        if (s->blocks[i].used < oldest->used)
            oldest = &s->blocks[i];
    }
    return oldest;
}

static int load_versions(struct es_recording *rec, const struct es_block_info *info,
                         const struct es_state_owners *owners, struct es_state_block *block)
{
    struct es_stored_states states;
    es_stored_states_fini(&block->states);
    block->info.events = 0;
    rec->states.unfold.states = NULL;
    int r = es_reader_load(rec, info, ES_STATES_ROWS);
    if (r == 0 && rec->stored.info.id != owners->from)
        return -EAGAIN;
    if (r == 0)
        r = es_stored_states_decode(rec->decoder, &rec->stored, &owners->owners, &states);
    if (r < 0)
        return damaged(rec, info, r);
    block->states = states;
    block->info = rec->stored.info;
    block->id = info->id;
    return 0;
}

int es_reader_versions(struct es_recording *rec, const struct es_block_info *info, struct es_versions_of *ret)
{
    struct es_reader_states *s = &rec->states;
    for (int tries = 0; tries < MERGED_TRIES; tries++) {
        struct es_state_owners owners;
        struct es_state_block *block = place_for_block(s, info->id);
        int r = es_reader_owners(rec, info, &owners);
        if (r == 0 && (!block->info.events || block->id != info->id || block->info.id != owners.from))
            r = load_versions(rec, info, &owners, block);
        if (r == 0) {
            block->used = ++s->clock;
            *ret = (struct es_versions_of){block, owners.owners};
            return 0;
        }
        if (r != -EAGAIN)
            return r;
        forget_owners(s);
    }
    return es_fail(-ENOENT, "block %llu is being merged", (unsigned long long)info->id);
}

/* ---- finding ------------------------------------------------------------------------------------------------------- */

size_t es_reader_block_before(struct es_recording *rec, uint64_t seq)
{
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(rec, &blocks), from = 0, to = n; /* the first that begins behind it */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (blocks[middle].first_seq <= seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 ? from - 1 : n;
}

const struct es_state_owner *es_reader_find_owner(const struct es_owners *owners, es_ref pid)
{
    uint32_t from = 0, to = owners->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (owners->owners[middle].pid < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return from < owners->n && owners->owners[from].pid == pid ? &owners->owners[from] : NULL;
}

/* Rows of a process up to and including this event. */
static uint32_t rows_until(const struct es_versions_of *v, const struct es_state_owner *owner, uint64_t seq)
{
    const struct es_state_row *rows = v->block->states.rows + owner->first;
    uint32_t from = 0, to = owner->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (v->block->info.first_seq + rows[middle].event <= seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Whose states a block has is known without reading what they are. 1 with the rows of the process, 0 where it has none there. */
static int rows_in(struct es_recording *rec, const struct es_block_info *info, es_ref pid, struct es_versions_of *v,
                   const struct es_state_owner **ret_owner)
{
    struct es_state_owners owners;
    int r = es_reader_owners(rec, info, &owners);
    if (r < 0 || !es_reader_find_owner(&owners.owners, pid))
        return r;
    r = es_reader_versions(rec, info, v);
    *ret_owner = r == 0 ? es_reader_find_owner(&v->owners, pid) : NULL;
    return r < 0 ? r : *ret_owner != NULL;
}

static void tell_row(const struct es_versions_of *v, const struct es_state_row *row, struct es_state_at *at)
{
    at->seq = v->block->info.first_seq + row->event;
    at->flags = row->flags;
    at->len = row->full;
    at->hash = row->hash;
}

/* What is looked for: state events of a process, but for those with one of these flags. */
struct wanted {
    es_ref pid;
    struct es_seq_range range;
    unsigned skip;
    bool first; /* else the last */
};

/* 1 where it is in this block, 0 where it is not. */
static int find_in(struct es_recording *rec, const struct es_block_info *info, const struct wanted *w,
                   struct es_state_at *at)
{
    struct es_versions_of v;
    const struct es_state_owner *owner = NULL;
    int r = rows_in(rec, info, w->pid, &v, &owner);
    if (r != 1)
        return r;
    const struct es_state_row *rows = v.block->states.rows + owner->first;
    uint32_t from = w->range.from > 0 ? rows_until(&v, owner, w->range.from - 1) : 0;
    uint32_t to = rows_until(&v, owner, w->range.to);
    while (from < to && (rows[w->first ? from : to - 1].flags & w->skip)) {
        from += w->first;
        to -= !w->first;
    }
    if (from >= to)
        return 0;
    tell_row(&v, &rows[w->first ? from : to - 1], at);
    return 1;
}

/* Over the blocks, from one end of the range to the other. */
static int find(struct es_recording *rec, const struct wanted *w, struct es_state_at *ret_state)
{
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(rec, &blocks);
    size_t i = es_reader_block_before(rec, w->first ? w->range.from : w->range.to);
    struct es_state_at at = {0};
    for (i = i == n ? (w->first ? 0 : n) : i; i < n; i = w->first ? i + 1 : i - 1) { /* below 0 is beyond n */
        if (w->first ? blocks[i].first_seq > w->range.to : blocks[i].last_seq < w->range.from)
            break;
        at.block = i;
        int r = blocks[i].kinds[ES_K_STATE] ? find_in(rec, &blocks[i], w, &at) : 0;
        if (r == 1) {
            *ret_state = at;
            return 0;
        }
        if (r < 0 && r != -EBADMSG && r != -ENOENT)
            return r;
        if (r < 0)
            es_error_clear();
        at.unread += r < 0;
    }
    *ret_state = (struct es_state_at){.unread = at.unread};
    return -ENOENT;
}

int es_recording_state_find(struct es_recording *rec, es_ref pid, struct es_seq_range range,
                            struct es_state_at *ret_state)
{
    return find(rec, &(struct wanted){.pid = pid, .range = range}, ret_state);
}

int es_recording_change_last(struct es_recording *rec, es_ref pid, struct es_seq_range range,
                             struct es_state_at *ret_state)
{
    return find(rec, &(struct wanted){.pid = pid, .range = range, .skip = ES_E_STATE_SAME}, ret_state);
}

int es_recording_change_first(struct es_recording *rec, es_ref pid, struct es_seq_range range,
                              struct es_state_at *ret_state)
{
    return find(rec, &(struct wanted){.pid = pid, .range = range, .skip = ES_E_STATE_SAME, .first = true}, ret_state);
}

/* ---- bytes --------------------------------------------------------------------------------------------------------- */

static struct es_state_chunk *place_for_chunk(struct es_reader_states *s, uint64_t id, unsigned chunk)
{
    struct es_state_chunk *oldest = &s->chunks[0];
    for (size_t i = 0; i < ES_STATE_CHUNKS; i++) {
        if (s->chunks[i].id == id && s->chunks[i].chunk == chunk)
            return &s->chunks[i];
        if (s->chunks[i].used < oldest->used)
            oldest = &s->chunks[i];
    }
    return oldest;
}

/* Too many bytes: those that were not used for longest go. `but` stays. */
static void trim_chunks(struct es_reader_states *s, const struct es_state_chunk *but)
{
    while (s->chunk_bytes > CHUNK_BYTES) {
        struct es_state_chunk *oldest = NULL;
        for (size_t i = 0; i < ES_STATE_CHUNKS; i++) {
            struct es_state_chunk *c = &s->chunks[i];
            if (c != but && c->bytes.room && (!oldest || c->used < oldest->used))
                oldest = c;
        }
        if (!oldest)
            return;
        s->chunk_bytes -= oldest->bytes.room;
        es_buf_fini(&oldest->bytes);
        oldest->id = oldest->used = 0;
    }
}

/* -EAGAIN: the block is part of another by now. */
static int get_chunk(struct es_recording *rec, const struct es_state_block *block, unsigned chunk,
                     struct es_chunk *ret_chunk)
{
    struct es_reader_states *s = &rec->states;
    struct es_state_chunk *c = place_for_chunk(s, block->info.id, chunk);
    uint32_t begin = block->states.chunk_at[chunk], end = block->states.chunk_at[chunk + 1];
    if (c->id != block->info.id || c->chunk != chunk) {
        c->id = 0;
        int r = es_reader_load(rec, &block->info, (uint64_t)1 << (ES_C_CHUNKS + chunk));
        if (r == 0 && rec->stored.info.id != block->info.id)
            return -EAGAIN;
        s->chunk_bytes -= c->bytes.room;
        if (r == 0)
            r = es_stored_states_chunk(rec->decoder, &rec->stored, chunk, &c->bytes);
        s->chunk_bytes += c->bytes.room;
        if (r == 0 && c->bytes.len != end - begin)
            r = es_fail(-EBADMSG, "a chunk of states has another length");
        if (r < 0)
            return damaged(rec, &block->info, r);
        c->id = block->info.id;
        c->chunk = chunk;
        trim_chunks(s, c);
    }
    c->used = ++s->clock;
    *ret_chunk = (struct es_chunk){c->bytes.bytes, begin, end};
    return 0;
}

static int lend(struct es_recording *rec, const struct es_state_block *block, const struct es_chain *chain,
                struct es_unfold *unfold)
{
    struct es_chunk chunk;
    int r = get_chunk(rec, block, chain->lender_chunk, &chunk);
    return r == 0 ? es_unfold_lend(unfold, &block->states, &chunk, chain->lender) : r;
}

int es_reader_put_together(struct es_recording *rec, const struct es_state_block *block, uint32_t row,
                           struct es_buf *bytes)
{
    struct es_unfold *unfold = &rec->states.unfold;
    struct es_chain chain;
    struct es_chunk chunk;
    int r = es_stored_states_chain(&block->states, row, &chain);
    if (r == 0 && es_unfold_borrows(unfold, &block->states, row))
        r = lend(rec, block, &chain, unfold);
    if (r == 0)
        r = get_chunk(rec, block, chain.chunk, &chunk);
    if (r == 0)
        r = es_unfold_to(unfold, &block->states, &chunk, row);
    if (r < 0)
        return damaged(rec, &block->info, r);
    return es_buf_add(bytes, unfold->bytes.bytes, unfold->bytes.len) < 0 ? es_fail(-ENOMEM, "no memory for a state")
                                                                         : 0;
}

static int locate(struct es_recording *rec, uint64_t seq, struct es_versions_of *ret_versions, uint32_t *ret_row)
{
    const struct es_block_info *blocks;
    size_t n = es_recording_blocks(rec, &blocks), i = es_reader_block_before(rec, seq);
    if (i == n || blocks[i].last_seq < seq)
        return es_fail(-ENOENT, "event %llu is not in the recording", (unsigned long long)seq);
    int r = blocks[i].kinds[ES_K_STATE] ? es_reader_versions(rec, &blocks[i], ret_versions) : 0;
    if (r < 0)
        return r;
    uint64_t event = blocks[i].kinds[ES_K_STATE] ? seq - ret_versions->block->info.first_seq : 0;
    *ret_row = blocks[i].kinds[ES_K_STATE] && event < ret_versions->block->states.events
                   ? ret_versions->block->states.of_event[event]
                   : ES_NO_VERSION;
    return *ret_row == ES_NO_VERSION ? es_fail(-EINVAL, "event %llu is no state", (unsigned long long)seq) : 0;
}

static const struct es_state_owner *owner_of(const struct es_owners *owners, uint32_t row)
{
    uint32_t from = 0, to = owners->n; /* the first that begins behind it */
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (owners->owners[middle].first <= row)
            from = middle + 1;
        else
            to = middle;
    }
    return &owners->owners[from - 1];
}

static int not_captured(uint64_t seq)
{
    return es_fail(-ENODATA, "the state of event %llu was not captured", (unsigned long long)seq);
}

/* The version that `seq` is the same as: *seq becomes it, or the last one of the block before. True where that has to be looked at. */
static int same_as(struct es_recording *rec, const struct es_versions_of *v, uint32_t *row, uint64_t *seq)
{
    const struct es_state_row *rows = v->block->states.rows;
    const struct es_state_owner *owner = owner_of(&v->owners, *row);
    uint64_t hash = rows[*row].hash, wanted = *seq;
    while (rows[*row].form == ES_VERSION_NONE && (rows[*row].flags & ES_E_STATE_SAME) && *row > owner->first)
        --*row;
    if (rows[*row].form == ES_VERSION_NONE && (rows[*row].flags & ES_E_STATE_SAME)) {
        struct es_state_at at;
        uint64_t first = v->block->info.first_seq + rows[*row].event;
        int r = es_recording_state_find(rec, owner->pid, (struct es_seq_range){1, first - 1}, &at);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r < 0 || (hash && at.hash && hash != at.hash) || (at.unread && (!hash || hash != at.hash)))
            return not_captured(wanted);
        *seq = at.seq;
        return 1;
    }
    bool other = hash && rows[*row].hash && rows[*row].hash != hash;
    return rows[*row].form == ES_VERSION_NONE || other ? not_captured(wanted) : 0;
}

int es_recording_state_read(struct es_recording *rec, uint64_t seq, struct es_buf *bytes)
{
    int r = 1;
    for (int tries = 0; r == 1 || (r == -EAGAIN && tries < MERGED_TRIES); tries += r == -EAGAIN) {
        struct es_versions_of v;
        uint32_t row;
        r = locate(rec, seq, &v, &row);
        if (r == 0)
            r = same_as(rec, &v, &row, &seq);
        if (r == 0)
            r = es_reader_put_together(rec, v.block, row, bytes);
        if (r == -EAGAIN)
            forget_owners(&rec->states);
    }
    return r == -EAGAIN ? es_fail(-ENOENT, "the block of event %llu is being merged", (unsigned long long)seq) : r;
}

/* ---- all of a block ------------------------------------------------------------------------------------------------ */

int es_reader_verify_states(struct es_recording *rec, size_t block)
{
    const struct es_block_info *info = &rec->blocks[block];
    struct es_versions_of v;
    struct es_unfold unfold = {0};
    struct es_chunk chunk = {0};
    int r = info->kinds[ES_K_STATE] ? es_reader_versions(rec, info, &v) : -ENODATA;
    if (r < 0)
        return r == -ENODATA ? 0 : r;
    for (uint32_t i = 0; r == 0 && i < v.block->states.n; i++) {
        const struct es_state_row *row = &v.block->states.rows[i];
        struct es_chain chain;
        bool begins = row->form == ES_VERSION_WHOLE || row->lender != ES_NO_VERSION;
        if (begins)
            r = es_stored_states_chain(&v.block->states, i, &chain);
        if (r == 0 && row->lender != ES_NO_VERSION)
            r = lend(rec, v.block, &chain, &unfold);
        if (r == 0 && begins)
            r = get_chunk(rec, v.block, chain.chunk, &chunk);
        if (r == 0)
            r = es_unfold(&unfold, &chunk, row);
    }
    es_unfold_fini(&unfold);
    return r == -EAGAIN ? 0 : damaged(rec, info, r); /* merged meanwhile: that one is another's turn */
}
