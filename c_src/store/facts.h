/* SPDX-License-Identifier: MIT */
/* What a recording knows besides events: definitions, processes, names, counters, losses, metadata. Gathered here, written at the
 * commit, kept until a commit succeeds. */
#ifndef ES_STORE_FACTS_H
#define ES_STORE_FACTS_H

#include "store/buf.h"
#include "store/map.h"
#include "store/reader.h"
#include "store/sql.h"

struct es_facts {
    struct es_buf defines; /* ref, length, bytes; … */
    struct es_map defined; /* refs that were given: bounded, a definition that falls out is written again and ignored */
    struct es_buf processes, bytes; /* struct es_process, with reason and facts as offsets into bytes */
    struct es_map process_place;    /* by id */
    uint64_t next_process;
    struct es_buf names;         /* struct es_name */
    struct es_buf counters;      /* struct es_counter */
    struct es_map counter_place; /* by hash of the name */
    bool counted;                /* some counter waits */
    struct es_buf losses;        /* struct es_loss, `why` by number */
    struct es_buf metas;         /* key, value; … as strings */
    struct {
        sqlite3_stmt *define, *process, *close_name, *name, *counter, *loss, *meta;
    } sql;
};

int es_facts_open(sqlite3 *db, struct es_facts *facts);
void es_facts_close(struct es_facts *facts);

int es_facts_define(struct es_facts *facts, es_ref ref, const void *bytes, size_t len);
int es_facts_process(struct es_facts *facts, struct es_process *process);
int es_facts_name(struct es_facts *facts, const struct es_name *name);
int es_facts_count(struct es_facts *facts, const char *counter, uint64_t add);
int es_facts_loss(struct es_facts *facts, const struct es_loss *loss);
int es_facts_meta(struct es_facts *facts, const char *key, const char *value);

bool es_facts_wait(const struct es_facts *facts);        /* is there anything to write? */
size_t es_facts_bytes(const struct es_facts *facts);     /* waiting */
int es_facts_write(struct es_facts *facts, sqlite3 *db); /* inside a transaction */
void es_facts_written(struct es_facts *facts);           /* it was committed */

#endif
