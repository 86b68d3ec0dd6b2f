/* SPDX-License-Identifier: MIT */
/* The two questions of the port mapper's protocol that we ask: libei has the first one too, but does not tell why it failed. */
#include "control/epmd.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/term.h"

enum { PORT_PLEASE2_REQ = 122, PORT2_RESP = 119, NAMES_REQ = 110 };

int es_epmd_port(void)
{
    const char *text = getenv("ERL_EPMD_PORT");
    int port = text ? atoi(text) : 0;
    return port > 0 && port < 65536 ? port : 4369;
}

static int wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    while ((n = poll(&p, 1, ES_EPMD_TIMEOUT_MS)) < 0 && errno == EINTR)
        ;
    return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int reach(struct in_addr host)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)es_epmd_port()), .sin_addr = host};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
    if (rc == -EINPROGRESS) {
        rc = wait_for(fd, POLLOUT);
        int problem = 0;
        socklen_t len = sizeof problem;
        if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0)
            rc = -problem;
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

/* Sends one request and reads until the mapper closes. */
static int ask(struct in_addr host, uint8_t tag, const char *text, uint8_t *ret_answer, size_t *room_and_len)
{
    uint8_t request[3 + 256];
    size_t len = strlen(text), n = 0;
    if (len > 255)
        return -EINVAL;
    int fd = reach(host);
    if (fd < 0)
        return fd;
    request[0] = (uint8_t)((len + 1) >> 8);
    request[1] = (uint8_t)(len + 1);
    request[2] = tag;
    memcpy(request + 3, text, len);
    int rc = send(fd, request, len + 3, MSG_NOSIGNAL) == (ssize_t)(len + 3) ? 0 : -EPROTO;
    while (rc == 0 && n < *room_and_len && (rc = wait_for(fd, POLLIN)) == 0) {
        ssize_t got = recv(fd, ret_answer + n, *room_and_len - n, 0);
        if (got == 0)
            break;
        if (got < 0)
            rc = -errno;
        else
            n += (size_t)got;
    }
    close(fd);
    *room_and_len = n;
    return rc;
}

int es_epmd_node_port(struct in_addr host, const char *name, int *ret_port)
{
    uint8_t answer[1024];
    size_t len = sizeof answer;
    int rc = ask(host, PORT_PLEASE2_REQ, name, answer, &len);
    if (rc < 0)
        return rc;
    struct es_reader r;
    es_reader_init(&r, answer, len);
    uint8_t tag = es_reader_u8(&r), result = es_reader_u8(&r);
    if (tag != PORT2_RESP || r.bad)
        return -EPROTO;
    if (result != 0)
        return -ENOENT;
    int port = es_reader_be16(&r);
    if (r.bad || port == 0)
        return -EPROTO;
    *ret_port = port;
    return 0;
}

int es_epmd_names(struct in_addr host, char *ret_names, size_t room)
{
    uint8_t answer[16384];
    size_t len = sizeof answer - 1, used = 0;
    int rc = ask(host, NAMES_REQ, "", answer, &len);
    if (rc < 0)
        return rc;
    answer[len] = '\0';
    ret_names[0] = '\0';
    char name[256], *save = NULL;
    /* Four bytes of port, then lines "name NAME at port N". */
    for (char *line = strtok_r(len > 4 ? (char *)answer + 4 : (char *)answer + len, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        if (sscanf(line, "name %255s at port", name) == 1 && used + strlen(name) + 3 < room)
            used += (size_t)snprintf(ret_names + used, room - used, "%s%s", used ? ", " : "", name);
    return 0;
}
