/* SPDX-License-Identifier: MIT */
/* Contents of messages, by the text of atoms and the names of nodes. */
#include "query/merge_content.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "term/tree.h"

static bool is_leaf(const struct es_node *node)
{
    return node->type != ES_N_TUPLE && node->type != ES_N_LIST && node->type != ES_N_MAP && node->type != ES_N_CUT &&
           node->type != ES_N_BINARY && node->type != ES_N_FUN && !(node->flags & ES_NODE_UNSURE);
}

/* The outermost tuple and its first element are there however little is kept. */
static uint64_t head_of(const struct es_tree *tree)
{
    const struct es_node *root = &tree->nodes[0];
    uint64_t head = es_hash_mix(1, root->type == ES_N_TUPLE ? root->count + 2 : 1);
    uint32_t first = root->type == ES_N_TUPLE ? es_tree_first(tree, 0) : ES_NO_NODE;
    return first != ES_NO_NODE && is_leaf(&tree->nodes[first]) ? es_hash_mix(head, tree->nodes[first].hash) : head;
}

static bool has_reference(const struct es_tree *tree)
{
    for (uint32_t i = 0; i < tree->n; i++)
        if (tree->nodes[i].type == ES_N_REF)
            return true;
    return false;
}

static bool is_tagged(const struct es_tree *tree, uint32_t arity, const char *tag)
{
    return tree->nodes[0].type == ES_N_TUPLE && tree->nodes[0].count == arity &&
           !(tree->nodes[0].flags & ES_NODE_REST) && es_tree_is_atom(tree, es_tree_first(tree, 0), tag);
}

static void read_signal(const struct es_merge *merge, const struct es_merge_rec *rec, const struct es_tree *tree,
                        struct es_content *ret)
{
    bool exit = is_tagged(tree, 3, "EXIT");
    if (!exit && !is_tagged(tree, 5, "DOWN"))
        return;
    uint32_t pid = es_tree_element(tree, 0, exit ? 1 : 3), reason = es_tree_element(tree, 0, exit ? 2 : 4);
    if (pid == ES_NO_NODE || reason == ES_NO_NODE || tree->nodes[pid].type != ES_N_PID)
        return;
    struct es_token token = es_tree_token(tree, pid);
    ret->signal = true;
    ret->pid = es_merge_pid(merge, rec, &token);
    ret->reason = tree->nodes[reason].flags & ES_NODE_UNSURE ? 0 : tree->nodes[reason].hash;
}

int es_content_read(struct es_merge *merge, struct es_merge_rec *rec, const struct es_event *event,
                    struct es_content *ret)
{
    struct es_tree tree;
    *ret = (struct es_content){0};
    if (event->payload_len == 0)
        return 0;
    int rc = es_tree_read(&tree, event->payload, event->payload_len, es_query_print(rec->query, true));
    if (rc < 0)
        return rc == -ENOMEM ? es_fail(rc, "no memory for a term") : 0;
    bool unsure = tree.nodes[0].flags & ES_NODE_UNSURE || tree.nodes[0].type == ES_N_CUT ||
                  event->flags & (ES_E_CUT | ES_E_REDACTED);
    ret->hash = unsure ? 0 : tree.nodes[0].hash ? tree.nodes[0].hash : 1;
    ret->head = head_of(&tree);
    ret->unique = has_reference(&tree);
    ret->system = is_tagged(&tree, 4, "spawn_reply");
    read_signal(merge, rec, &tree, ret);
    es_tree_fini(&tree);
    return 0;
}
