/* SPDX-License-Identifier: MIT */
/* The directory of a session: /dev/shm/elixirscope-UID/ID/ (or below $XDG_RUNTIME_DIR or /tmp where there is no /dev/shm), mode 0700, with
 * the arena, the agent's socket and a small text file that says who belongs to it, for take-over and cleaning. */
#ifndef ES_WIRE_SESSIONDIR_H
#define ES_WIRE_SESSIONDIR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ES_SESSION_ID_MAX 40

struct es_session_dir {
    char id[ES_SESSION_ID_MAX]; /* e.g. "20260131-142501-4711" */
    char path[PATH_MAX];        /* of the directory */
    char arena[PATH_MAX];       /* `path`/arena, or /proc/PID/fd/FD of a memfd, "" where there is none yet */
    char socket[108];           /* agent.sock, fits sun_path */
    char recording[PATH_MAX];   /* absolute path of the .scope file */
    char node[256];             /* node name, "" while unknown */
    int recorder, engine, vm;   /* process ids, 0 while unknown */
    uint64_t recorder_start, engine_start,
        vm_start;     /* start times in clock ticks since boot (/proc/PID/stat field 22): a pid alone may be reused */
    uint64_t created; /* wall clock, ns */
};

/* Makes a new directory (and its parent) for user `owner` ((uid_t)-1: the caller), with a text file that names the caller as recorder.
 * The base is the first usable one of /dev/shm, $XDG_RUNTIME_DIR, /tmp; $ELIXIRSCOPE_SHM, where set, stands for all three. Refuses a
 * parent that is a symbolic link, belongs to somebody else or is open to others: -EPERM / -ELOOP. */
int es_session_dir_create(uid_t owner, struct es_session_dir *ret_dir);

/* Writes what is in `dir` to its text file, atomically. */
int es_session_dir_save(const struct es_session_dir *dir);

/* Reads the session `id` (or, with a slash in it, the path of its directory). -ENOENT, -EBADMSG; -EPERM or -ELOOP where the directory is
 * not safely ours. */
int es_session_dir_load(const char *id, struct es_session_dir *ret_dir);

/* All sessions of this user (root: of all users), oldest first: calls `each` until it returns non-zero, and returns that.
 * What can't be read is passed over. */
int es_session_dir_each(int (*each)(const struct es_session_dir *dir, void *context), void *context);

/* Removes the directory and what is in it; only files known to be ours: -ENOTEMPTY where there are others. 0 also where it is gone. */
int es_session_dir_remove(const struct es_session_dir *dir);

enum es_session_life {
    ES_SESSION_LIVE, /* its recorder lives */
    ES_SESSION_ORPHANED, /* the recorder is dead and the arena holds events that are not in the recording, or VM or engine still live */
    ES_SESSION_STALE, /* nobody lives and nothing is left to save */
};
enum es_session_life es_session_dir_life(const struct es_session_dir *dir);

/* Start time of a process in clock ticks since boot, 0 where there is none or only a zombie. */
uint64_t es_process_start(int pid);

#endif
