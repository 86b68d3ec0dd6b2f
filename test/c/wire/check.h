/* SPDX-License-Identifier: MIT */
/* What the tests of wire share: cmocka, a place in memory for files, memory that faults right behind its end,
 * an arena of one ring. */
#ifndef ES_TEST_WIRE_CHECK_H
#define ES_TEST_WIRE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/arena.h"
#include "wire/ring.h"

/* A new directory in memory; removed with all in it by drop_place(). */
static inline char *new_place(void)
{
    char *path = strdup("/dev/shm/es-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}
static inline void drop_place(char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
    free(path);
}

/* `len` bytes copied so that reading one more faults. Never freed: tests are short. */
static inline const uint8_t *at_the_edge(const void *bytes, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (len + page - 1) / page * page;
    uint8_t *base = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + room, page, PROT_NONE), 0);
    if (len)
        memcpy(base + room - len, bytes, len);
    return base + room - len;
}

static inline struct es_arena one_ring(void)
{
    struct es_arena_plan plan = {.schedulers = 1, .scheduler_bytes = ES_RING_MIN, .owner = (uid_t)-1};
    struct es_arena arena;
    assert_int_equal(es_arena_create(NULL, &plan, &arena), 0);
    return arena;
}

static inline size_t count_entries(const char *path)
{
    DIR *stream = opendir(path);
    assert_non_null(stream);
    size_t n = 0;
    for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(stream);
    return n;
}

static inline size_t count_lines_with(const char *path, const char *word)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char line[4096];
    size_t n = 0;
    while (fgets(line, sizeof line, file))
        n += strstr(line, word) != NULL;
    fclose(file);
    return n;
}

/* Runs `body` in a child process; its return value is the exit code. */
static inline pid_t in_child(int (*body)(void *context), void *context)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        _exit(body(context));
    }
    return pid;
}
static inline int exit_code(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
