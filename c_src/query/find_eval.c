/* SPDX-License-Identifier: MIT */
/* Does an expression hold for an event? A comparison with what is not there does not hold, whichever it is. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "query/fields.h"
#include "query/find.h"

void es_find_eval_next(struct es_find_eval *eval, const struct es_event *event)
{
    if (eval->has_tree)
        es_tree_fini(&eval->tree);
    eval->has_tree = eval->no_tree = false;
    eval->event = event;
}

void es_find_eval_fini(struct es_find_eval *eval)
{
    es_find_eval_next(eval, NULL);
    es_text_fini(&eval->in_force);
    es_text_fini(&eval->scratch[0]);
    es_text_fini(&eval->scratch[1]);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static struct es_find_value integer(int64_t value, bool there)
{
    return (struct es_find_value){.is = there ? ES_FV_INTEGER : ES_FV_NONE, .integer = value, .real = (double)value};
}

static struct es_find_value text_of(const struct es_text *text, enum es_find_style style)
{
    if (text->len == 0)
        return (struct es_find_value){.is = ES_FV_NONE};
    return (struct es_find_value){.is = ES_FV_TEXT, .style = style, .text = text->bytes, .len = text->len};
}

static struct es_find_value string(const char *text)
{
    return (struct es_find_value){.is = ES_FV_TEXT, .style = ES_FS_ANY, .text = text, .len = strlen(text)};
}

static struct es_find_value ref_of(struct es_find_eval *eval, es_ref ref, struct es_text *out)
{
    es_text_clear(out);
    if (ref != ES_REF_NONE)
        es_query_print_who(eval->query, ref, eval->erlang, out);
    return text_of(out, ES_FS_ANY);
}

static struct es_find_value name_of(struct es_find_eval *eval, es_ref pid, struct es_text *out)
{
    es_ref name = es_ref_class_of(pid) == ES_REF_PID ? es_query_name(eval->query, pid, eval->event->time) : ES_REF_NONE;
    es_text_clear(out);
    es_query_print_ref(eval->query, name, eval->erlang, out);
    return text_of(out, ES_FS_ANY);
}

static struct es_find_value function_of(struct es_find_eval *eval, struct es_text *out)
{
    size_t len = 0;
    const uint8_t *text = es_recording_define(eval->query->recording, eval->event->function, &len);
    es_text_clear(out);
    if (text)
        es_text_add(out, (const char *)text, len);
    return text_of(out, ES_FS_ANY);
}

static struct es_find_value flags_of(const struct es_event *event, struct es_text *out)
{
    char flags[128] = "";
    es_flags_print(es_flags_of(event), flags, sizeof flags);
    es_text_clear(out);
    es_text_puts(out, flags);
    return text_of(out, ES_FS_ANY);
}

/* ---- terms --------------------------------------------------------------------------------------------------------- */

/* Bytes of the state in force behind a callback that left it as it was: those of the version before. */
static bool read_in_force(struct es_find_eval *eval)
{
    const struct es_event *event = eval->event;
    struct es_state_at at;
    const uint8_t *bytes;
    size_t len;
    if (!(event->flags & ES_E_STATE_SAME) ||
        es_recording_change_last(eval->query->recording, event->pid, (struct es_seq_range){1, event->seq}, &at) < 0)
        return false;
    struct es_version_info version = {.seq = at.seq, .flags = at.flags};
    if (at.unread || es_query_version_bytes(eval->query, &version, &bytes, &len) < 0)
        return false;
    es_text_clear(&eval->in_force); /* they may be gone when the next event is asked for */
    es_text_add(&eval->in_force, (const char *)bytes, len);
    return !eval->in_force.failed;
}

static bool read_tree(struct es_find_eval *eval)
{
    const struct es_event *event = eval->event;
    const uint8_t *bytes = event->payload;
    size_t len = event->payload_len;
    if (eval->has_tree || eval->no_tree)
        return eval->has_tree;
    if (event->kind == ES_K_STATE && len == 0) {
        bool known = read_in_force(eval);
        bytes = known ? (const uint8_t *)eval->in_force.bytes : NULL;
        len = known ? eval->in_force.len : 0;
        eval->undecided += !known;
    }
    eval->has_tree = len > 0 && es_tree_read(&eval->tree, bytes, len, es_query_print(eval->query, eval->erlang)) == 0;
    eval->no_tree = !eval->has_tree;
    es_error_clear();
    return eval->has_tree;
}

static struct es_find_value node_value(struct es_find_eval *eval, uint32_t node, struct es_text *out)
{
    const struct es_tree *tree = &eval->tree;
    struct es_token token = es_tree_token(tree, node);
    size_t len = 0;
    es_text_clear(out);
    switch (tree->nodes[node].type) {
    case ES_N_INT:
        if (token.type == ES_TOK_INT || (tree->nodes[node].flags & ES_NODE_BYTE))
            return integer(token.integer, true);
        break;
    case ES_N_FLOAT: return (struct es_find_value){.is = ES_FV_REAL, .real = token.real};
    case ES_N_ATOM: {
        const uint8_t *text = es_tree_atom(tree, node, out, &len);
        if (text && len > 7 && memcmp(text, "Elixir.", 7) == 0)
            return (struct es_find_value){ES_FV_TEXT, ES_FS_ATOM, 0, 0, (const char *)text + 7, len - 7};
        if (text)
            return (struct es_find_value){ES_FV_TEXT, ES_FS_ATOM, 0, 0, (const char *)text, len};
        break;
    }
    case ES_N_BINARY:
        if (token.bits == 8 || token.len == 0)
            return (struct es_find_value){ES_FV_TEXT, ES_FS_STRING, 0, 0, (const char *)token.bytes, token.len};
        break;
    case ES_N_CUT: eval->undecided++; return (struct es_find_value){.is = ES_FV_NONE};
    default: break;
    }
    es_tree_print(tree, node, es_query_print(eval->query, eval->erlang), out);
    return text_of(out, ES_FS_ANY);
}

static struct es_find_value term_of(struct es_find_eval *eval, const struct es_find_operand *operand,
                                    struct es_text *out)
{
    struct es_find_value none = {.is = ES_FV_NONE};
    uint64_t kinds = es_find_fields[operand->field].kinds;
    uint32_t node = 0;
    if ((kinds && !(kinds >> eval->event->kind & 1)) || !read_tree(eval))
        return none;
    if (operand->path) {
        int rc = es_path_resolve(operand->path, &eval->tree, es_query_print(eval->query, eval->erlang), &node);
        es_error_clear();
        eval->undecided += rc == -ENODATA;
        if (rc < 0)
            return none;
    }
    return node_value(eval, node, out);
}

/* ---- operands ------------------------------------------------------------------------------------------------------ */

static struct es_find_value value_of(struct es_find_eval *eval, const struct es_find_operand *operand,
                                     struct es_text *out)
{
    const struct es_event *event = eval->event;
    uint64_t parent;
    if (!operand->is_field)
        return operand->value;
    switch (operand->field) {
    case ES_FF_SEQ: return integer((int64_t)event->seq, true);
    case ES_FF_TIME: return integer(event->time, true);
    case ES_FF_KIND: return string(es_kind_table[event->kind].name);
    case ES_FF_FAMILY: return string(es_family_names[es_kind_table[event->kind].family]);
    case ES_FF_PID: return ref_of(eval, event->pid, out);
    case ES_FF_NAME: return name_of(eval, event->pid, out);
    case ES_FF_PEER: return ref_of(eval, event->peer, out);
    case ES_FF_PEER_NAME: return name_of(eval, event->peer, out);
    case ES_FF_MODULE: return ref_of(eval, event->module, out);
    case ES_FF_FUNCTION: return function_of(eval, out);
    case ES_FF_ARITY: return integer(event->arity, event->module != ES_REF_NONE);
    case ES_FF_CAUSE: return integer((int64_t)event->cause, event->cause != 0);
    case ES_FF_CAUSE_STATE:
        return event->cause_state ? string(es_cause_names[event->cause_state])
                                  : (struct es_find_value){.is = ES_FV_NONE};
    case ES_FF_PARENT: parent = es_query_parent(eval->query, event); return integer((int64_t)parent, parent != 0);
    case ES_FF_THREAD: return integer(event->thread, event->thread != 0);
    case ES_FF_FLAGS: return flags_of(event, out);
    case ES_FF_BYTES: return integer(event->payload_len, event->payload_len > 0);
    default: return term_of(eval, operand, out);
    }
}

/* ---- comparing ----------------------------------------------------------------------------------------------------- */

static bool is_number(const struct es_find_value *v) { return v->is == ES_FV_INTEGER || v->is == ES_FV_REAL; }

static int compare_numbers(const struct es_find_value *a, const struct es_find_value *b)
{
    if (a->is == ES_FV_INTEGER && b->is == ES_FV_INTEGER)
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    double x = a->is == ES_FV_INTEGER ? (double)a->integer : a->real,
           y = b->is == ES_FV_INTEGER ? (double)b->integer : b->real;
    return x < y ? -1 : x > y;
}

static int compare_texts(const struct es_find_value *a, const struct es_find_value *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = shorter ? memcmp(a->text, b->text, shorter) : 0;
    return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

/* Are they of one sort? :paid is an atom, "paid" a string, paid either. */
static bool is_comparable(const struct es_find_value *a, const struct es_find_value *b)
{
    if (is_number(a) || is_number(b))
        return is_number(a) && is_number(b);
    return a->style == ES_FS_ANY || b->style == ES_FS_ANY || a->style == b->style;
}

/* What is looked into as it is printed: a whole term, or a value. */
static bool has(struct es_find_eval *eval, const struct es_find_node *node)
{
    const struct es_find_operand *operand = &node->a;
    const struct es_event *event = eval->event;
    struct es_text *out = &eval->scratch[0];
    struct es_find_value b = value_of(eval, &node->b, &eval->scratch[1]), a;
    if (b.is != ES_FV_TEXT)
        return false;
    if (operand->field >= ES_FF_PAYLOAD && !operand->path) {
        uint64_t kinds = es_find_fields[operand->field].kinds;
        if ((kinds && !(kinds >> event->kind & 1)) || !read_tree(eval))
            return false;
        es_text_clear(out);
        if (event->payload_len > 0)
            es_query_print_payload(eval->query, event, eval->erlang, out);
        else
            es_tree_print(&eval->tree, 0, es_query_print(eval->query, eval->erlang), out);
        return out->bytes && memmem(out->bytes, out->len, b.text, b.len) != NULL;
    }
    a = value_of(eval, operand, out);
    if (is_number(&a)) {
        char number[64];
        int len = a.is == ES_FV_INTEGER ? snprintf(number, sizeof number, "%lld", (long long)a.integer)
                                        : snprintf(number, sizeof number, "%.15g", a.real);
        return memmem(number, (size_t)len, b.text, b.len) != NULL;
    }
    return a.is == ES_FV_TEXT && memmem(a.text, a.len, b.text, b.len) != NULL;
}

static bool compare(struct es_find_eval *eval, const struct es_find_node *node)
{
    if (node->op == ES_W_HAS)
        return has(eval, node);
    struct es_find_value a = value_of(eval, &node->a, &eval->scratch[0]),
                         b = value_of(eval, &node->b, &eval->scratch[1]);
    if (a.is == ES_FV_NONE || b.is == ES_FV_NONE)
        return false;
    if (!is_comparable(&a, &b))
        return node->op == ES_W_UNEQUAL;
    int order = is_number(&a) ? compare_numbers(&a, &b) : compare_texts(&a, &b);
    switch (node->op) {
    case ES_W_EQUAL: return order == 0;
    case ES_W_UNEQUAL: return order != 0;
    case ES_W_LESS: return order < 0;
    case ES_W_UP_TO: return order <= 0;
    case ES_W_MORE: return order > 0;
    default: return order >= 0;
    }
}

static bool is_in(struct es_find_eval *eval, const struct es_find_node *node)
{
    struct es_find_value a = value_of(eval, &node->a, &eval->scratch[0]);
    for (size_t i = 0; a.is != ES_FV_NONE && i < node->n_list; i++) {
        struct es_find_value b = value_of(eval, &node->list[i], &eval->scratch[1]);
        if (b.is != ES_FV_NONE && is_comparable(&a, &b) &&
            (is_number(&a) ? compare_numbers(&a, &b) : compare_texts(&a, &b)) == 0)
            return true;
    }
    return false;
}

bool es_find_holds(struct es_find_eval *eval, const struct es_find_tree *tree, uint32_t at)
{
    const struct es_find_node *node = &tree->nodes[at];
    switch (node->type) {
    case ES_FN_AND: return es_find_holds(eval, tree, node->left) && es_find_holds(eval, tree, node->right);
    case ES_FN_OR: return es_find_holds(eval, tree, node->left) || es_find_holds(eval, tree, node->right);
    case ES_FN_NOT: return !es_find_holds(eval, tree, node->left);
    case ES_FN_THERE: return value_of(eval, &node->a, &eval->scratch[0]).is != ES_FV_NONE;
    case ES_FN_IN: return is_in(eval, node);
    default: return compare(eval, node);
    }
}
