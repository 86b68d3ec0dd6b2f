/* SPDX-License-Identifier: MIT */
/* Which version last set a part of a state. Values may come back, so that halving would be wrong: back it goes, version
 * by version, until the part is another one. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "query/inner.h"
#include "term/path.h"

struct search {
    struct es_query *query;
    const struct es_part_request *request;
    struct es_path path;
    const struct es_version_info *list;
    size_t at; /* number of the version in force */
};

/* The part in a version: 1 and its hash, 0 where it is not there, negative errno. */
static int look(struct search *s, size_t number, bool tell, uint64_t *ret_hash, bool *ret_unsure)
{
    const uint8_t *bytes;
    size_t len;
    struct es_tree tree;
    uint32_t node;
    int rc = es_query_version_bytes(s->query, &s->list[number - 1], &bytes, &len);
    const struct es_print *print = &s->query->print[s->request->erlang];
    if (rc == 0)
        rc = es_tree_read(&tree, bytes, len, print);
    if (rc < 0)
        return rc;
    rc = es_path_resolve(&s->path, &tree, print, &node);
    if (rc == 0) {
        *ret_hash = tree.nodes[node].hash;
        *ret_unsure = tree.nodes[node].flags & ES_NODE_UNSURE;
    }
    es_tree_fini(&tree);
    if ((rc == -ENOENT || rc == -ENODATA) && !tell) {
        es_error_clear();
        *ret_unsure = rc == -ENODATA;
        return 0;
    }
    return rc < 0 ? rc : 1;
}

static bool is_missed(const struct search *s, size_t number) { return s->list[number - 1].flags & ES_E_STATE_MISSED; }

static bool stopped(const struct search *s, size_t looked)
{
    const struct es_part_request *r = s->request;
    return r->tick && looked % 64 == 0 && r->tick((double)looked / (double)s->at, r->context) != 0;
}

/* `part->number` is the oldest version so far in which the part is what it is. */
static int walk_back(struct search *s, uint64_t wanted, struct es_part *part)
{
    size_t looked = 1;
    for (size_t number = part->number - 1; number > 0; number--) {
        uint64_t hash = 0;
        bool unsure = false;
        if (is_missed(s, number)) {
            part->missed++;
            continue;
        }
        if (s->request->limit && looked == s->request->limit) {
            part->limited = true;
            return 0;
        }
        if (stopped(s, looked++))
            return es_fail(-EINTR, "stopped at version %zu", number);
        int rc = look(s, number, false, &hash, &unsure);
        if (rc < 0)
            return rc;
        part->unsure = part->unsure || unsure;
        if (rc == 0 || hash != wanted)
            return 0;
        part->number = number;
        part->missed = 0;
    }
    part->first = true;
    return 0;
}

static int find(struct search *s, struct es_part *part)
{
    uint64_t wanted = 0;
    size_t number = s->at;
    while (number > 0 && is_missed(s, number))
        number--;
    if (number == 0)
        return es_fail(-ENODATA, "none of its versions until then was captured");
    *part = (struct es_part){.number = number};
    int rc = look(s, number, true, &wanted, &part->unsure);
    if (rc < 0)
        return rc;
    part->unsure = part->unsure || number < s->at;
    rc = walk_back(s, wanted, part);
    part->version = s->list[part->number - 1];
    return rc < 0 ? rc : es_query_version_cause(s->query, &part->version, &part->cause);
}

int es_query_part(struct es_query *query, const struct es_part_request *request, struct es_part *ret_part)
{
    struct search s = {.query = query, .request = request};
    size_t n = 0;
    int rc = es_query_versions(query, request->pid, &s.list, &n);
    if (rc < 0)
        return rc;
    while (s.at < n && s.list[s.at].time <= request->at)
        s.at++;
    if (s.at == 0)
        return es_state_unknown(query, request->pid, request->at);
    rc = es_path_parse(request->path, &s.path);
    if (rc < 0)
        return rc;
    rc = find(&s, ret_part);
    es_path_fini(&s.path);
    return rc;
}
