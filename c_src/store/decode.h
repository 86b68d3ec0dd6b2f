/* SPDX-License-Identifier: MIT */
/* Inside of the decoder: shared by decode.c (columns and order) and decode_fields.c (one function a field). Every number read is
 * checked before it is used as a place: a checksum can be right and the content still hostile.
 * What is known of events is first gathered in small arrays, which stay in the processor's caches, and then written out once. */
#ifndef ES_STORE_DECODE_H
#define ES_STORE_DECODE_H

#include "store/block.h"
#include "store/predict.h"
#include "wire/term.h"

struct es_raw {
    const uint8_t *bytes;
    size_t len;
}; /* a column, decompressed */

struct es_decoder {
    ZSTD_DCtx *zstd;
    struct es_buf memory[ES_COLUMNS]; /* of decompressed columns, kept for the next block */
    struct es_buf arrays, tables;     /* of those below */
    struct es_buf lanes;

    const struct es_block_info *info;
    struct es_raw column[ES_COLUMNS];
    uint32_t n, n_refs, n_funs;
    es_ref *refs;
    uint32_t *counts, *places; /* of each reference: events; scratch */
    struct es_fun *funs;

    uint32_t *order;                 /* events in order of process; from here on: of each event */
    uint32_t *pid, *peer, *fun;      /* in refs and funs */
    uint32_t *cause;                 /* event in this block, or ES_NOTHING */
    uint64_t *time;                  /* since first_time */
    uint64_t *back;                  /* how many events back the cause is, 0 for none */
    uint32_t *same_hash, *same_corr; /* the earlier event it repeats, or ES_NOTHING */
    uint16_t *thread;
    uint8_t *kind, *flags, *cause_state;
    struct es_event *events;
};

#define ES_COLUMN_BIT(id) ((uint64_t)1 << (id))

/* Decompresses the columns in `set`; and, where REFS and COUNTS are among them, reads the table of references. */
int es_decode_load(struct es_decoder *d, const struct es_stored_block *stored, uint64_t set);
int es_decode_refs(struct es_decoder *d, const struct es_stored_block *stored, uint64_t set);
/* Memory for the arrays of the block that was loaded. */
int es_decode_arrays(struct es_decoder *d);
/* Times of all events since first_time, in order of time, as numbers of 32 or (`wide`) 64 bits. */
int es_decode_times(const struct es_decoder *d, bool wide, void *ret_times);

/* Processes, kinds and flags of events, and their order of process. */
int es_decode_order(struct es_decoder *d);

/* The table of functions alone, and with it those of all events. */
int es_decode_fun_table(struct es_decoder *d);
int es_decode_funs(struct es_decoder *d);
int es_decode_causes(struct es_decoder *d);
int es_decode_peers(struct es_decoder *d);
int es_decode_moved(struct es_decoder *d);
int es_decode_messages(struct es_decoder *d, unsigned fields);
int es_decode_nums(struct es_decoder *d);
int es_decode_payloads(struct es_decoder *d, unsigned fields);

static inline struct es_reader es_decode_reader(const struct es_decoder *d, enum es_column_id id)
{
    struct es_reader r;
    es_reader_init(&r, d->column[id].bytes, d->column[id].len);
    return r;
}

/* Fields of the event at place k in the order of process. */
static inline unsigned es_decode_fields(const struct es_decoder *d, uint32_t k)
{
    return es_kind_table[d->column[ES_C_KINDS].bytes[k]].fields;
}

/* The reader's functions with their frequent case in line. */
static inline uint64_t es_decode_varint(struct es_reader *r)
{
    if (r->at < r->end && *r->at < 0x80)
        return *r->at++;
    if (r->end - r->at >= 2 && r->at[1] < 0x80) {
        r->at += 2;
        return (r->at[-2] & 0x7fu) | (uint64_t)r->at[-1] << 7;
    }
    return es_reader_varint(r);
}
/* Passes over the first `n`. */
static inline void es_decode_skip(struct es_reader *r, uint32_t n)
{
    const uint8_t *at = r->at;
    while (n > 0 && at < r->end)
        n -= *at++ < 0x80;
    r->at = at;
    r->bad = r->bad || n > 0;
}
static inline uint32_t es_decode_step(uint8_t low, uint8_t high) { return low | (uint32_t)high << 8; }
static inline uint8_t es_decode_u8(struct es_reader *r) { return r->at < r->end ? *r->at++ : es_reader_u8(r); }

#endif
