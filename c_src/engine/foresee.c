/* SPDX-License-Identifier: MIT */
/* What the next records of a ring will need is asked for while those before them are handed on: with ten thousand processes neither the
 * table of pids, nor the processes, nor their lanes stay in the processor's near caches. First the places in the table, some records later
 * what they lead to. Nothing here changes anything; what it reads may be overwritten and is only a hint. */
#include "engine/drain.h"

#define FAR 12u /* records */
#define NEAR 6u
#define BYTES 2048u /* of the ring itself: across the end of a page the processor does not look by itself */

struct hint {
    es_ref pid, peer;       /* 0: none; peer: of messages */
    bool delivery, mailbox; /* mailbox: it puts something there, or takes it out */
};

static inline bool is_pid(es_ref ref) { return es_ref_class_of(ref) == ES_REF_PID; }

/* The record there, and the position behind it; false where it makes no sense. */
static bool read_hint(const struct es_source *source, uint64_t at, struct hint *ret_hint, uint64_t *ret_next)
{
    struct es_peek peek = es_peek_at(source, at);
    const struct es_record *record = (const struct es_record *)(const void *)es_ring_at(source->ring, at);
    if (!es_peek_is_sound(&peek, source->scanned - at, UINT64_MAX))
        return false;
    bool delivery = peek.kind == ES_K_DELIVER, message = delivery || peek.kind == ES_K_SEND;
    es_ref pid = record->pid, peer = message && peek.size >= sizeof *record + sizeof(es_ref) ? record->word[0] : 0;
    *ret_hint = (struct hint){is_pid(pid) ? pid : 0, is_pid(peer) ? peer : 0, delivery,
                              delivery || record->flags & ES_R_CALLBACK};
    *ret_next = at + peek.size;
    return true;
}

static void foresee_places(const struct es_core *core, const struct hint *hint)
{
    es_table_foresee(&core->processes.by_pid, hint->pid);
    es_world_foresee(&core->world, hint->pid);
    es_store_foresee(core->store, hint->pid);
    es_store_foresee(core->store, hint->peer);
    if (hint->delivery && hint->peer)
        es_table_foresee(&core->processes.by_pid, hint->peer);
}

static void foresee_processes(const struct es_core *core, const struct hint *hint)
{
    if (hint->pid) {
        const struct es_proc *proc = es_proc_find(&core->processes, hint->pid);
        __builtin_prefetch(proc);
        if (proc && hint->mailbox)
            __builtin_prefetch(&proc->callback);
        es_world_foresee_process(&core->world, hint->pid);
    }
    if (!hint->pid || !hint->peer)
        return;
    if (hint->delivery)
        __builtin_prefetch(es_proc_find(&core->processes, hint->peer));
    es_lane_foresee(&core->pairs, hint->delivery ? hint->peer : hint->pid, hint->delivery ? hint->pid : hint->peer);
}

typedef void foresee(const struct es_core *core, const struct hint *hint);

static inline void look(const struct es_drain *drain, const struct es_source *source, struct es_foresight *sight,
                        uint32_t most, foresee *what)
{
    struct hint hint;
    if ((int64_t)(sight->at - source->next) < 0)
        *sight = (struct es_foresight){.at = source->next};
    else if (sight->n > 0)
        sight->n--; /* one was handed on since */
    while (sight->n < most && sight->at != source->scanned && read_hint(source, sight->at, &hint, &sight->at)) {
        what(drain->core, &hint);
        sight->n++;
    }
}

void es_foresee(const struct es_drain *drain, struct es_source *source)
{
    __builtin_prefetch(es_ring_at(source->ring, source->next) + BYTES);
    look(drain, source, &source->far, FAR, foresee_places);
    look(drain, source, &source->near, NEAR, foresee_processes);
}
