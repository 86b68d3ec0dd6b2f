/* SPDX-License-Identifier: MIT */
/* Replies that a process waited for (ES_E_REPLY): who waits in a call does nothing else, so whatever it does next it does with the reply in its
 * hands. A timeout and an exit say nothing of that kind: both may come to who has not taken the reply yet. */
#ifndef ES_QUERY_REPLIES_H
#define ES_QUERY_REPLIES_H

#include "query/index_part.h"

/* How far behind its delivery it is looked for what shows that a reply was taken, in blocks. */
#define ES_REPLY_BEHIND 16u
#define ES_REPLY_OPEN UINT32_MAX

struct es_reply {
    uint32_t delivery,
        act; /* places; act: the first that shows it was taken, ES_REPLY_OPEN: there is none in this block, nor any that
                               shows the contrary */
};
struct es_replies {
    struct es_reply *list, *by_act; /* by delivery; by act, without those that are open */
    uint32_t n, n_taken;
    uint32_t *
        firsts; /* by list of the part: place of the first act that says whether its process goes on; the part's `n`: none does */
};

/* What several threads may do at once. False: no memory. */
bool es_replies_make(struct es_index_part *part);
void es_replies_free(struct es_replies *replies);
/* Those of a kept part. */
int es_replies_get(struct es_query *query, struct es_index_part *part, const struct es_replies **ret_replies);

/* A reply by its delivery; the first one by its act, behind which others of the same may stand. NULL: there is none. */
const struct es_reply *es_replies_of(const struct es_replies *replies, uint32_t delivery);
const struct es_reply *es_replies_by_act(const struct es_replies *replies, uint32_t act);
/* The next open reply of a process from index `*from` on; NULL: there is none. */
const struct es_reply *es_replies_open(const struct es_index_part *part, es_ref pid, uint32_t *from);

/* The first act of a process in a block that says whether it goes on. `ret_seq` 0: there is none. `ret_goes_on`: it does. */
int es_replies_first(struct es_query *query, size_t block, es_ref pid, uint64_t *ret_seq, bool *ret_goes_on);
/* The act that shows that a delivery, a reply, was taken, in its block or one of the next ES_REPLY_BEHIND. 0: nothing does, or it is none. */
int es_replies_taken(struct es_query *query, uint64_t delivery, uint64_t *ret_act);

/* Does who does this go on, with what it waited for? */
static inline bool es_goes_on(unsigned kind)
{
    return (UINT64_C(1) << ES_K_SPAWN | UINT64_C(1) << ES_K_REGISTER | UINT64_C(1) << ES_K_UNREGISTER |
            UINT64_C(1) << ES_K_LINK | UINT64_C(1) << ES_K_UNLINK | UINT64_C(1) << ES_K_SEND |
            UINT64_C(1) << ES_K_SEND_DEAD | UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_RETURN |
            UINT64_C(1) << ES_K_EXCEPTION | UINT64_C(1) << ES_K_STATE) >>
               kind &
           1;
}
/* It neither does nor does not: scheduling, garbage collections, what others do to it. */
static inline bool es_says_nothing(unsigned kind)
{
    return !es_goes_on(kind) && kind != ES_K_TIMEOUT && kind != ES_K_EXIT && kind != ES_K_SPAWNED;
}

#endif
