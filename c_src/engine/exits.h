/* SPDX-License-Identifier: MIT */
/* Exits: what killed a process that was linked to others. */
#ifndef ES_ENGINE_EXITS_H
#define ES_ENGINE_EXITS_H

#include <stdbool.h>

#include "engine/links.h"

struct es_core;
struct es_finding;

/* An exit that has no number yet, and its own time. */
struct es_death es_exit_death(const struct es_core *core, const struct es_event *event);

/* Whose exit signal this exit comes from. ES_CAUSE_NONE: nothing says that it was any. *ret_waits: that may be among the events that wait. */
void es_exit_cause(struct es_core *core, const struct es_death *death, struct es_finding *ret_finding, bool *ret_waits);

/* A process that is linked with this one, and whose exit at or before this time is among the events that wait; 0: none. */
es_ref es_exit_waits_for(const struct es_core *core, es_ref pid, int64_t time);

/* A link began or ended, or a process was there before with some. -ENOMEM. */
int es_exit_links(struct es_core *core, const struct es_event *event);

#endif
