/* SPDX-License-Identifier: MIT */
/* What a census says of a process that was there before: name, links, monitors. A map of facts, whose keys are atoms. */
#include <errno.h>
#include <string.h>

#include "store/world_inner.h"
#include "wire/term.h"

static bool is_text(const struct es_world *world, const uint8_t *bytes, size_t len, uint64_t word, const char *text)
{
    if (!bytes && world->text.atom)
        bytes = world->text.atom(word, &len, world->text.context);
    return bytes && len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static bool is_atom(const struct es_world *world, const struct es_token *token, const char *text)
{
    if (token->type == ES_TOK_ATOM)
        return is_text(world, token->bytes, token->len, 0, text);
    return token->type == ES_TOK_ATOM_REF && is_text(world, NULL, 0, token->word, text);
}

static es_ref peer_of(const struct es_world *world, const struct es_token *token)
{
    const char *node = world->text.node;
    int number = world->text.node_of ? world->text.node_of(token, world->text.context) : 0;
    if (number < 0 || (!world->text.node_of && node && *node &&
                       !is_text(world, token->node.text, token->node.len, token->node.word, node)))
        return 0;
    es_ref ref = token->type == ES_TOK_PID    ? es_ref_pid((uint32_t)token->number, token->serial)
                 : token->type == ES_TOK_PORT ? es_ref_make(ES_REF_PORT, token->number & ES_REF_PORT_MASK)
                                              : 0;
    return ref ? es_ref_on_node(ref, (unsigned)number) : 0;
}

struct census { /* what it says of numbers */
    uint32_t links_read, monitors_read;
    int64_t links, monitors, queue;
};

/* The value's pids, ports, and, of monitors, names; how many were read goes into `ret_read`. */
static int read_peers(struct es_world *world, struct es_world_proc *proc, struct es_reader r, uint32_t *ret_read,
                      int (*add)(struct es_world *, struct es_world_proc *, es_ref))
{
    struct es_token token;
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST)
        return 0;
    for (uint32_t n = token.count; n > 0 && es_token_next(&r, &token) == 0; n--) {
        bool name = token.type == ES_TOK_ATOM_REF && add == es_world_add_monitor;
        if (token.type != ES_TOK_PID && token.type != ES_TOK_PORT && !name)
            return 0; /* cut from here on */
        es_ref peer = name ? es_ref_make(ES_REF_ATOM, token.word) : peer_of(world, &token);
        int rc = peer ? add(world, proc, peer) : 0;
        if (rc < 0)
            return rc;
        *ret_read += peer != 0;
    }
    return 0;
}

static int read_fact(struct es_world *world, struct es_world_proc *proc, struct es_reader *r, struct census *census)
{
    struct es_token key, token;
    if (es_token_next(r, &key) < 0)
        return -EBADMSG;
    struct es_reader value = *r, at = *r;
    if (es_token_next(&at, &token) < 0 || es_term_skip(r) < 0)
        return -EBADMSG;
    if (is_atom(world, &key, "registered_name") && token.type == ES_TOK_ATOM_REF)
        proc->name = es_ref_make(ES_REF_ATOM, token.word);
    if (is_atom(world, &key, "link_count") && token.type == ES_TOK_INT)
        census->links = token.integer;
    if (is_atom(world, &key, "message_queue_len") && token.type == ES_TOK_INT)
        census->queue = token.integer;
    if (is_atom(world, &key, "monitor_count") && token.type == ES_TOK_INT)
        census->monitors = token.integer;
    if (is_atom(world, &key, "monitors"))
        return read_peers(world, proc, value, &census->monitors_read, es_world_add_monitor);
    return is_atom(world, &key, "links") ? read_peers(world, proc, value, &census->links_read, es_world_add_link) : 0;
}

int es_world_census(struct es_world *world, struct es_world_proc *proc, const struct es_event *event)
{
    struct es_reader r;
    struct es_token map;
    struct census census = {.links = INT64_MAX, .monitors = -1};
    int64_t fun = event->module ? es_world_fun(world, event->module, event->function, event->arity) : 0;
    if (fun < 0)
        return (int)fun;
    if (fun > 0)
        proc->fun = (uint32_t)fun;
    proc->flags |= ES_WP_CENSUS;
    proc->flags &= ~(uint32_t)(ES_WP_MONITORS | ES_WP_MONITORS_CUT);
    es_world_no_monitors(world, proc);
    proc->parent = event->peer ? event->peer : proc->parent;
    es_reader_init(&r, event->payload, event->payload_len);
    int rc = event->payload_len == 0 || es_token_next(&r, &map) < 0 || map.type != ES_TOK_MAP ? -EBADMSG : 0;
    for (uint32_t i = 0; rc == 0 && i < map.count; i++)
        rc = read_fact(world, proc, &r, &census);
    if (census.links_read < census.links)
        proc->flags |= ES_WP_LINKS_CUT;
    if (census.monitors >= 0)
        proc->flags |= ES_WP_MONITORS;
    if (census.monitors_read < census.monitors)
        proc->flags |= ES_WP_MONITORS_CUT;
    if (census.queue > 0 && (uint64_t)census.queue > es_world_mail_count(proc)) { /* came before we looked */
        proc->mail_older += (uint64_t)census.queue - es_world_mail_count(proc);
        proc->flags |= ES_WP_AT_MOST;
    }
    return rc == -EBADMSG ? 0 : rc;
}
