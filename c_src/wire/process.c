/* SPDX-License-Identifier: MIT */
/* Whether a process lives, and since when: a process id alone may have been given to somebody else. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/sessiondir.h"

/* /proc/PID/stat: pid (name) state and 19 more fields before the start time. The name may hold anything, so
 * the last ')' counts. */
static uint64_t parse_start(const char *stat)
{
    const char *at = strrchr(stat, ')');
    char state;
    uint64_t start;
    if (!at || sscanf(at + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                      &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start; /* dead, and only waiting for its parent to notice */
}

uint64_t es_process_start(int pid)
{
    char path[32], stat[1024];
    if (pid <= 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (n <= 0)
        return 0;
    stat[n] = '\0';
    return parse_start(stat);
}
