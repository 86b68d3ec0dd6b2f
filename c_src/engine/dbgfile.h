/* SPDX-License-Identifier: MIT */
/* Frames of trace files as dbg's file port writes them: <<0, Size:32, Term>> with a term in external format, <<1, Dropped:32>>. */
#ifndef ES_ENGINE_DBGFILE_H
#define ES_ENGINE_DBGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ES_DBG_FILES_MAX 4096u
#define ES_DBG_FRAME_MAX (64u << 20) /* larger ones are passed over */

struct es_dbg_files {
    char **paths;     /* oldest first */
    uint32_t n, next; /* the one to open next */
    FILE *file;
    uint64_t left;  /* bytes of it not read yet */
    uint8_t *bytes; /* of the last frame */
    size_t room;
    bool truncated;     /* a file ended within a frame, or went on with something else */
    uint64_t too_large; /* frames passed over */
};

/* One file, or the wrapped set it is the first of: "F0.trace" with neighbours "F1.trace", …, in the order they were written. */
int es_dbg_files_open(const char *path, struct es_dbg_files *files);
void es_dbg_files_close(struct es_dbg_files *files);

struct es_dbg_frame {
    bool is_drop;
    uint32_t dropped;
    const uint8_t *bytes;
    size_t len;
};
/* 1 and the next frame (valid until the next call), 0 at the end, or a negative errno. */
int es_dbg_files_next(struct es_dbg_files *files, struct es_dbg_frame *ret_frame);

#endif
