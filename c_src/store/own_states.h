/* SPDX-License-Identifier: MIT */
/* The state events of one process in a block, read from columns without those of the others. */
#ifndef ES_STORE_OWN_STATES_H
#define ES_STORE_OWN_STATES_H

#include "store/decode.h"
#include "store/stored_states.h"

#define ES_OWN_STATES_COLUMNS (ES_STATES_OWNERS | ES_STATES_ROWS)

/* Where they are among all of the block. */
struct es_own_states {
    uint32_t first, n; /* rows; n 0: it has none */
};
struct es_own_state {
    uint64_t hash;
    uint32_t event;  /* in the block */
    uint8_t version; /* as in VERSIONS */
};

int es_own_states_find(const struct es_decoder *d, es_ref pid, struct es_own_states *ret);
/* Room for n of them. -EBADMSG. */
int es_own_states_read(const struct es_decoder *d, const struct es_own_states *own, struct es_own_state *states);
/* The first ret->n as rows of their own, with room for one more: where one of them is a patch of what another process lends, that row is
 * written behind them, and `lender` says so. Only what es_stored_states_chain() and es_unfold() need is set. -EBADMSG. */
int es_own_states_rows(const struct es_decoder *d, const struct es_own_states *own, struct es_stored_states *ret);

#endif
