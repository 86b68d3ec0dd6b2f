/* SPDX-License-Identifier: MIT */
/* What a recording says of the moment it ends: who lives, who has which name, which messages are under way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/resume.h"
#include "store/reader.h"

static int replay_processes(struct es_core *core, struct es_recording *recording)
{
    const struct es_process *row;
    size_t n = es_recording_processes(recording, &row);
    for (size_t i = 0; i < n; i++, row++) {
        if (row->exited != INT64_MAX || es_ref_class_of(row->pid) != ES_REF_PID)
            continue;
        struct es_proc *proc = es_proc_meet(&core->processes, row->pid);
        if (!proc)
            return -ENOMEM;
        proc->row = *row;
        proc->row.reason = proc->row.facts = NULL;
        proc->row.reason_len = proc->row.facts_len = 0;
        proc->flags |= core->messages ? ES_P_SENDS : 0;
        if (row->function && row->function == core->names.word_ref[ES_W_INIT] && row->arity == 1)
            proc->callback = row->module;
        if (row->module && row->module == core->names.word_ref[ES_W_GEN_EVENT])
            proc->callback = row->module;
    }
    return 0;
}

/* As they were when the group began; its own events bring the rest. */
static int replay_names(struct es_core *core, struct es_recording *recording, int64_t begin)
{
    const struct es_name *row;
    size_t n = es_recording_names(recording, &row);
    for (size_t i = 0; i < n; i++)
        if (row[i].since < begin && row[i].until >= begin) {
            int r = es_processes_register(&core->processes, row[i].name, row[i].pid, row[i].since);
            if (r < 0)
                return r;
        }
    return 0;
}

/* Whether a state machine has postponed what it handled is in the value it returned. */
static int replay_end(struct es_core *core, struct es_proc *proc, const struct es_event *event)
{
    struct es_actions actions = {.postponed = ES_POSTPONED_NOT};
    if (proc->mailbox.handled.behaviour == ES_B_STATEM && event->flags & ES_E_CALLBACK) {
        es_actions_read(&core->names, event, &actions);
        es_mail_timers(proc, &actions, event->seq);
    } else if (proc->mailbox.handled.behaviour == ES_B_STATEM) {
        actions.postponed = ES_POSTPONED_UNKNOWN;
    }
    int r = es_mail_ended(&core->mails, proc, event, actions.postponed);
    return r == 0 && proc->timer_seq ? es_timers_started(core, proc, event) : r;
}

static void replay_death(struct es_core *core, const struct es_event *event)
{
    struct es_death death = es_exit_death(core, event);
    death.seq = event->seq;
    death.time = event->time - event->moved;
    es_links_died(&core->links, &death);
}

/* The process an event is of; one that died since is made for as long as the replay needs it. */
static int replay_event(struct es_core *core, struct es_recording *recording, const struct es_event *event)
{
    struct es_proc *proc =
        es_ref_class_of(event->pid) == ES_REF_PID ? es_proc_meet(&core->processes, event->pid) : NULL;
    struct es_input in = {
        .view = {.kind = event->kind, .pid = event->pid, .peer = event->peer, .hash = event->hash, .corr = event->corr},
        .time = event->time};
    struct es_message m = {.from = event->peer, .to = event->pid, .hash = event->hash, .corr = event->corr};
    if (!proc)
        return 0;
    if (proc->last_time < event->time)
        proc->last_time = event->time;
    switch (event->kind) {
    case ES_K_SEND:
        proc->flags |= ES_P_SENDS;
        if (es_ref_class_of(event->peer) == ES_REF_OTHER && !es_names_other(&core->names, event->peer)) {
            size_t len;
            const uint8_t *term = es_recording_define(recording, event->peer, &len);
            if (term && es_names_define(&core->names, event->peer, term, len) < 0)
                return -ENOMEM;
        }
        return es_message_emitted(core, proc, &in, event);
    case ES_K_DELIVER:
        if (event->cause)
            es_pairs_confirm(&core->pairs, &m, event->cause);
        if (event->cause && event->peer == core->names.word_ref[ES_W_CLOCK_SERVICE])
            es_timers_confirm(&core->timers, event);
        return es_mail_delivered(&core->mails, &core->processes, proc, event);
    case ES_K_STATE:
        proc->state_check = 0;
        proc->state_hash = event->flags & (ES_E_CUT | ES_E_REDACTED | ES_E_STATE_MISSED) ? 0 : event->hash;
        if (es_names_word(&core->names, event->function) != ES_W_SYSTEM_REPLACE_STATE)
            proc->state_module = event->module;
        return 0;
    case ES_K_CALL:
        if (event->flags & ES_E_WOVEN)
            proc->mailbox.woven = core->mails.woven = true;
        if (event->flags & ES_E_CALLBACK) {
            proc->called_module = event->module;
            proc->callback = proc->callback ? proc->callback : event->module;
            proc->called_function = event->function;
            es_mail_confirm(&core->mails, proc, event);
            proc->mailbox.handled.epoch = core->pairs.epoch;
            proc->mailbox.handled.behaviour = es_states_callback(&core->states, &core->names, event).behaviour;
        }
        return event->hash && !(event->flags & ES_E_CALLBACK) ? es_timers_set(core, proc, event) : 0;
    case ES_K_RETURN:
    case ES_K_EXCEPTION: return event->flags & ES_E_WOVEN ? 0 : replay_end(core, proc, event);
    case ES_K_TAKEN: es_mail_confirm_taken(&core->mails, proc, event); return 0;
    case ES_K_LINK:
    case ES_K_UNLINK:
    case ES_K_GETTING_LINKED:
    case ES_K_GETTING_UNLINKED: return es_exit_links(core, event);
    case ES_K_TIMEOUT: es_mail_timeout(&core->processes, event); return 0;
    case ES_K_REGISTER: return es_processes_register(&core->processes, event->peer, event->pid, event->time);
    case ES_K_UNREGISTER: return es_processes_unregister(&core->processes, event->peer, event->pid, event->time);
    case ES_K_CENSUS: proc->census_seq = event->seq; return es_exit_links(core, event);
    case ES_K_EXIT:
        replay_death(core, event);
        es_mail_clear(&core->mails, proc);
        proc->row.exited = event->time;
        proc->row.exit_seq = event->seq;
        proc->died = event->time - event->moved;
        return es_proc_died(&core->processes, proc);
    default: return 0;
    }
}

/* Payloads too: they say what a state machine postponed, who was linked, why a process died. */
#define REPLAYED (ES_F_PEER | ES_F_FUN | ES_F_HASH | ES_F_CORR | ES_F_CAUSE | ES_F_NUM | ES_F_PAYLOAD | ES_F_SITE)

static int replay_block(struct es_core *core, struct es_recording *recording, size_t at, uint64_t from)
{
    struct es_block *block;
    const struct es_block_info *blocks;
    es_recording_blocks(recording, &blocks);
    int r = es_block_get_fields(recording, at, REPLAYED, &block);
    if (r == -EBADMSG) { /* damaged: what was under way in it stays unknown */
        es_world_gap(&core->world, blocks[at].last_seq);
        return 0;
    }
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < block->n; i++)
        if (block->events[i].seq >= from && (r = es_world_feed(&core->world, &block->events[i])) == 0)
            r = replay_event(core, recording, &block->events[i]);
    es_block_unref(recording, block);
    return r;
}

static int replay_group(struct es_core *core, struct es_recording *recording)
{
    struct es_keyframe keyframe;
    const struct es_block_info *blocks;
    int r = es_recording_keyframe(recording, core->next_seq, &keyframe);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    size_t n = es_recording_blocks(recording, &blocks), first = n;
    while (first > 0 && blocks[first - 1].last_seq >= keyframe.first_seq)
        first--;
    uint64_t from = keyframe.first_seq;
    core->mails.known_from = from > 1 ? from : 0;
    r = replay_processes(core, recording);
    if (r == 0)
        r = es_keyframe_load(core, keyframe.bytes, keyframe.len);
    if (r == 0)
        r = replay_names(core, recording, first < n ? blocks[first].first_time : core->last_time);
    for (size_t i = first; r == 0 && i < n; i++)
        r = replay_block(core, recording, i, from);
    return r;
}

int es_replay(struct es_core *core, const char *path)
{
    struct es_recording *recording;
    int r = es_recording_open(path, &recording);
    if (r < 0)
        return r;
    core->processes.replaying = true;
    r = replay_group(core, recording);
    core->processes.replaying = false;
    es_recording_close(recording);
    return r;
}
