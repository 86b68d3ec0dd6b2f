/* SPDX-License-Identifier: MIT */
/* Progress on a terminal with an estimate of what is left, and interruption by Ctrl-C. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "wire/clock.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

bool es_cli_interrupted(void) { return interrupted != 0; }

void es_cli_forget_interruption(void) { interrupted = 0; }

void es_cli_catch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void es_progress_start(struct es_progress *progress, const char *label)
{
    *progress =
        (struct es_progress){.label = label, .started = (int64_t)es_clock_os(), .terminal = isatty(STDERR_FILENO) != 0};
}

int es_progress_tick(double done, void *context)
{
    struct es_progress *progress = context;
    int64_t now = (int64_t)es_clock_os();
    if (progress->terminal && now - progress->started > 500000000 && now - progress->shown > 100000000) {
        struct es_cli_buf left;
        double elapsed = (double)(now - progress->started);
        int64_t rest = done > 0.001 ? (int64_t)(elapsed / done - elapsed) : 0;
        fprintf(stderr, "\r%s %3.0f %%, %s left \033[K", progress->label, done * 100,
                rest ? es_cli_duration(rest, &left) : "?");
        progress->shown = now;
    }
    return es_cli_interrupted();
}

void es_progress_end(struct es_progress *progress)
{
    if (progress->terminal && progress->shown)
        fprintf(stderr, "\r\033[K");
}
