/* SPDX-License-Identifier: MIT */
/* The engine as a process of its own. A recorder that dies leaves it alone: it then waits until the VM is done, finishes the recording and
 * removes the session, so that killing the recorder loses nothing. */
#include "cli/engineproc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "control/place.h"

#define WATCH_MS 100
#define ALONE_MS 30000 /* so long may a VM go on writing after its recorder died; the agent stops after 2 s */

struct es_engine_report {
    _Atomic uint32_t told; /* 1: what follows is complete */
    int rc;
    enum es_engine_end end;
    char cause[2048], hint[1024];
};

struct watch {
    struct es_engineproc *engine;
    pid_t recorder;
    _Atomic bool alone;
};

int64_t es_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

/* ---- in the engine's process --------------------------------------------------------------------------------------- */

static bool vm_lives(const struct es_session_dir *dir)
{
    return dir->vm_start && es_process_start(dir->vm) == dir->vm_start;
}

/* A thread of the engine: once the recorder is gone nobody else sets head->stop. */
static void *watch(void *context)
{
    struct watch *w = context;
    struct es_arena_head *head = w->engine->arena->head;
    while (getppid() == w->recorder)
        pause_ms(WATCH_MS);
    atomic_store(&w->alone, true);
    int64_t until = es_now_ms() + ALONE_MS;
    while (!atomic_load(&head->vm_done) && vm_lives(w->engine->dir) && es_now_ms() < until)
        pause_ms(WATCH_MS);
    atomic_store(&head->enabled, 0);
    atomic_store(&head->stop, 1);
    return NULL;
}

/* The recorder's sockets must close with the recorder, or the agent would not see it die. */
static void close_others(int keep)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    DIR *list = opendir("/proc/self/fd");
    const struct dirent *entry;
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    while (list && (entry = readdir(list)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd > STDERR_FILENO && fd != keep && fd != dirfd(list))
            close(fd);
    }
    if (list)
        closedir(list);
}

static void run(struct es_engineproc *engine, pid_t recorder)
{
    struct watch w = {.engine = engine, .recorder = recorder};
    struct es_engine_report *report = engine->report;
    prctl(PR_SET_NAME, "elixirscope-eng");
    setpgid(0, 0); /* signals of the terminal are for the command */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    close_others(engine->arena->fd);
    pthread_t thread;
    bool watched = pthread_create(&thread, NULL, watch, &w) == 0;
    if (watched)
        pthread_detach(thread);
    es_error_clear();
    report->rc = watched ? es_engine_run(engine->arena, &engine->options, &report->end)
                         : es_fail(-EAGAIN, "no thread can be made");
    snprintf(report->cause, sizeof report->cause, "%s", es_error_text());
    snprintf(report->hint, sizeof report->hint, "%s", es_error_hint());
    atomic_store(&report->told, 1);
    if (atomic_load(&w.alone) || getppid() != recorder)
        es_place_remove(engine->dir);
    _exit(0);
}

/* ---- in the recorder ----------------------------------------------------------------------------------------------- */

static int start(struct es_engineproc *engine)
{
    pid_t recorder = getpid();
    atomic_store(&engine->report->told, 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run(engine, recorder);
    if (pid < 0)
        return es_fail(-errno, "the engine cannot be started: %s", strerror(errno));
    engine->pid = pid;
    engine->dir->engine = pid;
    engine->dir->engine_start = es_process_start(pid);
    atomic_store(&engine->arena->head->engine_pid, (uint32_t)pid);
    es_session_dir_save(engine->dir);
    return 0;
}

int es_engineproc_start(struct es_engineproc *engine, struct es_arena *arena, struct es_session_dir *dir,
                        const struct es_engine_options *options)
{
    *engine =
        (struct es_engineproc){.arena = arena, .dir = dir, .options = *options, .max_restarts = ES_ENGINE_RESTARTS};
    void *page = mmap(NULL, sizeof *engine->report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return es_fail(-errno, "no memory for the engine");
    engine->report = page;
    return start(engine);
}

static bool too_often(struct es_engineproc *engine)
{
    int64_t now = es_now_ms(), *place = &engine->restarted[engine->restarts % engine->max_restarts];
    bool often = engine->restarts >= engine->max_restarts && now - *place < ES_ENGINE_RESTARTS_MS;
    *place = now;
    engine->restarts++;
    return often;
}

static void end(struct es_engineproc *engine, int rc, enum es_engine_end why)
{
    engine->ended = true;
    engine->rc = rc;
    engine->end = why;
    engine->dir->engine = 0;
    engine->dir->engine_start = 0;
}

static int died(struct es_engineproc *engine)
{
    engine->pid = 0;
    if (atomic_load(&engine->report->told)) {
        end(engine, engine->report->rc, engine->report->end);
        return 0;
    }
    if (too_often(engine)) {
        snprintf(engine->report->cause, sizeof engine->report->cause, "the engine died %u times within %d s",
                 engine->max_restarts, ES_ENGINE_RESTARTS_MS / 1000);
        end(engine, -ECHILD, ES_END_STOPPED);
        return 0;
    }
    engine->options.resume = true;
    if (start(engine) == 0)
        return 1;
    snprintf(engine->report->cause, sizeof engine->report->cause, "%s", es_error_text());
    es_error_clear();
    end(engine, -ECHILD, ES_END_STOPPED);
    return 0;
}

int es_engineproc_reap(struct es_engineproc *engine)
{
    int status;
    if (engine->pid <= 0 || waitpid(engine->pid, &status, WNOHANG) != engine->pid)
        return 0;
    return died(engine);
}

void es_engineproc_wait(struct es_engineproc *engine)
{
    int status;
    while (engine->pid > 0) {
        pid_t pid = waitpid(engine->pid, &status, 0);
        if (pid == engine->pid || (pid < 0 && errno == ECHILD))
            died(engine);
    }
}

int es_engineproc_fail(const struct es_engineproc *engine)
{
    if (engine->report->hint[0])
        es_hint("%s", engine->report->hint);
    return es_fail(engine->rc, "%s", engine->report->cause[0] ? engine->report->cause : strerror(-engine->rc));
}

void es_engineproc_fini(struct es_engineproc *engine)
{
    if (engine->report)
        munmap(engine->report, sizeof *engine->report);
    engine->report = NULL;
}
