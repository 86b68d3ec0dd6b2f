/* SPDX-License-Identifier: MIT */
/* What the files of query/ share. */
#ifndef ES_QUERY_INNER_H
#define ES_QUERY_INNER_H

#include "query/query.h"
#include "term/text.h"
#include "wire/term.h"

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
#define ES_ALL_FIELDS \
    ((unsigned)(ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_NUM | ES_F_PAYLOAD | ES_F_CAUSE | ES_F_SITE))
#define ES_NO_FIELDS (1u << 14) /* none but the common ones */
#define ES_HELD_BLOCKS 3
#define ES_VERSIONS_KEPT 64

struct es_held {
    struct es_block *block;
    uint64_t first, last, used;
};

struct es_lane_index;
struct es_parents;
struct es_shown;
struct es_worlds;
struct es_versions;
struct es_version_index;
struct es_index;

struct es_query {
    struct es_recording *recording;
    struct es_print print[2]; /* [erlang] */
    char *path, *node;
    struct es_print_node *nodes; /* of a merged recording (nodes.h) */
    size_t n_nodes;
    bool has_wall;
    int64_t wall_offset; /* wall clock - monotonic, ns */

    struct es_held held[ES_HELD_BLOCKS]; /* blocks of events that were asked for one by one */
    uint64_t clock;
    struct es_event event; /* answer of es_query_event(), */
    struct es_buf state;   /* and its payload, where it is a state */

    struct es_name *names; /* by pid, then time */
    size_t n_names;
    bool names_ready;

    struct es_versions *versions[ES_VERSIONS_KEPT]; /* of the processes asked for last */
    size_t next_versions;
    struct es_version_index *version_index; /* where all processes have some */
    struct es_refmap rows;                  /* of processes: pid to index + 1 */
    struct es_refmap with_calls;            /* processes without states: whether calls of them were recorded */
    int64_t thinned;                        /* since when the overhead budget may leave events out */
    bool thinned_ready;

    struct es_parents *parents[2]; /* the two parts of the recording asked for last */
    struct es_lane_index *lanes;   /* levels of detail of blocks that timelines touched */
    struct es_shown *shown;        /* texts of the last event shown */
    struct es_worlds *worlds;      /* the last moments asked for */
    struct es_refmap ended;        /* functions of which some call has a recorded end */
    bool ended_ready;
    struct es_index *index; /* of the blocks asked for last */

    int (*tick)(
        void *context); /* asked now and then by what walks through all: a negative errno stops it; NULL: nobody */
    void *tick_context;
};

/* Index of the block that holds `seq`, or of the first one behind it; the number of blocks where there is
 * none. */
size_t es_query_block_of(struct es_query *query, uint64_t seq);

/* The stored event, its payload included unless it is a state's. -ENOENT, -EBADMSG where its block is
 * damaged. Valid until two more events were asked for. */
int es_query_stored(struct es_query *query, uint64_t seq, const struct es_event **ret_event);

/* Gives an event the payload that stands elsewhere: a delivery that of its cause, a state its bytes, which are written to `state` and valid as
 * long as that is left alone. What is not to be had is left out, and the event says so. */
void es_query_fill(struct es_query *query, struct es_event *event, struct es_buf *state);

/* First and last time; false where there is no event. */
bool es_query_span(struct es_query *query, int64_t *ret_first, int64_t *ret_last);

/* Is the token this atom? */
struct es_token;
bool es_query_is_atom(struct es_query *query, const struct es_token *token, const char *word);

/* Appends a process, port, name or other reference as JSON and ps show it: pids as <0.1.2> in both
 * notations. */
void es_query_print_who(struct es_query *query, es_ref ref, bool erlang, struct es_text *out);

void es_parents_free(struct es_parents *parents);
void es_worlds_free(struct es_worlds *worlds);
void es_versions_free(struct es_versions *versions);

/* One version, from its event. -ENOENT also where that is another process's. */
int es_query_version_info(struct es_query *query, es_ref pid, const struct es_version_seen *seen,
                          struct es_version_info *ret_info);

/* The last version of a process at or before an event, without a list of all. Number 0: there is none; it is one of `of`. */
struct es_version_at {
    struct es_version_seen seen;
    uint64_t number, of;
};
int es_version_at(struct es_query *query, es_ref pid, uint64_t seq, struct es_version_at *ret);
/* The version with this number, from 1 on; -ENOENT. */
int es_version_number(struct es_query *query, es_ref pid, uint64_t number, struct es_version_seen *ret_seen);

/* The definitions that are sources of modules, which no event names; `visit` gives 0 or a negative errno to stop. */
int es_query_each_source(struct es_query *query, int (*visit)(es_ref ref, void *context), void *context);

/* The row of a process; NULL where it has none. */
const struct es_process *es_query_process(struct es_query *query, es_ref pid);
/* Says why no state of a process is known at a time; -ENODATA, -ENOENT. */
int es_state_unknown(struct es_query *query, es_ref pid, int64_t at);

/* es_query_parent() of one event of a process, from the events of that process alone: quick where nobody asks for its neighbours. */
uint64_t es_query_parent_of(struct es_query *query, es_ref pid, uint64_t seq);

/* The first event that is looked at for the parent of this one. */
uint64_t es_query_parent_from(uint64_t seq);
/* The callback that made a version, where the few events before it tell it for certain; es_query_parent_of() else. */
bool es_query_callback_before(struct es_query *query, const struct es_version_info *version,
                              struct es_run_event *ret_call);

/* What is known of the end of a call. An end's es_query_parent() is the call it ends. */
enum es_call {
    ES_CALL_ALONE /* nothing */,
    ES_CALL_ENDED,
    ES_CALL_OPEN /* it runs until its process exits, or the recording ends */
};
enum es_call es_query_call(struct es_query *query, uint64_t seq);

/* Is there a return or an exception of this function anywhere in the recording? 1, 0, negative errno. */
int es_query_has_ends(struct es_query *query, const struct es_event *call);

/* ---- kinds --------------------------------------------------------------------------------------------------------- */
static inline bool es_is_call_end(unsigned kind)
{
    return kind == ES_K_RETURN || kind == ES_K_EXCEPTION || kind == ES_K_TAIL;
}
/* Told by a probe: what happens in the call of a woven function. */
static inline bool es_is_woven(const struct es_event *event)
{
    if (event->kind == ES_K_CALL || event->kind == ES_K_RETURN)
        return event->flags & ES_E_WOVEN;
    return event->kind >= ES_K_TAIL && event->kind <= ES_K_LINE;
}

#endif
