/* SPDX-License-Identifier: MIT */
/* Reads and checks everything. */
#include <errno.h>

#include "base/error.h"
#include "store/reader_inner.h"

static int check_file(struct es_recording *rec)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(rec->db, "PRAGMA quick_check(10)", &s);
    if (r < 0)
        return r;
    int rc = SQLITE_DONE;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(s, 0);
        if (line && strcmp(line, "ok") != 0)
            r = es_fail(-EBADMSG, "%s", line);
    }
    if (rc != SQLITE_DONE)
        r = es_sql_error(rec->db, rc, "check the file");
    sqlite3_finalize(s);
    return r;
}

static int check_blocks(struct es_recording *rec)
{
    int result = 0;
    int r = es_recording_refresh(rec);
    if (r < 0)
        return r;
    for (size_t i = 0; i < rec->n_blocks; i++) {
        struct es_block *block;
        if (i > 0 && rec->blocks[i].first_seq != rec->blocks[i - 1].last_seq + 1)
            result = es_fail(-EBADMSG, "events %llu to %llu are missing", (unsigned long long)rec->blocks[i - 1].last_seq + 1,
                             (unsigned long long)rec->blocks[i].first_seq - 1);
        r = es_block_get(rec, i, &block);
        if (r == 0)
            es_block_unref(rec, block);
        else if (r != -ENOENT) /* dropped by its writer meanwhile */
            result = r == -EBADMSG || result == 0 ? r : result;
    }
    return rec->n_damaged && result == 0 ? es_fail(-EBADMSG, "%zu blocks are damaged", rec->n_damaged) : result;
}

int es_recording_verify(struct es_recording *rec)
{
    int file = check_file(rec), blocks = check_blocks(rec);
    return blocks < 0 ? blocks : file;
}
