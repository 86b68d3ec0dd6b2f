/* SPDX-License-Identifier: MIT */
/* Starting the user's command: only its environment differs from a start without us.
 *
 * ERL_AFLAGS, since ERL_ZFLAGS lands behind -extra; -eval, since a module that -s cannot load ends the user's boot; no -pa, since flags
 * outlive the recording in init:restart(). The agent restores and unsets what we set, so that programs started by the VM find the
 * environment the user gave. */
#include "control/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

/* Quoted for the emulator's own reader of flags: inside single quotes everything up to the next one is taken as it is. */
#define EVAL                                                                                \
    "'case os:getenv(\"ELIXIRSCOPE_SESSION\") of false -> ok; D -> try code:load_abs(D ++ " \
    "\"/ebin/elixirscope_agent\"), "                                                        \
    "elixirscope_agent:boot() catch _:_ -> ok end end'"

/* Appends `text` as one word: inside double quotes the emulator takes all but a double quote as it is, outside of them \" is one. */
static char *quote(char *to, const char *text)
{
    *to++ = '"';
    for (; *text; text++) {
        if (*text == '"')
            to = stpcpy(to, "\"\\\"\"");
        else
            *to++ = *text;
    }
    *to++ = '"';
    *to = '\0';
    return to;
}

static bool has_extra(const char *user)
{
    for (const char *at = user; (at = strstr(at, "-extra")); at += 6)
        if ((at == user || strchr(" \t\n", at[-1])) && strchr(" \t\n", at[6]))
            return true;
    return false;
}

char *es_launch_flags(const struct es_launch *launch, const char *user)
{
    size_t room = 64 + sizeof EVAL + (user ? strlen(user) : 0) + (launch->boot ? 4 * strlen(launch->boot) : 0);
    char *flags = malloc(room);
    if (!flags)
        return NULL;
    char *at = flags;
    bool behind = user && *user && !has_extra(user);
    if (behind)
        at += sprintf(at, "%s ", user);
    if (launch->boot)
        at = stpcpy(quote(stpcpy(at, "-boot "), launch->boot), " ");
    at = stpcpy(at, "-eval " EVAL);
    if (user && *user && !behind)
        sprintf(at, " %s", user);
    return flags;
}

static int set_environment(const struct es_launch *launch)
{
    const char *user = getenv("ERL_AFLAGS");
    char *flags = es_launch_flags(launch, user);
    bool set = flags != NULL;
    set = set && (user ? setenv("ELIXIRSCOPE_AFLAGS_BEFORE", user, 1) : unsetenv("ELIXIRSCOPE_AFLAGS_BEFORE")) == 0;
    set = set && setenv("ERL_AFLAGS", flags, 1) == 0 && setenv("ELIXIRSCOPE_SESSION", launch->session, 1) == 0;
    set = set && setenv("ELIXIRSCOPE_NIF", launch->nif, 1) == 0;
    free(flags);
    return set ? 0 : -ENOMEM;
}

/* In the child: never returns. What went wrong goes through the pipe, which a successful exec closes. */
static void run(const struct es_launch *launch, int report)
{
    signal(SIGPIPE, SIG_DFL); /* what has a handler becomes default by itself, and what was ignored (nohup) stays so */
    int rc = set_environment(launch);
    if (rc == 0) {
        execvp(launch->argv[0], launch->argv);
        rc = -errno;
    }
    ssize_t n = write(report, &rc, sizeof rc);
    _exit(n == sizeof rc ? 127 : 126);
}

int es_launch(const struct es_launch *launch, pid_t *ret_pid)
{
    int report[2], rc = 0;
    if (pipe2(report, O_CLOEXEC) < 0)
        return es_fail(-errno, "a pipe cannot be made: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        run(launch, report[1]);
    if (pid < 0)
        rc = -errno;
    close(report[1]);
    while (pid > 0 && read(report[0], &rc, sizeof rc) < 0 && errno == EINTR)
        ;
    close(report[0]);
    if (rc == 0) {
        *ret_pid = pid;
        return 0;
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (rc == -ENOENT && !strchr(launch->argv[0], '/'))
        return es_fail(rc, "%s: command not found", launch->argv[0]);
    return es_fail(rc, "%s cannot be started: %s", launch->argv[0], strerror(-rc));
}

/* ---- what a command leaves behind ---------------------------------------------------------------------------------- */

static size_t read_some(const char *pid, const char *name, char *buf, size_t room)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0, len = 0;
    while (fd >= 0 && (size_t)len < room && (n = read(fd, buf + len, room - (size_t)len)) > 0)
        len += n;
    if (fd >= 0)
        close(fd);
    return (size_t)len;
}

/* The port mapper is started by the first named node and stays for good: it is no VM. */
static bool is_mapper(const char *pid)
{
    char name[32];
    size_t len = read_some(pid, "comm", name, sizeof name);
    return len == 5 && memcmp(name, "epmd\n", 5) == 0;
}

bool es_launch_leftovers(const char *session)
{
    static char environment[256 << 10];
    char wanted[4200];
    int len = snprintf(wanted, sizeof wanted, "ELIXIRSCOPE_SESSION=%s", session);
    DIR *list = opendir("/proc");
    const struct dirent *entry;
    bool found = false;
    while (!found && list && (entry = readdir(list)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        size_t n = read_some(entry->d_name, "environ", environment, sizeof environment);
        found = memmem(environment, n, wanted, (size_t)len + 1) != NULL && !is_mapper(entry->d_name); /* with its NUL */
    }
    if (list)
        closedir(list);
    return found;
}
