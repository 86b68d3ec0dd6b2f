/* SPDX-License-Identifier: MIT */
/* Blocks as rows: one row in `blocks`, the columns in `columns`. Small columns share one row, the pack, which also says where the large
 * ones are and what their checksums must be: so a row that is missing or another's is noticed. */
#ifndef ES_STORE_ROWS_H
#define ES_STORE_ROWS_H

#include "store/block.h"
#include "store/sql.h"

struct es_rows {
    sqlite3 *db;
    sqlite3_stmt *block, *column, *delete_blocks, *delete_columns;
    struct es_buf pack;
};
int es_rows_open(sqlite3 *db, struct es_rows *rows);
void es_rows_close(struct es_rows *rows);

struct es_row_place {
    uint64_t id, group;
    bool mini;
};
int es_rows_insert(struct es_rows *rows, const struct es_image *image, struct es_row_place place);
int es_rows_delete(struct es_rows *rows, uint64_t first_id, uint64_t last_id);

#define ES_BLOCK_SELECT \
    "SELECT id, first_seq, events, first_time, last_time, group_id, mini, bytes, kinds, hash FROM main.blocks "
/* One row of ES_BLOCK_SELECT. -EBADMSG where its checksum is wrong; `ret_info->id` is set even then. */
int es_rows_info(sqlite3_stmt *statement, struct es_block_info *ret_info, bool *ret_mini);

/* Stored columns, those in `set`, of the block that stored->info says. `column` is ES_COLUMN_SELECT.
 * -ENOENT: the block is not there (any more). -EBADMSG: damaged. */
int es_rows_load(sqlite3_stmt *column, uint64_t set, struct es_stored_block *stored);

#define ES_COLUMN_SELECT "SELECT hash, data FROM main.columns WHERE id = ?"

#endif
