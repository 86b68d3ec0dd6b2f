/* SPDX-License-Identifier: MIT */
/* Does an event pass a filter? Split into what the index of blocks tells, what the small columns tell, and
 * what takes the payload. */
#ifndef ES_QUERY_MATCH_H
#define ES_QUERY_MATCH_H

#include "query/inner.h"

#define ES_MODULES_KNOWN 256

struct es_match {
    struct es_query *query;
    struct es_filter filter; /* pids sorted, texts copied: owned */
    es_ref *pids;
    char *module, *text;
    bool prefix; /* of the module */
    struct {
        es_ref module;
        bool fits;
    } known[ES_MODULES_KNOWN];
    struct es_text scratch;
};

int es_match_init(struct es_match *match, struct es_query *query, const struct es_filter *filter);
void es_match_fini(struct es_match *match);

/* May the block have such events? Costs one small read where processes are asked for. */
bool es_match_block(struct es_match *match, size_t index, const struct es_block_info *block);
/* Without the text. */
bool es_match_head(struct es_match *match, const struct es_event *event);
bool es_match_text(struct es_match *match, const struct es_event *event);

/* Columns that es_match_head() needs; whether it is likely to refuse most events of a block. */
unsigned es_match_fields(const struct es_match *match);
bool es_match_is_narrow(const struct es_match *match);

#endif
