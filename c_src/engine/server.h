/* SPDX-License-Identifier: MIT */
/* Callbacks of gen_server's modules, seen through the functions of gen_server that call them. That module is loaded before any server's own
 * one is, so that a server's first callbacks are not missed, and a reload of its module changes nothing. */
#ifndef ES_ENGINE_SERVER_H
#define ES_ENGINE_SERVER_H

#include "engine/names.h"
#include "engine/process.h"
#include "engine/state.h"

/* A call, return or exception of one of gen_server's functions becomes one of the callback that it stands for: module, function, arity and
 * payload of `view`, and its kind where what returned is a caught exception. Others are left as they are. The payload is valid until
 * the next translation. -ENOMEM. */
int es_server_translate(struct es_states *states, const struct es_names *names, struct es_proc *proc,
                        struct es_record_view *view);

#endif
