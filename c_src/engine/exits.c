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

struct es_death es_exit_death(const struct es_core *core, const struct es_event *event)
{
    struct es_death death = {.pid = event->pid, .time = event->time, .normal = is_normal(core, event)};
    if (event->payload_len > 0 && !(event->flags & (ES_E_CUT | ES_E_REDACTED)))
        death.reason = es_hash_bytes(event->payload, event->payload_len, 0);
    return death;
}

es_ref es_exit_waits_for(const struct es_core *core, es_ref pid, int64_t time)
{
    const struct es_links *links = &core->links;
    uint32_t at = core->hold.n ? es_table_get(&links->firsts, pid) : ES_TABLE_NONE;
    for (; at != ES_TABLE_NONE; at = links->ends[at].next) {
        const struct es_proc *other = es_proc_find(&core->processes, links->ends[at ^ 1].pid);
        if (other && other->held > 0 && es_hold_has_exit(&core->hold, other->pid, time))
            return other->pid;
    }
    return 0;
}

void es_exit_cause(struct es_core *core, const struct es_death *death, struct es_finding *ret_finding, bool *ret_waits)
{
    struct es_killer killer = es_links_killer(&core->links, death);
    *ret_finding = (struct es_finding){.state = ES_CAUSE_NONE};
    *ret_waits = !death->normal && killer.n == 0 && es_exit_waits_for(core, death->pid, death->time) != 0;
    if (death->normal)
        return;
    if (killer.n > 1 || killer.possible || *ret_waits)
        ret_finding->state = ES_CAUSE_UNKNOWN;
    else if (killer.n == 1 && ES_IN_DOUBT(&core->pairs, death->time - core->pairs.paused))
        ret_finding->state = ES_CAUSE_LOST;
    else if (killer.n == 1)
        *ret_finding = (struct es_finding){.state = ES_CAUSE_PAIRED, .cause = killer.seq};
    else if (core->links.forgot)
        ret_finding->state = ES_CAUSE_EVICTED;
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
            int rc = link.type == ES_TOK_PID && !es_names_is_elsewhere(&core->names, &link)
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
