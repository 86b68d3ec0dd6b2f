/* SPDX-License-Identifier: MIT */
/* Writing a recording: one SQLite file, events as immutable blocks of compressed columns, all that belongs together in one transaction.
 * One writer, one thread. Layout and versions: docs/format.md. */
#ifndef ES_STORE_STORE_H
#define ES_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/event.h"

#define ES_FORMAT_VERSION 2

struct es_store;

struct es_store_options {
    const char *path;
    uint8_t session[16]; /* id of the session, checked by es_store_resume */
    uint64_t max_events; /* retention: oldest groups are dropped beyond these; 0 = no limit */
    uint64_t max_bytes;  /* of the file */
    uint64_t max_age_ns;
    uint64_t group_events; /* a group ends after so many events; 0 = 256 Ki */
    int64_t group_ns;      /* or after this long; 0 = no limit */
    bool overwrite;        /* replace an existing file (never one that is not a recording) */
};

/* -EEXIST, -EACCES, -EROFS, -ENOSPC …, with a cause. File mode 0600. */
int es_store_create(const struct es_store_options *options, struct es_store **ret_store);

/* Continues a recording whose writer died; `options->session` must match what the file says: else -ESTALE. */
int es_store_resume(const struct es_store_options *options, struct es_store **ret_store);

/* What the file held when it was opened: where to go on. */
struct es_ring_position {
    uint32_t ring, generation;
    uint64_t position;          /* all before it is in the recording */
    uint64_t lost[ES_KIND_MAX]; /* absolute counters that the recording has told already */
};
struct es_store_position {
    uint64_t next_seq;              /* first sequence number to give */
    int64_t last_time;              /* time of the last event, ns */
    uint64_t watermark;             /* stamp below which all is in */
    struct es_ring_position *rings; /* owned by the caller of es_store_position (free), n_rings of them */
    uint32_t n_rings;
    void *blob; /* the engine's own small state (clock mapping …), opaque to the store; owned likewise */
    size_t blob_len;
};
int es_store_position(struct es_store *store, struct es_store_position *ret_position);

/* Adds an event to the batch; `event->seq` must be the next one. Copies the payload (at most 8 MiB: -EMSGSIZE). Commit when
 * es_store_pending() says more than ES_STORE_BATCH_BYTES: memory is bounded, far beyond that this gives -ENOBUFS until a commit. */
#define ES_STORE_BATCH_BYTES (8u << 20)
int es_store_event(struct es_store *store, const struct es_event *event);
/* A hint: one of the next events has this pid or peer. Changes nothing. */
void es_store_foresee(const struct es_store *store, es_ref ref);

/* Text of an atom, or the term of an OTHER reference. Adding the same again is free. */
int es_store_define(struct es_store *store, es_ref ref, const void *bytes, size_t len);

/* A fact about the recording: key and value as text, e.g. "node", "otp". Overwrites. */
int es_store_meta(struct es_store *store, const char *key, const char *value);

/* A process that lives or lived. Written at the next commit; later calls for the same `id` update it. */
struct es_process {
    uint64_t id; /* of the row, given by es_store_process_new(), 0 = not stored yet */
    es_ref pid, parent;
    int64_t spawned, exited;      /* ns, INT64_MIN = unknown (before the recording), INT64_MAX = lives */
    uint64_t spawn_seq, exit_seq; /* 0 = not recorded */
    es_ref name;                  /* current or last registered name (ATOM) */
    es_ref module, function;      /* initial call, through proc_lib's where known */
    uint16_t arity;
    const uint8_t *reason, *facts; /* terms: exit reason; what the census or the spawn said (label, ancestors …) */
    uint32_t reason_len, facts_len;
};
int es_store_process(struct es_store *store, struct es_process *process);

/* A registered name over time: an INT64_MAX `until` is open and closed by the next call with the same name and pid. */
int es_store_name(struct es_store *store, es_ref name, es_ref pid, int64_t since, int64_t until);

/* Running totals for `info`: counters are added to what the file holds. Names: "pairs.paired", "pairs.unknown.lost" … */
int es_store_count(struct es_store *store, const char *counter, uint64_t add);

/* Losses: `count` events of `kind` dropped between the two times. Kept in table losses, besides the GAP event. */
int es_store_loss(struct es_store *store, unsigned kind, uint64_t count, int64_t from, int64_t to, const char *why);

/* One transaction: batch as blocks, dictionary, processes, counters, position (NULL: as it was; next_seq and last_time are the store's own).
 * After 0 the engine may move the rings' tails. -ENOSPC leaves file and batch as they were: try again, or stop. */
int es_store_commit(struct es_store *store, const struct es_store_position *position);

/* Whether more waits than can be taken at leisure: payloads and states are then compressed quickly rather than small. */
void es_store_hurry(struct es_store *store, bool hurry);

/* Events in the batch that are not committed, and bytes. */
size_t es_store_pending(const struct es_store *store, size_t *ret_bytes);

/* Events that a commit would write as a mini-block, to be replaced when their block is whole; *ret_left: how many more make it whole. */
uint32_t es_store_open(const struct es_store *store, uint32_t *ret_left);

/* Ends a group: the next event begins a new one, with this opaque world keyframe (open processes, unmatched sends). */
int es_store_keyframe(struct es_store *store, const void *bytes, size_t len);
/* True when the current group is full, and the engine should give a keyframe. */
bool es_store_group_full(const struct es_store *store);

/* Commits, checkpoints, marks the recording as closed (metadata "closed", "ended", and "end": why it ended, NULL: as planned), and leaves
 * one file that opens in a read-only directory. The store is gone even after an error; what was committed before is in the file. */
int es_store_close(struct es_store *store, const char *end_reason);
/* Drops all without committing (for tests of crashes, and after errors). */
void es_store_abandon(struct es_store *store);

#endif
