/* SPDX-License-Identifier: MIT */
/* The recorder's own socket: both ends. */
#include "cli/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "control/place.h"

#define ASK_SECONDS 5

static void bound_waiting(int fd, long ms)
{
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Reads up to the newline, which is taken off. */
static int read_line(int fd, char *line, size_t room)
{
    size_t len = 0;
    while (len < room) {
        ssize_t n = recv(fd, line + len, room - len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -ECONNRESET : -errno;
        char *end = memchr(line + len, '\n', (size_t)n);
        len += (size_t)n;
        if (end) {
            *end = '\0';
            return 0;
        }
    }
    return -EMSGSIZE;
}

static int send_line(int fd, const char *line)
{
    char whole[ES_CONTROL_LINE + 2];
    int n = snprintf(whole, sizeof whole, "%s\n", line);
    if (n >= (int)sizeof whole)
        return -EMSGSIZE;
    return send(fd, whole, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}

int es_control_accept(int listener, char ret_line[ES_CONTROL_LINE], int *ret_fd)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    bound_waiting(fd, 200);
    int rc = read_line(fd, ret_line, ES_CONTROL_LINE);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

void es_control_answer(int fd, const char *line)
{
    send_line(fd, line);
    close(fd);
}

struct search {
    const char *wanted;
    struct es_session_dir *found;
    unsigned n;
};

/* With its host or without. */
static bool is_node(const char *node, const char *wanted)
{
    size_t len = strlen(wanted);
    return strncmp(node, wanted, len) == 0 && (node[len] == '\0' || (node[len] == '@' && !strchr(wanted, '@')));
}

static int look(const struct es_session_dir *dir, void *context)
{
    struct search *search = context;
    const char *wanted = search->wanted;
    if (es_session_dir_life(dir) != ES_SESSION_LIVE)
        return 0;
    if (wanted && strcmp(dir->id, wanted) != 0 && !is_node(dir->node, wanted) && strcmp(dir->recording, wanted) != 0)
        return 0;
    *search->found = *dir;
    search->n++;
    return 0;
}

int es_control_find(const char *wanted, struct es_session_dir *ret_dir)
{
    struct search search = {.wanted = wanted, .found = ret_dir};
    int rc = es_session_dir_each(look, &search);
    if (rc < 0)
        return es_fail(rc, "sessions cannot be listed: %s", strerror(-rc));
    if (search.n == 1)
        return 0;
    es_hint("`elixirscope doctor` lists the sessions.");
    if (search.n > 1)
        return es_fail(-EINVAL, "%u sessions live: name one", search.n);
    return wanted ? es_fail(-ENOENT, "there is no live session '%s'", wanted) : es_fail(-ENOENT, "no session lives");
}

int es_control_ask(const struct es_session_dir *dir, const char *line, char ret_answer[ES_CONTROL_LINE])
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    es_place_control_socket(dir, to.sun_path);
    if (strlen(line) >= ES_CONTROL_LINE || strpbrk(line, "\r\n"))
        return es_fail(-EINVAL, "it must be one line of less than %d bytes", ES_CONTROL_LINE);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return es_fail(-errno, "no socket: %s", strerror(errno));
    bound_waiting(fd, ASK_SECONDS * 1000);
    int rc = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : send_line(fd, line);
    char answer[ES_CONTROL_LINE] = "";
    if (rc == 0)
        rc = read_line(fd, answer, sizeof answer);
    close(fd);
    if (rc < 0)
        return es_fail(rc, "the recorder of session %s does not answer: %s", dir->id, strerror(-rc));
    if (strncmp(answer, "ok", 2) != 0)
        return es_fail(-EREMOTEIO, "%s", strncmp(answer, "error ", 6) == 0 ? answer + 6 : answer);
    snprintf(ret_answer, ES_CONTROL_LINE, "%s", answer[2] ? answer + 3 : "");
    return 0;
}
