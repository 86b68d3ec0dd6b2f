/* SPDX-License-Identifier: MIT */
/* What changed from one term to another, as a list of paths with what was there and what is there. Subtrees of
 * equal hash are passed over. What was cut is never called equal nor changed where that is not known. */
#ifndef ES_TERM_DIFF_H
#define ES_TERM_DIFF_H

#include "term/tree.h"

enum es_change_op {
    ES_CHANGE_ADDED,
    ES_CHANGE_REMOVED,
    ES_CHANGE_CHANGED,
    ES_CHANGE_UNKNOWN, /* cut or redacted in one of the two, or both: may differ or not */
    ES_CHANGE_OP_MAX
};
extern const char *const es_change_op_names[ES_CHANGE_OP_MAX];

enum es_step_kind { ES_STEP_KEY, ES_STEP_INDEX, ES_STEP_ELEMENT, ES_STEP_TAIL };
/* A step of a path: to the value of a key (the pair's, where the list is a keyword list or the like), to an element
 * of a list or tuple, to the tail of an improper list. */
struct es_step {
    uint32_t parent; /* the step before, ES_NO_STEP: the whole term */
    uint32_t key;    /* node of the key */
    uint32_t index;  /* of a list: in the new term, of what was removed in the old one; of pairs too */
    uint8_t kind;    /* enum es_step_kind */
    bool of_old;     /* key and index are of the old term */
};
#define ES_NO_STEP UINT32_MAX

struct es_change {
    uint8_t op; /* enum es_change_op */
    uint32_t step;
    uint32_t old_node, new_node; /* ES_NO_NODE where there is none; for UNKNOWN too where it is not known */
};

struct es_diff {
    const struct es_tree *from, *to; /* borrowed */
    struct es_change *changes;       /* in the order of the new term; owned */
    struct es_step *steps;           /* owned */
    uint32_t n_changes, n_steps, changes_room, steps_room;
};

/* 0 or -ENOMEM (nothing has to be freed then). The trees must live as long as the result. Of lists, those elements
 * stay that need the fewest insertions and removals, as long as these are few; beyond, what is between the common
 * beginning and end is compared by position. */
int es_diff_make(const struct es_tree *from, const struct es_tree *to, struct es_diff *ret_diff);
void es_diff_fini(struct es_diff *diff);

/* ---- as text ------------------------------------------------------------------------------------------------------- */
/* Put before and behind the parts of a line; NULL or "" for none. */
struct es_diff_style {
    const char *added, *removed, *changed, *unknown, *none;
};
void es_diff_print_path(const struct es_diff *diff, uint32_t step, const struct es_print *print, struct es_text *out);
/* One line without its end: `.left: 19999 → 19998 (-1)`, `+ .items[2]: …`, `- .queue[0]: …`, `? .log: may differ`. Of
 * long texts only the part that differs is shown. `print->max_bytes` bounds each of the two terms. */
void es_diff_print(const struct es_diff *diff, const struct es_change *change, const struct es_print *print,
                   const struct es_diff_style *style, struct es_text *out);
/* {"path":…,"op":"changed","old":"…","new":"…"}; numbers with "delta", texts and binaries with "edit": {"at", "removed",
 * "inserted"} in bytes. */
void es_diff_json(const struct es_diff *diff, const struct es_change *change, const struct es_print *print,
                  struct es_text *out);

#endif
