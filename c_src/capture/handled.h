/* SPDX-License-Identifier: MIT */
/* Which message a behaviour's callback was called for. */
#ifndef ES_CAPTURE_HANDLED_H
#define ES_CAPTURE_HANDLED_H

#include "capture/draft.h"

/* The content hash that this message had when it was delivered, made from the callback's arguments (as the agent's match specifications
 * give them: of gen_server's own functions [Module, Callback | Arguments]); 0 where it was called for no message. */
uint64_t es_handled_hash(struct es_draft *d, ERL_NIF_TERM module, ERL_NIF_TERM function, ERL_NIF_TERM arguments);

/* What gen_event:sync_notify and gen_event:call send, {Pid, {Pid, Tag}, Request}: the hash of what its handlers are told. 0 for others. */
uint64_t es_asked_hash(struct es_draft *d, ERL_NIF_TERM message);

/* The content hash that this message had when it was delivered. */
uint64_t es_delivered_hash(struct es_draft *d, ERL_NIF_TERM message);

/* The same of what a timer will send: of erlang:send_after(Time, To, Message, …) and start_timer. 0 for other functions. */
uint64_t es_timer_hash(struct es_draft *d, ERL_NIF_TERM function, ERL_NIF_TERM arguments);

#endif
