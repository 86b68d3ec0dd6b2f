/* SPDX-License-Identifier: MIT */
/* The recorder's own socket, control.sock in the session's directory: one line of text asks, one answers.
 *   mark LABEL  ->  ok | error TEXT          stop  ->  ok          status  ->  ok {JSON}
 *   weave DEPTH MODULE...  ->  ok ANSWERED   unweave [--force] [MODULE...]  ->  ok ANSWERED      weaving  ->  ok {JSON}
 * ANSWERED counts the wishes for weaving that were fulfilled before: this one is when `answered` in the JSON is larger. */
#ifndef ES_CLI_CONTROL_SOCKET_H
#define ES_CLI_CONTROL_SOCKET_H

#include <stddef.h>

#include "wire/sessiondir.h"

#define ES_CONTROL_LINE 4096

/* Reads the request of the next connection; the caller answers with es_control_answer(), which closes it. Fails where none came in time. */
int es_control_accept(int listener, char ret_line[ES_CONTROL_LINE], int *ret_fd);
void es_control_answer(int fd, const char *line);

/* Finds the live session that is called so: by its id, its node or its recording; NULL: the only one. -ENOENT, -EINVAL with a cause. */
int es_control_find(const char *wanted, struct es_session_dir *ret_dir);
/* Asks the recorder of a session. 0 and what followed "ok" in `ret_answer`; -ENOTCONN, -EREMOTEIO … with a cause. */
int es_control_ask(const struct es_session_dir *dir, const char *line, char ret_answer[ES_CONTROL_LINE]);

#endif
