/* SPDX-License-Identifier: MIT */
/* How many versions each process has in a block, which one of them has, and their bytes. Where a block known from the index was merged into another, only
 * those of its own events count. */
#include <errno.h>

#include "base/error.h"
#include "store/own_states.h"
#include "store/reader_inner.h"

#define OF_ALL (ES_STATES_OWNERS | ES_COLUMN_BIT(ES_C_VERSIONS) | ES_COLUMN_BIT(ES_C_PLACES))

static const struct es_block_info *info_of(struct es_recording *rec, size_t block)
{
    const struct es_block_info *blocks;
    return block < es_recording_blocks(rec, &blocks) ? &blocks[block] : NULL;
}

static int wrong(void) { return es_fail(-EBADMSG, "the versions of states are wrong"); }

static bool is_version(uint8_t version) { return !(es_state_flags_unpack(version >> 4) & ES_E_STATE_SAME); }

/* ---- of all processes ---------------------------------------------------------------------------------------------- */

/* A part of the stored block: its places are looked at where it is not the whole. */
static int count_all(struct es_decoder *d, const struct es_owners *owners, struct es_block_part part,
                     struct es_pid_count *counts)
{
    struct es_raw versions = d->column[ES_C_VERSIONS];
    struct es_reader places = es_decode_reader(d, ES_C_PLACES);
    if (versions.len != d->info->kinds[ES_K_STATE])
        return wrong();
    for (uint32_t o = 0; o < owners->n; o++) {
        const struct es_state_owner *owner = &owners->owners[o];
        uint64_t event = 0;
        counts[o] = (struct es_pid_count){owner->pid, 0};
        for (uint32_t i = owner->first; i < owner->first + owner->n; i++) {
            if (part.n < d->n)
                event += es_decode_varint(&places);
            counts[o].events += is_version(versions.bytes[i]) && event - part.first < part.n;
        }
    }
    return places.bad ? wrong() : 0;
}

int es_recording_state_counts(struct es_recording *rec, size_t block, struct es_pid_count **ret_counts, size_t *ret_n)
{
    const struct es_block_info *info = info_of(rec, block);
    struct es_owners owners = {0};
    *ret_counts = NULL;
    *ret_n = 0;
    if (!info)
        return es_fail(-EINVAL, "there is no block %zu", block);
    int r = info->kinds[ES_K_STATE] ? es_reader_load(rec, info, OF_ALL) : -ENODATA;
    if (r == 0)
        r = es_owners_decode(rec->decoder, &rec->stored, &owners);
    if (r == 0)
        r = es_decode_load(rec->decoder, &rec->stored,
                           ES_COLUMN_BIT(ES_C_VERSIONS) |
                               (rec->stored.info.events == info->events ? 0 : ES_COLUMN_BIT(ES_C_PLACES)));
    struct es_pid_count *counts = r == 0 ? malloc((owners.n + 1) * sizeof *counts) : NULL;
    if (r == 0 && !counts)
        r = es_fail(-ENOMEM, "no memory for versions");
    if (r == 0)
        r = count_all(rec->decoder, &owners,
                      (struct es_block_part){(uint32_t)(info->first_seq - rec->stored.info.first_seq), info->events},
                      counts);
    *ret_counts = r == 0 ? counts : NULL;
    *ret_n = r == 0 ? owners.n : 0;
    if (r < 0)
        free(counts);
    free(owners.owners);
    if (r == -EBADMSG)
        es_reader_note_damaged(rec, info->id);
    return r == -ENODATA ? 0 : r;
}

/* ---- of one process ------------------------------------------------------------------------------------------------ */

static int damaged(struct es_recording *rec, const struct es_block_info *info, int code)
{
    if (code == -EBADMSG)
        es_reader_note_damaged(rec, info->id);
    return code;
}

static int read_own(struct es_recording *rec, const struct es_kept *kept, es_ref pid)
{
    struct es_reader_own *own = &rec->own;
    const struct es_block_info *stored = &kept->stored;
    if (own->pid == pid && own->id == stored->id && own->first_seq == stored->first_seq &&
        own->block_events == stored->events)
        return 0;
    own->pid = ES_REF_NONE;
    int r = es_own_states_find(&kept->decoder, pid, &own->at);
    if (r == 0 && own->room < own->at.n) {
        free(own->states);
        own->states = malloc(own->at.n * sizeof *own->states);
        own->room = own->states ? own->at.n : 0;
        if (!own->states)
            return es_fail(-ENOMEM, "no memory for versions");
    }
    if (r == 0)
        r = es_own_states_read(&kept->decoder, &own->at, own->states);
    if (r < 0)
        return damaged(rec, &kept->info, r);
    own->pid = pid;
    own->id = stored->id;
    own->first_seq = stored->first_seq;
    own->block_events = stored->events;
    return 0;
}

/* All its state events in the stored block, in rec->own; NULL: the block has none at all. */
static int own_states(struct es_recording *rec, const struct es_block_info *info, es_ref pid,
                      const struct es_kept **ret_kept)
{
    *ret_kept = NULL;
    int r = info->kinds[ES_K_STATE] ? es_kept_get(rec, info, ES_KEPT_STATES, ret_kept) : -ENODATA;
    if (r < 0)
        return r == -ENODATA ? 0 : r;
    return read_own(rec, *ret_kept, pid);
}

/* Those in the part of the block that `info` is. */
int es_recording_state_list(struct es_recording *rec, size_t block, es_ref pid, struct es_version_seen **ret_list,
                            size_t *ret_n)
{
    const struct es_block_info *info = info_of(rec, block);
    const struct es_kept *kept = NULL;
    *ret_list = NULL;
    *ret_n = 0;
    int r = info ? own_states(rec, info, pid, &kept) : es_fail(-EINVAL, "there is no block %zu", block);
    if (r < 0 || !kept || rec->own.at.n == 0)
        return r;
    struct es_version_seen *list = malloc(rec->own.at.n * sizeof *list);
    if (!list)
        return es_fail(-ENOMEM, "no memory for versions");
    for (uint32_t i = 0; i < rec->own.at.n; i++) {
        const struct es_own_state *state = &rec->own.states[i];
        uint64_t seq = kept->stored.first_seq + state->event;
        if (is_version(state->version) && seq >= info->first_seq && seq <= info->last_seq)
            list[(*ret_n)++] =
                (struct es_version_seen){seq, state->hash, (uint8_t)es_state_flags_unpack(state->version >> 4)};
    }
    *ret_list = list;
    return 0;
}

/* ---- bytes --------------------------------------------------------------------------------------------------------- */

/* Rows of the process up to this event, and behind them the one it borrows from, as if the block had no others. 1, or 0 where it has no bytes
 * of its own there. */
static int read_rows(struct es_recording *rec, const struct es_kept *kept, uint64_t seq, struct es_stored_states *ret)
{
    const struct es_reader_own *own = &rec->own;
    uint64_t event = seq - kept->stored.first_seq;
    uint32_t n = 0;
    while (n < own->at.n && own->states[n].event <= event)
        n++;
    if (n == 0 || own->states[n - 1].event != event || (own->states[n - 1].version & 3) == ES_VERSION_NONE)
        return 0;
    *ret = (struct es_stored_states){.rows = malloc((n + 1) * sizeof *ret->rows), .n = n};
    if (!ret->rows)
        return es_fail(-ENOMEM, "no memory for states");
    int r = es_own_states_rows(&kept->decoder, &own->at, ret);
    return r < 0 ? damaged(rec, &kept->info, r) : 1;
}

/* Where the block is read anyhow, or a second time, all of its versions are. */
static bool is_read_through(struct es_reader_states *s, uint64_t id)
{
    bool again = s->single == id;
    s->single = id;
    for (size_t i = 0; i < ES_STATE_BLOCKS; i++)
        again = again || (s->blocks[i].info.events && s->blocks[i].id == id);
    return again;
}

int es_recording_state_read_of(struct es_recording *rec, es_ref pid, uint64_t seq, struct es_buf *bytes)
{
    const struct es_block_info *blocks;
    const struct es_kept *kept = NULL;
    struct es_state_block block = {0};
    size_t n = es_recording_blocks(rec, &blocks), i = es_reader_block_before(rec, seq);
    if (i == n || blocks[i].last_seq < seq || is_read_through(&rec->states, blocks[i].id))
        return es_recording_state_read(rec, seq, bytes);
    int r = own_states(rec, &blocks[i], pid, &kept);
    if (r == 0 && kept)
        r = read_rows(rec, kept, seq, &block.states);
    if (r == 1) {
        block.info = kept->stored;
        memcpy(block.states.chunk_at, kept->chunk_at, sizeof block.states.chunk_at);
        rec->states.unfold.states = NULL;
        r = es_reader_put_together(rec, &block, block.states.n - 1, bytes);
        rec->states.unfold.states = NULL;
        r = r == 0 ? 1 : r;
    }
    es_stored_states_fini(&block.states);
    return r == 1 ? 0 : r == 0 || r == -EAGAIN ? es_recording_state_read(rec, seq, bytes) : r;
}
