/* SPDX-License-Identifier: MIT */
/* States of a stored block: which process has which versions, and the bytes of one of them, without decoding the events. */
#ifndef ES_STORE_STORED_STATES_H
#define ES_STORE_STORED_STATES_H

#include "store/block.h"
#include "store/chains.h"
#include "wire/term.h"

/* What of the flags of a state event stands with its version. */
static inline unsigned es_state_flags_pack(unsigned flags)
{
    return (flags & (ES_E_CUT | ES_E_REDACTED)) | (flags & (ES_E_STATE_SAME | ES_E_STATE_MISSED)) >> 3;
}
static inline unsigned es_state_flags_unpack(unsigned packed)
{
    return (packed & (ES_E_CUT | ES_E_REDACTED)) | (packed << 3 & (ES_E_STATE_SAME | ES_E_STATE_MISSED));
}

/* Lengths, from the columns VERSIONS and SIZES in step. */
struct es_sizes {
    struct es_reader versions, sizes;
    uint64_t full; /* of the process's last version that has bytes; ES_NO_SIZE at its beginning */
};
#define ES_NO_SIZE UINT64_MAX
struct es_size {
    uint8_t version; /* as in VERSIONS */
    uint64_t len, full;
    int64_t
        lender; /* how many state events behind (or in front of) this one the whole version stands that it is a patch of; 0: it is
                       none of another process's */
};
/* -EBADMSG: they end, or say what cannot be. */
int es_sizes_next(struct es_sizes *sizes, struct es_size *ret_size);

struct es_state_owner { /* by pid, ascending */
    es_ref pid;
    uint32_t first, n; /* in es_stored_states.rows */
};

struct es_state_row { /* of a process by time */
    uint64_t hash;
    uint32_t event;         /* in the block */
    uint32_t at, len, full; /* its bytes, counted over all chunks; length of the version */
    uint32_t lender;        /* the row of another process that it is a patch of, ES_NO_VERSION: none */
    uint8_t form, flags;    /* enum es_version_form; set of es_event_flag, as far as es_state_flags_pack() keeps them */
};

struct es_owners {
    struct es_state_owner *owners;
    uint32_t n;
};

struct es_stored_states {
    struct es_state_row *rows;
    uint32_t *of_event; /* row of each event of the block, ES_NO_VERSION where it is no state */
    uint32_t n, events;
    uint32_t chunk_at[ES_CHUNKS + 1]; /* where each chunk begins; the last one's end, and then the same */
};

/* From the columns ES_STATES_OWNERS; and from ES_STATES_ROWS, once the owners are known. free() what they point to: es_stored_states_fini(). */
#define ES_STATES_OWNERS ((uint64_t)1 << ES_C_REFS | (uint64_t)1 << ES_C_COUNTS | (uint64_t)1 << ES_C_OWNERS)
#define ES_STATES_ROWS                                                                       \
    ((uint64_t)1 << ES_C_VERSIONS | (uint64_t)1 << ES_C_PLACES | (uint64_t)1 << ES_C_SIZES | \
     (uint64_t)1 << ES_C_STATE_HASHES)
int es_owners_decode(struct es_decoder *decoder, const struct es_stored_block *stored, struct es_owners *ret_owners);
int es_stored_states_decode(struct es_decoder *decoder, const struct es_stored_block *stored,
                            const struct es_owners *owners, struct es_stored_states *ret_states);
/* Where each chunk begins. */
int es_stored_states_chunks(const struct es_stored_block *stored, uint32_t ret_at[ES_CHUNKS + 1]);
void es_stored_states_fini(struct es_stored_states *states);

/* The chunk that has the bytes of a row, and the row that its chain begins with: a whole version, or a patch of one that another process lends. */
struct es_chain {
    uint32_t first;
    uint32_t lender; /* ES_NO_VERSION: none */
    unsigned chunk, lender_chunk;
};
int es_stored_states_chain(const struct es_stored_states *states, uint32_t row, struct es_chain *ret_chain);

/* Decompresses a chunk that was loaded into `stored`. */
int es_stored_states_chunk(struct es_decoder *decoder, const struct es_stored_block *stored, unsigned chunk,
                           struct es_buf *ret_bytes);

/* Bytes of chunks that lie one after the other; `at` and `end` count over all of the block. */
struct es_chunk {
    const uint8_t *bytes;
    uint32_t at, end;
};

/* A version that is put together in `bytes`, row by row. */
struct es_unfold {
    struct es_buf bytes, other;
    uint64_t spliced;
    const struct es_stored_states *states; /* which one it is; NULL: none */
    uint32_t row;
};
/* The next row of a chain; the first one is a whole version, or was preceded by what it borrows. */
int es_unfold(struct es_unfold *unfold, const struct es_chunk *chunk, const struct es_state_row *row);
/* Where a chain begins with a patch of what another process lends, and it is not gone on with: that version is put together first. */
bool es_unfold_borrows(const struct es_unfold *unfold, const struct es_stored_states *states, uint32_t row);
int es_unfold_lend(struct es_unfold *unfold, const struct es_stored_states *states, const struct es_chunk *chunk,
                   uint32_t lender);
/* The version of a row that has one; goes on from the one before where that is in the same chain. */
int es_unfold_to(struct es_unfold *unfold, const struct es_stored_states *states, const struct es_chunk *chunk,
                 uint32_t row);
void es_unfold_fini(struct es_unfold *unfold);

#endif
