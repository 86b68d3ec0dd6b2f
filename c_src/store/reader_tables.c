/* SPDX-License-Identifier: MIT */
/* Definitions, processes, names, losses, counters, keyframes. Rows are taken in the order of their keys and must be in it: a broken tree
 * may lead back to itself. What they hold together may not be more than the file has. */
#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"
#include "store/store_inner.h"

static int too_much(void) { return es_fail(-EBADMSG, "a table holds more than the file"); }
static int not_in_order(void) { return es_fail(-EBADMSG, "the rows of a table are not in order"); }

#define ROWS_A_WALK 20000
#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

/* A statement over one table. `each` gives 0, or a negative errno to stop. */
struct walk {
    struct es_recording *rec;
    sqlite3_stmt *s;
    size_t room;
    es_define_visit *visit; /* of definitions */
    void *context;
};

/* The rows of one statement; where it has a key (column 0, above parameter 1), ROWS_A_WALK of them at most. */
static int walk_once(struct walk *walk, int (*each)(struct walk *walk), int64_t *key, size_t *ret_rows)
{
    bool keyed = sqlite3_bind_parameter_count(walk->s) > 0;
    int r = 0, rc = SQLITE_DONE;
    *ret_rows = 0;
    if (keyed)
        sqlite3_bind_int64(walk->s, 1, *key);
    while (r == 0 && (rc = sqlite3_step(walk->s)) == SQLITE_ROW) {
        int64_t next = sqlite3_column_int64(walk->s, 0);
        r = keyed && next <= *key ? not_in_order() : each(walk);
        *key = next;
        ++*ret_rows;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = es_sql_error(walk->rec->db, rc, "read a table");
    sqlite3_reset(walk->s);
    return r;
}

/* A large table is taken in parts, so that no read transaction is long: a writer's log could not be reset meanwhile. */
static int walk_with(struct walk walk, const char *sql, int (*each)(struct walk *walk))
{
    struct es_recording *rec = walk.rec;
    int64_t pages = 0, key = INT64_MIN;
    size_t rows = 0;
    int r = es_sql_integer(rec->db, "PRAGMA page_count", &pages);
    if (r == 0)
        r = es_sql_prepare(rec->db, sql, &walk.s);
    if (r < 0)
        return r;
    walk.room = (size_t)pages * ES_PAGE_SIZE;
    bool keyed = sqlite3_bind_parameter_count(walk.s) > 0;
    do
        r = walk_once(&walk, each, &key, &rows);
    while (r == 0 && keyed && rows == ROWS_A_WALK);
    sqlite3_finalize(walk.s);
    return r;
}

static int walk_rows(struct es_recording *rec, const char *sql, int (*each)(struct walk *walk))
{
    return walk_with((struct walk){.rec = rec}, sql, each);
}

static int each_definition(struct walk *walk)
{
    const void *bytes = sqlite3_column_blob(walk->s, 1);
    return walk->visit((es_ref)sqlite3_column_int64(walk->s, 0), bytes ? bytes : (const uint8_t *)"",
                       (size_t)sqlite3_column_bytes(walk->s, 1), walk->context);
}

int es_recording_each_define(struct es_recording *rec, es_define_visit *visit, void *context)
{
    return walk_with((struct walk){.rec = rec, .visit = visit, .context = context},
                     "SELECT ref, bytes FROM main.dict WHERE ref > ? ORDER BY ref LIMIT " STRING(ROWS_A_WALK),
                     each_definition);
}

/* Adds one element of `size` bytes to an array; NULL without memory. */
static void *add(void *array, size_t n, size_t size, void **ret_array)
{
    if ((n & (n - 1)) == 0) { /* at powers of two */
        void *bigger = realloc(array, (n ? n * 2 : 1) * size);
        if (!bigger)
            return NULL;
        array = *ret_array = bigger;
    }
    return (uint8_t *)array + n * size;
}

const uint8_t *es_recording_define(struct es_recording *rec, es_ref ref, size_t *ret_len)
{
    uint32_t place;
    if (ref == 0)
        return NULL;
    if (!es_map_get(&rec->define_place, ref, &place)) {
        sqlite3_stmt *s = rec->sql.define;
        sqlite3_bind_int64(s, 1, (int64_t)ref);
        struct es_define *d = NULL;
        if (sqlite3_step(s) == SQLITE_ROW)
            d = add(rec->defines, rec->n_defines, sizeof *d, (void **)&rec->defines);
        if (d) {
            size_t len = (size_t)sqlite3_column_bytes(s, 0);
            const void *bytes = sqlite3_column_blob(s, 0);
            *d = (struct es_define){malloc(len + 1), len};
            if (d->bytes && bytes)
                memcpy(d->bytes, bytes, len);
            if (!d->bytes || es_map_put(&rec->define_place, ref, (uint32_t)rec->n_defines) < 0) {
                free(d->bytes);
                d = NULL;
            }
        }
        sqlite3_reset(s);
        if (!d)
            return NULL;
        d->bytes[d->len] = '\0';
        place = (uint32_t)rec->n_defines++;
    }
    *ret_len = rec->defines[place].len;
    return rec->defines[place].bytes;
}

/* Keeps a blob; gives its offset + 1 in the place of a pointer that does not exist yet. */
static const uint8_t *keep_blob(struct walk *walk, int column, uint32_t *ret_len)
{
    const void *blob = sqlite3_column_blob(walk->s, column);
    size_t len = (size_t)sqlite3_column_bytes(walk->s, column);
    struct es_buf *bytes = &walk->rec->process_bytes;
    if (sqlite3_column_type(walk->s, column) == SQLITE_NULL || bytes->len + len > walk->room ||
        es_buf_add(bytes, blob, len) < 0)
        return NULL;
    *ret_len = (uint32_t)len;
    return (const uint8_t *)(uintptr_t)(bytes->len - len + 1);
}

static int each_process(struct walk *walk)
{
    struct es_recording *rec = walk->rec;
    sqlite3_stmt *s = walk->s;
    struct es_process *p = add(rec->processes, rec->n_processes, sizeof *p, (void **)&rec->processes);
    if (!p)
        return -ENOMEM;
    *p = (struct es_process){.id = (uint64_t)sqlite3_column_int64(s, 0),
                             .pid = (es_ref)sqlite3_column_int64(s, 1),
                             .parent = (es_ref)sqlite3_column_int64(s, 2),
                             .spawned = sqlite3_column_int64(s, 3),
                             .exited = sqlite3_column_int64(s, 4),
                             .spawn_seq = (uint64_t)sqlite3_column_int64(s, 5),
                             .exit_seq = (uint64_t)sqlite3_column_int64(s, 6),
                             .name = (es_ref)sqlite3_column_int64(s, 7),
                             .module = (es_ref)sqlite3_column_int64(s, 8),
                             .function = (es_ref)sqlite3_column_int64(s, 9),
                             .arity = (uint16_t)sqlite3_column_int64(s, 10)};
    p->reason = keep_blob(walk, 11, &p->reason_len);
    p->facts = keep_blob(walk, 12, &p->facts_len);
    rec->n_processes++;
    return rec->process_bytes.len > walk->room ? too_much() : 0;
}

static int by_spawn(const void *a, const void *b)
{
    const struct es_process *x = a, *y = b;
    if (x->spawned != y->spawned)
        return x->spawned < y->spawned ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static const uint8_t *pointer(const struct es_recording *rec, const uint8_t *kept)
{
    return kept ? rec->process_bytes.bytes + ((uintptr_t)kept - 1) : NULL;
}

size_t es_recording_processes(struct es_recording *rec, const struct es_process **ret_processes)
{
    if (!rec->processes_loaded) {
        walk_rows(rec, "SELECT * FROM main.processes WHERE id > ? ORDER BY id LIMIT " STRING(ROWS_A_WALK),
                  each_process);
        for (size_t i = 0; i < rec->n_processes; i++) {
            rec->processes[i].reason = pointer(rec, rec->processes[i].reason);
            rec->processes[i].facts = pointer(rec, rec->processes[i].facts);
        }
        if (rec->n_processes)
            qsort(rec->processes, rec->n_processes, sizeof *rec->processes, by_spawn);
        rec->processes_loaded = true;
    }
    *ret_processes = rec->processes;
    return rec->n_processes;
}

static int compare_names(const struct es_name *a, const struct es_name *b)
{
    if (a->name != b->name)
        return (int64_t)a->name < (int64_t)b->name ? -1 : 1;
    if (a->pid != b->pid)
        return (int64_t)a->pid < (int64_t)b->pid ? -1 : 1;
    return a->since < b->since ? -1 : a->since > b->since;
}

static int each_name(struct walk *walk)
{
    struct es_recording *rec = walk->rec;
    struct es_name name = {(es_ref)sqlite3_column_int64(walk->s, 0), (es_ref)sqlite3_column_int64(walk->s, 1),
                           sqlite3_column_int64(walk->s, 2), sqlite3_column_int64(walk->s, 3)};
    if (rec->n_names && compare_names(&rec->names[rec->n_names - 1], &name) >= 0)
        return not_in_order();
    struct es_name *place = add(rec->names, rec->n_names, sizeof name, (void **)&rec->names);
    if (!place)
        return -ENOMEM;
    *place = name;
    rec->n_names++;
    return 0;
}

static int by_since(const void *a, const void *b)
{
    const struct es_name *x = a, *y = b;
    if (x->since != y->since)
        return x->since < y->since ? -1 : 1;
    return compare_names(x, y);
}

size_t es_recording_names(struct es_recording *rec, const struct es_name **ret_names)
{
    if (!rec->names_loaded) {
        walk_rows(rec, "SELECT name, pid, since, until FROM main.names ORDER BY name, pid, since", each_name);
        if (rec->n_names)
            qsort(rec->names, rec->n_names, sizeof *rec->names, by_since);
        rec->names_loaded = true;
    }
    *ret_names = rec->names;
    return rec->n_names;
}

/* `why` is an offset + 1 until all are read. */
static int each_loss(struct walk *walk)
{
    struct es_recording *rec = walk->rec;
    int64_t kind = sqlite3_column_int64(walk->s, 1);
    const char *why = (const char *)sqlite3_column_text(walk->s, 5);
    size_t len = why ? strlen(why) : 0;
    if (kind < 0 || kind >= ES_KIND_MAX || rec->loss_bytes.len + len > walk->room)
        return too_much();
    struct es_loss *loss = add(rec->losses, rec->n_losses, sizeof *loss, (void **)&rec->losses);
    if (!loss || es_buf_reserve(&rec->loss_bytes, len + 1) < 0)
        return -ENOMEM;
    *loss = (struct es_loss){.kind = (uint8_t)kind,
                             .count = (uint64_t)sqlite3_column_int64(walk->s, 2),
                             .from = sqlite3_column_int64(walk->s, 3),
                             .to = sqlite3_column_int64(walk->s, 4),
                             .why = (const char *)(uintptr_t)(rec->loss_bytes.len + 1)};
    es_buf_add(&rec->loss_bytes, why ? why : "", len);
    es_buf_add(&rec->loss_bytes, "", 1);
    rec->n_losses++;
    return 0;
}

size_t es_recording_losses(struct es_recording *rec, const struct es_loss **ret_losses)
{
    if (!rec->losses_loaded) {
        walk_rows(
            rec,
            "SELECT id, kind, count, from_time, to_time, why FROM main.losses WHERE id > ? ORDER BY id LIMIT " STRING(
                ROWS_A_WALK),
            each_loss);
        for (size_t i = 0; i < rec->n_losses; i++)
            rec->losses[i].why = (const char *)rec->loss_bytes.bytes + ((uintptr_t)rec->losses[i].why - 1);
        rec->losses_loaded = true;
    }
    *ret_losses = rec->losses;
    return rec->n_losses;
}

int es_reader_pairs(struct es_recording *rec, const char *sql, struct es_buf *rows)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(rec->db, sql, &s);
    if (r < 0)
        return r;
    int rc = SQLITE_DONE;
    size_t before = SIZE_MAX;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *first = (const char *)sqlite3_column_text(s, 0), *second = (const char *)sqlite3_column_text(s, 1);
        if (!first || !second || (before != SIZE_MAX && strcmp((const char *)rows->bytes + before, first) >= 0)) {
            r = not_in_order();
            break;
        }
        before = rows->len;
        r = es_buf_add(rows, first, strlen(first) + 1);
        if (r == 0)
            r = es_buf_add(rows, second, strlen(second) + 1);
        if (rows->len > ES_ROW_MAX)
            r = too_much();
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = es_sql_error(rec->db, rc, "read a table");
    sqlite3_finalize(s);
    return r;
}

int es_recording_each_counter(struct es_recording *rec, int (*each)(const char *name, uint64_t value, void *context),
                              void *context)
{
    struct es_buf rows = {0};
    int r = es_reader_pairs(rec, "SELECT name, value FROM main.counters ORDER BY name", &rows);
    for (size_t at = 0; r == 0 && at < rows.len;) {
        const char *name = (const char *)rows.bytes + at, *value = name + strlen(name) + 1;
        at += strlen(name) + strlen(value) + 2;
        r = each(name, (uint64_t)strtoll(value, NULL, 10), context);
    }
    es_buf_fini(&rows);
    return r;
}

void es_reader_drop_tables(struct es_recording *rec)
{
    free(rec->processes);
    free(rec->names);
    free(rec->losses);
    es_buf_fini(&rec->process_bytes);
    es_buf_fini(&rec->loss_bytes);
    rec->processes = NULL;
    rec->names = NULL;
    rec->losses = NULL;
    rec->n_processes = rec->n_names = rec->n_losses = 0;
    rec->processes_loaded = rec->names_loaded = rec->losses_loaded = false;
}
