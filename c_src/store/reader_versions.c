/* SPDX-License-Identifier: MIT */
/* How many versions each process has in a block, and which one of them has. Where a block known from the index was merged into another, only
 * those of its own events count. */
#include <errno.h>

#include "base/error.h"
#include "store/decode.h"
#include "store/reader_inner.h"

#define OF_ALL (ES_STATES_OWNERS | ES_COLUMN_BIT(ES_C_VERSIONS) | ES_COLUMN_BIT(ES_C_PLACES))
#define OF_ONE (OF_ALL | ES_COLUMN_BIT(ES_C_STATE_HASHES))

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

struct rows {
    uint32_t first, n;
};

/* The rows of a process, from how many states those before it have. */
static int find_rows(const struct es_decoder *d, es_ref pid, struct rows *ret_rows)
{
    struct es_reader at = es_decode_reader(d, ES_C_OWNERS);
    uint64_t number = 0, n = 0, first = 0, states = d->info->kinds[ES_K_STATE];
    *ret_rows = (struct rows){0};
    while (es_reader_left(&at)) {
        number += es_decode_varint(&at);
        n = es_decode_varint(&at);
        if (at.bad || number >= d->n_refs || n == 0 || n > states - first)
            return wrong();
        if (d->refs[number] >= pid)
            break;
        first += n;
    }
    if (number < d->n_refs && d->refs[number] == pid && n > 0)
        *ret_rows = (struct rows){(uint32_t)first, (uint32_t)n};
    return 0;
}

/* Readers at the first row of a process. */
static int skip_rows(const struct es_decoder *d, struct rows rows, struct es_reader *places, struct es_reader *hashes)
{
    const uint8_t *versions = d->column[ES_C_VERSIONS].bytes;
    size_t given = 0;
    if (d->column[ES_C_VERSIONS].len != d->info->kinds[ES_K_STATE])
        return wrong();
    *places = es_decode_reader(d, ES_C_PLACES);
    *hashes = es_decode_reader(d, ES_C_STATE_HASHES);
    es_decode_skip(places, rows.first);
    for (uint32_t i = 0; i < rows.first; i++)
        given += (versions[i] >> 2 & 3) == ES_GIVEN_BYTES;
    es_reader_take(hashes, given * sizeof(uint64_t));
    return 0;
}

/* Those in the part of the block that `info` is. */
static int read_rows(const struct es_kept *kept, struct rows rows, struct es_version_seen *list, size_t *ret_n)
{
    const struct es_decoder *d = &kept->decoder;
    struct es_reader places, hashes;
    uint64_t event = 0, hash = 0;
    int r = skip_rows(d, rows, &places, &hashes);
    for (uint32_t i = rows.first; r == 0 && i < rows.first + rows.n; i++) {
        uint8_t version = d->column[ES_C_VERSIONS].bytes[i];
        unsigned given = version >> 2 & 3;
        event += es_decode_varint(&places);
        hash = given == ES_GIVEN_BYTES ? es_reader_le64(&hashes) : given == ES_GIVEN_PREDICTED ? hash : 0;
        uint64_t seq = kept->stored.first_seq + event;
        if (places.bad || hashes.bad || event >= d->n)
            return wrong();
        if (is_version(version) && seq >= kept->info.first_seq && seq <= kept->info.last_seq)
            list[(*ret_n)++] = (struct es_version_seen){seq, hash, (uint8_t)es_state_flags_unpack(version >> 4)};
    }
    return r;
}

int es_recording_state_list(struct es_recording *rec, size_t block, es_ref pid, struct es_version_seen **ret_list,
                            size_t *ret_n)
{
    const struct es_block_info *info = info_of(rec, block);
    const struct es_kept *kept;
    struct rows rows = {0};
    *ret_list = NULL;
    *ret_n = 0;
    if (!info)
        return es_fail(-EINVAL, "there is no block %zu", block);
    int r = info->kinds[ES_K_STATE] ? es_kept_get(rec, info, OF_ONE, &kept) : -ENODATA;
    if (r < 0)
        return r == -ENODATA ? 0 : r;
    r = find_rows(&kept->decoder, pid, &rows);
    struct es_version_seen *list = r == 0 && rows.n ? malloc(rows.n * sizeof *list) : NULL;
    if (rows.n && !list)
        return es_fail(-ENOMEM, "no memory for versions");
    if (list)
        r = read_rows(kept, rows, list, ret_n);
    if (r == 0) {
        *ret_list = list;
        return 0;
    }
    free(list);
    *ret_n = 0;
    if (r == -EBADMSG)
        es_reader_note_damaged(rec, info->id);
    return r;
}
