/* SPDX-License-Identifier: MIT */
/* Facts into rows; see facts.h. */
#include <errno.h>

#include "base/error.h"
#include "store/facts.h"
#include "store/facts_rows.h"

int es_facts_open(sqlite3 *db, struct es_facts *f)
{
    *f = (struct es_facts){0};
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&f->sql.define, "INSERT OR IGNORE INTO dict VALUES(?,?)"},
        /* A row that is there keeps its blobs where the update brings none. */
        {&f->sql.process,
         "INSERT INTO processes VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET pid=excluded.pid, "
         "parent=excluded.parent, spawned=excluded.spawned, exited=excluded.exited, spawn_seq=excluded.spawn_seq, "
         "exit_seq=excluded.exit_seq, name=excluded.name, module=excluded.module, function=excluded.function, "
         "arity=excluded.arity, reason=coalesce(excluded.reason, reason), facts=coalesce(excluded.facts, facts)"},
        {&f->sql.close_name, "UPDATE names SET until = ? WHERE name = ? AND pid = ? AND until = 9223372036854775807"},
        {&f->sql.name, "INSERT OR REPLACE INTO names VALUES(?,?,?,?)"},
        {&f->sql.counter,
         "INSERT INTO counters VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value"},
        {&f->sql.loss, "INSERT INTO losses(kind, count, from_time, to_time, why) VALUES(?,?,?,?,?)"},
        {&f->sql.meta, "INSERT OR REPLACE INTO meta VALUES(?,?)"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int r = es_sql_prepare(db, all[i].sql, all[i].statement);
        if (r < 0)
            return r;
    }
    int64_t next = 1;
    int r = es_sql_integer(db, "SELECT coalesce(max(id), 0) + 1 FROM processes", &next);
    f->next_process = (uint64_t)next;
    return r;
}

void es_facts_close(struct es_facts *f)
{
    sqlite3_stmt *all[] = {f->sql.define,  f->sql.process, f->sql.close_name, f->sql.name,
                           f->sql.counter, f->sql.loss,    f->sql.meta};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    struct es_buf *bufs[] = {&f->defines, &f->processes, &f->bytes, &f->names, &f->counters, &f->losses, &f->metas};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        es_buf_fini(bufs[i]);
    es_map_fini(&f->defined);
    es_map_fini(&f->process_place);
    es_map_fini(&f->counter_place);
}

static int write_defines(struct es_facts *f, sqlite3 *db)
{
    int r = 0;
    for (size_t at = 0; r == 0 && at < f->defines.len;) {
        uint64_t head[2];
        memcpy(head, f->defines.bytes + at, sizeof head);
        sqlite3_bind_int64(f->sql.define, 1, (int64_t)head[0]);
        sqlite3_bind_blob64(f->sql.define, 2, f->defines.bytes + at + sizeof head, head[1], SQLITE_STATIC);
        r = es_sql_run(db, f->sql.define, "write a definition");
        at += sizeof head + head[1];
    }
    return r;
}

static void bind_kept(const struct es_facts *f, int column, const uint8_t *kept, uint32_t len)
{
    if (kept)
        sqlite3_bind_blob64(f->sql.process, column, f->bytes.bytes + (uintptr_t)kept - 1, len, SQLITE_STATIC);
    else
        sqlite3_bind_null(f->sql.process, column);
}

static int write_processes(struct es_facts *f, sqlite3 *db)
{
    const struct es_process *p = (const struct es_process *)(const void *)f->processes.bytes;
    int r = 0;
    for (size_t n = f->processes.len / sizeof *p; r == 0 && n > 0; n--, p++) {
        const uint64_t columns[] = {p->id,
                                    p->pid,
                                    p->parent,
                                    (uint64_t)p->spawned,
                                    (uint64_t)p->exited,
                                    p->spawn_seq,
                                    p->exit_seq,
                                    p->name,
                                    p->module,
                                    p->function,
                                    p->arity};
        for (int i = 0; i < 11; i++)
            sqlite3_bind_int64(f->sql.process, i + 1, (int64_t)columns[i]);
        bind_kept(f, 12, p->reason, p->reason_len);
        bind_kept(f, 13, p->facts, p->facts_len);
        r = es_sql_run(db, f->sql.process, "write a process");
    }
    return r;
}

static int write_names(struct es_facts *f, sqlite3 *db)
{
    const struct es_name *name = (const struct es_name *)(const void *)f->names.bytes;
    int r = 0;
    for (size_t n = f->names.len / sizeof *name; r == 0 && n > 0; n--, name++) {
        if (name->until != INT64_MAX) {
            sqlite3_bind_int64(f->sql.close_name, 1, name->until);
            sqlite3_bind_int64(f->sql.close_name, 2, (int64_t)name->name);
            sqlite3_bind_int64(f->sql.close_name, 3, (int64_t)name->pid);
            r = es_sql_run(db, f->sql.close_name, "close a name");
            if (r < 0 || sqlite3_changes(db) > 0)
                continue;
        }
        sqlite3_bind_int64(f->sql.name, 1, (int64_t)name->name);
        sqlite3_bind_int64(f->sql.name, 2, (int64_t)name->pid);
        sqlite3_bind_int64(f->sql.name, 3, name->since);
        sqlite3_bind_int64(f->sql.name, 4, name->until);
        r = es_sql_run(db, f->sql.name, "write a name");
    }
    return r;
}

static int write_counters(struct es_facts *f, sqlite3 *db)
{
    const struct es_counter *row = (const struct es_counter *)(const void *)f->counters.bytes;
    int r = 0;
    for (size_t n = f->counters.len / sizeof *row; r == 0 && n > 0; n--, row++) {
        if (row->add == 0)
            continue;
        sqlite3_bind_text(f->sql.counter, 1, row->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(f->sql.counter, 2, (int64_t)row->add);
        r = es_sql_run(db, f->sql.counter, "write a counter");
    }
    return r;
}

static int write_losses(struct es_facts *f, sqlite3 *db)
{
    const struct es_loss_row *row = (const struct es_loss_row *)(const void *)f->losses.bytes;
    int r = 0;
    for (size_t n = f->losses.len / sizeof *row; r == 0 && n > 0; n--, row++) {
        sqlite3_bind_int(f->sql.loss, 1, (int)row->kind);
        sqlite3_bind_int64(f->sql.loss, 2, (int64_t)row->count);
        sqlite3_bind_int64(f->sql.loss, 3, row->from);
        sqlite3_bind_int64(f->sql.loss, 4, row->to);
        sqlite3_bind_text(f->sql.loss, 5, row->why, -1, SQLITE_STATIC);
        r = es_sql_run(db, f->sql.loss, "write a loss");
    }
    return r;
}

static int write_metas(struct es_facts *f, sqlite3 *db)
{
    int r = 0;
    for (size_t done = 0; r == 0 && done < f->metas.len;) {
        const char *at = (const char *)f->metas.bytes + done, *value = at + strlen(at) + 1;
        sqlite3_bind_text(f->sql.meta, 1, at, -1, SQLITE_STATIC);
        sqlite3_bind_text(f->sql.meta, 2, value, -1, SQLITE_STATIC);
        r = es_sql_run(db, f->sql.meta, "write a fact");
        done += (size_t)(value - at) + strlen(value) + 1;
    }
    return r;
}

int es_facts_write(struct es_facts *f, sqlite3 *db)
{
    int r = write_defines(f, db);
    if (r == 0)
        r = write_processes(f, db);
    if (r == 0)
        r = write_names(f, db);
    if (r == 0)
        r = write_counters(f, db);
    if (r == 0)
        r = write_losses(f, db);
    return r == 0 ? write_metas(f, db) : r;
}
