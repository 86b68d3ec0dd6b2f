/* SPDX-License-Identifier: MIT */
/* Bringing the agent into a node that runs already: look whether it can be recorded, send the modules, start it, and take them out. */
#ifndef ES_CONTROL_INJECT_H
#define ES_CONTROL_INJECT_H

#include <sys/types.h>

#include "control/cnode.h"
#include "wire/sessiondir.h"

struct es_node_facts {
    int64_t os_pid;
    uid_t uid; /* user the VM runs as */
    char otp[32], system[128];
};

/* Asks the node what it is, and refuses with a cause what cannot be recorded: another machine, another architecture, another user's node
 * where the caller is not root (-EPERM), a node that a live session has already (-EBUSY). */
int es_inject_inspect(struct es_cnode *node, struct es_node_facts *ret_facts);

/* Whether the node's own file system has `path` (a node in a container has another): 0, or -ENOENT with a cause. */
int es_inject_reachable(struct es_cnode *node, const char *path);

/* Sends the agent's modules: as they are, or, where the node's emulator does not take them, compiled there from their abstract code. 1 where
 * the node has them from files of its own (as a dependency of its application): those are used, and are not ours to take out. */
int es_inject_load(struct es_cnode *node, const char *ebin);

/* Asks the agent to start (the answer comes later: es_cnode_answer(), then es_inject_started()). */
struct es_inject_start {
    const char *socket, *ebin, *nif;
    int wait_ms;
};
int es_inject_start(struct es_cnode *node, const struct es_inject_start *start);
/* 0 where the agent answered ok, else -EREMOTEIO with its words. */
int es_inject_started(struct es_reader *result);

/* Takes out what is left of the modules. 0: nothing is left; 1: some module could not be purged yet. */
int es_inject_unload(struct es_cnode *node, const char *ebin);

#endif
