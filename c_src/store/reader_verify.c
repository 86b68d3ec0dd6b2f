/* SPDX-License-Identifier: MIT */
/* Reads and checks everything; says all that is wrong, as far as there is room. */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "store/reader_inner.h"

struct causes {
    char text[1500];
    size_t len;
    unsigned n;
    int code;
};

/* Takes over what es_fail() has said, so that the next thing wrong begins anew. */
static void note(struct causes *causes, int code)
{
    if (code == 0)
        return;
    if (causes->len < sizeof causes->text) {
        const char *between = causes->n ? "; " : "";
        int n =
            snprintf(causes->text + causes->len, sizeof causes->text - causes->len, "%s%s", between, es_error_text());
        causes->len += n > 0 ? (size_t)n : 0;
    }
    causes->n++;
    if (causes->code == 0 || code == -EBADMSG)
        causes->code = code;
    es_error_clear();
}

static void check_file(struct es_recording *rec, struct causes *causes)
{
    sqlite3_stmt *s;
    int r = es_sql_prepare(rec->db, "PRAGMA quick_check(10)", &s);
    if (r < 0) {
        note(causes, r);
        return;
    }
    int rc = SQLITE_DONE;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(s, 0);
        if (line && strcmp(line, "ok") != 0)
            note(causes, es_fail(-EBADMSG, "%s", line));
    }
    if (rc != SQLITE_DONE)
        note(causes, es_sql_error(rec->db, rc, "check the file"));
    sqlite3_finalize(s);
}

static void check_block(struct es_recording *rec, size_t i, struct causes *causes)
{
    const struct es_block_info *info = &rec->blocks[i];
    struct es_block *block;
    if (i > 0 && info->first_seq != info[-1].last_seq + 1)
        note(causes, es_fail(-EBADMSG, "events %llu to %llu are missing", (unsigned long long)info[-1].last_seq + 1,
                             (unsigned long long)info->first_seq - 1));
    int r = es_block_get(rec, i, &block);
    if (r == 0) {
        es_block_unref(rec, block);
        r = es_reader_verify_states(rec, i);
    }
    if (r < 0 && r != -ENOENT) /* dropped by its writer meanwhile */
        note(causes, r);
}

int es_recording_verify(struct es_recording *rec)
{
    struct causes causes = {0};
    es_error_clear();
    check_file(rec, &causes);
    note(&causes, es_recording_refresh(rec));
    for (size_t i = 0; i < rec->n_blocks; i++)
        check_block(rec, i, &causes);
    if (rec->n_damaged)
        note(&causes, es_fail(-EBADMSG, "%zu damaged blocks", rec->n_damaged));
    return causes.code < 0 ? es_fail(causes.code, "%s", causes.text) : 0;
}
