/* SPDX-License-Identifier: MIT */
/* Who writes a recording; see owner.h. */
#include "store/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t read_file(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, room - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* Field 22 of /proc/PID/stat, in ticks since boot; 0 where it cannot be known. The name in field 2 may hold anything. */
static unsigned long long start_time(long pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_file(path, text, sizeof text);
    char *at = strrchr(text, ')');
    if (!at || at[1] == '\0' || at[2] == 'Z' || at[2] == 'X')
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

static void describe(long pid, char text[ES_OWNER_TEXT])
{
    char boot[64];
    read_file("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[strcspn(boot, "\n")] = '\0';
    snprintf(text, ES_OWNER_TEXT, "%ld %llu %.40s", pid, start_time(pid), boot);
}

void es_owner_self(char text[ES_OWNER_TEXT]) { describe(getpid(), text); }

bool es_owner_alive(const char *text)
{
    char now[ES_OWNER_TEXT];
    long pid = strtol(text, NULL, 10);
    if (pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
        return false;
    describe(pid, now);
    return strcmp(now, text) == 0;
}
