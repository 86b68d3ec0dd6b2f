/* SPDX-License-Identifier: MIT */
/* What the files of query/ share. */
#ifndef ES_QUERY_INNER_H
#define ES_QUERY_INNER_H

#include "query/query.h"
#include "term/text.h"

/* ---- a map from references to numbers (refmap.c) ------------------------------------------------------------------- */
struct es_refmap {
    struct es_refmap_slot {
        uint64_t key, value;
    } * slots;
    size_t n, room;
};
/* The place of this key's value, made with 0 where it was not there; NULL without memory. Keys are not 0.
 * Valid until the next call. */
uint64_t *es_refmap_place(struct es_refmap *map, uint64_t key);
/* The same without making; NULL where it is not there. */
uint64_t *es_refmap_find(const struct es_refmap *map, uint64_t key);
void es_refmap_fini(struct es_refmap *map);

/* ---- the query ----------------------------------------------------------------------------------------------------- */
#define ES_ALL_FIELDS ((unsigned)(ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_NUM | ES_F_PAYLOAD | ES_F_CAUSE))
#define ES_HELD_BLOCKS 3

struct es_held {
    struct es_block *block;
    uint64_t first, last, used;
};

struct es_lane_index;
struct es_parents;
struct es_shown;

struct es_query {
    struct es_recording *recording;
    struct es_print print[2]; /* [erlang] */
    char *path, *node;
    bool has_wall;
    int64_t wall_offset; /* wall clock - monotonic, ns */

    struct es_held held[ES_HELD_BLOCKS]; /* blocks of events that were asked for one by one */
    uint64_t clock;
    struct es_event event; /* answer of es_query_event() */

    struct es_name *names; /* by pid, then time */
    size_t n_names;
    bool names_ready;

    struct es_parents *parents[2]; /* the two parts of the recording asked for last */
    struct es_lane_index *lanes;   /* levels of detail of blocks that timelines touched */
    struct es_shown *shown;        /* texts of the last event shown */
};

/* Index of the block that holds `seq`, or of the first one behind it; the number of blocks where there is
 * none. */
size_t es_query_block_of(struct es_query *query, uint64_t seq);

/* The stored event, its payload included where `fields` says so. -ENOENT, -EBADMSG where its block is
 * damaged. Valid until two more events were asked for. */
int es_query_stored(struct es_query *query, uint64_t seq, const struct es_event **ret_event);

/* Gives a delivery the payload of its cause. Leaves the event as it is where that is not to be had. */
void es_query_fill(struct es_query *query, struct es_event *event);

/* First and last time; false where there is no event. */
bool es_query_span(struct es_query *query, int64_t *ret_first, int64_t *ret_last);

/* Appends a process, port, name or other reference as JSON and ps show it: pids as <0.1.2> in both
 * notations. */
void es_query_print_who(struct es_query *query, es_ref ref, bool erlang, struct es_text *out);

void es_parents_free(struct es_parents *parents);

/* What is known of the end of a call. An end's es_query_parent() is the call it ends. */
enum es_call {
    ES_CALL_ALONE /* nothing */,
    ES_CALL_ENDED,
    ES_CALL_OPEN /* it runs until its process exits, or the recording ends */
};
enum es_call es_query_call(struct es_query *query, uint64_t seq);

/* ---- kinds --------------------------------------------------------------------------------------------------------- */
static inline bool es_is_call_end(unsigned kind) { return kind == ES_K_RETURN || kind == ES_K_EXCEPTION; }

#endif
