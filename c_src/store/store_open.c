/* SPDX-License-Identifier: MIT */
/* Creating a recording, and going on with one whose writer died. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "store/kinds.h"
#include "store/owner.h"
#include "store/store_inner.h"

static void unlink_with(const char *path, const char *suffix)
{
    char *name = malloc(strlen(path) + strlen(suffix) + 1);
    if (!name)
        return;
    sprintf(name, "%s%s", path, suffix);
    unlink(name);
    free(name);
}

static void unlink_all(const char *path)
{
    unlink_with(path, "-wal");
    unlink_with(path, "-shm");
    unlink_with(path, "-journal");
    unlink_with(path, "");
}

/* Not only what SQLite makes of it: a log left behind can make a recording of any file. */
static bool is_database(const char *path)
{
    char head[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is =
        fd >= 0 && read(fd, head, sizeof head) == sizeof head && memcmp(head, "SQLite format 3", sizeof head) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

/* An existing file goes only where it was asked for, is a recording, and nobody writes it. */
static int remove_old(const struct es_store_options *options)
{
    struct stat st;
    if (lstat(options->path, &st) < 0)
        return errno == ENOENT ? 0 : es_fail(-errno, "cannot create %s: %s", options->path, strerror(errno));
    if (!options->overwrite) {
        es_hint("choose another name, or say that the file may be replaced");
        return es_fail(-EEXIST, "%s exists already", options->path);
    }
    struct es_recording *old;
    int r = S_ISREG(st.st_mode) ? es_recording_open(options->path, &old) : -EBADMSG;
    if (r == -EBADMSG)
        return es_fail(-EEXIST, "%s exists and is not a recording: it is not replaced", options->path);
    if (r < 0)
        return es_fail(r, "cannot replace %s", options->path);
    bool live = es_recording_live(old);
    es_recording_close(old);
    if (live)
        return es_fail(-EBUSY, "%s is being written by another process", options->path);
    if (!is_database(options->path))
        return es_fail(-EEXIST, "%s exists and is not a recording: it is not replaced", options->path);
    unlink_all(options->path);
    return 0;
}

static int create_file(const char *path)
{
    unlink_with(path, "-wal");
    unlink_with(path, "-shm");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return es_fail(-errno, "cannot create %s: %s", path, strerror(errno));
    /* SQLite gives the log and its index the mode of the file: 0600 whatever the umask. */
    int r = fchmod(fd, 0600) < 0 ? es_fail(-errno, "cannot protect %s: %s", path, strerror(errno)) : 0;
    close(fd);
    return r;
}

static void hex(const uint8_t id[16], char text[33])
{
    for (int i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", id[i]);
}

static int set_meta(sqlite3 *db, const char *key, const char *value)
{
    char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO meta VALUES(%Q, %Q)", key, value);
    int r = sql ? es_sql_exec(db, sql) : es_fail(-ENOMEM, "no memory to write a fact");
    sqlite3_free(sql);
    return r;
}

/* Who writes from now on, and for which session. */
static int set_owner(const struct es_store *store)
{
    char owner[ES_OWNER_TEXT], session[33];
    es_owner_self(owner);
    hex(store->options.session, session);
    int r = set_meta(store->db, "writer", owner);
    if (r == 0)
        r = set_meta(store->db, "session", session);
    return r == 0 ? set_meta(store->db, "closed", "0") : r;
}

static int set_first_facts(const struct es_store *store)
{
    char now[32], kinds[ES_KINDS_TEXT], rows[256];
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    snprintf(now, sizeof now, "%lld", (long long)ts.tv_sec * 1000000000 + ts.tv_nsec);
    es_kinds_write(kinds);
    snprintf(rows, sizeof rows,
             "INSERT INTO groups VALUES(1, 1, %lld - 1, 0, %lld, x'');"
             "INSERT INTO position VALUES(1, 1, %lld - 1, 0, x'')",
             (long long)-INT64_MAX, (long long)es_group_hash(1, "", 0), (long long)-INT64_MAX);
    int r = set_meta(store->db, "created", now);
    if (r == 0)
        r = set_meta(store->db, "kinds", kinds);
    if (r == 0)
        r = es_sql_exec(store->db, rows);
    return r == 0 ? set_owner(store) : r;
}

/* In one transaction: who comes while this is under way sees nothing or a whole recording without events. */
static int create_tables(const struct es_store *store)
{
    char pragmas[128];
    snprintf(pragmas, sizeof pragmas, "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d",
             ES_APPLICATION_ID, ES_FORMAT_VERSION);
    int r = es_sql_exec(store->db, pragmas);
    for (size_t i = 0; r == 0 && i < es_sql_n_tables; i++)
        r = es_sql_exec(store->db, es_sql_tables[i].sql);
    if (r == 0)
        r = set_first_facts(store);
    if (r == 0)
        r = es_sql_exec(store->db, "COMMIT");
    /* From now on the file is a recording, even without its log. */
    if (r == 0)
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return r;
}

static int take_over(const struct es_store *store)
{
    int r = es_sql_exec(store->db, "BEGIN IMMEDIATE");
    if (r == 0)
        r = set_owner(store);
    return r == 0 ? es_sql_exec(store->db, "COMMIT") : r;
}

static int note_log_pages(void *store, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct es_store *)store)->log_pages = pages;
    return SQLITE_OK;
}

static int prepare(struct es_store *store)
{
    sqlite3 *db = store->db;
    sqlite3_wal_hook(db, note_log_pages, store);
    int r = es_rows_open(db, &store->rows);
    if (r == 0)
        r = es_facts_open(db, &store->facts);
    if (r == 0)
        r = es_sql_prepare(db, "BEGIN IMMEDIATE", &store->sql.begin);
    if (r == 0)
        r = es_sql_prepare(db, "COMMIT", &store->sql.commit);
    if (r == 0)
        r = es_sql_prepare(db, "INSERT INTO groups VALUES(?,?,?,?,?,?)", &store->sql.group);
    if (r == 0)
        r = es_sql_prepare(db, "INSERT OR REPLACE INTO rings VALUES(?,?,?,?)", &store->sql.ring);
    if (r == 0)
        r = es_sql_prepare(
            db,
            "INSERT INTO position VALUES(1,?,?,?,?) ON CONFLICT(id) DO UPDATE SET next_seq = excluded.next_seq, "
            "last_time = excluded.last_time, watermark = coalesce(excluded.watermark, watermark), "
            "blob = coalesce(excluded.blob, blob)",
            &store->sql.position);
    if (r == 0)
        r = es_sql_prepare(db, "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count",
                           &store->sql.used_pages);
    if (r == 0)
        r = es_sql_prepare(db, "SELECT id, first_seq, first_time FROM groups ORDER BY id LIMIT 2", &store->sql.oldest);
    return r;
}

static int new_store(const struct es_store_options *options, struct es_store **ret_store)
{
    struct es_store *store = calloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    store->options = *options;
    store->path = strdup(options->path);
    store->options.path = store->path;
    store->encoder = es_encoder_new();
    store->next_seq = store->committed_seq = store->next_block = 1;
    store->last_time = INT64_MIN;
    store->group = (struct es_group){1, 1, INT64_MIN};
    if (!store->path || !store->encoder || es_batch_init(&store->batch, 1) < 0) {
        es_store_free(store);
        return es_fail(-ENOMEM, "no memory to write %s", options->path);
    }
    *ret_store = store;
    return 0;
}

int es_store_create(const struct es_store_options *options, struct es_store **ret_store)
{
    struct es_store *store;
    int r = remove_old(options);
    if (r < 0 || (r = create_file(options->path)) < 0)
        return r;
    r = new_store(options, &store);
    if (r < 0) {
        unlink_all(options->path);
        return r;
    }
    r = es_sql_open_writer(store->path, &store->db);
    if (r == 0)
        r = create_tables(store);
    if (r == 0)
        r = prepare(store);
    if (r == 0)
        r = es_checkpoint_start(&store->checkpoint, store->path);
    if (r < 0) {
        r = es_fail(r, "cannot create %s", options->path);
        es_store_free(store);
        unlink_all(options->path);
        return r;
    }
    *ret_store = store;
    return 0;
}

static int check_session(const struct es_store_options *options)
{
    struct es_recording *old;
    struct stat st;
    char session[33];
    if (lstat(options->path, &st) < 0)
        return es_fail(-errno, "cannot open %s: %s", options->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return es_fail(-EBADMSG, "%s is not a recording", options->path);
    int r = es_recording_open(options->path, &old);
    if (r < 0)
        return r;
    hex(options->session, session);
    const char *theirs = es_recording_meta(old, "session");
    if (!theirs || strcmp(theirs, session) != 0)
        r = es_fail(-ESTALE, "%s belongs to another session", options->path);
    const char *closed = r == 0 ? es_recording_meta(old, "closed") : NULL;
    if (r == 0 && closed && strcmp(closed, "0") != 0)
        r = es_fail(-ESTALE, "%s is finished", options->path);
    if (r == 0 && es_recording_live(old))
        r = es_fail(-EBUSY, "%s is being written by another process", options->path);
    es_recording_close(old);
    return r;
}

static int restore(struct es_store *store)
{
    int64_t next = 1, block = 1, last = INT64_MIN, group = 1, group_seq = 1, group_time = INT64_MIN, bytes = 0;
    int r = es_sql_integer(store->db, "SELECT next_seq FROM position", &next);
    if (r == 0)
        r = es_sql_integer(store->db, "SELECT last_time FROM position", &last);
    if (r == 0)
        r = es_sql_integer(store->db, "SELECT coalesce(max(id), 0) + 1 FROM blocks", &block);
    if (r == 0)
        r = es_sql_integer(store->db, "SELECT id FROM groups ORDER BY id DESC LIMIT 1", &group);
    if (r == 0)
        r = es_sql_integer(store->db, "SELECT first_seq FROM groups ORDER BY id DESC LIMIT 1", &group_seq);
    if (r == 0)
        r = es_sql_integer(store->db, "SELECT first_time FROM groups ORDER BY id DESC LIMIT 1", &group_time);
    if (r == 0)
        r = es_sql_integer(store->db,
                           "SELECT coalesce(sum(bytes), 0) FROM blocks WHERE group_id = (SELECT max(id) FROM groups)",
                           &bytes);
    if (r < 0)
        return r == -ENODATA ? es_fail(-EBADMSG, "it does not say where to go on") : r;
    store->next_seq = store->committed_seq = (uint64_t)next;
    store->next_block = (uint64_t)block;
    store->last_time = last;
    store->group = (struct es_group){(uint64_t)group, (uint64_t)group_seq, group_time};
    store->group_bytes = (uint64_t)bytes;
    return es_store_restore(store);
}

int es_store_resume(const struct es_store_options *options, struct es_store **ret_store)
{
    struct es_store *store;
    int r = check_session(options);
    if (r < 0 || (r = new_store(options, &store)) < 0)
        return r;
    r = es_sql_open_writer(store->path, &store->db);
    if (r == 0)
        r = prepare(store);
    if (r == 0)
        r = restore(store);
    if (r == 0)
        r = take_over(store);
    if (r == 0)
        r = es_checkpoint_start(&store->checkpoint, store->path);
    if (r < 0) {
        es_store_free(store);
        return es_fail(r, "cannot go on with %s", options->path);
    }
    *ret_store = store;
    return 0;
}
