/* SPDX-License-Identifier: MIT */
/* Inside of the encoder: shared by encode.c (what goes into each column), encode_tables.c (numbering and order) and encoder.c (its memory,
 * and payloads). */
#ifndef ES_STORE_ENCODE_H
#define ES_STORE_ENCODE_H

#include "store/block.h"

struct es_sort {
    uint64_t key;
    uint32_t number;
};

struct es_encoder {
    ZSTD_CCtx *zstd;
    struct es_buf raw[ES_COLUMNS];        /* columns before compression */
    uint32_t n_refs, n_funs;              /* used in the range */
    struct es_buf sort, sort_other;       /* struct es_sort: references in use, sorted */
    struct es_buf ref_number, fun_number; /* uint32_t: numbers in the block, by numbers in the batch */
    struct es_buf counts, starts;         /* uint32_t: events of each reference, and where they begin in `order` */
    struct es_buf chunk;
    uint32_t *order;        /* events in order of process: index in the range */
    struct es_staged *rows; /* the same, with numbers of the block */
    const struct es_batch *batch;
    struct es_range range;
};

/* Compresses the payloads of states (ES_C_STATES) or of all others (ES_C_PAYLOADS), in order of process, without gathering them first:
 * they may be 8 MiB. */
int es_encode_payloads(struct es_encoder *encoder, enum es_column_id id, struct es_image *image);

/* Gives back what an unusual block needed. */
void es_encode_trim(struct es_encoder *encoder);

/* Fills the tables, `order` and `rows`, and the columns REFS, COUNTS and FUNS. */
int es_encode_tables(struct es_encoder *encoder);

#endif
