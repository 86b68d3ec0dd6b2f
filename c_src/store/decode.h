/* SPDX-License-Identifier: MIT */
/* Inside of the decoder: shared by decode.c (columns and order) and decode_fields.c (one function a field). Every number read is
 * checked before it is used as a place: a checksum can be right and the content still hostile. */
#ifndef ES_STORE_DECODE_H
#define ES_STORE_DECODE_H

#include "store/block.h"
#include "store/predict.h"
#include "wire/term.h"

struct es_raw { const uint8_t *bytes; size_t len; }; /* a column, decompressed */

struct es_decoder {
    const struct es_block_info *info;
    struct es_raw column[ES_COLUMNS];
    uint8_t *owned[ES_COLUMNS];        /* memory of those that had to be decompressed */
    uint32_t n, n_refs, n_funs;
    es_ref *refs;
    uint32_t *counts, *pids, *order;   /* of each reference; of each event; events in order of process */
    struct { uint32_t module, function, arity; } *funs;
    uint32_t *causes;                  /* of each event: index of its cause in this block, or ES_NOTHING */
    struct es_event *events;
};

int es_decode_funs(struct es_decoder *d);
int es_decode_causes(struct es_decoder *d, unsigned fields);
int es_decode_peers(struct es_decoder *d);
int es_decode_messages(struct es_decoder *d, unsigned fields);
int es_decode_nums(struct es_decoder *d);
int es_decode_payloads(struct es_decoder *d, unsigned fields);

/* Decompresses one column; malloc'd where `ret_owned` is not NULL. -EBADMSG, -ENOMEM. */
int es_decode_column(const struct es_stored *stored, size_t cap, struct es_raw *ret_raw, uint8_t **ret_owned);

static inline struct es_reader es_decode_reader(const struct es_decoder *d, enum es_column_id id)
{
    struct es_reader r;
    es_reader_init(&r, d->column[id].bytes, d->column[id].len);
    return r;
}

/* The reader's functions with their frequent case in line. */
static inline uint64_t es_decode_varint(struct es_reader *r)
{
    return r->at < r->end && *r->at < 0x80 ? *r->at++ : es_reader_varint(r);
}
static inline uint8_t es_decode_u8(struct es_reader *r) { return r->at < r->end ? *r->at++ : es_reader_u8(r); }

#endif
