/* SPDX-License-Identifier: MIT */
/* A recording is gone on with: the open block is rebuilt from its mini-blocks, as if it had never been away. */
#include <errno.h>

#include "base/error.h"
#include "store/store_inner.h"

struct restorer {
    struct es_store *store;
    struct es_decoder *decoder;
    struct es_stored_block stored;
    struct es_decoded decoded;
    struct es_stored_states states; /* of the same block */
    struct es_buf chunks;           /* all of them */
    struct es_unfold unfold;
    sqlite3_stmt *blocks, *column;
};

/* Bytes of states, which decoded events do not have. */
static int restore_states(struct restorer *re)
{
    struct es_owners owners = {0};
    struct es_buf chunk = {0};
    int r = es_owners_decode(re->decoder, &re->stored, &owners);
    es_stored_states_fini(&re->states);
    re->unfold.states = NULL;
    re->chunks.len = 0;
    if (r == 0)
        r = es_stored_states_decode(re->decoder, &re->stored, &owners, &re->states);
    for (unsigned i = 0; r == 0 && i < ES_CHUNKS; i++) {
        r = es_stored_states_chunk(re->decoder, &re->stored, i, &chunk);
        if (r == 0)
            r = es_buf_add(&re->chunks, chunk.bytes, chunk.len);
    }
    es_buf_fini(&chunk);
    free(owners.owners);
    return r;
}

/* All chunks lie one after the other. */
static int unfold(struct restorer *re, const struct es_chunk *all, uint32_t row)
{
    int r = 0;
    struct es_chain chain;
    if (es_unfold_borrows(&re->unfold, &re->states, row)) {
        r = es_stored_states_chain(&re->states, row, &chain);
        if (r == 0)
            r = es_unfold_lend(&re->unfold, &re->states, all, chain.lender);
    }
    return r == 0 ? es_unfold_to(&re->unfold, &re->states, all, row) : r;
}

static int restore_event(struct restorer *re, size_t i)
{
    struct es_batch *batch = &re->store->batch;
    struct es_event *event = &re->decoded.events[i];
    if (!es_batch_fits(batch, event->payload_len))
        return -EBADMSG;
    if (event->payload_len && !event->payload) {
        struct es_chunk all = {re->chunks.bytes, 0, (uint32_t)re->chunks.len};
        uint32_t row = re->states.of_event[i];
        int r = row == ES_NO_VERSION ? -EBADMSG : unfold(re, &all, row);
        if (r < 0)
            return r;
        event->payload = re->unfold.bytes.bytes;
        event->payload_len = (uint32_t)re->unfold.bytes.len;
    }
    return es_batch_add(batch, event);
}

/* Takes one mini-block of the open block back into memory. */
static int restore_mini(struct restorer *re)
{
    struct es_batch *batch = &re->store->batch;
    unsigned all = ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_NUM | ES_F_PAYLOAD | ES_F_CAUSE | ES_F_SITE;
    struct es_mini mini = {.id = re->stored.info.id, .from = batch->n};
    int r = es_rows_load(re->column, UINT64_MAX, &re->stored);
    if (r == 0)
        r = es_block_decode(re->decoder, &re->stored, all, &re->decoded);
    if (r == 0 && re->stored.info.kinds[ES_K_STATE])
        r = restore_states(re);
    if (r == 0 && re->store->n_minis == ES_MINIS_MAX)
        r = -EBADMSG;
    for (size_t i = 0; r == 0 && i < re->decoded.n; i++)
        r = restore_event(re, i);
    mini.to = batch->n;
    if (r == 0)
        re->store->minis[re->store->n_minis++] = mini;
    return r;
}

static int restore_minis(struct restorer *re)
{
    uint64_t next = 0;
    int r = 0;
    while (r == 0 && sqlite3_step(re->blocks) == SQLITE_ROW) {
        bool mini;
        r = es_rows_info(re->blocks, &re->stored.info, &mini);
        if (r == 0 && next == 0)
            es_batch_reset(&re->store->batch, re->stored.info.first_seq);
        else if (r == 0 && re->stored.info.first_seq != next)
            r = -EBADMSG;
        if (r == 0)
            r = restore_mini(re);
        next = re->stored.info.last_seq + 1;
    }
    return r == 0 && next != re->store->next_seq ? -EBADMSG : r;
}

int es_store_restore(struct es_store *store)
{
    struct restorer re = {.store = store, .decoder = es_decoder_new()};
    int r = re.decoder ? 0 : es_fail(-ENOMEM, "no memory to go on");
    if (r == 0)
        r = es_sql_prepare(store->db,
                           ES_BLOCK_SELECT
                           "WHERE id > coalesce((SELECT max(id) FROM main.blocks WHERE mini = 0), 0) ORDER BY id",
                           &re.blocks);
    if (r == 0)
        r = es_sql_prepare(store->db, ES_COLUMN_SELECT, &re.column);
    if (r == 0)
        r = restore_minis(&re);
    sqlite3_finalize(re.blocks);
    sqlite3_finalize(re.column);
    es_buf_fini(&re.stored.memory);
    es_decoded_fini(&re.decoded);
    es_stored_states_fini(&re.states);
    es_buf_fini(&re.chunks);
    es_unfold_fini(&re.unfold);
    es_decoder_free(re.decoder);
    if (r == -EBADMSG || r == -ENOENT) {
        es_batch_reset(&store->batch, store->next_seq);
        store->n_minis = 0;
        r = 0;
    }
    store->committed = store->batch.n;
    store->committed_payload = store->batch.payload.len;
    return r;
}
