/* SPDX-License-Identifier: MIT */
/* What of a message is the same at both ends, where the emulators' own hashes differ: they are made of numbers of atoms. */
#ifndef ES_QUERY_MERGE_CONTENT_H
#define ES_QUERY_MERGE_CONTENT_H

#include "query/merge.h"

struct es_content {
    uint64_t hash; /* of the whole term; 0: it was cut, or is not there */
    uint64_t head; /* of what is never cut: 0 where there is nothing */
    bool unique;   /* a reference is in it */
    bool system;   /* the emulator's answer to a request to spawn */
    bool signal;   /* {'EXIT', Pid, Reason} or {'DOWN', Ref, process, Pid, Reason}, of this process for this reason: */
    es_ref pid;    /* as in the result, 0: of no recorded node */
    uint64_t reason;
};
/* -ENOMEM. What is no term has no content. */
int es_content_read(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event,
                    struct es_content *ret);

#endif
