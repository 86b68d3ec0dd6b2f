/* SPDX-License-Identifier: MIT */
/* The view of processes: who dealt with whom. Two processes that deal with each other would be a cycle, so a process is
 * several nodes, its phases. Each phase has a level, and edges lead from lower to higher levels. What reaches a phase
 * from below is summed up with what was there; what reaches it from its own level or above lifts it, as long as nothing
 * has left it; else the process's next phase begins. An answer belongs to its request and makes no edge of its own. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/cone.h"
#include "query/dag.h"
#include "wire/term.h"

#define KINDS \
    (UINT64_C(1) << ES_K_DELIVER | UINT64_C(1) << ES_K_SPAWNED | UINT64_C(1) << ES_K_EXIT | UINT64_C(1) << ES_K_LINK)
#define ANSWERS_MAX (UINT32_C(1) << 20) /* requests that are remembered */

struct phases {
    struct es_dag_builder *b;
    struct es_refmap now;   /* process to index + 1 of its phase */
    struct es_refmap asked; /* process and correlation to the request's edge + 1 */
    struct es_refmap left;  /* processes without a node */
    struct es_refmap sent;  /* process and correlation to the sequence number of a request */
    uint32_t *before;       /* by node: index + 1 of the process's phase before */
    bool *gone;             /* by node: something has left it */
};

struct dealing {
    es_ref from, to;
    uint64_t sent, seq; /* when it left, when it arrived */
    int64_t latency;
    uint64_t corr;
    enum es_dag_edge_kind kind;
};

static uint64_t key_of(es_ref pid, uint64_t corr) { return es_hash_mix(pid, corr) | 1; }

/* ---- phases -------------------------------------------------------------------------------------------------------- */

/* A new phase; 0: the limit is reached. Index + 1, or a negative errno. */
static int64_t add_phase(struct phases *p, es_ref pid, uint64_t seq, int64_t time)
{
    struct es_dag *dag = &p->b->dag;
    uint64_t *now = es_refmap_place(&p->now, pid);
    if (!now)
        return -ENOMEM;
    if (dag->n_nodes >= p->b->request.limit) {
        uint64_t *left = es_refmap_place(&p->left, pid);
        if (!left)
            return -ENOMEM;
        dag->left_nodes += *left == 0;
        *left = 1;
        return 0;
    }
    uint32_t before = (uint32_t)*now;
    struct es_dag_node *node = es_dag_node(p->b);
    if (!node)
        return -ENOMEM;
    node->what = ES_DAG_PROCESS;
    node->pid = pid;
    node->seq = node->last = seq;
    node->time = time;
    node->count = 0;
    node->phase = before ? dag->nodes[before - 1].phase + 1 : 1;
    p->before[dag->n_nodes - 1] = before;
    *now = dag->n_nodes;
    return (int64_t)dag->n_nodes;
}

/* The phase that a process was in: its last one, or one before where what comes from it left long ago. */
static uint32_t phase_at(const struct phases *p, es_ref pid, uint64_t seq)
{
    const uint64_t *now = es_refmap_find(&p->now, pid);
    uint32_t phase = now ? (uint32_t)*now : 0;
    while (phase && p->b->dag.nodes[phase - 1].seq > seq && p->before[phase - 1])
        phase = p->before[phase - 1];
    return phase;
}

static void touch(struct es_dag_node *node, uint64_t seq)
{
    node->count++;
    node->seq = node->seq < seq ? node->seq : seq;
    node->last = node->last > seq ? node->last : seq;
}

/* The phase that something arrives in. Index + 1, 0 at the limit, negative errno. */
static int64_t arrive(struct phases *p, const struct dealing *d, uint32_t from, int64_t time)
{
    struct es_dag *dag = &p->b->dag;
    uint32_t level = dag->nodes[from - 1].level + 1, now = phase_at(p, d->to, UINT64_MAX);
    if (now && dag->nodes[now - 1].level >= level)
        return now;
    if (now && !p->gone[now - 1] && d->from != d->to) {
        dag->nodes[now - 1].level = level;
        return now;
    }
    int64_t next = add_phase(p, d->to, d->seq, time);
    if (next <= 0)
        return next;
    dag->nodes[next - 1].level = now && dag->nodes[now - 1].level >= level ? dag->nodes[now - 1].level + 1 : level;
    if (now) {
        struct es_dag_edge *edge = es_dag_sum(p->b, now - 1, (uint32_t)next - 1, ES_DAG_E_LATER);
        if (!edge)
            return -ENOMEM;
        edge->count = 1;
        p->gone[now - 1] = true;
    }
    return next;
}

/* ---- dealings ------------------------------------------------------------------------------------------------------ */

static int remember(struct phases *p, const struct dealing *d, uint64_t edge)
{
    if (d->corr == 0 || d->kind != ES_DAG_E_REQUEST || p->asked.n >= ANSWERS_MAX)
        return 0;
    uint64_t *asked = es_refmap_place(&p->asked, key_of(d->from, d->corr));
    uint64_t *sent = es_refmap_place(&p->sent, key_of(d->from, d->corr));
    if (!asked || !sent)
        return -ENOMEM;
    *asked = edge;
    *sent = d->sent;
    return 0;
}

static int deal(struct phases *p, const struct dealing *d, int64_t time)
{
    if (d->from == d->to)
        return 0;
    int64_t from = phase_at(p, d->from, d->sent);
    if (from == 0)
        from = add_phase(p, d->from, d->sent, time);
    int64_t to = from > 0 ? arrive(p, d, (uint32_t)from, time) : from;
    if (to <= 0) {
        p->b->dag.left_edges += to == 0;
        return to < 0 ? (int)to : 0;
    }
    struct es_dag_edge *edge = es_dag_sum(p->b, (uint32_t)from - 1, (uint32_t)to - 1, d->kind);
    if (!edge)
        return -ENOMEM;
    p->gone[from - 1] = true;
    touch(&p->b->dag.nodes[from - 1], d->sent);
    touch(&p->b->dag.nodes[to - 1], d->seq);
    edge->seq = edge->count++ == 0 ? d->seq : edge->seq;
    if (d->kind != ES_DAG_E_REQUEST)
        es_dag_time(edge, d->latency);
    return remember(p, d, (uint64_t)(edge - p->b->dag.edges) + 1);
}

/* The answer to a request: the request's edge gets the time until then. */
static bool is_answer(struct phases *p, const struct es_event *event)
{
    const struct es_event *request;
    uint64_t key = key_of(event->pid, event->corr);
    uint64_t *asked = event->corr ? es_refmap_find(&p->asked, key) : NULL;
    const uint64_t *sent = asked ? es_refmap_find(&p->sent, key) : NULL;
    if (!asked || *asked == 0 || !sent)
        return false;
    int64_t time = event->time;
    if (es_query_stored(p->b->query, *sent, &request) == 0)
        es_dag_time(&p->b->dag.edges[*asked - 1], time - request->time);
    es_error_clear();
    *asked = 0;
    return true;
}

static int add_caused(struct phases *p, const struct es_event *event)
{
    const struct es_event *cause;
    if (event->cause == 0 || es_query_stored(p->b->query, event->cause, &cause) < 0) {
        es_error_clear();
        return 0;
    }
    if (!(es_dag_has_pid(p->b, event->pid) || es_dag_has_pid(p->b, cause->pid)) || cause->kind == ES_K_CALL ||
        event->pid == ES_REF_NONE || cause->pid == ES_REF_NONE)
        return 0;
    struct dealing d = {.from = cause->pid,
                        .to = event->pid,
                        .sent = cause->seq,
                        .seq = event->seq,
                        .latency = event->time - cause->time,
                        .corr = event->corr};
    d.kind = event->kind == ES_K_SPAWNED ? ES_DAG_E_SPAWN
             : cause->kind == ES_K_EXIT  ? (event->corr ? ES_DAG_E_MONITOR : ES_DAG_E_EXIT)
             : event->corr               ? ES_DAG_E_REQUEST
                                         : ES_DAG_E_MESSAGE;
    if (d.kind == ES_DAG_E_REQUEST && is_answer(p, event))
        return 0;
    return deal(p, &d, event->time);
}

static int add_event(struct phases *p, const struct es_event *event)
{
    if (event->kind != ES_K_LINK)
        return add_caused(p, event);
    if (es_ref_class_of(event->peer) != ES_REF_PID ||
        !(es_dag_has_pid(p->b, event->pid) || es_dag_has_pid(p->b, event->peer)))
        return 0;
    struct dealing d = {.from = event->pid,
                        .to = event->peer,
                        .sent = event->seq,
                        .seq = event->seq,
                        .latency = -1,
                        .kind = ES_DAG_E_LINK};
    return deal(p, &d, event->time);
}

/* Without a focus all of the window in its order; else the dealings nearest to the focus, a few for each node. */
static int add_all(struct phases *p)
{
    struct es_dag_builder *b = p->b;
    struct es_filter filter = es_dag_filter(b);
    struct es_cursor *cursor;
    const struct es_event *event;
    filter.kinds = KINDS;
    filter.n_pids = 0; /* the other side's events count too */
    if (b->request.focus) {
        uint64_t reach = (uint64_t)b->request.limit * 4;
        filter.after_seq = b->request.focus > reach ? b->request.focus - reach : 0;
        filter.before_seq = b->request.focus + reach;
        b->dag.left_more = true;
    }
    int rc = es_cursor_open(b->query, &filter, &cursor);
    if (rc < 0)
        return rc;
    while ((rc = es_cursor_next(cursor, &event)) > 0) {
        struct es_event copy = *event;
        rc = add_event(p, &copy);
        if (rc < 0)
            break;
    }
    es_cursor_close(cursor);
    return rc;
}

int es_dag_interaction(struct es_dag_builder *b)
{
    struct phases p = {.b = b};
    p.before = calloc(b->request.limit + 1, sizeof *p.before);
    p.gone = calloc(b->request.limit + 1, sizeof *p.gone);
    int rc = p.before && p.gone ? add_all(&p) : -ENOMEM;
    free(p.before);
    free(p.gone);
    es_refmap_fini(&p.now);
    es_refmap_fini(&p.asked);
    es_refmap_fini(&p.left);
    es_refmap_fini(&p.sent);
    return rc;
}
