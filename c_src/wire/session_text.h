/* SPDX-License-Identifier: MIT */
/* The text file of a session directory: a line "elixirscope-session=1", then key=value lines; control
 * characters and % are written %XX. Unknown keys are passed over, so that an older program can read a newer
 * one's sessions. */
#ifndef ES_WIRE_SESSION_TEXT_H
#define ES_WIRE_SESSION_TEXT_H

#include <stddef.h>

#include "wire/sessiondir.h"

#define ES_SESSION_TEXT_MAX 65536u

/* Writes the text of `dir` into `text` (ES_SESSION_TEXT_MAX bytes are always enough) and returns its
 * length. */
size_t es_session_text_print(const struct es_session_dir *dir, char *text);

/* Reads a text into the fields that it has; id, path and socket are not among them, but `id` must be the one
 * of the text. -EBADMSG where a line, number or path is malformed, a key comes twice, or one that must be
 * there is missing. */
int es_session_text_parse(const char *text, size_t len, struct es_session_dir *dir);

#endif
