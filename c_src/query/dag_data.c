/* SPDX-License-Identifier: MIT */
/* The view of data: values that are seen again, in arguments, messages, states and returned values. Each value of a
 * payload is compared by its content, the largest first: what lies within a value that was seen before makes no edge
 * of its own. Values of less than 16 bytes of content are too common to tell anything: a binary's bytes and the bytes
 * that a number needs count; atoms, pids, ports, references and functions do not. Nor is anything compared that was
 * cut or redacted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/dag.h"
#include "term/tree.h"

#define CONTENT_MIN 16u
#define VALUES_MAX (UINT32_C(1) << 20) /* different values that are remembered */
#define KINDS                                                                               \
    (UINT64_C(1) << ES_K_SPAWN | UINT64_C(1) << ES_K_SEND | UINT64_C(1) << ES_K_SEND_DEAD | \
     UINT64_C(1) << ES_K_DELIVER | UINT64_C(1) << ES_K_CALL | UINT64_C(1) << ES_K_RETURN |  \
     UINT64_C(1) << ES_K_EXCEPTION | UINT64_C(1) << ES_K_STATE | UINT64_C(1) << ES_K_EXIT)

/* The last place a value was seen at. */
struct place {
    uint64_t seq;
    int64_t time;
    es_ref pid, module, function;
    uint32_t at, bytes, node; /* node: index + 1, 0: it has none yet */
    uint16_t arity;
    uint8_t kind, flags;
};

struct values {
    struct es_dag_builder *b;
    struct es_refmap place_of; /* hash to index + 1 */
    struct place *places;
    size_t n, room;
    uint64_t *content; /* of the tree at hand, by node */
    size_t content_room;
    struct es_refmap focus; /* hashes of the values in the focus */
};

/* ---- how much a value says ----------------------------------------------------------------------------------------- */

static uint64_t leaf_content(const struct es_tree *tree, uint32_t node)
{
    const struct es_node *n = &tree->nodes[node];
    if (n->flags & ES_NODE_UNSURE)
        return 0;
    if (n->type == ES_N_FLOAT)
        return 8;
    if (n->type != ES_N_BINARY && n->type != ES_N_INT)
        return 0;
    struct es_token token = es_tree_token(tree, node);
    if (token.type == ES_TOK_BINARY || token.type == ES_TOK_BIG)
        return token.len;
    uint64_t size = token.integer < 0 ? ~(uint64_t)token.integer : (uint64_t)token.integer, bytes = 1;
    while (size >>= 8)
        bytes++;
    return bytes;
}

/* Of each node its content with all that is in it: children stand behind their parents. */
static int weigh(struct values *v, const struct es_tree *tree)
{
    if (tree->n > v->content_room) {
        uint64_t *content = realloc(v->content, tree->n * sizeof *content);
        if (!content)
            return -ENOMEM;
        v->content = content;
        v->content_room = tree->n;
    }
    for (uint32_t i = tree->n; i-- > 0;) {
        v->content[i] = leaf_content(tree, i);
        for (uint32_t child = i + 1; child < tree->nodes[i].next; child = tree->nodes[child].next)
            v->content[i] += v->content[child];
    }
    return 0;
}

static bool is_telling(const struct values *v, const struct es_tree *tree, uint32_t node)
{
    return v->content[node] >= CONTENT_MIN && !(tree->nodes[node].flags & ES_NODE_UNSURE);
}

/* ---- nodes and edges ----------------------------------------------------------------------------------------------- */

/* Index + 1; 0: the limit is reached; negative errno. */
static int64_t node_of(struct values *v, struct place *place)
{
    struct es_dag *dag = &v->b->dag;
    if (place->node)
        return place->node;
    if (dag->n_nodes >= v->b->request.limit)
        return 0;
    struct es_event event = {.seq = place->seq,
                             .time = place->time,
                             .pid = place->pid,
                             .module = place->module,
                             .function = place->function,
                             .arity = place->arity,
                             .kind = place->kind,
                             .flags = place->flags};
    struct es_dag_node *node = es_dag_event_node(v->b, &event);
    if (!node)
        return -ENOMEM;
    node->what = ES_DAG_VALUE;
    node->at = place->at;
    node->bytes = place->bytes;
    place->node = (uint32_t)dag->n_nodes;
    return place->node;
}

static int connect(struct values *v, struct place *earlier, struct place *later)
{
    int64_t from = node_of(v, earlier), to = from > 0 ? node_of(v, later) : 0;
    if (from < 0 || to < 0)
        return -ENOMEM;
    if (to == 0) {
        v->b->dag.left_nodes += 1 + (from == 0);
        v->b->dag.left_edges++;
        return 0;
    }
    struct es_dag_edge *edge = es_dag_edge(v->b, (uint32_t)from - 1, (uint32_t)to - 1, ES_DAG_E_VALUE);
    if (!edge)
        return -ENOMEM;
    es_dag_time(edge, later->time - earlier->time);
    return 0;
}

/* Where this hash was seen last; a new place with seq 0; NULL: too many, or no memory (*rc). */
static struct place *find_place(struct values *v, uint64_t hash, int *rc)
{
    const uint64_t *found = es_refmap_find(&v->place_of, hash | 1);
    if (found && *found)
        return &v->places[*found - 1];
    if (v->n == VALUES_MAX) {
        v->b->dag.left_more = true;
        return NULL;
    }
    if (v->n == v->room) {
        size_t room = v->room ? v->room * 2 : 1024;
        struct place *places = realloc(v->places, room * sizeof *places);
        if (!places) {
            *rc = -ENOMEM;
            return NULL;
        }
        v->places = places;
        v->room = room;
    }
    uint64_t *place = es_refmap_place(&v->place_of, hash | 1);
    if (!place) {
        *rc = -ENOMEM;
        return NULL;
    }
    v->places[v->n] = (struct place){0};
    *place = ++v->n;
    return &v->places[v->n - 1];
}

static int see(struct values *v, const struct es_event *event, const struct es_node *node, bool *covered)
{
    int rc = 0;
    struct place *place = find_place(v, node->hash, &rc);
    if (!place || place->seq == event->seq)
        return rc;
    struct place now = {.seq = event->seq,
                        .time = event->time,
                        .pid = event->pid,
                        .module = event->module,
                        .function = event->function,
                        .at = node->at,
                        .bytes = node->end - node->at,
                        .arity = event->arity,
                        .kind = event->kind,
                        .flags = event->flags};
    if (place->seq && !*covered) {
        rc = connect(v, place, &now);
        *covered = true;
    }
    *place = now;
    return rc;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

/* With a focus only its values are looked for. */
static bool is_asked(const struct values *v, uint64_t hash)
{
    return v->focus.n == 0 || es_refmap_find(&v->focus, hash | 1);
}

static int read_values(struct values *v, const struct es_event *event, const struct es_tree *tree)
{
    uint32_t end = 0; /* of the value that was seen before */
    for (uint32_t i = 0; i < tree->n; i++) {
        bool covered = i < end;
        if (!is_telling(v, tree, i) || !is_asked(v, tree->nodes[i].hash))
            continue;
        bool was = covered;
        int rc = see(v, event, &tree->nodes[i], &covered);
        if (rc < 0)
            return rc;
        if (covered && !was)
            end = tree->nodes[i].next;
    }
    return 0;
}

static int with_tree(struct values *v, const struct es_event *event,
                     int (*use)(struct values *, const struct es_event *, const struct es_tree *))
{
    struct es_tree tree;
    if (event->payload_len == 0)
        return 0;
    int rc = es_tree_read(&tree, event->payload, event->payload_len, &v->b->query->print[0]);
    if (rc < 0) {
        es_error_clear();
        return rc == -ENOMEM ? rc : 0; /* malformed: it has no values */
    }
    rc = weigh(v, &tree);
    if (rc == 0)
        rc = use(v, event, &tree);
    es_tree_fini(&tree);
    return rc;
}

static int note_focus(struct values *v, const struct es_event *event, const struct es_tree *tree)
{
    (void)event;
    for (uint32_t i = 0; i < tree->n; i++) {
        if (!is_telling(v, tree, i))
            continue;
        uint64_t *place = es_refmap_place(&v->focus, tree->nodes[i].hash | 1);
        if (!place)
            return -ENOMEM;
        *place = 1;
    }
    return 0;
}

static int read_focus(struct values *v)
{
    const struct es_event *event;
    int rc = es_query_event(v->b->query, v->b->request.focus, &event);
    if (rc == 0)
        rc = with_tree(v, event, note_focus);
    if (rc == 0 && v->focus.n == 0)
        rc = es_fail(-ENOENT, "event %llu has no value of %u bytes of content or more that could be followed",
                     (unsigned long long)v->b->request.focus, CONTENT_MIN);
    return rc;
}

/* A delivery whose message was sent in the recording says nothing that its send does not. */
static bool repeats(const struct es_event *event) { return event->kind == ES_K_DELIVER && event->cause; }

int es_dag_data(struct es_dag_builder *b)
{
    struct values v = {.b = b};
    struct es_filter filter = es_dag_filter(b);
    struct es_cursor *cursor = NULL;
    const struct es_event *event;
    filter.kinds = KINDS;
    filter.no_payload = false;
    int rc = b->request.focus ? read_focus(&v) : 0;
    if (rc == 0)
        rc = es_cursor_open(b->query, &filter, &cursor);
    while (rc == 0 && (rc = es_cursor_next(cursor, &event)) > 0)
        rc = repeats(event) ? 0 : with_tree(&v, event, read_values);
    if (cursor)
        es_cursor_close(cursor);
    es_refmap_fini(&v.place_of);
    es_refmap_fini(&v.focus);
    free(v.places);
    free(v.content);
    return rc;
}
