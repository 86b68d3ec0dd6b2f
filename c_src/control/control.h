/* SPDX-License-Identifier: MIT */
/* Reaching a node: start a command with the agent in it, or join a running node and send the agent there; then the same socket and the
 * same protocol for both (docs/protocol.md). The caller is the recorder: it supervises the engine process. */
#ifndef ES_CONTROL_CONTROL_H
#define ES_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/arena.h"
#include "wire/sessiondir.h"

enum es_level {
    ES_LEVEL_OFF,
    ES_LEVEL_MINIMAL,
    ES_LEVEL_STATES_ONLY,
    ES_LEVEL_MESSAGES_ONLY,
    ES_LEVEL_BALANCED,
    ES_LEVEL_FULL,
    ES_LEVEL_MAX
};
extern const char *const es_level_names[ES_LEVEL_MAX];
/* The level with this name; -EINVAL with a cause. */
int es_level_parse(const char *text, enum es_level *ret_level);

enum es_spec_kind {
    ES_SPEC_MESSAGES,
    ES_SPEC_PROCESSES,
    ES_SPEC_SCHEDULING,
    ES_SPEC_GC,
    ES_SPEC_CALLS,
    ES_SPEC_RETURNS,
    ES_SPEC_STATES,
    ES_SPEC_PID,
    ES_SPEC_NAME,
    ES_SPEC_KINDS
};
extern const char *const es_spec_kind_names[ES_SPEC_KINDS];
struct es_spec {
    enum es_spec_kind kind;
    char module
        [256]; /* calls, returns, states: module or prefix with '*'; Elixir names without "Elixir." are tried both ways by the agent */
    char function[256]; /* "*" = every function */
    int arity;          /* -1 = every arity */
    char text[256];     /* pid or name */
};
/* Reads one SPEC. -EINVAL with a cause that says what a spec looks like; -EPERM for one that would trace every call of every module, unless `yes_really`. */
int es_spec_parse(const char *text, bool yes_really, struct es_spec *ret_spec);

/* How much a woven module tells: entries and returns, also lines, also values of variables. */
enum es_depth { ES_DEPTH_CALLS, ES_DEPTH_LINES, ES_DEPTH_VALUES, ES_DEPTHS };
extern const char *const es_depth_names[ES_DEPTHS];
/* The depth with this name; -EINVAL with a cause. */
int es_depth_parse(const char *text, enum es_depth *ret_depth);

#define ES_WEAVE_MAX 64
struct es_weave { /* which modules, each a name or a prefix with '*'; Elixir's with and without "Elixir." */
    const char *modules[ES_WEAVE_MAX];
    size_t n;
    enum es_depth depth;
};
/* Checks the names, and that they do not mean every module, unless `yes_really`. -EINVAL, -EPERM with a cause. */
int es_weave_check(const struct es_weave *weave, bool yes_really);

#endif
