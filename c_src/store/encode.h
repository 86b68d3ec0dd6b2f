/* SPDX-License-Identifier: MIT */
/* Inside of the encoder: encode_tables.c numbers references and functions, encode_rows.c goes over the events in order of time and puts
 * them in order of process, encode.c goes over them in that order and compresses; encoder.c has its memory, and payloads; encode_states.c
 * states. So each event
 * is only touched three times: they are more than the near caches hold. */
#ifndef ES_STORE_ENCODE_H
#define ES_STORE_ENCODE_H

#include "store/block.h"
#include "store/compress.h"
#include "store/gaps.h"
#include "store/map.h"
#include "store/predict.h"

struct es_sort {
    uint64_t key;
    uint32_t number;
};

/* An event of the range, with numbers of the block: a cache line. */
struct es_row {
    uint64_t hash, corr; /* 0 where its kind has none */
    uint64_t cause;      /* how many events back, 0 = none */
    uint32_t pid, peer, fun;
    uint32_t causer;               /* process of its cause; ES_NOTHING where that is not in the range */
    uint32_t payload, payload_len; /* in batch.payload, or as in struct es_staged */
    uint32_t nums;                 /* in batch.words */
    uint32_t moved;
    uint32_t index; /* in the range */
    uint8_t kind, flags, cause_state;
    uint8_t same; /* set of ES_F_HASH, ES_F_CORR: as its cause's */
};
_Static_assert(sizeof(struct es_row) == 64, "rows are written in random order, a cache line each");

struct es_encoder {
    struct es_compressor compressor;
    ZSTD_CCtx *zstd;                      /* of payloads */
    struct es_buf raw[ES_COLUMNS];        /* columns before compression */
    uint8_t *at[ES_COLUMNS];              /* where each is written next */
    struct es_gap_writer times, causes;   /* the same for those that go together */
    uint32_t n_refs, n_funs;              /* used in the range */
    struct es_buf sort, sort_other;       /* struct es_sort: references in use, sorted */
    struct es_buf ref_number, fun_number; /* uint32_t: numbers in the block, by numbers in the batch */
    struct es_buf counts;                 /* uint32_t: events of each reference, by numbers in the batch */
    struct es_buf starts;                 /* uint32_t: where they begin in `rows`, by numbers in the block */
    struct es_buf chunk;
    struct es_buf states; /* uint32_t: rows that are states, n_states of them */
    uint32_t n_states;
    struct es_buf state_of;    /* uint32_t: which of these a version of the batch is */
    struct es_buf stored;      /* how each of these is stored, see encode_states.c; */
    struct es_buf made;        /* bytes that were made for that, */
    struct es_map again;       /* from whole version to the state event that stands for it here, */
    uint64_t borrowed;         /* and how many bytes are patches of another process's */
    struct es_buf chunk_raw;   /* bytes of states, up to a chunk */
    struct es_row *rows;       /* in order of process */
    struct es_predict predict; /* of the process whose rows are being written */
    uint64_t nums[ES_NUMS];    /* its last numbers */
    uint32_t place;            /* of its last event */
    size_t payload_len;        /* bytes of payloads, without states */
    struct es_batch *batch;
    struct es_range range;
};

/* Fills `ref_number`, `fun_number`, `starts` and the columns REFS, COUNTS and FUNS, and counts the events of each kind. -ENOMEM */
int es_encode_tables(struct es_encoder *encoder, uint64_t ret_kinds[ES_KIND_MAX]);

/* In order of time: fills `rows` and the columns of times and threads, which have room. */
void es_encode_rows(struct es_encoder *encoder);

/* Compresses the payloads of all but states, in order of process, without gathering more than a piece first: they may be 8 MiB. */
int es_encode_payloads(struct es_encoder *encoder, struct es_image *image);

/* Fills the columns OWNERS to STATE_HASHES from `states`. -E2BIG: see es_block_encode(). */
int es_encode_versions(struct es_encoder *encoder);
/* Compresses the bytes of states, in chunks. */
int es_encode_chunks(struct es_encoder *encoder, struct es_image *image);

/* Gives back what an unusual block needed. */
void es_encode_trim(struct es_encoder *encoder);

static inline uint32_t *es_encode_u32(const struct es_buf *buf) { return (uint32_t *)(void *)buf->bytes; }

#endif
