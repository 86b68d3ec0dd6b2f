/* SPDX-License-Identifier: MIT */
/* The recorder's loop. */
#include "cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/control_socket.h"
#include "control/inject.h"
#include "control/launch.h"
#include "control/place.h"

#define LATE_VM_MS 10000 /* a command that is gone may have left a VM behind that is still booting */
#define EXEC_MS 100      /* a process in the midst of execve(2) shows no environment */

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static void say(const struct es_recorder *recorder, const char *format, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "%selixirscope:%s %s%s\n", es_cli_style(stderr, ES_STYLE_DIM), es_cli_style(stderr, ES_STYLE_NONE),
            text, recorder->terminal ? "\r" : "");
}

void es_recorder_tell(const struct es_recorder *recorder, const char *format, ...)
{
    va_list args;
    if (recorder->capture->quiet || recorder->capture->json)
        return;
    va_start(args, format);
    say(recorder, format, args);
    va_end(args);
}

void es_recorder_warn(const struct es_recorder *recorder, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(recorder, format, args);
    va_end(args);
}

void es_recorder_fail(struct es_recorder *recorder)
{
    recorder->failed = true;
    es_cli_failure(recorder->capture->command);
}

/* ---- signals ------------------------------------------------------------------------------------------------------- */

static struct {
    int pipe[2];
    volatile sig_atomic_t interrupt, terminate, hangup;
    volatile sig_atomic_t terminate_sent,
        hangup_sent; /* by a process, not by the terminal: the command did not get it */
} caught = {.pipe = {-1, -1}};

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    bool sent = info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL;
    if (number == SIGINT)
        caught.interrupt = 1;
    if (number == SIGTERM)
        caught.terminate = 1;
    if (number == SIGTERM && sent)
        caught.terminate_sent = 1;
    if (number == SIGHUP)
        caught.hangup = 1;
    if (number == SIGHUP && sent)
        caught.hangup_sent = 1;
    ssize_t n = write(caught.pipe[1], "", 1); /* a full pipe wakes the loop as well */
    (void)n;
    errno = saved;
}

int es_recorder_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    if (pipe2(caught.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return es_fail(-errno, "a pipe cannot be made: %s", strerror(errno));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before, action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], NULL, &before);
        if (numbers[i] == SIGCHLD || before.sa_handler != SIG_IGN) /* nohup and background jobs stay as they are */
            sigaction(numbers[i], &action, NULL);
    }
    return 0;
}

static void pass_on(struct es_recorder *recorder, volatile sig_atomic_t *sent, int number)
{
    if (*sent && recorder->command > 0 && !recorder->command_ended)
        kill(recorder->command, number);
    *sent = 0;
}

/* While the command lives, signals are for it: Ctrl-C reached it by itself. Afterwards, and without a command, they end the recording. */
static void handle_signals(struct es_recorder *recorder)
{
    char bytes[64];
    while (read(caught.pipe[0], bytes, sizeof bytes) > 0)
        ;
    pass_on(recorder, &caught.terminate_sent, SIGTERM);
    pass_on(recorder, &caught.hangup_sent, SIGHUP);
    bool any = caught.interrupt || caught.terminate || caught.hangup;
    caught.interrupt = caught.terminate = caught.hangup = 0;
    if (!any || (recorder->command > 0 && !recorder->command_ended))
        return;
    if (!recorder->stopping) {
        es_recorder_stop(recorder, "stopped");
        return;
    }
    for (size_t i = 0; i < recorder->n_tracks; i++) /* a second time: no longer wait for the agent */
        if (recorder->tracks[i]->state == ES_TRACK_STOPPING)
            recorder->tracks[i]->deadline = 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int open_session(struct es_recorder *recorder)
{
    char control[108];
    int rc = es_session_dir_create(recorder->owner, &recorder->dir);
    if (rc < 0) {
        es_hint("`elixirscope doctor` looks at the places where sessions live; ELIXIRSCOPE_SHM names another.");
        return es_fail(rc, "no session can be made: %s", strerror(-rc));
    }
    strcpy(recorder->dir.recording, recorder->capture->file);
    es_place_control_socket(&recorder->dir, control);
    rc = es_session_dir_save(&recorder->dir);
    if (rc < 0)
        es_fail(rc, "the session cannot be written: %s", strerror(-rc));
    if (rc == 0)
        rc = es_link_listen(recorder->dir.socket, recorder->owner, &recorder->listener);
    if (rc == 0)
        rc = es_link_listen(control, (uid_t)-1, &recorder->control);
    if (rc == 0)
        rc = es_place_nif_copy(&recorder->dir, recorder->owner, recorder->nif, sizeof recorder->nif);
    return rc;
}

int es_recorder_open(struct es_recorder *recorder, struct es_capture *capture, uid_t owner)
{
    *recorder = (struct es_recorder){
        .capture = capture, .owner = owner, .listener = -1, .control = -1, .terminal = isatty(STDERR_FILENO)};
    es_rescue_all(recorder);
    int rc = es_place_ebin(recorder->ebin, sizeof recorder->ebin);
    if (rc == 0 && (rc = open_session(recorder)) < 0)
        es_recorder_close(recorder);
    return rc;
}

/* ---- what comes ---------------------------------------------------------------------------------------------------- */

static void take_agent(struct es_recorder *recorder)
{
    struct es_link link;
    if (es_link_accept(recorder->listener, recorder->owner, &link) < 0)
        return;
    if (recorder->n_guests == ES_GUESTS_MAX)
        es_link_close(&recorder->guests[--recorder->n_guests]); /* agents say hello at once: these are none */
    recorder->guests[recorder->n_guests++] = link;
}

/* The first word makes a guest a track; anything but hello makes it leave. */
static void hear_guest(struct es_recorder *recorder, size_t i)
{
    static struct es_agent_message message;
    struct es_link link = recorder->guests[i];
    int rc = es_link_receive(&link, &message);
    if (rc == 0) {
        recorder->guests[i] = link;
        return;
    }
    recorder->guests[i] = recorder->guests[--recorder->n_guests];
    if (rc == 1 && message.say == ES_SAY_STOPPED)
        es_track_farewell(recorder, &link, &message);
    if (rc == 1 && message.say == ES_SAY_HELLO)
        es_track_hello(recorder, &link, &message.hello);
    else
        es_link_close(&link);
}

static void send_mark(struct es_recorder *recorder, int fd, const char *label)
{
    int sent = 0;
    for (size_t i = 0; i < recorder->n_tracks; i++)
        if (recorder->tracks[i]->state <= ES_TRACK_RUNNING && es_link_mark(&recorder->tracks[i]->link, label) == 0)
            sent++;
    es_control_answer(fd, sent > 0 ? "ok" : "error no VM is being recorded at this moment");
}

static void take_request(struct es_recorder *recorder)
{
    char line[ES_CONTROL_LINE];
    int fd;
    if (es_control_accept(recorder->control, line, &fd) < 0)
        return;
    if (strncmp(line, "mark ", 5) == 0 && line[5]) {
        send_mark(recorder, fd, line + 5);
    } else if (strcmp(line, "status") == 0) {
        char *text = es_summary_status(recorder), answer[ES_CONTROL_LINE];
        snprintf(answer, sizeof answer, "ok %s", text ? text : "{}");
        free(text);
        es_control_answer(fd, answer);
    } else if (strcmp(line, "stop") == 0) {
        es_recorder_stop(recorder, "stopped");
        es_control_answer(fd, "ok");
    } else if (!es_weaving_request(recorder, line, fd)) {
        es_control_answer(fd,
                          "error the requests are: mark LABEL, weave DEPTH MODULE..., unweave [--force] [MODULE...], "
                          "weaving, status, stop");
    }
}

/* The answer to attach's call of the agent's start; the visit to the node is over with it. */
static void take_answer(struct es_recorder *recorder)
{
    struct es_reader result;
    int rc = es_cnode_answer(recorder->node, 1, &result);
    if (rc == 0)
        return;
    if (rc < 0 || es_inject_started(&result) < 0) {
        es_recorder_fail(recorder);
        recorder->stopping = true;
        for (size_t i = 0; i < recorder->n_tracks; i++) {
            recorder->tracks[i]->failed = true;
            es_track_stop(recorder->tracks[i], "the agent failed");
        }
    }
    es_cnode_close(recorder->node);
    recorder->node = NULL;
}

static void look_at_command(struct es_recorder *recorder)
{
    if (recorder->command <= 0 || recorder->command_ended ||
        waitpid(recorder->command, &recorder->status, WNOHANG) != recorder->command)
        return;
    recorder->command_ended = true;
    recorder->ended_at = es_now_ms();
}

/* ---- the loop ------------------------------------------------------------------------------------------------------ */

void es_recorder_stop(struct es_recorder *recorder, const char *why)
{
    recorder->stopping = true;
    for (size_t i = 0; i < recorder->n_tracks; i++)
        es_track_stop(recorder->tracks[i], why);
}

/* A command that is gone may leave its VM behind, as `bin/app daemon` does. */
static void tell_going_on(struct es_recorder *recorder)
{
    for (size_t i = 0; i < recorder->n_tracks && !recorder->told_going_on; i++)
        if (recorder->tracks[i]->state <= ES_TRACK_RUNNING && es_track_vm_lives(recorder->tracks[i])) {
            es_recorder_warn(
                recorder, "the command ended, and its VM (process %d) goes on: so does the recording; Ctrl-C ends it",
                recorder->tracks[i]->dir.vm);
            recorder->told_going_on = true;
        }
}

static bool is_over(struct es_recorder *recorder, int64_t now)
{
    for (size_t i = 0; i < recorder->n_tracks; i++)
        if (recorder->tracks[i]->state != ES_TRACK_DONE)
            return false;
    if (recorder->command > 0 && !recorder->command_ended)
        return false;
    if (recorder->n_tracks > 0 || recorder->stopping || recorder->failed)
        return true;
    if (!recorder->command)
        return false; /* attach: waits for hello, or for the node's answer */
    int64_t gone = now - recorder->ended_at;
    return gone >= LATE_VM_MS || (gone >= EXEC_MS && !es_launch_leftovers(recorder->dir.path));
}

/* When the loop must wake by itself, in ms. */
static int64_t look_around(struct es_recorder *recorder, int64_t now)
{
    int64_t wake = recorder->stop_at ? recorder->stop_at : INT64_MAX;
    if (recorder->stop_at && now >= recorder->stop_at) {
        recorder->stop_at = 0;
        es_recorder_stop(recorder, "the time was up");
    }
    for (size_t i = 0; i < recorder->n_tracks; i++) {
        int64_t next = es_track_look(recorder->tracks[i], now);
        wake = next < wake ? next : wake;
    }
    if (recorder->command_ended)
        tell_going_on(recorder);
    if (recorder->command_ended && recorder->n_tracks == 0 && now + EXEC_MS < wake)
        wake = now + EXEC_MS;
    return wake;
}

enum { P_SIGNAL, P_AGENT, P_CONTROL, P_NODE, P_FIXED };

static void serve(struct es_recorder *recorder, int64_t wait)
{
    size_t tracks = recorder->n_tracks, guests = recorder->n_guests, at = P_FIXED;
    struct pollfd p[P_FIXED + ES_TRACKS_MAX + ES_GUESTS_MAX] = {
        [P_SIGNAL] = {.fd = caught.pipe[0], .events = POLLIN},
        [P_AGENT] = {.fd = recorder->listener, .events = POLLIN},
        [P_CONTROL] = {.fd = recorder->control, .events = POLLIN},
        [P_NODE] = {.fd = recorder->node ? es_cnode_fd(recorder->node) : -1, .events = POLLIN},
    };
    for (size_t i = 0; i < tracks; i++)
        p[at++] = (struct pollfd){.fd = recorder->tracks[i]->link.fd, .events = POLLIN};
    for (size_t i = 0; i < guests; i++)
        p[at++] = (struct pollfd){.fd = recorder->guests[i].fd, .events = POLLIN};
    if (poll(p, at, wait > 60000 ? 60000 : (int)wait) <= 0)
        return;
    handle_signals(recorder);
    for (size_t i = 0; i < tracks; i++)
        if (p[P_FIXED + i].revents)
            es_track_readable(recorder->tracks[i]);
    for (size_t i = guests; i-- > 0;) /* backwards: who leaves is replaced by the last one */
        if (p[P_FIXED + tracks + i].revents)
            hear_guest(recorder, i);
    if (p[P_AGENT].revents)
        take_agent(recorder);
    if (p[P_CONTROL].revents)
        take_request(recorder);
    if (p[P_NODE].revents)
        take_answer(recorder);
}

void es_recorder_run(struct es_recorder *recorder)
{
    for (;;) {
        int64_t now = es_now_ms(), wake;
        look_at_command(recorder);
        wake = look_around(recorder, now);
        if (is_over(recorder, now))
            return;
        serve(recorder, wake <= now ? 0 : wake - now);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

/* The engine failed for good, and what it did not write is in the rings: whoever mends the cause can have it. */
static void keep_for_recover(struct es_track *track)
{
    track->dir.recorder = track->dir.engine = 0;
    track->dir.recorder_start = track->dir.engine_start = 0;
    es_session_dir_save(&track->dir);
    es_recorder_warn(track->recorder,
                     "%s is not finished; `elixirscope recover %s` writes the rest, as does the next record or attach",
                     track->file, track->dir.id);
}

static void close_track(struct es_track *track)
{
    bool unfinished = track->engine.ended && track->engine.rc < 0 && track->armed;
    uint64_t events = 0, lost;
    if (!track->armed && (track->failed || !es_summary_counts(track->file, &events, &lost) || events == 0)) {
        es_track_forget(track);
        if (!track->failed)
            es_recorder_warn(track->recorder, "the VM ended before its recording began: nothing was recorded");
        track->failed = true;
    } else if (!unfinished || track->recorder->capture->json) {
        es_summary_print(track);
    }
    if (unfinished)
        keep_for_recover(track);
    else
        es_place_remove(&track->dir);
    es_link_close(&track->link);
    es_engineproc_fini(&track->engine);
    es_arena_close(&track->arena);
    track->recorder->failed |= track->failed;
    free(track);
}

void es_recorder_close(struct es_recorder *recorder)
{
    if (recorder->listener >= 0)
        close(recorder->listener);
    if (recorder->control >= 0)
        close(recorder->control);
    es_cnode_close(recorder->node);
    recorder->node = NULL;
    while (recorder->n_guests > 0)
        es_link_close(&recorder->guests[--recorder->n_guests]);
    for (size_t i = 0; i < recorder->n_tracks; i++)
        close_track(recorder->tracks[i]);
    if (recorder->n_tracks == 0 && recorder->dir.path[0])
        es_place_remove(&recorder->dir);
    recorder->n_tracks = 0;
}
