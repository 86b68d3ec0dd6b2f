/* SPDX-License-Identifier: MIT */
/* The shared memory of one session: a head with the settings both sides read, and the rings. The recorder creates it, whole and
 * allocated (posix_fallocate: a sparse mapping on a full tmpfs would kill the VM by SIGBUS); the VM only maps it. */
#ifndef ES_WIRE_ARENA_H
#define ES_WIRE_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/clock.h"
#include "wire/ring.h"

#define ES_ARENA_MAGIC "ESARENA\0"
#define ES_ARENA_VERSION 3u
#define ES_RINGS_MAX 512
#define ES_EXCLUDED_MAX 32
#define ES_REDACT_MAX 128
#define ES_REDACT_TEXT 60

enum es_redact_kind { ES_REDACT_KEY = 1, ES_REDACT_STRUCT = 2 };
struct es_redact_rule {
    uint8_t kind; /* enum es_redact_kind */
    uint8_t len;  /* bytes of text */
    char text[ES_REDACT_TEXT +
              2]; /* a key, compared without case ("password"), or a struct's module ("Elixir.MyApp.Card") */
};

/* What the writer may spend; changed while running by the overhead budget. Sizes in bytes. */
struct es_limits {
    _Atomic uint32_t payload_bytes;   /* a message, argument list, value, reason: default 1024; 0: no payload */
    _Atomic uint32_t state_bytes;     /* the return value of a callback: default 65536 */
    _Atomic uint32_t max_depth;       /* nesting: default 32 */
    _Atomic uint32_t max_elements;    /* of one list, tuple or map: default 256, states 16 times as many */
    _Atomic uint32_t work;            /* terms visited in one event: default 1024, states 64 times as many */
#define ES_WORK_UNLIMITED (1u << 16)  /* from here on binaries are read however long that takes */
    _Atomic uint32_t sample;          /* of 65536 units (pairs, processes' calls) this many are kept: 65536 = all */
    _Atomic uint32_t deliver_payload; /* 1: deliver carries its payload too (senders may be untraced) */
};

struct es_arena_ring {
    uint64_t offset, size;
    uint32_t class, pad;
}; /* offset of the ring's head page; data follows it */

struct es_arena_head {
    char magic[8];
    uint32_t version, clock;   /* ES_ARENA_VERSION, enum es_clock */
    uint64_t size, clock_rate; /* of the whole arena; ticks a second, nominal */
    uint32_t page, n_rings;
    uint8_t id[16];           /* of the session: names its recording, survives engines */
    _Atomic uint32_t enabled; /* 1: record; 0: `enabled` answers discard */
    _Atomic uint32_t stop;    /* recorder to engine: drain what is there, close the recording, end */
    _Atomic uint32_t vm_done; /* set by the NIF when tracing is disarmed and delivered: nothing more will be written */
    _Atomic uint32_t vm_pid, engine_pid, recorder_pid;
    _Atomic uint64_t engine_beat;               /* stamp of the engine's last round */
    _Atomic uint64_t drained;                   /* stamp up to which everything is in the recording */
    _Atomic uint64_t trigger;                   /* flight recorder: incremented by the engine when a trigger fired */
    _Atomic uint64_t unclaimed_lost;            /* events of threads that found no ring */
    _Atomic uint64_t excluded[ES_EXCLUDED_MAX]; /* es_ref of processes never recorded, 0 = free */
    struct es_limits limits;
    uint32_t n_redact;
    struct es_redact_rule redact[ES_REDACT_MAX];
    struct es_arena_ring ring[ES_RINGS_MAX];
};

struct es_arena_plan {
    uint32_t schedulers, others; /* rings for scheduler threads, and for dirty and foreign ones */
    uint64_t scheduler_bytes;    /* of each, a power of two >= ES_RING_MIN; shrunk to what memory allows */
    uint64_t other_bytes;
    uint64_t max_bytes; /* cap on all together; 0: half of what is free where it lives */
    uid_t owner;        /* the VM's user, where the recorder is root; else (uid_t)-1 */
};

struct es_arena {
    struct es_arena_head *head;
    struct es_ring *rings; /* head->n_rings of them, mapped */
    uint32_t n_rings;
    int fd;      /* kept open: a second engine may need it through /proc */
    bool shrunk; /* rings are smaller than planned */
    bool memfd;  /* reached through /proc only */
};

/* Creates the file `path` (mode 0600, must not exist) and in it an arena after `plan`; where `path` is NULL, or its file system is not in
 * memory or has too little room, an anonymous memfd, which others open as /proc/PID/fd/FD (not for a foreign owner, who could not).
 * Sets clock, id, recorder_pid and the default limits. Returns 0, -EINVAL for an impossible plan, -ENOSPC where not even the smallest
 * rings fit, or another negative errno; nothing is left behind on failure. */
int es_arena_create(const char *path, const struct es_arena_plan *plan, struct es_arena *ret_arena);

/* Maps an existing arena. `path` must be a regular file in memory (symbolic links are refused) or the /proc/PID/fd/FD of one, with mode
 * 0600 and one name, of the calling user (root: of any), all its bytes allocated, its head consistent: else -ELOOP, -EPERM, -EBADMSG.
 * What is checked is what is mapped; fields of the head can change later and must be read with bounds. Threads: none may use it yet. */
int es_arena_open(const char *path, struct es_arena *ret_arena);

/* Enters all memory of the rings into the page tables of this process, in steps of 1 MiB: so no event pays for the first touch of a page.
 * Takes none of the memory that the arena does not have yet, but the process is shown with it from now on. */
void es_arena_populate(const struct es_arena *arena);

/* Unmaps and closes; the file stays. */
void es_arena_close(struct es_arena *arena);

/* Adds a redaction rule; only before `enabled` (else -EBUSY). Keys are kept in small letters (ASCII), a rule that is there already is
 * not added again. -ENOSPC when full, -EINVAL where the text is empty or too long. */
int es_arena_redact(struct es_arena *arena, enum es_redact_kind kind, const char *text);

#endif
