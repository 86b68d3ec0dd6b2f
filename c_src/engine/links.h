/* SPDX-License-Identifier: MIT */
/* Who is linked with whom, for one question: whose exit signal killed a process. A signal that is survived takes the link away first (by an
 * event of its own), so a link that is still there when its other end has died is one whose signal was not handled, or killed. */
#ifndef ES_ENGINE_LINKS_H
#define ES_ENGINE_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/table.h"
#include "store/event.h"

#define ES_LINKS_MAX (1u << 19) /* beyond, all are forgotten */

struct es_link_end { /* of one process; its other end is the neighbour: place ^ 1 */
    es_ref pid;
    uint32_t next, before; /* ends of the same process; ES_TABLE_NONE */
    uint64_t exit_seq;     /* of this end's process; 0: it lives */
    uint64_t reason;       /* hash of its reason */
    int64_t time;          /* of its exit, by its own stamp */
};

struct es_links {
    struct es_link_end *ends;
    uint32_t n, room, free, used; /* free: the first end of a free pair */
    struct es_table pairs;        /* hash of both pids -> first end */
    struct es_table firsts;       /* pid -> its first end */
    bool forgot;                  /* some are not known any more */
};

void es_links_init(struct es_links *links);
void es_links_fini(struct es_links *links);

/* -ENOMEM. Anything but two processes is passed over. */
int es_links_add(struct es_links *links, es_ref a, es_ref b);
void es_links_remove(struct es_links *links, es_ref a, es_ref b);

struct es_death {
    es_ref pid;
    uint64_t seq, reason; /* reason 0: not known whole */
    int64_t time;         /* by its own stamp: what is before it in the recording may have happened later */
    bool normal;          /* such a reason kills nobody */
};
struct es_killer {
    uint64_t seq;  /* of the exit that killed it, where `n` is 1 */
    unsigned n;    /* exits of linked processes that may have: same reason, not survived */
    bool possible; /* one may have, but its reason, or its own, is not known whole */
};
/* The exits before it that may have killed this process. */
struct es_killer es_links_killer(const struct es_links *links, const struct es_death *death);
/* Then: it has died. */
void es_links_died(struct es_links *links, const struct es_death *death);

/* All pairs of the living: for a keyframe. */
void es_links_each(const struct es_links *links, void (*each)(es_ref a, es_ref b, void *context), void *context);

#endif
