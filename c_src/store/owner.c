/* SPDX-License-Identifier: MIT */
/* Who writes a recording; see owner.h. */
#include "store/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/sessiondir.h"

static void describe(long pid, char text[ES_OWNER_TEXT])
{
    char boot[41] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, boot, sizeof boot - 1);
    if (fd >= 0)
        close(fd);
    boot[n > 0 ? strcspn(boot, "\n") : 0] = '\0';
    snprintf(text, ES_OWNER_TEXT, "%ld %" PRIu64 " %s", pid, es_process_start((int)pid), boot);
}

void es_owner_self(char text[ES_OWNER_TEXT]) { describe(getpid(), text); }

bool es_owner_alive(const char *text)
{
    char now[ES_OWNER_TEXT];
    long pid = strtol(text, NULL, 10);
    if (pid <= 0 || pid > INT_MAX || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
        return false;
    describe(pid, now);
    return strcmp(now, text) == 0;
}
