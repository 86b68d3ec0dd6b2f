/* SPDX-License-Identifier: MIT */
/* The recorder: owns the session, hears the agents, keeps the engines alive, watches the command or the node, and ends it all in order.
 * One thread, one loop; what it must not do is block, lose an engine, or die before the user's command. */
#ifndef ES_CLI_SUPERVISE_H
#define ES_CLI_SUPERVISE_H

#include "cli/capture_options.h"
#include "cli/engineproc.h"
#include "control/agentlink.h"
#include "control/cnode.h"

#define ES_TRACKS_MAX 32
#define ES_GUESTS_MAX 8
#define ES_WEAVING_LINES 8

enum es_track_state {
    ES_TRACK_OPENING,  /* open was sent */
    ES_TRACK_RUNNING,  /* armed */
    ES_TRACK_STOPPING, /* stop was sent: waits for stopped */
    ES_TRACK_LEAVING,  /* the agent is gone without a word: does the VM live? */
    ES_TRACK_DRAINING, /* the engine was told to end */
    ES_TRACK_DONE,
};

struct es_recorder;

struct es_arming {
    int64_t processes, longest_slice_ns, p99_slice_ns, total_ns;
}; /* how the processes were armed */

/* The recording of one VM. The first uses the recorder's own session directory, others (--children) have one each. */
struct es_track {
    struct es_recorder *recorder;
    enum es_track_state state;
    struct es_session_dir dir;
    struct es_arena arena;
    struct es_engineproc engine;
    struct es_link link;
    struct es_hello hello;
    char file[PATH_MAX];
    int64_t deadline; /* ms, of STOPPING and LEAVING */
    const char *why;  /* it ended: for people and JSON */
    bool armed, failed, engine_seen;
    struct es_arming arming;
    struct es_weaving weaving; /* as the agent told last, with some lines about single modules */
    char weaving_lines[ES_WEAVING_LINES][256];
    size_t n_weaving_lines;
};

struct es_recorder {
    struct es_capture *capture;
    struct es_session_dir dir;
    char ebin[PATH_MAX], nif[PATH_MAX];
    uid_t owner; /* user of the VM where the recorder is root, else (uid_t)-1 */
    int listener, control;
    struct es_track *tracks[ES_TRACKS_MAX];
    size_t n_tracks;
    struct es_link guests[ES_GUESTS_MAX]; /* connected, and said nothing yet */
    size_t n_guests;
    unsigned refused; /* VMs that came and were not recorded */
    bool failed;      /* the recorder itself could not do what was asked */
    bool terminal;    /* messages go to a terminal that may be in raw mode */

    pid_t command; /* record: 0 where there is none */
    bool command_ended;
    int status;       /* of waitpid() */
    int64_t ended_at; /* ms, of the command */
    bool told_going_on;

    struct es_cnode *node; /* attach: until the agent's start was answered */
    int64_t stop_at;       /* ms, attach --for, counted from when all is armed; 0 = never */
    bool stopping;
};

/* Makes the session: directory, sockets, the shared object's copy; takes over what dead recorders left. -errno with a cause. */
int es_recorder_open(struct es_recorder *recorder, struct es_capture *capture, uid_t owner);
/* Runs until all is over. Signals are caught from es_recorder_catch_signals() on. */
int es_recorder_catch_signals(void);
void es_recorder_run(struct es_recorder *recorder);
/* Asks every VM to stop; the loop ends when they did. */
void es_recorder_stop(struct es_recorder *recorder, const char *why);
/* Prints the summaries, and removes the session. */
void es_recorder_close(struct es_recorder *recorder);

/* To stderr: `tell` says what --quiet leaves out, `warn` what nobody may miss; es_recorder_fail() is es_cli_failure() that marks it as failed. */
void es_recorder_tell(const struct es_recorder *recorder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void es_recorder_warn(const struct es_recorder *recorder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void es_recorder_fail(struct es_recorder *recorder);

/* ---- tracks (track.c) ----------------------------------------------------------------------------------------------- */
/* A VM said hello on `link`, which the track takes over, or refuses and closes. */
void es_track_hello(struct es_recorder *recorder, struct es_link *link, const struct es_hello *hello);
/* The guardian's last word, on a connection of its own, where the agent died. */
void es_track_farewell(struct es_recorder *recorder, const struct es_link *link,
                       const struct es_agent_message *message);
/* Something came from its agent. */
void es_track_readable(struct es_track *track);
void es_track_stop(struct es_track *track, const char *why);
/* Looks at engine, VM and deadlines. Returns the time in ms when it wants to be looked at again, INT64_MAX: when something happens. */
int64_t es_track_look(struct es_track *track, int64_t now);
bool es_track_vm_lives(const struct es_track *track);
/* Removes the recording of a VM that could not be recorded at all. */
void es_track_forget(const struct es_track *track);

/* ---- weaving (weaving.c) ----------------------------------------------------------------------------------------------- */
/* The agent tells how far it is. */
void es_weaving_heard(struct es_track *track, const struct es_agent_message *message);
/* Answers a request for weaving on the recorder's socket; false where the line is none. */
bool es_weaving_request(struct es_recorder *recorder, char *line, int fd);

/* ---- summary (summary.c) ---------------------------------------------------------------------------------------------- */
void es_summary_print(const struct es_track *track);
/* What is being recorded, as one line of JSON; free() it. */
char *es_summary_status(const struct es_recorder *recorder);
/* Events in a recording, and what was lost; false where it cannot be read. */
bool es_summary_counts(const char *file, uint64_t *ret_events, uint64_t *ret_lost);

/* ---- what others left (leftovers.c) ------------------------------------------------------------------------------------ */
enum es_rescue {
    ES_RESCUE_SAVED, /* all is in the recording, which is closed; the session is removed */
    ES_RESCUE_EMPTY, /* it held nothing; the session is removed */
    ES_RESCUE_LOST, /* its rings died with the recorder (anonymous memory); the recording has what was written before */
    ES_RESCUE_REPLACED, /* its recording was replaced by another one since: its rest is thrown away, the session is removed */
    ES_RESCUE_BUSY,   /* its engine, or another rescuer, is at it */
    ES_RESCUE_LIVE,   /* its recorder lives */
    ES_RESCUE_KEPT,   /* all is saved; it holds the boot script of a VM that lives, see control/place.h */
    ES_RESCUE_FAILED, /* with a cause; the session stays */
};
/* Takes the session of a dead recorder over: drains its rings into the recording. */
enum es_rescue es_rescue_session(const struct es_session_dir *dir);
/* All of them, with a line for each where something was done. */
void es_rescue_all(const struct es_recorder *recorder);

#endif
