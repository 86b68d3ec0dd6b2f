/* SPDX-License-Identifier: MIT */
/* Checkpoints of the write-ahead log; see checkpoint.h. */
#include "store/checkpoint.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "store/sql.h"

static void *run(void *argument)
{
    struct es_checkpoint *c = argument;
    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        while (!c->wanted && !c->stop)
            pthread_cond_wait(&c->wake, &c->lock);
        c->wanted = false;
        if (c->stop)
            break;
        pthread_mutex_unlock(&c->lock);
        /* It may fail (a full disk): everything is safe in the log, the next commit wakes us again. */
        sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int es_checkpoint_start(struct es_checkpoint *c, const char *path)
{
    int64_t tables;
    *c = (struct es_checkpoint){0};
    int r = es_sql_open_writer(path, &c->db);
    /* A connection that never read the schema does not know that the file is in WAL mode, and a checkpoint does nothing, silently. */
    if (r < 0 || (r = es_sql_integer(c->db, "SELECT count(*) FROM main.sqlite_schema", &tables)) < 0)
        return r;
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the caller's threads' business */
    r = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return es_fail(-r, "cannot start a thread: %s", strerror(r));
    c->running = true;
    return 0;
}

void es_checkpoint_wake(struct es_checkpoint *c)
{
    pthread_mutex_lock(&c->lock);
    c->wanted = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void es_checkpoint_stop(struct es_checkpoint *c)
{
    if (c->running) {
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->wake);
    }
    sqlite3_close(c->db);
    *c = (struct es_checkpoint){0};
}
