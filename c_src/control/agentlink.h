/* SPDX-License-Identifier: MIT */
/* The conversation with the agent in a VM: frames of one term each over a Unix socket (docs/protocol.md). The recorder's end. */
#ifndef ES_CONTROL_AGENTLINK_H
#define ES_CONTROL_AGENTLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/control.h"

#define ES_PROTOCOL 1
#define ES_FRAME_MAX (1u << 20)

struct es_link {
    int fd;      /* -1: closed */
    uint8_t *in; /* what came and is not handled yet */
    size_t len, room;
    int peer_pid; /* who connected, as the kernel says */
    uid_t peer_uid;
};

/* What the agent says of its VM in the first frame. */
struct es_hello {
    int64_t protocol, os_pid, schedulers, dirty_cpu, dirty_io, processes;
    char node[256], otp[32], erts[32], elixir[32], system[128], start[16];
    char arena[256]; /* of the recording it is in the midst of, where it comes back after its connection broke */
};

enum es_agent_say {
    ES_SAY_NOTHING,
    ES_SAY_HELLO,
    ES_SAY_ARMED,
    ES_SAY_NOTICE,
    ES_SAY_STOPPED,
    ES_SAY_ERROR,
    ES_SAY_PONG,
    ES_SAY_WEAVING
};
#define ES_SAY_LISTED 64
struct es_weaving {   /* how far weaving is, in modules */
    int64_t answered; /* wishes that were fulfilled, as far as they can be */
    int64_t waiting;  /* to be woven */
    int64_t added;    /* woven since the last wish */
    int64_t woven, refused;
    int64_t held; /* to be taken back, and in use still */
};
struct es_agent_message {
    enum es_agent_say say;
    struct es_hello hello;
    char text[1024];                                             /* notice, error; stopped: why */
    bool clean;                                                  /* stopped */
    int64_t processes, longest_slice_ns, p99_slice_ns, total_ns; /* armed */
    struct {
        char spec[256];
        int64_t functions;
    } matched[ES_SAY_LISTED];
    size_t n_matched;
    struct es_weaving weaving;
    char listed[ES_SAY_LISTED]
               [256]; /* armed: its notices and refusals; stopped: what is left behind; weaving: refused, held */
    size_t n_listed, n_unlisted; /* and how many more there were */
};

/* Listens on `path`, for its user only; `owner` may connect too, where the caller is root: (uid_t)-1 = none. */
int es_link_listen(const char *path, uid_t owner, int *ret_fd);
/* Takes a connection. -EPERM, and it is closed, where neither the caller nor root nor `owner` connected. */
int es_link_accept(int listener, uid_t owner, struct es_link *ret_link);
void es_link_close(struct es_link *link);

/* Reads what is there without waiting. 1 and a message; 0 when there is none yet; -ECONNRESET at the end; -EBADMSG or -EMSGSIZE for what is
 * not the protocol. Messages that are not known come as ES_SAY_NOTHING. Call until it gives 0. */
int es_link_receive(struct es_link *link, struct es_agent_message *ret_message);
/* Reads one frame's term, for tests of hostile bytes too. -EBADMSG. */
int es_agent_message_read(const uint8_t *bytes, size_t len, struct es_agent_message *ret_message);

struct es_open {
    const char *arena, *nif;
    enum es_level level;
    const struct es_spec *specs;
    size_t n_specs;
    uint64_t time_limit_ms;
    double budget;                       /* percent of CPU, 0 = no budget */
    uint32_t payload_bytes, state_bytes; /* where the budget goes back to when there is room again */
    bool children;
    const struct es_weave *weave;
};
/* Answers to hello, and later wishes. Bounded in time: -EPIPE or -EAGAIN where the agent does not read. */
int es_link_open(struct es_link *link, const struct es_open *open);
int es_link_refuse(struct es_link *link, const char *why);
int es_link_mark(struct es_link *link, const char *label);
int es_link_stop(struct es_link *link, const char *reason);
int es_link_weave(struct es_link *link, const struct es_weave *weave);
/* These modules, or all, where none is named; `force`: also those of which tables may hold funs. */
int es_link_unweave(struct es_link *link, const struct es_weave *weave, bool force);

#endif
