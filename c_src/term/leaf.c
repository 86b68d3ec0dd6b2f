/* SPDX-License-Identifier: MIT */
/* Terms that have no others inside: identifiers, funs, and the smaller parts of the printer. */
#include <errno.h>
#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

/* ---- identifiers --------------------------------------------------------------------------------------------------- */

static const uint8_t *node_of(struct es_printer *p, const struct es_token *token, size_t *ret_len)
{
    struct es_token atom = {.type = token->node.text ? ES_TOK_ATOM : ES_TOK_ATOM_REF,
                            .latin1 = token->latin1,
                            .bytes = token->node.text,
                            .len = token->node.len,
                            .word = token->node.word};
    return es_token_atom(p, &atom, ret_len);
}

int es_print_node_of(const struct es_print *print, const uint8_t *name, size_t len, uint32_t creation)
{
    for (size_t i = 0; i < print->n_nodes; i++) {
        const struct es_print_node *node = &print->nodes[i];
        if (len == node->name_len && memcmp(name, node->name, len) == 0 &&
            (node->creation == 0 || creation == node->creation))
            return (int)i;
    }
    return -1;
}

void es_print_node_label(const struct es_print_node *node, struct es_text *out)
{
    struct es_quoting quoting = {'>', false, SIZE_MAX};
    es_print_quoted((const uint8_t *)node->label, node->label_len, &quoting, out);
}

/* "0" for the recorded node, also before it had a name; else the node's name. */
static void print_node(struct es_printer *p, const struct es_token *token)
{
    static const char nameless[] = "nonode@nohost";
    const struct es_print *print = p->print;
    size_t len = 0;
    const uint8_t *node = node_of(p, token, &len);
    bool local = !print->local_node && print->n_nodes == 0;
    int number = node && print->n_nodes > 0 ? es_print_node_of(print, node, len, token->creation) : -1;
    if (number > 0) {
        es_print_node_label(&print->nodes[number], p->out);
        return;
    }
    local = local || number == 0;
    if (node && !local && print->n_nodes == 0)
        local = (len == print->local_node_len && memcmp(node, print->local_node, len) == 0) ||
                (len == sizeof nameless - 1 && memcmp(node, nameless, len) == 0);
    struct es_quoting quoting = {'>', print->erlang, p->limit};
    if (local)
        es_text_puts(p->out, "0");
    else if (node)
        es_print_quoted(node, len, &quoting, p->out);
    else
        es_text_printf(p->out, "#Atom<%llu>", (unsigned long long)token->node.word);
}

static void print_identifier(struct es_printer *p, const struct es_token *token)
{
    bool erlang = p->print->erlang;
    es_text_puts(p->out, token->type == ES_TOK_PORT  ? "#Port<"
                         : token->type == ES_TOK_REF ? (erlang ? "#Ref<" : "#Reference<")
                         : erlang                    ? "<"
                                                     : "#PID<");
    print_node(p, token);
    if (token->type == ES_TOK_PID)
        es_text_printf(p->out, ".%llu.%u", (unsigned long long)token->number, token->serial);
    else if (token->type == ES_TOK_PORT)
        es_text_printf(p->out, ".%llu", (unsigned long long)token->number);
    else
        for (uint32_t i = token->n_ids; i-- > 0;)
            es_text_printf(p->out, ".%u", token->ids[i]);
    es_text_puts(p->out, ">");
}

/* ---- funs ---------------------------------------------------------------------------------------------------------- */

/* What a fun's encoding says before its environment. */
struct fun {
    uint8_t arity;
    struct es_token module, index, uniq;
};

static int read_fun(const struct es_token *token, struct fun *ret_fun)
{
    struct es_reader r;
    es_reader_init(&r, token->bytes, token->len);
    es_reader_take(&r, 5); /* tag and size */
    ret_fun->arity = es_reader_u8(&r);
    es_reader_take(&r, 24); /* hash of the module, index, number of free variables */
    if (es_token_next(&r, &ret_fun->module) < 0 || es_token_next(&r, &ret_fun->index) < 0 ||
        es_token_next(&r, &ret_fun->uniq) < 0)
        return -EBADMSG;
    bool atom = ret_fun->module.type == ES_TOK_ATOM || ret_fun->module.type == ES_TOK_ATOM_REF;
    return atom && ret_fun->index.type == ES_TOK_INT && ret_fun->uniq.type == ES_TOK_INT ? 0 : -EBADMSG;
}

static void print_fun(struct es_printer *p, const struct es_token *token)
{
    struct fun fun;
    if (read_fun(token, &fun) < 0) {
        es_text_puts(p->out, p->print->erlang ? "#Fun<?>" : "#Function<?>");
        return;
    }
    long long index = (long long)fun.index.integer, uniq = (long long)fun.uniq.integer;
    if (!p->print->erlang) {
        es_text_printf(p->out, "#Function<%lld.%lld/%u in ", index, uniq, fun.arity);
        es_print_atom_token(p, &fun.module);
        es_text_puts(p->out, ">");
        return;
    }
    es_text_puts(p->out, "#Fun<");
    es_print_atom_token(p, &fun.module);
    es_text_printf(p->out, ".%lld.%lld>", index, uniq);
}

void es_print_export(struct es_printer *p, struct es_reader *r)
{
    struct es_token module, function, arity;
    if (es_token_next(r, &module) < 0 || es_token_next(r, &function) < 0 || es_token_next(r, &arity) < 0)
        return; /* the scan has seen that they are there */
    es_text_puts(p->out, p->print->erlang ? "fun " : "&");
    es_print_atom_token(p, &module);
    es_text_puts(p->out, p->print->erlang ? ":" : ".");
    size_t len = 0;
    const uint8_t *name = es_token_atom(p, &function, &len);
    if (name)
        es_print_atom_name(name, len, p->print->erlang, p->out);
    else
        es_print_atom_token(p, &function);
    es_text_printf(p->out, "/%lld", (long long)arity.integer);
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static void print_string(struct es_printer *p, const struct es_token *token)
{
    bool text =
        token->len > 0 && !(p->print->arguments && p->bytes + 3 == token->bytes); /* not the arguments themselves */
    for (size_t i = 0; i < token->len && text; i++)
        text = es_charlist_printable(token->bytes[i], p->print->erlang);
    struct es_quoting quoting = {p->print->erlang ? '"' : '\'', p->print->erlang, p->limit};
    es_text_add(p->out, text ? &quoting.delimiter : "[", 1);
    for (size_t i = 0; i < token->len && !es_printer_full(p); i++) {
        bool interpolates =
            token->bytes[i] == '#' && i + 1 < token->len && token->bytes[i + 1] == '{' && !p->print->erlang;
        if (text && interpolates)
            es_text_puts(p->out, "\\");
        if (text)
            es_print_point(token->bytes[i], &quoting, p->out);
        else
            es_text_printf(p->out, "%s%u", i == 0 ? "" : p->print->erlang ? "," : ", ", token->bytes[i]);
    }
    es_text_add(p->out, text ? &quoting.delimiter : "]", 1);
}

void es_print_leaf(struct es_printer *p, const struct es_token *token)
{
    switch (token->type) {
    case ES_TOK_INT: es_text_int(p->out, token->integer); break;
    case ES_TOK_BIG: es_print_big(token, p->print->erlang, p->out); break;
    case ES_TOK_FLOAT: es_print_float(token->real, p->print->erlang, p->out); break;
    case ES_TOK_ATOM:
    case ES_TOK_ATOM_REF: es_print_atom_token(p, token); break;
    case ES_TOK_NIL: es_text_puts(p->out, "[]"); break;
    case ES_TOK_STRING: print_string(p, token); break;
    case ES_TOK_BINARY: es_print_binary(p, token); break;
    case ES_TOK_PID:
    case ES_TOK_PORT:
    case ES_TOK_REF: print_identifier(p, token); break;
    case ES_TOK_FUN: print_fun(p, token); break;
    case ES_TOK_CUT: es_print_cut(p, &token->cut); break;
    default: break; /* those with terms inside are the walk's */
    }
}
