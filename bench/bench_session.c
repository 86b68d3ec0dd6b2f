/* SPDX-License-Identifier: MIT */
/* A session for measurements: makes an arena, prints its path, and runs the engine on it until standard input ends.
 * Usage: bench_session ARENA RECORDING */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/engine.h"

static void *stop_at_end_of_input(void *context)
{
    struct es_arena *arena = context;
    char ignored[64];
    while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        ;
    atomic_store(&arena->head->stop, 1);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_session ARENA RECORDING\n");
        return 2;
    }
    struct es_arena_plan plan = {
        .schedulers = 4, .others = 8, .scheduler_bytes = 64 << 20, .other_bytes = 1 << 20, .owner = (uid_t)-1};
    struct es_arena arena;
    int rc = es_arena_create(argv[1], &plan, &arena);
    if (rc < 0) {
        fprintf(stderr, "bench_session: %s: %s\n", argv[1], strerror(-rc));
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    atomic_store(&arena.head->vm_pid, (uint32_t)getpid());
    pthread_t watcher;
    pthread_create(&watcher, NULL, stop_at_end_of_input, &arena);
    struct es_engine_options options = {.store = {.path = argv[2], .overwrite = true}, .commit_ms = 100};
    enum es_engine_end end;
    if (es_engine_run(&arena, &options, &end) < 0) {
        fprintf(stderr, "bench_session: %s\n", es_error_text());
        return 1;
    }
    unlink(argv[1]);
    return 0;
}
