/* SPDX-License-Identifier: MIT */
/* A short visit to a running node as a hidden C node: libei for the handshake and the framing, our own bounded reader for what comes back. */
#include "control/cnode.h"

#include <ei.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "control/epmd.h"
#include "control/etf.h"

#define CONNECT_MS 5000
#define CALL_MS 10000

struct es_cnode {
    ei_cnode ei;
    int fd;
    char name[MAXNODELEN + 1];
    ei_x_buff answer;
};

/* ---- cookie -------------------------------------------------------------------------------------------------------- */

static int read_cookie(const char *path, char *ret_cookie, size_t room)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    size_t n = fread(ret_cookie, 1, room - 1, file);
    fclose(file);
    ret_cookie[n] = '\0';
    ret_cookie[strcspn(ret_cookie, "\r\n")] = '\0';
    return ret_cookie[0] ? 0 : -EINVAL;
}

static int find_cookie(const struct es_cookie_source *source, char *ret_cookie, size_t room)
{
    const char *given = source->cookie ? source->cookie : source->file ? NULL : getenv("RELEASE_COOKIE");
    if (given && *given) {
        if (strlen(given) >= room)
            return es_fail(-EINVAL, "the cookie is longer than %zu characters", room - 1);
        strcpy(ret_cookie, given);
        return 0;
    }
    char path[PATH_MAX];
    const struct passwd *user = getpwuid(geteuid());
    const char *home = getenv("HOME");
    if (source->file)
        snprintf(path, sizeof path, "%s", source->file);
    else
        snprintf(path, sizeof path, "%s/.erlang.cookie", home && *home ? home : user ? user->pw_dir : "");
    int rc = read_cookie(path, ret_cookie, room);
    if (rc == 0)
        return 0;
    es_hint("Give the node's cookie with --cookie, --cookie-file or RELEASE_COOKIE.");
    return es_fail(rc, "no cookie: %s %s", path, rc == -EINVAL ? "is empty" : strerror(-rc));
}

/* ---- connecting ---------------------------------------------------------------------------------------------------- */

static int whole_name(const char *name, char *ret_name, size_t room)
{
    char host[256];
    if (strlen(name) >= room || !*name || *name == '@')
        return es_fail(-EINVAL, "'%s' is not the name of a node", name);
    strcpy(ret_name, name);
    if (strchr(name, '@'))
        return 0;
    if (gethostname(host, sizeof host) < 0)
        return es_fail(-errno, "this host's name cannot be found: %s", strerror(errno));
    host[sizeof host - 1] = '\0';
    host[strcspn(host, ".")] = '\0';
    return snprintf(ret_name, room, "%s@%s", name, host) < (int)room ? 0
                                                                     : es_fail(-EINVAL, "the node's name is too long");
}

/* The node must run on this host: where its host's name leads nowhere, it is the loopback interface that reaches it. */
static struct in_addr address(const char *host)
{
    struct in_addr found = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(host, NULL, &wanted, &list) == 0 && list)
        found = ((struct sockaddr_in *)list->ai_addr)->sin_addr;
    if (list)
        freeaddrinfo(list);
    return found;
}

static int unknown_node(const char *name, struct in_addr host, int rc)
{
    char known[1024];
    const char *at = strchr(name, '@') + 1;
    if (rc == -ECONNREFUSED) {
        es_hint("A node that can be attached to is started with --name or --sname (Elixir), -name or -sname (Erlang).");
        return es_fail(rc, "%s: no port mapper (epmd) answers on %s:%d, so no named node runs there", name, at,
                       es_epmd_port());
    }
    if (rc != -ENOENT)
        return es_fail(rc, "%s: the port mapper (epmd) on %s does not answer: %s", name, at, strerror(-rc));
    if (es_epmd_names(host, known, sizeof known) < 0 || !known[0])
        return es_fail(rc, "%s: the port mapper on %s knows no node at all", name, at);
    return es_fail(rc, "%s: the port mapper on %s does not know it; it knows: %s", name, at, known);
}

static int handshake(struct es_cnode *node, struct in_addr host, int port)
{
    node->fd = ei_xconnect_host_port_tmo(&node->ei, &host, port, CONNECT_MS);
    if (node->fd >= 0)
        return 0;
    int problem = erl_errno;
    if (problem == ETIMEDOUT)
        return es_fail(-ETIMEDOUT, "%s does not answer on port %d", node->name, port);
    if (problem == ECONNREFUSED)
        return es_fail(-ECONNREFUSED, "%s: nobody listens on port %d, where the port mapper says it is", node->name,
                       port);
    es_hint("Give the node's own cookie with --cookie or --cookie-file: that of the user it runs as, or the release's "
            "COOKIE file. Short and "
            "long names do not mix: the name must be just what node() answers there.");
    return es_fail(-EACCES, "%s refused the connection: the cookie is not the node's, or its name is not quite this",
                   node->name);
}

static int join(struct es_cnode *node, const struct es_cookie_source *source)
{
    char cookie[EI_MAX_COOKIE_SIZE + 1], alive[64], own[MAXNODELEN + 1], short_name[MAXNODELEN + 1];
    const char *host = strchr(node->name, '@') + 1;
    int rc = find_cookie(source, cookie, sizeof cookie);
    if (rc < 0)
        return rc;
    snprintf(alive, sizeof alive, "elixirscope-%d", (int)getpid());
    if (snprintf(own, sizeof own, "%s@%s", alive, host) >= (int)sizeof own)
        return es_fail(-EINVAL, "the node's name is too long");
    struct in_addr at = address(host);
    ei_init();
    rc = ei_connect_xinit(&node->ei, host, alive, own, &at, cookie, (unsigned)time(NULL));
    explicit_bzero(cookie, sizeof cookie);
    if (rc < 0)
        return es_fail(-EINVAL, "the name or cookie cannot be used");
    snprintf(short_name, sizeof short_name, "%.*s", (int)(host - 1 - node->name), node->name);
    int port;
    rc = es_epmd_node_port(at, short_name, &port);
    return rc < 0 ? unknown_node(node->name, at, rc) : handshake(node, at, port);
}

int es_cnode_connect(const char *name, const struct es_cookie_source *cookie, struct es_cnode **ret_node)
{
    struct es_cnode *node = calloc(1, sizeof *node);
    if (!node)
        return es_fail(-ENOMEM, "out of memory");
    node->fd = -1;
    int rc = ei_x_new(&node->answer) < 0 ? es_fail(-ENOMEM, "out of memory")
                                         : whole_name(name, node->name, sizeof node->name);
    if (rc == 0)
        rc = join(node, cookie);
    if (rc < 0) {
        es_cnode_close(node);
        return rc;
    }
    *ret_node = node;
    return 0;
}

void es_cnode_close(struct es_cnode *node)
{
    if (!node)
        return;
    if (node->fd >= 0)
        ei_close_connection(node->fd);
    ei_x_free(&node->answer);
    free(node);
}

const char *es_cnode_name(const struct es_cnode *node) { return node->name; }
int es_cnode_fd(const struct es_cnode *node) { return node->fd; }

/* ---- calls --------------------------------------------------------------------------------------------------------- */

int es_cnode_ask(struct es_cnode *node, const struct es_call *call)
{
    char module[256], function[256];
    snprintf(module, sizeof module, "%s", call->module);
    snprintf(function, sizeof function, "%s", call->function);
    if (ei_rpc_to(&node->ei, node->fd, module, function, call->arguments, (int)call->len) < 0)
        return es_fail(-ECONNRESET, "%s went away", node->name);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The answer is {rex, Result}; {rex, {badrpc, Why}} where the call raised. */
static int read_answer(struct es_cnode *node, struct es_reader *ret_result)
{
    struct es_reader r, look;
    uint32_t arity;
    es_reader_init(&r, node->answer.buff, node->answer.index > 0 ? (size_t)node->answer.index : 0);
    look = r;
    if (!es_etf_version(&look) || es_term_skip(&look) < 0 || !es_etf_version(&r) || !es_etf_tuple(&r, &arity) ||
        arity != 2 || !es_etf_is_atom(&r, "rex"))
        return 0; /* somebody else's message */
    look = r;
    if (es_etf_tuple(&look, &arity) && arity == 2 && es_etf_is_atom(&look, "badrpc"))
        return es_fail(-EREMOTEIO, "the call failed in %s", node->name);
    *ret_result = r;
    return 1;
}

int es_cnode_answer(struct es_cnode *node, int timeout_ms, struct es_reader *ret_result)
{
    int64_t until = now_ms() + timeout_ms;
    do {
        int64_t left = until - now_ms();
        erlang_msg message;
        node->answer.index = 0;
        int rc = ei_xreceive_msg_tmo(node->fd, &message, &node->answer, left > 0 ? (unsigned)left : 1);
        if (rc == ERL_ERROR)
            return erl_errno == ETIMEDOUT ? 0 : es_fail(-ECONNRESET, "%s went away", node->name);
        if (rc == ERL_MSG && (message.msgtype == ERL_SEND || message.msgtype == ERL_REG_SEND) &&
            (rc = read_answer(node, ret_result)) != 0)
            return rc;
    } while (now_ms() < until);
    return 0;
}

int es_cnode_call(struct es_cnode *node, const struct es_call *call, struct es_reader *ret_result)
{
    int rc = es_cnode_ask(node, call);
    if (rc == 0)
        rc = es_cnode_answer(node, CALL_MS, ret_result);
    if (rc == 0)
        rc = es_fail(-ETIMEDOUT, "no answer in %d s", CALL_MS / 1000);
    return rc < 0 ? es_fail(rc, "%s:%s/_ in %s", call->module, call->function, node->name) : 0;
}
