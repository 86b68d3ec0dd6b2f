/* SPDX-License-Identifier: MIT */
/* Events of the open block, uncompressed: one small row an event, references and functions by number in tables of the block. */
#ifndef ES_STORE_BATCH_H
#define ES_STORE_BATCH_H

#include "store/buf.h"
#include "store/chains.h"
#include "store/event.h"

#define ES_BLOCK_EVENTS 65536u
#define ES_BLOCK_PAYLOAD (8u << 20) /* bytes of payload in a block as they are stored, and of one event */
#define ES_BLOCK_REFS 65536u        /* different references in a block */

struct es_staged {
    int64_t time;
    uint64_t cause;                /* how many events back, 0 = none */
    uint32_t pid, peer;            /* in refs; kinds that have a site have it in the place of a peer */
    uint32_t fun;                  /* in funs */
    uint32_t words;                /* of the event in batch.words: hash, corr, numbers, as far as its kind has them */
    uint32_t payload, payload_len; /* of states: number of the version, its length */
    uint32_t moved;
    uint16_t thread;
    uint8_t kind, flags, cause_state;
};

struct es_fun {
    uint32_t module, function, arity;
}; /* module and function in refs */

/* Numbers things in order of appearance: open addressing over the numbers, keys are in the array that they index. */
struct es_slots {
    uint32_t *slot, mask;
    unsigned shift; /* 64 - bits of the mask */
};

struct es_batch {
    uint64_t first_seq;
    uint32_t n;
    struct es_staged *events; /* ES_BLOCK_EVENTS of them */
    es_ref *refs;
    struct es_fun *funs;
    uint32_t n_refs, refs_room, n_funs, funs_room;
    struct es_slots ref_slots, fun_slots;
    struct es_buf payload, words; /* words: uint64_t each */
    struct es_chains chains;      /* versions of states; their bytes are in `payload` */
    struct {
        es_ref ref;
        uint32_t number;
    } recent[64]; /* most references are among the last few, */
    struct {
        es_ref module, function;
        uint32_t arity, number;
    } recent_funs[64]; /* and most functions */
};

int es_batch_init(struct es_batch *batch, uint64_t first_seq);
void es_batch_fini(struct es_batch *batch);
void es_batch_reset(struct es_batch *batch, uint64_t first_seq); /* keeps the memory */

/* Room for one more with this payload? If not, encode and reset first. */
static inline bool es_batch_fits(const struct es_batch *batch, uint32_t payload_len)
{
    return batch->n < ES_BLOCK_EVENTS && batch->n_refs <= ES_BLOCK_REFS - 4 &&
           (batch->payload.len + payload_len <= ES_BLOCK_PAYLOAD || batch->n == 0);
}
void es_batch_foresee(const struct es_batch *batch, es_ref ref); /* it will be in one of the next events: a hint */
int es_batch_add(struct es_batch *batch, const struct es_event *event); /* -ENOMEM leaves the batch as it was */

#endif
