/* SPDX-License-Identifier: MIT */
/* Reading a recording, finished or still being written: same code. Short read transactions, one block decoded at a time. Hostile files
 * give errors; a damaged block is skipped and reported. One thread per reader. */
#ifndef ES_STORE_READER_H
#define ES_STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/buf.h"
#include "store/event.h"
#include "store/store.h"

struct es_recording;

/* -ENOENT, -EBADMSG (not a recording, or broken), -EPROTONOSUPPORT (newer format: says which program is needed). */
int es_recording_open(const char *path, struct es_recording **ret_recording);
void es_recording_close(struct es_recording *recording);

/* Value of a metadata key, NULL where there is none. Valid until the next call. "warning" says what may be missing (a crash's lost log). */
const char *es_recording_meta(struct es_recording *recording, const char *key);
int es_recording_each_meta(struct es_recording *recording,
                           int (*each)(const char *key, const char *value, void *context), void *context);
bool es_recording_live(struct es_recording *recording); /* a writer has it open (closed=0 and its process lives) */

struct es_block_info {
    uint64_t id, first_seq, last_seq, group;
    uint32_t events;
    int64_t first_time, last_time;
    uint64_t kinds[ES_KIND_MAX]; /* events by kind */
    uint64_t bytes;              /* stored */
};
/* Index of all blocks, in order of sequence; refreshed by es_recording_refresh() when live. */
int es_recording_refresh(struct es_recording *recording);
size_t es_recording_blocks(struct es_recording *recording, const struct es_block_info **ret_blocks);

/* Distinct processes of a block with how many events each has, sorted by pid; false where `pid` is not in it costs one small read. */
struct es_pid_count {
    es_ref pid;
    uint32_t events;
};
int es_recording_block_pids(struct es_recording *recording, size_t block, struct es_pid_count **ret_pids,
                            size_t *ret_n); /* free() */

/* The events of some processes in a block: what levels of detail are made of, without the rest of each event. In two
 * steps: loading is a read of the recording, one at a time as all others; decoding is not, so that several threads can do it, each with a reader
 * of its own. -EBADMSG: damaged, skip it; -ENOENT: dropped since. */
struct es_lanes_request {
    const es_ref *pids; /* each once */
    size_t n;
};
struct es_block_lanes {
    uint32_t *starts; /* request.n + 1: where the events of each process begin in the arrays that follow */
    uint16_t *places; /* in the block: sequence number - first_seq, ascending */
    uint8_t *kinds;
    void *
        times; /* since the block's first_time, ascending (unless the file lies): uint64_t where `wide`, else uint32_t */
    bool wide;
};
struct es_lane_reader;
struct es_lane_reader *es_lane_reader_new(void); /* NULL: no memory */
void es_lane_reader_free(struct es_lane_reader *reader);
int es_lane_reader_load(struct es_lane_reader *reader, struct es_recording *recording, size_t block);
/* Of the block that was loaded last, successfully; any number of times. Valid until the reader is used again. */
int es_lane_reader_decode(struct es_lane_reader *reader, const struct es_lanes_request *request,
                          struct es_block_lanes *ret_lanes);
/* Notes it among es_recording_damaged(). */
void es_recording_block_damaged(struct es_recording *recording, size_t block);

/* The kinds of a process's events in a block, as a set of bits; of more events where it is a mini-block that was merged. */
int es_recording_block_kinds(struct es_recording *recording, size_t block, es_ref pid, uint64_t *ret_kinds);

/* What causality needs of a block's events, and nothing else of them: a quarter of the work of decoding it. Arrays are of all events
 * of a stored block, of which those from `first` on, `n` of them, are those of the block that was asked for (all, but where a live
 * recording's mini-block was merged since). Valid until the recording is asked for anything else. */
struct es_block_causes {
    size_t n_refs;
    const es_ref *refs;     /* ascending */
    const uint32_t *counts; /* of each reference: of how many events it is the process */
    uint32_t first, n, stored;
    const uint32_t *order;                 /* events in order of process, in each process of time */
    const uint32_t *owners;                /* of each event: its process, in refs */
    const uint8_t *kinds, *flags, *states; /* states: enum es_cause */
    const uint64_t *back;                  /* the cause is so many events before it, 0: none known */
};
/* -EBADMSG: damaged, skip it. */
int es_recording_block_causes(struct es_recording *recording, size_t block, struct es_block_causes *ret_causes);
/* The same for several threads, each with a reader of its own: loading uses the recording and is for one at a time, the second does not.
 * Valid until the reader is used again. */
int es_lane_reader_load_causes(struct es_lane_reader *reader, struct es_recording *recording, size_t block);
int es_lane_reader_causes(struct es_lane_reader *reader, struct es_block_causes *ret_causes);

/* The events of a block whose causes are in blocks before it, in order of process; a third of the work of all causes. They are few. */
struct es_block_crossing {
    uint32_t n, first;  /* first: of the block that was asked for, as above */
    const uint32_t *at; /* places */
    const uint64_t *back;
    const uint8_t *kinds;
};
int es_lane_reader_load_crossing(struct es_lane_reader *reader, struct es_recording *recording, size_t block);
int es_lane_reader_crossing(struct es_lane_reader *reader, struct es_block_crossing *ret_crossing);

/* How many deliveries of a block have an origin that is not known, though it should be; from two columns alone. */
int es_recording_block_strange(struct es_recording *recording, size_t block, uint32_t *ret_n);

/* Decoded block. State events come without their bytes: payload NULL, payload_len the length of the version; es_recording_state_read() has
 * them. Small cache inside the recording: valid until `es_block_unref`. -EBADMSG: damaged (checksum), skip it. */
struct es_block {
    const struct es_event *events;
    size_t n;
};
int es_block_get(struct es_recording *recording, size_t block, struct es_block **ret_block);
void es_block_unref(struct es_recording *recording, struct es_block *block);

/* Only the columns named by `fields` (set of es_field; common ones always): others are 0. Payloads cost most. */
#define ES_FIELD_LENGTHS (1u << 14) /* payload_len alone, without the payloads; of no use together with ES_F_PAYLOAD */
int es_block_get_fields(struct es_recording *recording, size_t block, unsigned fields, struct es_block **ret_block);

/* ---- states -----------------------------------------------------------------------------------------------------------
 * Versions of a process's state, found and read without decoding the events around them. */
struct es_state_at {
    uint64_t seq; /* of the event */
    size_t block; /* it is in */
    uint8_t
        flags;    /* es_event_flag: ES_E_STATE_SAME as the version before, ES_E_STATE_MISSED; ES_E_CUT, ES_E_REDACTED */
    uint32_t len; /* of its bytes, 0 where it has none */
    uint64_t hash; /* as in the event */
    size_t unread; /* damaged blocks behind it: a later version may be in one of these */
};
struct es_seq_range {
    uint64_t from, to; /* sequence numbers, both included */
};
/* The last state event of a process in a part of the recording. -ENOENT: there is none in what could be read; ret_state->unread is set even
 * then. Blocks without states of that process cost a look into memory once their lists of processes were read. */
int es_recording_state_find(struct es_recording *recording, es_ref pid, struct es_seq_range range,
                            struct es_state_at *ret_state);
/* The same of events that changed the state: those that left it as it was are passed over. The last one, the first one. */
int es_recording_change_last(struct es_recording *recording, es_ref pid, struct es_seq_range range,
                             struct es_state_at *ret_state);
int es_recording_change_first(struct es_recording *recording, es_ref pid, struct es_seq_range range,
                              struct es_state_at *ret_state);
/* Versions are state events that changed the state. How many each process with states has in a block, some perhaps 0, sorted by pid; free().
 * -EBADMSG: damaged. */
int es_recording_state_counts(struct es_recording *recording, size_t block, struct es_pid_count **ret_counts,
                              size_t *ret_n);
/* Those of one process, in order; free(). The columns it takes are kept: see ES_KEPT_BYTES. */
struct es_version_seen {
    uint64_t seq, hash; /* as in the event */
    uint8_t flags;      /* ES_E_STATE_MISSED, ES_E_CUT, ES_E_REDACTED */
};
int es_recording_state_list(struct es_recording *recording, size_t block, es_ref pid, struct es_version_seen **ret_list,
                            size_t *ret_n);
/* Appends the bytes of the version that the state event `seq` made; where it says "as before", of the one before. -ENODATA: they were not
 * captured (or are in what was dropped); -ENOENT: no such event; -EINVAL: it is no state; -EBADMSG: damaged. */
int es_recording_state_read(struct es_recording *recording, uint64_t seq, struct es_buf *bytes);

/* ---- single events ----------------------------------------------------------------------------------------------------
 * Some of them, without decoding the others of their block. The columns that takes are kept decompressed, of the blocks asked for last: ES_KEPT_BYTES
 * at most (about 150 blocks, of 10 million events nearly all). All: -EBADMSG: damaged; -ENOENT: there is no such event, or it was dropped. */
#define ES_KEPT_BYTES ((size_t)128 << 20)

/* As es_recording_state_read(), of a process known to have made it: quicker where no other version of that block is asked for. */
int es_recording_state_read_of(struct es_recording *recording, es_ref pid, uint64_t seq, struct es_buf *bytes);

/* The last event that is not later than `time`: only times are read. -ENOENT: all are later. */
int es_recording_seq_at(struct es_recording *recording, int64_t time, uint64_t *ret_seq);
int es_recording_time_of(struct es_recording *recording, uint64_t seq, int64_t *ret_time);

/* What a process did in a block, in order: its run. */
struct es_run_event {
    uint64_t seq, cause;     /* cause: sequence number, 0: none known */
    es_ref module, function; /* where its kind has them */
    uint16_t arity;
    uint8_t kind, flags, cause_state;
};
struct es_block_run {
    const struct es_run_event *events;
    size_t n; /* 0: it did nothing there */
};
/* Valid until the next question of this part. */
int es_recording_run(struct es_recording *recording, size_t block, es_ref pid, struct es_block_run *ret_run);
/* An event of a process; and its peer, with the kind of the event that caused it, ES_K_NONE where that is not known. -ENOENT also where it is
 * another process's. */
int es_recording_run_event(struct es_recording *recording, uint64_t seq, es_ref pid, struct es_run_event *ret_event);
struct es_run_origin {
    es_ref peer;
    uint8_t kind;
};
int es_recording_run_origin(struct es_recording *recording, uint64_t seq, es_ref pid, struct es_run_origin *ret_origin);
/* Whose event it is, and its kind. */
int es_recording_owner(struct es_recording *recording, uint64_t seq, es_ref *ret_pid, uint8_t *ret_kind);

/* Bytes of a definition: text of an atom or a term. NULL where unknown. Valid while the recording is open. */
const uint8_t *es_recording_define(struct es_recording *recording, es_ref ref, size_t *ret_len);
/* All of them, by reference; `visit` gives 0 or a negative errno to stop, and may not ask this recording for anything. */
typedef int es_define_visit(es_ref ref, const uint8_t *bytes, size_t len, void *context);
int es_recording_each_define(struct es_recording *recording, es_define_visit *visit, void *context);

/* Processes and names, by time of spawn. Valid until refresh. */
size_t es_recording_processes(struct es_recording *recording, const struct es_process **ret_processes);
struct es_name {
    es_ref name, pid;
    int64_t since, until;
};
size_t es_recording_names(struct es_recording *recording, const struct es_name **ret_names);

struct es_loss {
    uint8_t kind;
    uint64_t count;
    int64_t from, to;
    const char *why;
};
size_t es_recording_losses(struct es_recording *recording, const struct es_loss **ret_losses);
int es_recording_each_counter(struct es_recording *recording,
                              int (*each)(const char *name, uint64_t value, void *context), void *context);

/* The world keyframe of the group that event `seq` is in: what es_store_keyframe() was given when the group began; len 0 for the first group.
 * -ENOENT where retention dropped it. Valid until the next call. */
struct es_keyframe {
    uint64_t group, first_seq;
    int64_t time;
    const uint8_t *bytes;
    size_t len;
};
int es_recording_keyframe(struct es_recording *recording, uint64_t seq, struct es_keyframe *ret_keyframe);

/* Damaged blocks met so far (checksums are verified when a block is read). */
size_t es_recording_damaged(struct es_recording *recording, const uint64_t **ret_block_ids);
/* Reads and verifies everything. 0, or -EBADMSG with the causes. */
int es_recording_verify(struct es_recording *recording);

#endif
