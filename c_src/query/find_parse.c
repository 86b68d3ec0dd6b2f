/* SPDX-License-Identifier: MIT */
/* Words of find into a tree: or, and, not, comparisons, in falling order of what they hold together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/find.h"

#define KIND(k) (UINT64_C(1) << ES_K_##k)
#define TERM (ES_F_PAYLOAD)

const struct es_find_field_info es_find_fields[ES_FF_MAX] = {
    [ES_FF_SEQ] = {"seq", 0, 0},
    [ES_FF_TIME] = {"time", 0, 0},
    [ES_FF_KIND] = {"kind", 0, 0},
    [ES_FF_FAMILY] = {"family", 0, 0},
    [ES_FF_PID] = {"pid", 0, 0},
    [ES_FF_NAME] = {"name", 0, 0},
    [ES_FF_PEER] = {"peer", ES_F_PEER, 0},
    [ES_FF_PEER_NAME] = {"peer_name", ES_F_PEER, 0},
    [ES_FF_MODULE] = {"module", ES_F_FUN, 0},
    [ES_FF_FUNCTION] = {"function", ES_F_FUN, 0},
    [ES_FF_ARITY] = {"arity", ES_F_FUN, 0},
    [ES_FF_CAUSE] = {"cause", ES_F_CAUSE, 0},
    [ES_FF_CAUSE_STATE] = {"cause_state", ES_F_CAUSE, 0},
    [ES_FF_PARENT] = {"parent", 0, 0},
    [ES_FF_THREAD] = {"thread", 0, 0},
    [ES_FF_FLAGS] = {"flags", 0, 0},
    [ES_FF_BYTES] = {"bytes", TERM, 0},
    [ES_FF_PAYLOAD] = {"payload", TERM, 0},
    [ES_FF_STATE] = {"state", TERM, KIND(STATE)},
    [ES_FF_ARGS] = {"args", TERM, KIND(CALL) | KIND(SPAWN)},
    [ES_FF_MESSAGE] = {"message", TERM, KIND(SEND) | KIND(SEND_DEAD) | KIND(DELIVER)},
    [ES_FF_RESULT] = {"result", TERM, KIND(RETURN)},
    [ES_FF_REASON] = {"reason", TERM, KIND(EXIT) | KIND(EXCEPTION)},
};

struct parser {
    struct es_query *query;
    const char *text;
    struct es_lexer lexer;
    struct es_lexed word; /* the one at hand */
    struct es_find_tree *tree;
    unsigned depth;
};

static int step(struct parser *p) { return es_lex(&p->lexer, &p->word); }

static int wrong(struct parser *p, const char *message)
{
    return es_find_wrong(p->text, p->word.at, message, p->word.word == ES_W_END ? "the end" : p->word.text.bytes);
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->word.word == ES_W_NAME && !p->word.path && strcmp(p->word.text.bytes, word) == 0;
}

static int add(struct parser *p, const struct es_find_node *node, uint32_t *ret)
{
    struct es_find_tree *tree = p->tree;
    if (tree->n == ES_FIND_NODES)
        return es_fail(-EINVAL, "the expression has more than %d conditions", ES_FIND_NODES);
    if (tree->n == tree->room) {
        uint32_t room = tree->room ? tree->room * 2 : 16;
        struct es_find_node *nodes = realloc(tree->nodes, room * sizeof *nodes);
        if (!nodes)
            return -ENOMEM;
        tree->nodes = nodes;
        tree->room = room;
    }
    tree->nodes[tree->n] = *node;
    *ret = tree->n++;
    return 0;
}

static void operand_fini(struct es_find_operand *operand)
{
    if (operand->path)
        es_path_fini(operand->path);
    free(operand->path);
    free(operand->owned);
}

/* ---- operands ------------------------------------------------------------------------------------------------------ */

static int field_by_name(const char *name)
{
    for (int i = 0; i < ES_FF_MAX; i++)
        if (strcmp(es_find_fields[i].name, name) == 0)
            return i;
    return strcmp(name, "arguments") == 0 ? ES_FF_ARGS : -1;
}

static int unknown_field(struct parser *p)
{
    struct es_text list = {0};
    for (int i = 0; i < ES_FF_MAX; i++)
        es_text_printf(&list, "%s%s", i ? ", " : "", es_find_fields[i].name);
    es_hint("Fields: %s; the last six reach into terms: state.items[0].price, args[1], payload{0}.",
            list.bytes ? list.bytes : "");
    es_text_fini(&list);
    return wrong(p, "there is no field ");
}

static int read_field(struct parser *p, struct es_find_operand *ret)
{
    int field = p->word.word == ES_W_NAME ? field_by_name(p->word.text.bytes) : -1;
    if (p->word.word != ES_W_NAME)
        return wrong(p, "a field is needed here, such as kind or state.total, not ");
    if (field < 0)
        return unknown_field(p);
    ret->is_field = true;
    ret->field = (enum es_find_field)field;
    p->tree->needs |= es_find_fields[field].needs;
    if (p->word.path) {
        ret->path = calloc(1, sizeof *ret->path);
        int rc = ret->path ? es_path_parse(p->word.trail.bytes, ret->path) : -ENOMEM;
        if (rc < 0) {
            free(ret->path);
            ret->path = NULL;
            return rc == -EINVAL ? es_find_wrong(p->text, p->word.at, "this path cannot be read: ", p->word.trail.bytes)
                                 : rc;
        }
    }
    return step(p);
}

static int keep_text(struct parser *p, struct es_find_operand *ret, enum es_find_style style)
{
    ret->owned = malloc(p->word.text.len + 1);
    if (!ret->owned)
        return -ENOMEM;
    memcpy(ret->owned, p->word.text.bytes, p->word.text.len + 1);
    ret->value = (struct es_find_value){.is = ES_FV_TEXT, .style = style, .text = ret->owned, .len = p->word.text.len};
    return 0;
}

/* What stands for itself: words are texts, of atoms or of strings. A time is one only beside the field time. */
static int read_value(struct parser *p, const struct es_find_operand *beside, struct es_find_operand *ret)
{
    int rc = 0;
    bool time = beside->is_field && beside->field == ES_FF_TIME;
    bool dated =
        p->word.word == ES_W_TIME || p->word.word == ES_W_TEXT || (p->word.word == ES_W_NUMBER && p->word.unit);
    if (time && dated) {
        ret->value.is = ES_FV_INTEGER;
        rc = es_query_time(p->query, p->word.text.bytes, &ret->value.integer);
        ret->value.real = (double)ret->value.integer;
        return rc < 0 ? rc : step(p);
    }
    switch (p->word.word) {
    case ES_W_NUMBER:
        ret->value = (struct es_find_value){
            .is = p->word.whole ? ES_FV_INTEGER : ES_FV_REAL, .integer = p->word.integer, .real = p->word.real};
        break;
    case ES_W_ATOM: rc = keep_text(p, ret, ES_FS_ATOM); break;
    case ES_W_TEXT: rc = keep_text(p, ret, ES_FS_STRING); break;
    case ES_W_NAME:
        if (p->word.path)
            return read_field(p, ret);
        rc = keep_text(p, ret, ES_FS_ANY);
        break;
    case ES_W_PID: rc = keep_text(p, ret, ES_FS_ANY); break;
    default: return wrong(p, "a value is needed here, not ");
    }
    return rc < 0 ? rc : step(p);
}

/* ---- comparisons --------------------------------------------------------------------------------------------------- */

/* Values that a field cannot have are a mistake. */
static int check(struct parser *p, size_t place, const struct es_find_operand *field,
                 const struct es_find_operand *value)
{
    const char *text = value->value.text;
    if (value->is_field || value->value.is != ES_FV_TEXT)
        return 0;
    bool known = true;
    if (field->field == ES_FF_KIND)
        known = es_kind_by_name(text) >= 0;
    for (unsigned i = 0; field->field == ES_FF_FAMILY && i <= ES_FAM_INTERNAL; i++)
        if (i == ES_FAM_INTERNAL || strcmp(es_family_names[i], text) == 0) {
            known = i < ES_FAM_INTERNAL;
            break;
        }
    if (known)
        return 0;
    es_hint("Kinds are in docs/cli-events.md; families are process, message, call, state, scheduling, memory, node, "
            "error, user, recorder.");
    return es_find_wrong(p->text, place, "there is no such kind or family of events: ", text);
}

static int parse_list(struct parser *p, struct es_find_node *node)
{
    int rc = step(p);
    if (rc == 0 && p->word.word != ES_W_OPEN)
        return wrong(p, "behind `in` a list is needed, such as (1, 2), not ");
    do {
        struct es_find_operand *list = realloc(node->list, (node->n_list + 1) * sizeof *list);
        if (!list)
            return -ENOMEM;
        node->list = list;
        node->list[node->n_list] = (struct es_find_operand){0};
        rc = step(p);
        size_t place = p->word.at;
        if (rc == 0)
            rc = read_value(p, &node->a, &node->list[node->n_list++]);
        if (rc == 0)
            rc = check(p, place, &node->a, &node->list[node->n_list - 1]);
    } while (rc == 0 && p->word.word == ES_W_COMMA && node->n_list < ES_FIND_NODES);
    if (rc == 0 && p->word.word != ES_W_CLOSE)
        return wrong(p, "the list needs a comma or a closing parenthesis, not ");
    return rc < 0 ? rc : step(p);
}

static void node_fini(struct es_find_node *node)
{
    operand_fini(&node->a);
    operand_fini(&node->b);
    for (size_t i = 0; i < node->n_list; i++)
        operand_fini(&node->list[i]);
    free(node->list);
}

static int fill_condition(struct parser *p, struct es_find_node *node, bool *ret_negated)
{
    int rc = read_field(p, &node->a);
    node->type = ES_FN_THERE;
    if (rc == 0 && is_word(p, "not")) {
        *ret_negated = true;
        rc = step(p);
        if (rc == 0 && !is_word(p, "in"))
            return wrong(p, "behind a field `not` is followed by `in`, not by ");
    }
    if (rc < 0)
        return rc;
    if (is_word(p, "in")) {
        node->type = ES_FN_IN;
        return parse_list(p, node);
    }
    if (p->word.word < ES_W_EQUAL)
        return 0;
    node->type = ES_FN_COMPARE;
    node->op = p->word.word;
    rc = step(p);
    size_t place = p->word.at;
    if (rc == 0)
        rc = read_value(p, &node->a, &node->b);
    return rc < 0 || node->op == ES_W_HAS ? rc : check(p, place, &node->a, &node->b);
}

static int parse_condition(struct parser *p, uint32_t *ret)
{
    struct es_find_node node = {.type = ES_FN_THERE};
    bool negated = false;
    int rc = fill_condition(p, &node, &negated);
    if (rc == 0)
        rc = add(p, &node, ret);
    if (rc < 0) {
        node_fini(&node);
        return rc;
    }
    return negated ? add(p, &(struct es_find_node){.type = ES_FN_NOT, .left = *ret}, ret) : 0;
}

/* ---- and, or, not -------------------------------------------------------------------------------------------------- */

static int parse_or(struct parser *p, uint32_t *ret);

static int parse_one(struct parser *p, uint32_t *ret)
{
    if (++p->depth > ES_FIND_DEPTH)
        return wrong(p, "the expression is nested too deep at ");
    int rc;
    if (is_word(p, "not")) {
        rc = step(p);
        if (rc == 0)
            rc = parse_one(p, ret);
        if (rc == 0)
            rc = add(p, &(struct es_find_node){.type = ES_FN_NOT, .left = *ret}, ret);
    } else if (p->word.word == ES_W_OPEN) {
        rc = step(p);
        if (rc == 0)
            rc = parse_or(p, ret);
        if (rc == 0 && p->word.word != ES_W_CLOSE)
            rc = wrong(p, "a closing parenthesis is needed here, not ");
        if (rc == 0)
            rc = step(p);
    } else
        rc = parse_condition(p, ret);
    p->depth--;
    return rc;
}

static int parse_chain(struct parser *p, bool is_or, uint32_t *ret)
{
    int rc = is_or ? parse_chain(p, false, ret) : parse_one(p, ret);
    while (rc == 0 && is_word(p, is_or ? "or" : "and")) {
        struct es_find_node node = {.type = is_or ? ES_FN_OR : ES_FN_AND, .left = *ret};
        rc = step(p);
        if (rc == 0)
            rc = is_or ? parse_chain(p, false, &node.right) : parse_one(p, &node.right);
        if (rc == 0)
            rc = add(p, &node, ret);
    }
    return rc;
}

static int parse_or(struct parser *p, uint32_t *ret) { return parse_chain(p, true, ret); }

int es_find_parse(struct es_query *query, const char *text, struct es_find_tree *ret_tree)
{
    struct parser p = {.query = query, .text = text, .lexer = {text, 0, strlen(text)}, .tree = ret_tree};
    if (p.lexer.len > ES_FIND_BYTES)
        return es_fail(-EINVAL, "the expression has more than %d bytes", ES_FIND_BYTES);
    int rc = step(&p);
    if (rc == 0)
        rc = parse_or(&p, &ret_tree->root);
    if (rc == 0 && p.word.word != ES_W_END)
        rc = wrong(&p, "here `and`, `or` or the end is needed, not ");
    es_lexed_fini(&p.word);
    if (rc < 0)
        es_find_tree_fini(ret_tree);
    return rc;
}

void es_find_tree_fini(struct es_find_tree *tree)
{
    for (uint32_t i = 0; i < tree->n; i++)
        node_fini(&tree->nodes[i]);
    free(tree->nodes);
    *tree = (struct es_find_tree){0};
}
