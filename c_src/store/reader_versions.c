/* SPDX-License-Identifier: MIT */
/* How many versions a process has in a block, and which. Where a block known from the index was merged into another, only those
 * of its own events count. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/reader_inner.h"

static const struct es_block_info *info_of(struct es_recording *rec, size_t block)
{
    const struct es_block_info *blocks;
    return block < es_recording_blocks(rec, &blocks) ? &blocks[block] : NULL;
}

static bool is_version(const struct es_block_info *info, const struct es_versions_of *v, const struct es_state_row *row)
{
    uint64_t seq = v->block->info.first_seq + row->event;
    return !(row->flags & ES_E_STATE_SAME) && seq >= info->first_seq && seq <= info->last_seq;
}

static int list_versions(struct es_recording *rec, const struct es_block_info *info, es_ref pid,
                         struct es_state_at **ret_list, size_t *ret_n)
{
    struct es_versions_of v;
    int r = es_reader_versions(rec, info, &v);
    const struct es_state_owner *owner = r == 0 ? es_reader_find_owner(&v.owners, pid) : NULL;
    *ret_list = NULL;
    *ret_n = 0;
    if (!owner)
        return r;
    *ret_list = malloc((owner->n + 1) * sizeof **ret_list);
    if (!*ret_list)
        return es_fail(-ENOMEM, "no memory for versions");
    for (uint32_t i = owner->first; i < owner->first + owner->n; i++) {
        const struct es_state_row *row = &v.block->states.rows[i];
        if (is_version(info, &v, row))
            (*ret_list)[(*ret_n)++] = (struct es_state_at){.seq = v.block->info.first_seq + row->event,
                                                           .block = (size_t)(info - rec->blocks),
                                                           .flags = row->flags,
                                                           .len = row->full,
                                                           .hash = row->hash};
    }
    return 0;
}

int es_recording_state_list(struct es_recording *rec, size_t block, es_ref pid, struct es_state_at **ret_list,
                            size_t *ret_n)
{
    const struct es_block_info *info = info_of(rec, block);
    struct es_state_owners owners;
    *ret_list = NULL;
    *ret_n = 0;
    if (!info)
        return es_fail(-EINVAL, "there is no block %zu", block);
    int r = info->kinds[ES_K_STATE] ? es_reader_owners(rec, info, &owners) : -ENODATA;
    if (r < 0)
        return r == -ENODATA ? 0 : r;
    return es_reader_find_owner(&owners.owners, pid) ? list_versions(rec, info, pid, ret_list, ret_n) : 0;
}

/* One byte an event says whether it made a version. -EAGAIN: the block is part of another by now. */
static int count_versions(struct es_recording *rec, const struct es_block_info *info,
                          const struct es_state_owner *owner, uint32_t *ret_n)
{
    const uint64_t set = ES_COLUMN_BIT(ES_C_VERSIONS);
    int r = es_reader_load(rec, info, set);
    if (r == 0 && rec->stored.info.id != info->id)
        return -EAGAIN;
    if (r == 0)
        r = es_decode_load(rec->decoder, &rec->stored, set);
    if (r < 0)
        return r;
    struct es_raw versions = rec->decoder->column[ES_C_VERSIONS];
    if (versions.len < (uint64_t)owner->first + owner->n)
        return es_fail(-EBADMSG, "the versions of states are wrong");
    *ret_n = 0;
    for (uint32_t i = owner->first; i < owner->first + owner->n; i++)
        *ret_n += !(es_state_flags_unpack(versions.bytes[i] >> 4) & ES_E_STATE_SAME);
    return 0;
}

int es_recording_state_count(struct es_recording *rec, size_t block, es_ref pid, uint32_t *ret_n)
{
    const struct es_block_info *info = info_of(rec, block);
    struct es_state_owners owners;
    struct es_state_at *list;
    size_t n;
    *ret_n = 0;
    if (!info)
        return es_fail(-EINVAL, "there is no block %zu", block);
    int r = info->kinds[ES_K_STATE] ? es_reader_owners(rec, info, &owners) : -ENODATA;
    const struct es_state_owner *owner = r == 0 ? es_reader_find_owner(&owners.owners, pid) : NULL;
    if (!owner)
        return r == -ENODATA ? 0 : r;
    r = owners.from == info->id ? count_versions(rec, info, owner, ret_n) : -EAGAIN;
    if (r == -EBADMSG)
        es_reader_note_damaged(rec, info->id);
    if (r != -EAGAIN)
        return r;
    r = list_versions(rec, info, pid, &list, &n);
    free(list);
    *ret_n = (uint32_t)n;
    return r;
}
