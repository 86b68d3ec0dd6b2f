/* SPDX-License-Identifier: MIT */
/* Exits and links; see exits.h. */
#include "engine/exits.h"

#include "engine/core.h"

static bool is_normal(const struct es_core *core, const struct es_event *event)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, event->payload, event->payload_len);
    return event->payload_len > 0 && es_token_next(&r, &token) == 0 &&
           es_names_token_word(&core->names, &token) == ES_W_NORMAL;
}

static struct es_death death_of(const struct es_core *core, const struct es_event *event)
{
    struct es_death death = {.pid = event->pid, .seq = event->seq, .normal = is_normal(core, event)};
    if (event->payload_len > 0 && !(event->flags & (ES_E_CUT | ES_E_REDACTED)))
        death.reason = es_hash_bytes(event->payload, event->payload_len, 0);
    return death;
}

/* An exit that comes before it may be among events that wait. */
static bool partner_waits(const struct es_core *core, es_ref pid)
{
    const struct es_links *links = &core->links;
    uint32_t at = core->hold.n ? es_table_get(&links->firsts, pid) : ES_TABLE_NONE;
    for (; at != ES_TABLE_NONE; at = links->ends[at].next) {
        const struct es_proc *other = es_proc_find(&core->processes, links->ends[at ^ 1].pid);
        if (other && other->held > 0)
            return true;
    }
    return false;
}

void es_exit_cause(struct es_core *core, const struct es_event *event, struct es_finding *ret_finding)
{
    struct es_death death = death_of(core, event);
    struct es_killer killer = es_links_killer(&core->links, &death);
    *ret_finding = (struct es_finding){.state = ES_CAUSE_NONE};
    if (death.normal)
        return;
    if (killer.n > 1 || killer.possible || (killer.n == 0 && partner_waits(core, event->pid)))
        ret_finding->state = ES_CAUSE_UNKNOWN;
    else if (killer.n == 1 && ES_IN_DOUBT(&core->pairs, event->time - core->pairs.paused))
        ret_finding->state = ES_CAUSE_LOST;
    else if (killer.n == 1)
        *ret_finding = (struct es_finding){.state = ES_CAUSE_PAIRED, .cause = killer.seq};
    else if (core->links.forgot)
        ret_finding->state = ES_CAUSE_EVICTED;
}

void es_exit_note(struct es_core *core, const struct es_event *event)
{
    struct es_death death = death_of(core, event);
    es_links_died(&core->links, &death);
}

/* A map of facts, among them the list of links. */
static int census(struct es_core *core, const struct es_event *event)
{
    struct es_reader r;
    struct es_token map, key, list, link;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &map) < 0 || map.type != ES_TOK_MAP)
        return 0;
    for (uint32_t i = 0; i < map.count; i++) {
        if (es_token_next(&r, &key) < 0 || (key.type != ES_TOK_ATOM && key.type != ES_TOK_ATOM_REF))
            return 0;
        struct es_reader value = r;
        if (es_term_skip(&r) < 0)
            return 0;
        if (es_names_token_word(&core->names, &key) != ES_W_LINKS || es_token_next(&value, &list) < 0 ||
            list.type != ES_TOK_LIST)
            continue;
        for (uint32_t n = 0; n < list.count && es_token_next(&value, &link) == 0; n++) {
            int rc = link.type == ES_TOK_PID
                         ? es_links_add(&core->links, event->pid, es_ref_pid((uint32_t)link.number, link.serial))
                         : 0;
            if (rc < 0 || (link.type != ES_TOK_PID && link.type != ES_TOK_PORT))
                return rc;
        }
    }
    return 0;
}

int es_exit_links(struct es_core *core, const struct es_event *event)
{
    switch (event->kind) {
    case ES_K_LINK:
    case ES_K_GETTING_LINKED: return es_links_add(&core->links, event->pid, event->peer);
    case ES_K_UNLINK:
    case ES_K_GETTING_UNLINKED: es_links_remove(&core->links, event->pid, event->peer); return 0;
    default: return census(core, event);
    }
}
