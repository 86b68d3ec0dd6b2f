/* SPDX-License-Identifier: MIT */
/* The conversation with the agent: the socket, frames in and out, and what the recorder says. What the agent says: agentmessage.c. */
#include "control/agentlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "control/etf.h"

#define OPEN_MAX_BYTES (256u << 10)

int es_link_listen(const char *path, uid_t owner, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return es_fail(-ENAMETOOLONG, "the socket's path %s is too long", path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return es_fail(-errno, "a socket cannot be made: %s", strerror(errno));
    mode_t before = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    umask(before);
    if (rc == 0 && listen(fd, 16) < 0)
        rc = -errno;
    if (rc == 0 && owner != (uid_t)-1 && owner != geteuid() &&
        lchown(path, owner, (gid_t)-1) < 0) /* the directory is theirs: follow no link */
        rc = -errno;
    if (rc < 0) {
        close(fd);
        return es_fail(rc, "the socket %s cannot be made: %s", path, strerror(-rc));
    }
    *ret_fd = fd;
    return 0;
}

static int peer(int fd, struct es_link *link)
{
#ifdef SO_PEERCRED
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return -errno;
    link->peer_pid = who.pid;
    link->peer_uid = who.uid;
#else
    gid_t group;
    if (getpeereid(fd, &link->peer_uid, &group) < 0)
        return -errno;
#endif
    return 0;
}

int es_link_accept(int listener, uid_t owner, struct es_link *ret_link)
{
    struct es_link link = {.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
    if (link.fd < 0)
        return -errno;
    int rc = peer(link.fd, &link);
    if (rc == 0 && link.peer_uid != geteuid() && link.peer_uid != 0 && link.peer_uid != owner)
        rc = -EPERM;
    /* Writing waits for a second at most: the agent's process reads at once, or not at all. */
    struct timeval second = {.tv_sec = 1};
    if (rc == 0 && setsockopt(link.fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) < 0)
        rc = -errno;
    if (rc < 0) {
        close(link.fd);
        return rc;
    }
    *ret_link = link;
    return 0;
}

void es_link_close(struct es_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    free(link->in);
    *link = (struct es_link){.fd = -1};
}

/* ---- in ------------------------------------------------------------------------------------------------------------ */

static int make_room(struct es_link *link, size_t need)
{
    if (need <= link->room)
        return 0;
    size_t room = link->room ? link->room : 4096;
    while (room < need)
        room *= 2;
    uint8_t *in = realloc(link->in, room);
    if (!in)
        return -ENOMEM;
    link->in = in;
    link->room = room;
    return 0;
}

/* Bytes of the whole first frame with its head, 0 where even its head is not there yet. */
static size_t frame_size(const struct es_link *link)
{
    if (link->len < 4)
        return 0;
    struct es_reader r;
    es_reader_init(&r, link->in, 4);
    return (size_t)es_reader_be32(&r) + 4;
}

static int fill(struct es_link *link, size_t need)
{
    int rc = make_room(link, need);
    while (rc == 0 && link->len < need) {
        ssize_t n = recv(link->fd, link->in + link->len, need - link->len, MSG_DONTWAIT);
        if (n > 0)
            link->len += (size_t)n;
        else if (n == 0)
            return -ECONNRESET;
        else if (errno != EINTR)
            return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN : -ECONNRESET;
    }
    return rc;
}

int es_link_receive(struct es_link *link, struct es_agent_message *ret_message)
{
    if (link->fd < 0)
        return -ECONNRESET;
    int rc = fill(link, 4);
    size_t size = frame_size(link);
    if (rc == 0 && size > ES_FRAME_MAX + 4)
        return -EMSGSIZE;
    if (rc == 0)
        rc = fill(link, size);
    if (rc < 0)
        return rc == -EAGAIN ? 0 : rc;
    rc = es_agent_message_read(link->in + 4, size - 4, ret_message);
    link->len = 0; /* never more than one frame was read */
    return rc < 0 ? rc : 1;
}

/* ---- out ----------------------------------------------------------------------------------------------------------- */

static int send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

struct frame {
    uint8_t *bytes;
    size_t room;
    struct es_writer w;
};

static int frame_begin(struct frame *frame, size_t room, const char *tag, uint32_t arity)
{
    frame->room = room;
    frame->bytes = malloc(room);
    if (!frame->bytes)
        return -ENOMEM;
    es_writer_init(&frame->w, frame->bytes, room);
    es_write_bytes(&frame->w, "\0\0\0\0", 4);
    es_write_u8(&frame->w, 131);
    es_write_tuple(&frame->w, arity);
    es_etf_put_atom(&frame->w, tag);
    return 0;
}

static int frame_send(struct frame *frame, struct es_link *link)
{
    int rc = frame->w.full ? -EMSGSIZE : link->fd < 0 ? -EPIPE : 0;
    if (rc == 0) {
        size_t len = (size_t)(frame->w.at - frame->bytes), body = len - 4;
        for (int i = 0; i < 4; i++)
            frame->bytes[i] = (uint8_t)(body >> (24 - 8 * i));
        rc = send_all(link->fd, frame->bytes, len);
    }
    free(frame->bytes);
    return rc;
}

static int say(struct es_link *link, const char *tag, const char *text)
{
    struct frame frame;
    int rc = frame_begin(&frame, strlen(text) + 64, tag, 2);
    if (rc < 0)
        return rc;
    es_etf_put_text(&frame.w, text);
    return frame_send(&frame, link);
}

int es_link_refuse(struct es_link *link, const char *why) { return say(link, "refuse", why); }

int es_link_stop(struct es_link *link, const char *reason)
{
    struct frame frame;
    int rc = frame_begin(&frame, 256, "stop", 2);
    if (rc < 0)
        return rc;
    es_etf_put_atom(&frame.w, reason);
    return frame_send(&frame, link);
}

int es_link_mark(struct es_link *link, const char *label)
{
    struct frame frame;
    int rc = frame_begin(&frame, strlen(label) + 64, "mark", 3);
    if (rc < 0)
        return rc;
    es_etf_put_text(&frame.w, label);
    es_write_map(&frame.w, 0);
    return frame_send(&frame, link);
}

static void put_spec(struct es_writer *w, const struct es_spec *spec)
{
    es_write_map(w, 5);
    es_etf_put_atom(w, "kind");
    es_etf_put_atom(w, es_spec_kind_names[spec->kind]);
    es_etf_put_atom(w, "module");
    es_etf_put_text(w, spec->module);
    es_etf_put_atom(w, "function");
    es_etf_put_text(w, spec->function);
    es_etf_put_atom(w, "arity");
    es_write_int(w, spec->arity);
    es_etf_put_atom(w, "text");
    es_etf_put_text(w, spec->text);
}

static void put_modules(struct es_writer *w, const struct es_weave *weave)
{
    if (weave->n > 0)
        es_write_list(w, (uint32_t)weave->n);
    for (size_t i = 0; i < weave->n; i++)
        es_etf_put_text(w, weave->modules[i]);
    es_write_nil(w);
}

static void put_config(struct es_writer *w, const struct es_open *open)
{
    es_write_map(w, 11);
    es_etf_put_atom(w, "weave");
    put_modules(w, open->weave);
    es_etf_put_atom(w, "depth");
    es_etf_put_atom(w, es_depth_names[open->weave->depth]);
    es_etf_put_atom(w, "level");
    es_etf_put_atom(w, es_level_names[open->level]);
    es_etf_put_atom(w, "specs");
    if (open->n_specs > 0)
        es_write_list(w, (uint32_t)open->n_specs);
    for (size_t i = 0; i < open->n_specs; i++)
        put_spec(w, &open->specs[i]);
    es_write_nil(w);
    es_etf_put_atom(w, "time_limit_ms");
    es_write_uint(w, open->time_limit_ms);
    es_etf_put_atom(w, "budget");
    es_write_float(w, open->budget);
    es_etf_put_atom(w, "payload_bytes");
    es_write_uint(w, open->payload_bytes);
    es_etf_put_atom(w, "state_bytes");
    es_write_uint(w, open->state_bytes);
    es_etf_put_atom(w, "nif");
    es_etf_put_text(w, open->nif);
    es_etf_put_atom(w, "children");
    es_etf_put_atom(w, open->children ? "true" : "false");
    es_etf_put_atom(w, "arm_slice");
    es_write_int(w, 100);
}

int es_link_open(struct es_link *link, const struct es_open *open)
{
    struct frame frame;
    int rc = frame_begin(&frame, OPEN_MAX_BYTES, "open", 3);
    if (rc < 0)
        return rc;
    es_etf_put_text(&frame.w, open->arena);
    put_config(&frame.w, open);
    return frame_send(&frame, link);
}

#define WEAVE_MAX_BYTES (32u << 10)

int es_link_weave(struct es_link *link, const struct es_weave *weave)
{
    struct frame frame;
    int rc = frame_begin(&frame, WEAVE_MAX_BYTES, "weave", 3);
    if (rc < 0)
        return rc;
    put_modules(&frame.w, weave);
    es_etf_put_atom(&frame.w, es_depth_names[weave->depth]);
    return frame_send(&frame, link);
}

int es_link_unweave(struct es_link *link, const struct es_weave *weave, bool force)
{
    struct frame frame;
    int rc = frame_begin(&frame, WEAVE_MAX_BYTES, "unweave", 3);
    if (rc < 0)
        return rc;
    if (weave->n > 0)
        put_modules(&frame.w, weave);
    else
        es_etf_put_atom(&frame.w, "all");
    es_etf_put_atom(&frame.w, force ? "true" : "false");
    return frame_send(&frame, link);
}
