/* SPDX-License-Identifier: MIT */
/* Filters; see match.h. */
#include "query/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int by_ref(const void *a, const void *b)
{
    es_ref x = *(const es_ref *)a, y = *(const es_ref *)b;
    return x < y ? -1 : x > y;
}

/* "MyApp.Cart", ":my_mod", "my_mod", "Elixir.MyApp.*" */
static void read_module(struct es_match *match)
{
    size_t skip = strncmp(match->module, "Elixir.", 7) == 0 ? 7 : match->module[0] == ':' ? 1 : 0;
    memmove(match->module, match->module + skip, strlen(match->module + skip) + 1);
    size_t len = strlen(match->module);
    match->prefix = len > 0 && match->module[len - 1] == '*';
    if (match->prefix)
        match->module[len - 1] = '\0';
}

int es_match_init(struct es_match *match, struct es_query *query, const struct es_filter *filter)
{
    *match = (struct es_match){.query = query, .filter = *filter};
    if (filter->n_pids > 0) {
        match->pids = malloc(filter->n_pids * sizeof *match->pids);
        if (!match->pids)
            return -ENOMEM;
        memcpy(match->pids, filter->pids, filter->n_pids * sizeof *match->pids);
        qsort(match->pids, filter->n_pids, sizeof *match->pids, by_ref);
    }
    match->module = filter->module ? strdup(filter->module) : NULL;
    match->text = filter->text && filter->text[0] ? strdup(filter->text) : NULL;
    bool lacks = (filter->module && !match->module) || (filter->text && filter->text[0] && !match->text);
    if (match->module)
        read_module(match);
    match->filter.pids = match->pids;
    match->filter.module = match->module;
    match->filter.text = match->text;
    return lacks ? -ENOMEM : 0;
}

void es_match_fini(struct es_match *match)
{
    free(match->pids);
    free(match->module);
    free(match->text);
    es_text_fini(&match->scratch);
}

unsigned es_match_fields(const struct es_match *match) { return match->module ? ES_F_FUN : 0; }

/* Blocks without the processes are not read at all: in the others there is an event to be had. */
bool es_match_is_narrow(const struct es_match *match) { return match->filter.kinds != 0 || match->module; }

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

static bool has_kinds(const struct es_match *match, const struct es_block_info *block)
{
    uint64_t n = 0;
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        bool asked = match->filter.kinds == 0 || (match->filter.kinds >> kind & 1);
        bool fits = !match->module || (es_kind_table[kind].fields & ES_F_FUN);
        n += asked && fits ? block->kinds[kind] : 0;
    }
    return n > 0;
}

/* Did the process do anything of these kinds in the block? */
static bool has_kinds_of(struct es_match *match, size_t index, es_ref pid)
{
    uint64_t kinds = 0;
    if (match->filter.kinds == 0)
        return true;
    if (es_recording_block_kinds(match->query->recording, index, pid, &kinds) < 0)
        return true; /* what is wrong with it shows when it is read */
    return kinds & match->filter.kinds;
}

static bool has_pids(struct es_match *match, size_t index)
{
    struct es_pid_count *counts = NULL;
    size_t n = 0, i = 0, k = 0;
    if (match->filter.n_pids == 0)
        return true;
    if (es_recording_block_pids(match->query->recording, index, &counts, &n) < 0)
        return true; /* whatever is wrong with it shows when it is read */
    bool found = false;
    while (i < n && k < match->filter.n_pids && !found) {
        found = counts[i].pid == match->pids[k] && counts[i].events > 0 && has_kinds_of(match, index, counts[i].pid);
        if (counts[i].pid < match->pids[k])
            i++;
        else
            k++;
    }
    free(counts);
    return found;
}

bool es_match_block(struct es_match *match, size_t index, const struct es_block_info *block)
{
    const struct es_filter *f = &match->filter;
    return block->first_time < f->until && block->last_time >= f->since && block->last_seq > f->after_seq &&
           (f->before_seq == 0 || block->first_seq < f->before_seq) && has_kinds(match, block) &&
           has_pids(match, index);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static bool module_fits(struct es_match *match, es_ref module)
{
    size_t len = 0, asked = strlen(match->module);
    const uint8_t *text = es_recording_define(match->query->recording, module, &len);
    if (!text)
        return false;
    if (len > 7 && memcmp(text, "Elixir.", 7) == 0) {
        text += 7;
        len -= 7;
    }
    return (match->prefix ? len >= asked : len == asked) && memcmp(text, match->module, asked) == 0;
}

static bool has_module(struct es_match *match, es_ref module)
{
    if (module == ES_REF_NONE)
        return false;
    size_t slot = (size_t)(module * UINT64_C(0x9e3779b97f4a7c15) >> 56) % ES_MODULES_KNOWN;
    if (match->known[slot].module != module) {
        match->known[slot].fits = module_fits(match, module);
        match->known[slot].module = module;
    }
    return match->known[slot].fits;
}

bool es_match_head(struct es_match *match, const struct es_event *event)
{
    const struct es_filter *f = &match->filter;
    if (f->kinds && !(f->kinds >> event->kind & 1))
        return false;
    if (event->time < f->since || event->time >= f->until || event->seq <= f->after_seq ||
        (f->before_seq && event->seq >= f->before_seq))
        return false;
    if (f->n_pids == 1 ? event->pid != match->pids[0]
                       : f->n_pids > 0 && !bsearch(&event->pid, match->pids, f->n_pids, sizeof *match->pids, by_ref))
        return false;
    if (f->node && (event->pid == ES_REF_NONE || es_ref_node(event->pid) + 1 != f->node))
        return false;
    return !match->module || has_module(match, event->module);
}

static void add_name_of(struct es_match *match, es_ref pid, int64_t time)
{
    es_ref name = es_ref_class_of(pid) == ES_REF_ATOM ? pid : es_query_name(match->query, pid, time);
    if (name == ES_REF_NONE)
        return;
    es_query_print_ref(match->query, name, match->filter.erlang, &match->scratch);
    es_text_puts(&match->scratch, "\n");
}

bool es_match_text(struct es_match *match, const struct es_event *event)
{
    if (!match->text)
        return true;
    struct es_text *all = &match->scratch;
    es_text_clear(all);
    add_name_of(match, event->pid, event->time);
    add_name_of(match, event->peer, event->time);
    es_query_print_fun(match->query, event, match->filter.erlang, all);
    es_text_puts(all, "\n");
    es_query_print_payload(match->query, event, match->filter.erlang, all);
    return all->bytes && strstr(all->bytes, match->text) != NULL;
}
