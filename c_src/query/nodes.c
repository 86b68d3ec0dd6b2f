/* SPDX-License-Identifier: MIT */
/* Which nodes a recording is of, and what their pids look like. */
#include "query/nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- nodes of a merged recording ----------------------------------------------------------------------------------- */

static const char *fact_of(struct es_query *query, size_t k, const char *key)
{
    char name[64];
    snprintf(name, sizeof name, ES_MERGED ".%zu.%s", k, key);
    return es_recording_meta(query->recording, name);
}

static uint32_t number_of(const char *text) { return text ? (uint32_t)strtoul(text, NULL, 10) : 0; }

static size_t place_of(struct es_query *query, size_t k)
{
    const char *text = fact_of(query, k, "number");
    return text ? number_of(text) : k;
}

/* A name that several nodes have is told apart by which of them it is: shop@host, shop@host#2. */
static char *label_of(const struct es_query *query, size_t number, const char *name)
{
    struct es_text label = {0};
    unsigned same = 1;
    for (size_t i = 0; i < number; i++)
        same += query->nodes[i].name && strcmp(query->nodes[i].name, name) == 0;
    es_text_puts(&label, name);
    if (same > 1)
        es_text_printf(&label, "#%u", same);
    return label.failed ? NULL : label.bytes;
}

static int read_node(struct es_query *query, size_t k)
{
    size_t number = place_of(query, k);
    if (number < query->n_nodes) /* the same node, recorded again */
        return 0;
    if (number > query->n_nodes || number >= ES_REF_NODES)
        return es_fail(-EBADMSG, "the nodes of this merged recording are not in order");
    const char *name = fact_of(query, k, "node");
    char *copy = strdup(name ? name : "unknown");
    struct es_print_node node = {.name = copy, .creation = number_of(fact_of(query, k, "creation"))};
    node.label = copy ? label_of(query, number, copy) : NULL;
    if (!node.label) {
        free(copy);
        return es_fail(-ENOMEM, "no memory for the nodes of a recording");
    }
    node.name_len = strlen(node.name);
    node.label_len = strlen(node.label);
    query->nodes[query->n_nodes++] = node;
    return 0;
}

int es_nodes_read(struct es_query *query)
{
    const char *text = es_recording_meta(query->recording, ES_MERGED);
    uint32_t n = number_of(text);
    es_nodes_fini(query);
    if (n == 0)
        return 0;
    if (n > ES_REF_NODES)
        return es_fail(-EBADMSG, "a merged recording of %u others", n);
    query->nodes = calloc(n, sizeof *query->nodes);
    int rc = query->nodes ? 0 : es_fail(-ENOMEM, "no memory for the nodes of a recording");
    for (size_t k = 0; rc == 0 && k < n; k++)
        rc = read_node(query, k);
    return rc;
}

void es_nodes_fini(struct es_query *query)
{
    for (size_t i = 0; i < query->n_nodes; i++) {
        free((char *)(uintptr_t)query->nodes[i].name);
        free((char *)(uintptr_t)query->nodes[i].label);
    }
    free(query->nodes);
    query->nodes = NULL;
    query->n_nodes = 0;
}

size_t es_query_nodes(const struct es_query *query) { return query->n_nodes; }

const char *es_query_node(const struct es_query *query, unsigned node)
{
    return node < query->n_nodes ? query->nodes[node].label : node == 0 ? query->node : NULL;
}

int es_query_node_by_name(const struct es_query *query, const char *name)
{
    for (size_t i = 0; i < query->n_nodes; i++)
        if (strcmp(query->nodes[i].label, name) == 0)
            return (int)i;
    if (query->n_nodes == 0 && query->node && strcmp(query->node, name) == 0)
        return 0;
    struct es_text list = {0};
    for (unsigned i = 0; i < (query->n_nodes ? query->n_nodes : 1); i++)
        es_text_printf(&list, "%s%s", i ? ", " : "", es_query_node(query, i) ? es_query_node(query, i) : "unknown");
    int rc = es_fail(-ENOENT, "the recording is not of a node '%s', but of %s", name, list.bytes ? list.bytes : "");
    es_text_fini(&list);
    return rc;
}

/* ---- terms --------------------------------------------------------------------------------------------------------- */

static const uint8_t *node_name(const struct es_query *query, const struct es_token *token, size_t *ret_len)
{
    *ret_len = token->node.len;
    return token->node.text
               ? token->node.text
               : es_recording_define(query->recording, es_ref_make(ES_REF_ATOM, token->node.word), ret_len);
}

int es_nodes_of(const struct es_token *token, void *context)
{
    const struct es_query *query = context;
    size_t len = 0;
    const uint8_t *name = node_name(query, token, &len);
    return name ? es_print_node_of(&query->print[0], name, len, token->creation) : -1;
}

/* Where nodes are not told apart, a pid counts as the recorded node's. */
es_ref es_nodes_pid(const struct es_query *query, const struct es_token *token)
{
    int node = query->n_nodes > 0 ? es_nodes_of(token, (void *)(uintptr_t)query) : 0;
    return node < 0 ? ES_REF_NONE : es_ref_on_node(es_ref_pid((uint32_t)token->number, token->serial), (unsigned)node);
}

es_ref es_nodes_address(es_ref name, unsigned node)
{
    if (node == 0)
        return name;
    uint64_t hash = es_hash_mix(es_hash_mix(UINT64_C(0x6164647265737331), name), node);
    return es_ref_make(ES_REF_OTHER, hash | 1);
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* Where ".N.S" begins in a text that ends with it; NULL where it does not. */
static const char *numbers_in(const char *text, size_t len)
{
    size_t at = len, dots = 0, digits = 0;
    while (at > 0 && dots < 2) {
        char c = text[--at];
        if (c == '.' && digits == 0)
            return NULL;
        dots += c == '.';
        digits = c == '.' ? 0 : digits + 1;
        if (c != '.' && (c < '0' || c > '9' || digits > 10))
            return NULL;
    }
    return dots == 2 && at > 0 ? text + at : NULL;
}

size_t es_pid_text(const char *text)
{
    size_t len = *text == '<' ? strcspn(text, "> \t\n()\"") : 0;
    return len > 1 && text[len] == '>' && numbers_in(text + 1, len - 1) ? len + 1 : 0;
}

static int node_called(const struct es_query *query, const char *name, size_t len)
{
    if (len == 1 && *name == '0')
        return 0;
    for (size_t i = 0; i < query->n_nodes; i++)
        if (query->nodes[i].label_len == len && memcmp(query->nodes[i].label, name, len) == 0)
            return (int)i;
    bool own = query->n_nodes == 0 && query->node && strlen(query->node) == len && memcmp(query->node, name, len) == 0;
    return own ? 0 : -1;
}

bool es_read_pid(const struct es_query *query, const char *text, es_ref *ret_pid)
{
    const char *at = strncmp(text, "#PID<", 5) == 0 ? text + 4 : text;
    size_t len = strlen(at);
    if (*at == '<') {
        if (len < 2 || at[len - 1] != '>')
            return false;
        at++;
        len -= 2;
    }
    const char *numbers = numbers_in(at, len);
    int node = numbers ? node_called(query, at, (size_t)(numbers - at)) : -1;
    if (node < 0)
        return false;
    char *end;
    unsigned long number = strtoul(numbers + 1, &end, 10), serial = strtoul(end + 1, NULL, 10);
    if (number > 0x0fffffff || serial > ES_REF_SERIAL_MAX)
        return false;
    *ret_pid = es_ref_on_node(es_ref_pid((uint32_t)number, (uint32_t)serial), (unsigned)node);
    return true;
}

bool es_read_port(const struct es_query *query, const char *text, es_ref *ret_port)
{
    const char *at = text + 6, *dot = strrchr(text, '.');
    if (strncmp(text, "#Port<", 6) != 0 || !dot || dot <= at)
        return false;
    char *end;
    int node = node_called(query, at, (size_t)(dot - at));
    errno = 0;
    unsigned long long number = strtoull(dot + 1, &end, 10);
    if (node < 0 || errno || strcmp(end, ">") != 0 || end == dot + 1 || number > ES_REF_PORT_MASK)
        return false;
    *ret_port = es_ref_on_node(es_ref_make(ES_REF_PORT, number), (unsigned)node);
    return true;
}
