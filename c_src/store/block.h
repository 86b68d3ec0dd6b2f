/* SPDX-License-Identifier: MIT */
/* A block: up to 64 Ki events as columns, encoded and compressed, and back. docs/format.md says what each column holds and why. */
#ifndef ES_STORE_BLOCK_H
#define ES_STORE_BLOCK_H

#include <zstd.h>

#include "store/batch.h"
#include "store/reader.h"

/* Numbers are part of the format. */
enum es_column_id {
    ES_C_PACK = 0,      /* small columns together, and where the others are */
    ES_C_TIMES = 1,     /* gaps between times: size classes; in order of time as the next three */
    ES_C_TIME_BITS = 2, /* their lower bits */
    ES_C_TIME_RARE = 3, /* those that are negative or huge */
    ES_C_THREADS = 4,
    ES_C_STEPS =
        5, /* in order of process: from the place in the block of each event to that of the next, lower bytes */
    ES_C_STEPS_HIGH = 6, /* upper bytes */
    ES_C_REFS = 7,       /* table of references, sorted */
    ES_C_COUNTS = 8,     /* events of each reference as pid */
    ES_C_FUNS = 9,       /* table of functions */
    ES_C_KINDS = 10,     /* from here on in order of process */
    ES_C_FLAGS = 11,
    ES_C_CALLS = 12, /* functions of events */
    ES_C_PEERS = 13,
    ES_C_CAUSE_STATES = 14,
    ES_C_CAUSES = 15, /* distances: size classes */
    ES_C_CAUSE_BITS = 16,
    ES_C_CAUSE_RARE = 17,
    ES_C_MESSAGES = 18, /* how hash and correlation are known */
    ES_C_HASHES = 19,
    ES_C_CORRS = 20,
    ES_C_NUMS = 21,
    ES_C_MOVED = 22,
    ES_C_LENGTHS = 23, /* of payloads */
    ES_C_PAYLOADS = 24,
    ES_C_OWNERS = 25, /* processes with states, how many each; from here on only state events, in order of process */
    ES_C_VERSIONS = 26,
    ES_C_PLACES = 27, /* of their events in the block */
    ES_C_SIZES = 28,
    ES_C_STATE_HASHES = 29,
    ES_C_CHUNKS = 32, /* the bytes of states, cut into ES_CHUNKS columns at most */
    ES_COLUMNS = 64
};
_Static_assert(ES_COLUMNS <= 64, "a row's id is block * 64 + column");
#define ES_CHUNKS ((unsigned)ES_COLUMNS - ES_C_CHUNKS)

/* No kind has both: sites stand in the column of peers. */
#define ES_PEER_COLUMN ((unsigned)(ES_F_PEER | ES_F_SITE))

enum es_codec { ES_CODEC_RAW = 0, ES_CODEC_ZSTD = 1, ES_CODEC_CONST = 2 /* one byte, raw_len times */ };

struct es_column {
    uint8_t id, codec;
    uint32_t raw_len, len;
    size_t at; /* in the image's bytes */
};

struct es_image { /* an encoded block */
    uint64_t first_seq, kinds[ES_KIND_MAX];
    uint32_t events, n_columns;
    int64_t first_time, last_time;
    struct es_column columns[ES_COLUMNS]; /* those that are not empty, by id */
    struct es_buf bytes;
};

struct es_encoder;
struct es_encoder *es_encoder_new(void);
void es_encoder_free(struct es_encoder *encoder);

struct es_range {
    uint32_t from, to;
    bool mini;  /* to be replaced soon: quickly rather than small */
    bool quick; /* the same for its payloads and states alone: many events wait */
};              /* events of a batch */
/* -E2BIG: states of the range that are patches of others before it are too large put together; the whole batch is not. */
int es_block_encode(struct es_encoder *encoder, struct es_batch *batch, struct es_range range, struct es_image *image);

/* A column as it was read; missing ones have raw_len 0. */
struct es_stored {
    const uint8_t *data;
    size_t len;
    uint32_t raw_len;
    uint8_t codec;
};

struct es_stored_block {
    struct es_block_info info;
    struct es_stored column[ES_COLUMNS];
    struct es_buf memory; /* where their bytes are */
};

struct es_decoded {
    struct es_event *events;
    size_t n, room; /* of events */
    struct es_buf payloads;
};
struct es_decoder;
struct es_decoder *es_decoder_new(void);
void es_decoder_free(struct es_decoder *decoder);

/* `ret` may bring memory to use again; on failure nothing but that is in it. Fields beyond enum es_field: see reader.h. */
int es_block_decode(struct es_decoder *decoder, const struct es_stored_block *stored, unsigned fields,
                    struct es_decoded *ret);
void es_decoded_fini(struct es_decoded *decoded);

/* Processes of a block, from columns REFS and COUNTS alone. */
struct es_pids {
    struct es_pid_count *pids;
    size_t n;
};
int es_block_decode_pids(struct es_decoder *decoder, const struct es_stored_block *stored, struct es_pids *ret);

/* Columns of times, and those that lanes need. */
#define ES_TIME_COLUMNS ((uint64_t)1 << ES_C_TIMES | (uint64_t)1 << ES_C_TIME_BITS | (uint64_t)1 << ES_C_TIME_RARE)
#define ES_LANE_COLUMNS                                                                                        \
    (ES_TIME_COLUMNS | (uint64_t)1 << ES_C_STEPS | (uint64_t)1 << ES_C_STEPS_HIGH | (uint64_t)1 << ES_C_REFS | \
     (uint64_t)1 << ES_C_COUNTS | (uint64_t)1 << ES_C_KINDS)

/* Events `first` to `first + n` of a block. */
struct es_block_part {
    uint32_t first, n;
};

/* Which events come one after the other, and their causes: see reader.h. Points into the decoder. */
int es_block_decode_causes(struct es_decoder *decoder, const struct es_stored_block *stored,
                           struct es_block_causes *ret);
uint64_t es_block_cause_columns(void);
/* Those events of the part whose causes are before it: see reader.h. Points into the decoder. */
int es_block_decode_crossing(struct es_decoder *decoder, const struct es_stored_block *stored,
                             struct es_block_part part, struct es_block_crossing *ret);
uint64_t es_block_crossing_columns(void);

/* The kinds of a process's events. */
#define ES_KINDS_COLUMNS ((uint64_t)1 << ES_C_REFS | (uint64_t)1 << ES_C_COUNTS | (uint64_t)1 << ES_C_KINDS)
int es_block_decode_kinds(struct es_decoder *decoder, const struct es_stored_block *stored, es_ref pid,
                          uint64_t *ret_kinds);

/* How many deliveries of a block have an origin that is not known, though it should be. */
int es_block_count_strange(struct es_decoder *decoder, const struct es_stored_block *stored, uint32_t *ret_n);
uint64_t es_block_strange_columns(void);

/* The last event of a block, by its place, that is not later than `time`, from the columns of times alone; -ENOENT. */
int es_block_find_time(struct es_decoder *decoder, const struct es_stored_block *stored, int64_t time,
                       uint32_t *ret_event);

/* Of the events of that part by process, see es_lane_reader_decode(). */
int es_block_decode_lanes(struct es_decoder *decoder, const struct es_stored_block *stored,
                          const struct es_lanes_request *request, struct es_block_part part,
                          struct es_block_lanes *ret);

/* Most bytes that column `id` of a block of n events can have. */
size_t es_column_cap(unsigned id, uint32_t n);

/* Which columns a set of fields needs, as a set of 1 << es_column_id. */
uint64_t es_block_columns(unsigned fields);

#endif
