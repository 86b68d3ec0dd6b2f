/* SPDX-License-Identifier: MIT */
/* The recording of one VM, from its hello to the end of its engine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "control/place.h"
#include "control/session.h"

#define STOP_MS 5000  /* for the agent to take all out */
#define LEAVE_MS 2000 /* for a VM to die after its agent was cut off */
#define POLL_MS 50

bool es_track_vm_lives(const struct es_track *track)
{
    return track->dir.vm_start && es_process_start(track->dir.vm) == track->dir.vm_start;
}

static void agent_gone(struct es_track *track);

/* ---- beginning ----------------------------------------------------------------------------------------------------- */

/* The recording's name: of later VMs with a number before the extension. */
static int name_file(struct es_track *track, size_t number)
{
    const char *file = track->recorder->capture->file, *dot = strrchr(file, '.');
    if (!dot || strchr(dot, '/'))
        dot = file + strlen(file);
    int n = number == 0 ? snprintf(track->file, PATH_MAX, "%s", file)
                        : snprintf(track->file, PATH_MAX, "%.*s-%zu%s", (int)(dot - file), file, number + 1, dot);
    if (n >= PATH_MAX)
        return es_fail(-ENAMETOOLONG, "the recording's path is too long");
    if (number > 0 && !track->recorder->capture->overwrite && access(track->file, F_OK) == 0)
        return es_fail(-EEXIST, "%s is there already", track->file);
    return 0;
}

static int make_session(struct es_track *track, size_t number)
{
    struct es_recorder *recorder = track->recorder;
    int rc = name_file(track, number);
    if (rc == 0 && number > 0) {
        rc = es_session_dir_create(recorder->owner, &track->dir);
        if (rc < 0)
            return es_fail(rc, "no session can be made: %s", strerror(-rc));
    } else {
        track->dir = recorder->dir;
    }
    strcpy(track->dir.recording, track->file);
    strcpy(track->dir.node, track->hello.node);
    track->dir.vm = track->link.peer_pid > 0 ? track->link.peer_pid : (int)track->hello.os_pid;
    track->dir.vm_start = es_process_start(track->dir.vm);
    if (rc == 0)
        rc = es_session_arena(&track->dir, &track->hello, &recorder->capture->session, recorder->owner, &track->arena);
    if (rc < 0)
        return rc;
    if (track->arena.shrunk)
        es_recorder_warn(
            recorder,
            "there is little shared memory: the rings are smaller than wanted, and events may be lost under load");
    struct es_arena_head *head = track->arena.head;
    atomic_store(&head->vm_pid, (uint32_t)track->dir.vm);
    atomic_store(&head->recorder_pid, (uint32_t)getpid());
    rc = es_session_dir_save(&track->dir);
    return rc < 0 ? es_fail(rc, "the session cannot be written: %s", strerror(-rc)) : 0;
}

static int start_engine(struct es_track *track)
{
    struct es_engine_options options = track->recorder->capture->engine;
    options.store.path = track->file;
    options.store.overwrite = track->recorder->capture->overwrite;
    memcpy(options.store.session, track->arena.head->id, sizeof options.store.session);
    return es_engineproc_start(&track->engine, &track->arena, &track->dir, &options);
}

static int send_open(struct es_track *track)
{
    const struct es_capture *capture = track->recorder->capture;
    struct es_open open = {
        .arena = track->dir.arena,
        .nif = track->recorder->nif,
        .level = capture->level,
        .specs = capture->specs,
        .n_specs = capture->n_specs,
        .time_limit_ms = capture->engine.limit_ns / 1000000,
        .budget = capture->budget,
        .children = capture->children,
        .weave = &capture->weave,
        .payload_bytes = atomic_load(&track->arena.head->limits.payload_bytes),
        .state_bytes = atomic_load(&track->arena.head->limits.state_bytes),
    };
    return es_link_open(&track->link, &open);
}

static int begin(struct es_track *track, size_t number)
{
    if (track->hello.protocol != ES_PROTOCOL)
        return es_fail(-EPROTO, "the agent speaks protocol %d, this program %d: they are of different versions",
                       (int)track->hello.protocol, ES_PROTOCOL);
    int rc = make_session(track, number);
    return rc < 0 ? rc : start_engine(track);
}

void es_track_forget(const struct es_track *track)
{
    static const char *const behind[] = {"", "-wal", "-shm"};
    char path[PATH_MAX + 8];
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        snprintf(path, sizeof path, "%s%s", track->file, behind[i]);
        unlink(path);
    }
}

static void refuse(struct es_link *link, const char *why)
{
    es_link_refuse(link, why);
    es_link_close(link);
}

/* Undoes what begin() made: the command or node goes on without us. */
static void abandon(struct es_track *track, size_t number)
{
    struct es_recorder *recorder = track->recorder;
    refuse(&track->link, "the recorder could not begin");
    if (track->engine.pid > 0) {
        atomic_store(&track->arena.head->stop, 1);
        es_engineproc_wait(&track->engine);
        es_track_forget(track);
    }
    es_engineproc_fini(&track->engine);
    if (track->arena.head)
        es_arena_close(&track->arena);
    if (number > 0 && track->dir.path[0])
        es_place_remove(&track->dir);
    free(track);
    es_recorder_fail(recorder);
}

void es_track_hello(struct es_recorder *recorder, struct es_link *link, const struct es_hello *hello)
{
    bool first = recorder->n_tracks == 0;
    if (hello->arena[0]) { /* we closed its connection for a reason */
        refuse(link, "the recording is over");
        return;
    }
    if (recorder->stopping || (!first && !recorder->capture->children) || recorder->n_tracks == ES_TRACKS_MAX) {
        recorder->refused++;
        refuse(link, first ? "the recording is over" : "the session is taken");
        return;
    }
    struct es_track *track = calloc(1, sizeof *track);
    if (!track) {
        refuse(link, "out of memory");
        return;
    }
    *track = (struct es_track){.recorder = recorder, .link = *link, .hello = *hello, .why = "it still runs"};
    *link = (struct es_link){.fd = -1};
    size_t number = recorder->n_tracks;
    if (begin(track, number) < 0) {
        abandon(track, number);
        return;
    }
    recorder->tracks[recorder->n_tracks++] = track;
    if (send_open(track) < 0)
        agent_gone(track); /* a VM may end as soon as it has begun */
}

/* ---- ending -------------------------------------------------------------------------------------------------------- */

static void drain(struct es_track *track)
{
    if (track->link.fd >= 0)
        es_link_close(&track->link);
    struct es_arena_head *head = track->arena.head;
    atomic_store(&head->enabled, 0);
    if (es_track_vm_lives(track)) /* else the engine sees for itself, and the recording says, that the VM is gone */
        atomic_store(&head->stop, 1);
    track->state = track->engine.ended ? ES_TRACK_DONE : ES_TRACK_DRAINING;
}

void es_track_stop(struct es_track *track, const char *why)
{
    if (track->state > ES_TRACK_RUNNING)
        return;
    track->why = why;
    track->state = ES_TRACK_STOPPING;
    track->deadline = es_now_ms() + STOP_MS;
    es_link_stop(&track->link, "stop");
}

static void engine_ended(struct es_track *track)
{
    static const char *const reasons[] = {
        [ES_END_STOPPED] = "stopped",           [ES_END_VM_GONE] = "the VM ended",
        [ES_END_LIMIT] = "a limit was reached", [ES_END_DISK_FULL] = "the disk is full",
        [ES_END_TRIGGERED] = "a trigger fired",
    };
    struct es_recorder *recorder = track->recorder;
    if (track->engine.rc < 0) {
        es_engineproc_fail(&track->engine);
        es_recorder_fail(recorder);
        track->failed = true;
        track->why = "the engine failed";
    } else if (track->state <= ES_TRACK_RUNNING) {
        track->why = reasons[track->engine.end];
        if (track->engine.end == ES_END_DISK_FULL)
            es_recorder_warn(recorder, "the disk is full: the recording ends here");
    }
    if (track->state == ES_TRACK_DRAINING)
        track->state = ES_TRACK_DONE;
    es_track_stop(track, track->why); /* where it still runs */
}

/* The agent is gone without a word: its VM ended (halt/0 leaves no time for one), was killed, or the agent failed. */
static void agent_gone(struct es_track *track)
{
    es_link_close(&track->link);
    if (track->state == ES_TRACK_STOPPING) {
        if (es_track_vm_lives(track) && !atomic_load(&track->arena.head->vm_done)) {
            es_recorder_warn(track->recorder, "the agent went away without saying that all was taken out");
            track->failed = true;
        }
        drain(track);
        return;
    }
    track->state = ES_TRACK_LEAVING;
    track->deadline = es_now_ms() + LEAVE_MS;
}

static void look_whether_vm_left(struct es_track *track, int64_t now)
{
    bool alive = es_track_vm_lives(track);
    if (alive && !atomic_load(&track->arena.head->vm_done) && now < track->deadline)
        return;
    track->why = alive ? "the agent left" : "the VM ended";
    if (alive)
        es_recorder_warn(track->recorder, "the agent left its VM, which goes on without it: the recording ends here");
    drain(track);
}

int64_t es_track_look(struct es_track *track, int64_t now)
{
    if (track->state == ES_TRACK_DONE)
        return INT64_MAX;
    if (es_engineproc_reap(&track->engine) == 1)
        es_recorder_warn(track->recorder, "the engine died and was started again; it goes on where the recording ends");
    if (track->engine.ended && !track->engine_seen) {
        track->engine_seen = true;
        engine_ended(track);
    }
    if (track->state == ES_TRACK_LEAVING)
        look_whether_vm_left(track, now);
    if (track->state == ES_TRACK_STOPPING && now >= track->deadline) {
        es_recorder_warn(track->recorder, "the agent did not say within %d s that all was taken out", STOP_MS / 1000);
        track->failed = true;
        drain(track);
    }
    switch (track->state) {
    case ES_TRACK_LEAVING: return now + POLL_MS;
    case ES_TRACK_STOPPING: return track->deadline;
    default: return INT64_MAX;
    }
}

/* ---- what the agent says ------------------------------------------------------------------------------------------- */

static void say_armed(struct es_track *track, const struct es_agent_message *message)
{
    struct es_recorder *recorder = track->recorder;
    struct es_cli_buf total, longest;
    track->armed = true;
    track->arming =
        (struct es_arming){message->processes, message->longest_slice_ns, message->p99_slice_ns, message->total_ns};
    if (recorder->capture->for_ns > 0 && recorder->stop_at == 0)
        recorder->stop_at = es_now_ms() + recorder->capture->for_ns / 1000000;
    if (track->state == ES_TRACK_OPENING)
        track->state = ES_TRACK_RUNNING;
    if (recorder->command == 0 || !recorder->terminal) /* not into a shell's prompt */
        es_recorder_tell(recorder, "recording %s (process %d): %lld processes traced in %s, longest step %s",
                         track->hello.node, track->dir.vm, (long long)message->processes,
                         es_cli_duration(message->total_ns, &total),
                         es_cli_duration(message->longest_slice_ns, &longest));
    for (size_t i = 0; i < message->n_matched && recorder->capture->n_specs > 0; i++)
        if (message->matched[i].functions > 0) /* the agent's notices tell of the others, and why */
            es_recorder_tell(recorder, "%s matches %lld functions", message->matched[i].spec,
                             (long long)message->matched[i].functions);
    for (size_t i = 0; i < message->n_listed; i++)
        es_recorder_warn(recorder, "%s", message->listed[i]);
    if (message->n_unlisted > 0)
        es_recorder_warn(recorder, "… and %zu more", message->n_unlisted);
}

static void say_stopped(struct es_track *track, const struct es_agent_message *message)
{
    if (track->state <= ES_TRACK_RUNNING)
        track->why = strcmp(message->text, "time_limit") == 0 ? "a limit was reached" : "the VM ended";
    if (!message->clean) {
        track->failed = true;
        es_recorder_warn(track->recorder, "not all could be taken out of the VM:");
        for (size_t i = 0; i < message->n_listed; i++)
            es_recorder_warn(track->recorder, "  %s", message->listed[i]);
    }
    drain(track);
}

static void say_error(struct es_track *track, const char *text)
{
    if (track->armed) {
        es_recorder_warn(track->recorder, "%s", text);
        return;
    }
    es_fail(-EREMOTEIO, "the agent cannot record: %s", text);
    es_recorder_fail(track->recorder);
    track->failed = true;
    es_track_stop(track, "the agent failed");
}

void es_track_farewell(struct es_recorder *recorder, const struct es_link *link, const struct es_agent_message *message)
{
    for (size_t i = 0; i < recorder->n_tracks; i++) {
        struct es_track *track = recorder->tracks[i];
        if (track->dir.vm == link->peer_pid && track->state < ES_TRACK_DRAINING) {
            es_recorder_warn(recorder, "the agent died in its VM; its guardian took all out");
            say_stopped(track, message);
            track->why = "the agent failed";
            track->failed = true;
        }
    }
}

static void hear(struct es_track *track, const struct es_agent_message *message)
{
    switch (message->say) {
    case ES_SAY_ARMED: say_armed(track, message); break;
    case ES_SAY_NOTICE: es_recorder_warn(track->recorder, "%s", message->text); break;
    case ES_SAY_STOPPED: say_stopped(track, message); break;
    case ES_SAY_WEAVING: es_weaving_heard(track, message); break;
    case ES_SAY_ERROR: say_error(track, message->text); break;
    default: break;
    }
}

void es_track_readable(struct es_track *track)
{
    static struct es_agent_message message; /* large, and of one thread */
    int rc = 0;
    while (track->link.fd >= 0 && (rc = es_link_receive(&track->link, &message)) == 1)
        hear(track, &message);
    if (rc < 0 && track->link.fd >= 0) {
        if (rc != -ECONNRESET)
            es_recorder_warn(track->recorder, "the agent said what is not the protocol; the connection is closed");
        agent_gone(track);
    }
}
