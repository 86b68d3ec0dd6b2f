/* SPDX-License-Identifier: MIT */
/* Inside of find: a small language of conditions on an event. Text to words (find_lex.c), words to a tree
 * (find_parse.c), what the tree says of kinds, processes and times, so that most events need not be looked at
 * (find_plan.c), and the tree asked of an event (find_eval.c). */
#ifndef ES_QUERY_FIND_H
#define ES_QUERY_FIND_H

#include "query/inner.h"
#include "term/path.h"

#define ES_FIND_DEPTH 64
#define ES_FIND_NODES 4096
#define ES_FIND_BYTES 65536 /* of an expression */

/* ---- words --------------------------------------------------------------------------------------------------------- */

enum es_word {
    ES_W_END,
    ES_W_NAME,   /* kind, Shop.Cart, state.items[0] */
    ES_W_ATOM,   /* :paid, :"two words"; without the colon */
    ES_W_TEXT,   /* "text", 'text'; without the quotes */
    ES_W_NUMBER, /* 10, -1.5, 10ms: in ns then */
    ES_W_PID,    /* <0.1.2> */
    ES_W_TIME,   /* +1.5s, 40%, 14:25:01 */
    ES_W_OPEN,
    ES_W_CLOSE,
    ES_W_COMMA,
    ES_W_EQUAL,
    ES_W_UNEQUAL,
    ES_W_LESS,
    ES_W_UP_TO,
    ES_W_MORE,
    ES_W_FROM,
    ES_W_HAS /* ~ */
};

struct es_lexed {
    enum es_word word;
    size_t at;            /* in the expression, bytes */
    struct es_text text;  /* as it is meant; `path` cut off */
    size_t path;          /* NAME: where its path begins in `at`'s text, 0: none */
    struct es_text trail; /* NAME: the path */
    bool whole, unit;     /* NUMBER: an integer; it had a unit */
    int64_t integer;
    double real;
};

struct es_lexer {
    const char *text;
    size_t at, len;
};
/* 0, -EINVAL with a cause that says where, -ENOMEM. What was in `word` is used again. */
int es_lex(struct es_lexer *lexer, struct es_lexed *word);
void es_lexed_fini(struct es_lexed *word);
/* "at column N: …", -EINVAL. */
int es_find_wrong(const char *text, size_t at, const char *message, const char *what);

/* ---- the tree ------------------------------------------------------------------------------------------------------ */

enum es_find_field {
    ES_FF_SEQ,
    ES_FF_TIME,
    ES_FF_KIND,
    ES_FF_FAMILY,
    ES_FF_PID,
    ES_FF_NAME,
    ES_FF_PEER,
    ES_FF_PEER_NAME,
    ES_FF_MODULE,
    ES_FF_FUNCTION,
    ES_FF_ARITY,
    ES_FF_CAUSE,
    ES_FF_CAUSE_STATE,
    ES_FF_PARENT,
    ES_FF_THREAD,
    ES_FF_FLAGS,
    ES_FF_BYTES,
    ES_FF_PAYLOAD, /* from here on: terms */
    ES_FF_STATE,
    ES_FF_ARGS,
    ES_FF_MESSAGE,
    ES_FF_RESULT,
    ES_FF_REASON,
    ES_FF_MAX
};
struct es_find_field_info {
    const char *name;
    unsigned needs; /* set of es_field */
    uint64_t kinds; /* of events that have it; 0 = all */
};
extern const struct es_find_field_info es_find_fields[ES_FF_MAX];

enum es_find_is { ES_FV_NONE, ES_FV_INTEGER, ES_FV_REAL, ES_FV_TEXT };
enum es_find_style { ES_FS_ANY /* cart */, ES_FS_ATOM /* :cart */, ES_FS_STRING /* "cart" */ };
struct es_find_value {
    enum es_find_is is;
    enum es_find_style style; /* of texts: what they are, or what they may be compared with */
    int64_t integer;
    double real;
    const char *text;
    size_t len;
};

enum es_find_type { ES_FN_AND, ES_FN_OR, ES_FN_NOT, ES_FN_COMPARE, ES_FN_IN, ES_FN_THERE };
struct es_find_operand {
    bool is_field;
    enum es_find_field field;
    struct es_path *path; /* owned; NULL: the whole */
    struct es_find_value value;
    char *owned; /* text of the value */
};
struct es_find_node {
    enum es_find_type type;
    enum es_word op;      /* COMPARE */
    uint32_t left, right; /* AND, OR, NOT (left) */
    struct es_find_operand a, b;
    struct es_find_operand *list; /* IN; owned */
    size_t n_list;
};
struct es_find_tree {
    struct es_find_node *nodes;
    uint32_t n, room, root;
    unsigned needs; /* set of es_field */
};
int es_find_parse(struct es_query *query, const char *text, struct es_find_tree *ret_tree);
void es_find_tree_fini(struct es_find_tree *tree);

/* ---- where to look -------------------------------------------------------------------------------------------------- */

struct es_find_area {
    uint64_t kinds;       /* never 0: all is all of them */
    int64_t since, until; /* inclusive */
    uint64_t first, last;
    es_ref *pids; /* owned, sorted */
    size_t n_pids;
    bool all_pids;
};
/* No event outside of it can be meant. */
int es_find_plan(struct es_query *query, const struct es_find_tree *tree, struct es_find_area *ret_area);
void es_find_area_fini(struct es_find_area *area);

/* ---- asking -------------------------------------------------------------------------------------------------------- */

struct es_find_eval {
    struct es_query *query;
    bool erlang;
    const struct es_event *event;
    struct es_tree tree; /* of its payload */
    bool has_tree, no_tree;
    struct es_text in_force; /* bytes of the version before an unchanged state */
    uint64_t undecided;      /* parts that were cut */
    struct es_text scratch[2];
};
/* Does it hold? */
bool es_find_holds(struct es_find_eval *eval, const struct es_find_tree *tree, uint32_t node);
/* The payload read so far is of another event. */
void es_find_eval_next(struct es_find_eval *eval, const struct es_event *event);
void es_find_eval_fini(struct es_find_eval *eval);

#endif
