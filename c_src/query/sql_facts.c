/* SPDX-License-Identifier: MIT */
/* Small tables: processes and losses. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/sql.h"
#include "query/sql_places.h"

/* ---- processes ----------------------------------------------------------------------------------------------------- */

struct processes {
    const struct es_process *all;
    struct es_ps_row *rows; /* with sums, where these are asked for */
    size_t n, at;
    struct es_text text[3];
};

static int open_processes(struct es_sql_scan *scan)
{
    struct processes *p = calloc(1, sizeof *p);
    scan->state = p;
    if (!p)
        return -ENOMEM;
    p->n = es_recording_processes(scan->sql->query->recording, &p->all);
    if (es_sql_uses(&scan->ask, ES_PROCESS_EVENTS) || es_sql_uses(&scan->ask, ES_PROCESS_MEMORY))
        return es_query_ps(scan->sql->query, INT64_MAX, &p->rows, &p->n);
    return 0;
}

static bool is_asked_for(const struct es_sql_ask *ask, es_ref pid)
{
    bool found = ask->n_pids == 0;
    for (size_t i = 0; i < ask->n_pids && !found; i++)
        found = ask->pids[i] == pid;
    return found;
}

static void put_text(struct es_sql_row *row, size_t column, struct es_text *text)
{
    if (text->len > 0)
        es_sql_put(row, column, (int64_t)(intptr_t)text->bytes);
}

static void put_texts(struct es_sql_scan *scan, struct processes *p, const struct es_process *process)
{
    struct es_query *query = scan->sql->query;
    struct es_event call = {.module = process->module, .function = process->function, .arity = process->arity};
    for (size_t i = 0; i < 3; i++)
        es_text_clear(&p->text[i]);
    if (es_sql_uses(&scan->ask, ES_PROCESS_INITIAL))
        es_query_print_fun(query, &call, scan->ask.erlang, &p->text[0]);
    if (es_sql_uses(&scan->ask, ES_PROCESS_REASON) && process->reason_len)
        es_query_print_term(query, process->reason, process->reason_len, scan->ask.erlang, &p->text[1]);
    if (es_sql_uses(&scan->ask, ES_PROCESS_FACTS) && process->facts_len)
        es_query_print_term(query, process->facts, process->facts_len, scan->ask.erlang, &p->text[2]);
    put_text(&scan->row, ES_PROCESS_INITIAL, &p->text[0]);
    put_text(&scan->row, ES_PROCESS_REASON, &p->text[1]);
    put_text(&scan->row, ES_PROCESS_FACTS, &p->text[2]);
}

static void put_known(struct es_sql_row *row, size_t column, int64_t value, bool known)
{
    if (known)
        es_sql_put(row, column, value);
}

static void put_process(struct es_sql_scan *scan, struct processes *p, size_t i)
{
    const struct es_process *process = p->rows ? p->rows[i].process : &p->all[i];
    struct es_sql_row *row = &scan->row;
    row->present = 0;
    row->id = (int64_t)i;
    es_sql_put(row, ES_PROCESS_PID, (int64_t)process->pid);
    put_known(row, ES_PROCESS_NAME, (int64_t)process->name, process->name != ES_REF_NONE);
    put_known(row, ES_PROCESS_PARENT, (int64_t)process->parent, process->parent != ES_REF_NONE);
    put_known(row, ES_PROCESS_SPAWNED, process->spawned, process->spawned != INT64_MIN);
    put_known(row, ES_PROCESS_EXITED, process->exited, process->exited != INT64_MAX);
    put_known(row, ES_PROCESS_SPAWN_SEQ, (int64_t)process->spawn_seq, process->spawn_seq != 0);
    put_known(row, ES_PROCESS_EXIT_SEQ, (int64_t)process->exit_seq, process->exit_seq != 0);
    es_sql_put(row, ES_PROCESS_ALIVE, process->exited == INT64_MAX);
    put_texts(scan, p, process);
    if (!p->rows)
        return;
    es_sql_put(row, ES_PROCESS_EVENTS, (int64_t)p->rows[i].events);
    put_known(row, ES_PROCESS_MEMORY, (int64_t)p->rows[i].memory, p->rows[i].memory != 0);
}

static int next_process(struct es_sql_scan *scan)
{
    struct processes *p = scan->state;
    while (p->at < p->n) {
        size_t i = p->at++;
        if (!is_asked_for(&scan->ask, p->rows ? p->rows[i].process->pid : p->all[i].pid))
            continue;
        put_process(scan, p, i);
        return 1;
    }
    return 0;
}

static void close_processes(struct es_sql_scan *scan)
{
    struct processes *p = scan->state;
    if (!p)
        return;
    for (size_t i = 0; i < 3; i++)
        es_text_fini(&p->text[i]);
    free(p->rows);
    free(p);
}

const struct es_sql_source es_sql_process_source = {open_processes, next_process, close_processes};

/* ---- losses -------------------------------------------------------------------------------------------------------- */

static int open_losses(struct es_sql_scan *scan)
{
    scan->state = NULL;
    return 0;
}

static int next_loss(struct es_sql_scan *scan)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(scan->sql->query->recording, &losses);
    if (scan->number >= n)
        return 0;
    const struct es_loss *loss = &losses[scan->number];
    struct es_sql_row *row = &scan->row;
    row->present = 0;
    row->id = (int64_t)scan->number;
    if (loss->kind != ES_K_NONE)
        es_sql_put(row, ES_LOSS_KIND, (int64_t)(intptr_t)es_kind_table[loss->kind % ES_KIND_MAX].name);
    es_sql_put(row, ES_LOSS_EVENTS, (int64_t)loss->count);
    es_sql_put(row, ES_LOSS_TIME, loss->from);
    es_sql_put(row, ES_LOSS_END_TIME, loss->to);
    if (loss->why)
        es_sql_put(row, ES_LOSS_WHY, (int64_t)(intptr_t)loss->why);
    return 1;
}

static void close_losses(struct es_sql_scan *scan) { (void)scan; }

const struct es_sql_source es_sql_loss_source = {open_losses, next_loss, close_losses};
