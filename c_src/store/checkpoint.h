/* SPDX-License-Identifier: MIT */
/* A thread that moves committed pages from the write-ahead log into the file, so that commits do not have to wait for it. */
#ifndef ES_STORE_CHECKPOINT_H
#define ES_STORE_CHECKPOINT_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>

struct es_checkpoint {
    sqlite3 *db; /* a connection of its own */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, wanted, stop;
};

int es_checkpoint_start(struct es_checkpoint *checkpoint, const char *path);
void es_checkpoint_wake(struct es_checkpoint *checkpoint);
void es_checkpoint_stop(struct es_checkpoint *checkpoint);

#endif
