/* SPDX-License-Identifier: MIT */
/* All processes of a moment: what the world knows, beside what the table of processes says, and who supervises whom. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/nodes.h"

const char *const es_status_names[ES_STATUS_MAX] = {NULL, "running", "runnable", "waiting"};
const char *const es_at_names[ES_AT_INITIAL + 1] = {NULL, "scheduled", "call", "initial"};

struct build {
    struct es_query *query;
    struct es_moment *moment;
    size_t room;
    struct es_refmap rows;    /* pid to place in rows + 1; dead ones: 0 */
    struct es_refmap names;   /* registered name to pid */
    struct es_refmap modules; /* module to 1: a supervisor's, 2: none */
    bool names_ready;
};

/* ---- who lives ----------------------------------------------------------------------------------------------------- */

static bool is_alive(const struct es_moment *moment, const struct es_process *p)
{
    bool born = p->spawn_seq ? p->spawn_seq <= moment->seq : p->spawned <= moment->time;
    bool dead = p->exit_seq ? p->exit_seq <= moment->seq : p->exited <= moment->time;
    return born && !dead;
}

bool es_moment_is_dead(struct es_query *query, const struct es_moment *moment, es_ref pid)
{
    const struct es_process *process = es_query_process(query, pid);
    return process && !is_alive(moment, process);
}

static int add_row(struct build *b, es_ref pid, const struct es_process *process)
{
    struct es_moment *moment = b->moment;
    uint64_t *place = es_refmap_place(&b->rows, pid);
    if (moment->n == b->room) {
        size_t room = b->room ? b->room * 2 : 256;
        struct es_moment_row *rows = realloc(moment->rows, room * sizeof *rows);
        if (!rows)
            return -ENOMEM;
        moment->rows = rows;
        b->room = room;
    }
    if (!place)
        return -ENOMEM;
    moment->rows[moment->n] =
        (struct es_moment_row){.pid = pid, .process = process, .proc = es_world_find(moment->world, pid)};
    *place = ++moment->n;
    return 0;
}

/* Those of the table, then those of whom only events tell. What was passed over may have been the end of a process: then the table is
 * asked for the dead too. */
static int add_rows(struct build *b)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(b->query->recording, &processes);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (processes[i].pid == ES_REF_NONE)
            continue;
        if (is_alive(b->moment, &processes[i]))
            rc = add_row(b, processes[i].pid, &processes[i]);
        else if (b->moment->damaged && !es_refmap_place(&b->rows, processes[i].pid))
            rc = -ENOMEM;
    }
    const struct es_world *world = b->moment->world;
    for (const struct es_world_proc *proc = NULL; rc == 0 && (proc = es_world_next(world, proc));)
        if (!es_refmap_find(&b->rows, proc->pid))
            rc = add_row(b, proc->pid, NULL);
    return rc;
}

/* ---- supervisors --------------------------------------------------------------------------------------------------- */

static bool is_supervisor_module(struct es_query *query, es_ref module)
{
    static const char *const names[] = {"supervisor", "supervisor_bridge", "Elixir.DynamicSupervisor"};
    struct es_token token = {.type = ES_TOK_ATOM_REF, .word = es_ref_value(module)};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (es_query_is_atom(query, &token, names[i]))
            return true;
    return false;
}

static bool runs_supervisor_module(struct build *b, es_ref module)
{
    uint64_t *kind = es_ref_class_of(module) == ES_REF_ATOM ? es_refmap_place(&b->modules, module) : NULL;
    if (!kind)
        return false;
    if (*kind == 0)
        *kind = is_supervisor_module(b->query, module) ? 1 : 2;
    return *kind == 1;
}

/* Its spawn said so (engine/process_events.c): the module of its initial call is the one behind the supervisor. */
static bool has_fact(struct es_query *query, const struct es_process *process)
{
    struct es_reader r;
    struct es_token token;
    if (!process || process->facts_len == 0)
        return false;
    es_reader_init(&r, process->facts, process->facts_len);
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_MAP)
        return false;
    for (uint32_t pairs = token.count; pairs > 0; pairs--) {
        if (es_token_next(&r, &token) < 0 || (token.type != ES_TOK_ATOM && token.type != ES_TOK_ATOM_REF))
            return false;
        if (es_query_is_atom(query, &token, "supervisor"))
            return true;
        if (es_term_skip(&r) < 0)
            return false;
    }
    return false;
}

static void find_supervisors(struct build *b)
{
    struct es_moment *moment = b->moment;
    for (size_t i = 0; i < moment->n; i++) {
        struct es_moment_row *row = &moment->rows[i];
        row->is_supervisor = runs_supervisor_module(b, row->initial.module) || has_fact(b->query, row->process);
    }
    for (size_t i = 0; i < moment->n; i++) {
        struct es_moment_row *row = &moment->rows[i];
        const uint64_t *parent = es_refmap_find(&b->rows, row->parent);
        if (parent && *parent && moment->rows[*parent - 1].is_supervisor && row->parent != row->pid)
            row->supervisor = row->parent;
    }
}

/* ---- what it does -------------------------------------------------------------------------------------------------- */

static enum es_status status_of(const struct es_world_proc *proc)
{
    if (!(proc->flags & ES_WP_SCHEDULED))
        return proc->wait_seq ? ES_STATUS_WAITING : ES_STATUS_UNKNOWN;
    if (proc->flags & ES_WP_IN)
        return ES_STATUS_RUNNING;
    return proc->flags & ES_WP_WOKEN ? ES_STATUS_RUNNABLE : ES_STATUS_WAITING;
}

/* The last that was said: where it was scheduled, unless it called or returned since; its innermost open call. What is older than a loss
 * of events is not believed. */
static void find_inside(const struct es_world *world, struct es_moment_row *row)
{
    const struct es_world_proc *proc = row->proc;
    const struct es_world_frame *frame = proc->frame == ES_TABLE_NONE ? NULL : &world->frames[proc->frame];
    if (frame && (proc->deeper > 0 || frame->seq < world->gap_seq))
        frame = NULL;
    bool called_since = (frame && frame->seq > proc->run_seq) || proc->end_seq > proc->run_seq;
    if (proc->run_fun && !called_since) {
        row->inside = world->funs[proc->run_fun];
        row->inside_seq = proc->run_seq;
        row->inside_by = ES_AT_SCHEDULED;
    } else if (frame) {
        row->inside = world->funs[frame->fun];
        row->inside_seq = frame->seq;
        row->inside_by = ES_AT_CALL;
    }
}

static es_ref find_name(struct build *b, es_ref name)
{
    for (size_t i = 0; !b->names_ready && i < b->moment->n; i++) {
        const struct es_moment_row *row = &b->moment->rows[i];
        uint64_t *pid =
            row->name ? es_refmap_place(&b->names, es_nodes_address(row->name, es_ref_node(row->pid))) : NULL;
        if (pid)
            *pid = row->pid;
    }
    b->names_ready = true;
    const uint64_t *pid = es_refmap_find(&b->names, name);
    return pid ? *pid : ES_REF_NONE;
}

/* Something was lost since, or a call has ended since a message came: a `receive` in it may have taken that. */
static bool may_be_less(const struct es_world *world, const struct es_world_proc *proc)
{
    uint64_t gap = world->gap_seq;
    if (proc->mail_older > 0)
        return gap > 0 || proc->mail_n == 0 || es_world_mail_at(proc, 0)->seq < proc->end_seq;
    return proc->mail_n > 0 && (es_world_mail_at(proc, 0)->seq < gap || es_world_mail_at(proc, 0)->seq < proc->end_seq);
}

static void fill_row(struct build *b, struct es_moment_row *row)
{
    const struct es_process *process = row->process;
    const struct es_world_proc *proc = row->proc;
    const struct es_world *world = b->moment->world;
    row->parent = process && process->parent ? process->parent : proc ? proc->parent : ES_REF_NONE;
    if (process && process->module)
        row->initial = (struct es_world_fun){process->module, process->function, process->arity, false};
    else if (proc && proc->fun)
        row->initial = world->funs[proc->fun];
    row->name = proc ? proc->name : es_query_name(b->query, row->pid, b->moment->time);
    row->inside = row->initial;
    row->inside_by = row->initial.module ? ES_AT_INITIAL : ES_AT_UNKNOWN;
    if (!proc)
        return;
    find_inside(world, row);
    row->status = (uint8_t)status_of(proc);
    row->links_whole = proc->flags & (ES_WP_BORN | ES_WP_CENSUS) && !(proc->flags & ES_WP_LINKS_CUT);
    bool takes =
        proc->flags & ES_WP_TAKES && !(proc->flags & ES_WP_BEHAVIOUR); /* others of its receives may not be woven */
    row->mail_known = proc->flags & ES_WP_HANDLES || takes;
    row->mail_at_most = proc->flags & ES_WP_AT_MOST || takes || may_be_less(world, proc);
}

static void find_waits(struct build *b)
{
    for (size_t i = 0; i < b->moment->n; i++) {
        struct es_moment_row *row = &b->moment->rows[i];
        es_ref peer = row->proc ? row->proc->wait_peer : ES_REF_NONE;
        row->waits_for = es_ref_class_of(peer) == ES_REF_PID ? peer : peer ? find_name(b, peer) : ES_REF_NONE;
    }
}

/* Who has a name, of all that the world knows. */
static es_ref who_has(const struct es_world *world, es_ref name)
{
    for (const struct es_world_proc *proc = NULL; (proc = es_world_next(world, proc));)
        if (proc->name == name)
            return proc->pid;
    return ES_REF_NONE;
}

static int build_one(struct build *b, es_ref pid)
{
    struct es_moment *moment = b->moment;
    int rc = es_query_world(b->query, moment->seq, &moment->world, &moment->damaged);
    if (rc < 0)
        return rc;
    const struct es_process *process = es_query_process(b->query, pid);
    moment->time = moment->world->time;
    if (!(process && is_alive(moment, process)) && (process || !es_world_find(moment->world, pid)))
        return 0;
    if (add_row(b, pid, process) < 0)
        return es_fail(-ENOMEM, "no memory for a moment");
    struct es_moment_row *row = &moment->rows[0];
    fill_row(b, row);
    es_ref peer = row->proc ? row->proc->wait_peer : ES_REF_NONE;
    row->waits_for = es_ref_class_of(peer) == ES_REF_ATOM  ? who_has(moment->world, peer)
                     : es_ref_class_of(peer) == ES_REF_PID ? peer
                                                           : ES_REF_NONE;
    return 0;
}

static int build(struct build *b)
{
    struct es_moment *moment = b->moment;
    int rc = es_query_world(b->query, moment->seq, &moment->world, &moment->damaged);
    if (rc < 0)
        return rc;
    moment->time = moment->world->time;
    if (add_rows(b) < 0)
        return es_fail(-ENOMEM, "no memory for the processes of a moment");
    for (size_t i = 0; i < moment->n; i++)
        fill_row(b, &moment->rows[i]);
    find_supervisors(b);
    find_waits(b);
    return 0;
}

static int make(struct es_query *query, uint64_t seq, const es_ref *pid, struct es_moment **ret_moment)
{
    struct build b = {.query = query, .moment = calloc(1, sizeof *b.moment)};
    if (!b.moment)
        return es_fail(-ENOMEM, "no memory for the processes of a moment");
    b.moment->seq = seq;
    int rc = pid ? build_one(&b, *pid) : build(&b);
    es_refmap_fini(&b.rows);
    es_refmap_fini(&b.names);
    es_refmap_fini(&b.modules);
    if (rc < 0) {
        es_moment_free(b.moment);
        return rc;
    }
    *ret_moment = b.moment;
    return 0;
}

int es_query_moment(struct es_query *query, uint64_t seq, struct es_moment **ret_moment)
{
    return make(query, seq, NULL, ret_moment);
}

int es_query_moment_of(struct es_query *query, uint64_t seq, es_ref pid, struct es_moment **ret_moment)
{
    return make(query, seq, &pid, ret_moment);
}

void es_moment_free(struct es_moment *moment)
{
    if (moment)
        free(moment->rows);
    free(moment);
}
