/* SPDX-License-Identifier: MIT */
/* Exits: what killed a process that was linked to others. */
#ifndef ES_ENGINE_EXITS_H
#define ES_ENGINE_EXITS_H

#include "store/event.h"

struct es_core;
struct es_finding;

/* Whose exit signal this exit comes from. ES_CAUSE_NONE: nothing says that it was any. Its links end with it. `event->seq` is that which it
 * will have. */
void es_exit_cause(struct es_core *core, const struct es_event *event, struct es_finding *ret_finding);
void es_exit_note(struct es_core *core, const struct es_event *event);

/* A link began or ended, or a process was there before with some. -ENOMEM. */
int es_exit_links(struct es_core *core, const struct es_event *event);

#endif
