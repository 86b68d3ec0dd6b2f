/* SPDX-License-Identifier: MIT */
/* What a part of a recording needs beside its events: definitions, processes, names, losses, metadata,
 * counters. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "query/made.h"
#include "query/cut.h"
#include "wire/term.h"

/* ---- definitions --------------------------------------------------------------------------------------------------- */

int es_cut_ref(struct es_cut_work *work, es_ref ref)
{
    unsigned class = es_ref_class_of(ref);
    if (ref == ES_REF_NONE || class == ES_REF_PORT)
        return 0;
    uint64_t *place = es_refmap_place(&work->refs, ref);
    if (!place)
        return -ENOMEM;
    if (*place || class == ES_REF_PID) {
        *place = 1;
        return 0;
    }
    *place = 1;
    size_t len = 0;
    const uint8_t *bytes = es_recording_define(work->query->recording, ref, &len);
    if (!bytes)
        return 0;
    int rc = es_store_define(work->store, ref, bytes, len);
    return rc == 0 && class == ES_REF_OTHER ? es_cut_term(work, bytes, len) : rc;
}

/* Atoms of a term, in whatever they are: tokens come one after the other, so nothing has to be remembered. */
int es_cut_term(struct es_cut_work *work, const uint8_t *bytes, size_t len)
{
    struct es_reader r;
    struct es_token token;
    int rc = 0;
    es_reader_init(&r, bytes, len);
    while (rc == 0 && es_reader_left(&r) > 0 && es_token_next(&r, &token) == 0) {
        if (token.type == ES_TOK_ATOM_REF)
            rc = es_cut_ref(work, es_ref_make(ES_REF_ATOM, token.word));
        else if ((token.type == ES_TOK_PID || token.type == ES_TOK_PORT || token.type == ES_TOK_REF) &&
                 !token.node.text)
            rc = es_cut_ref(work, es_ref_make(ES_REF_ATOM, token.node.word));
        else if (token.type == ES_TOK_FUN && token.len > 30)
            r.at = token.bytes + 30; /* on with the terms inside */
    }
    return rc;
}

/* No event names the source of a module. */
static int copy_source(es_ref ref, void *context) { return es_cut_ref(context, ref); }

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static bool is_in(const struct es_cut_work *work, const struct es_process *p)
{
    const struct es_cut_request *request = work->request;
    return (p->spawned < request->until && p->exited >= request->since) || es_refmap_find(&work->refs, p->pid);
}

/* What happened behind the part is not known in it. */
static void trim(struct es_cut_work *work, struct es_process *p)
{
    int64_t until = work->request->until;
    if (p->exited >= until) {
        p->exited = INT64_MAX;
        p->exit_seq = 0;
        p->reason = NULL;
        p->reason_len = 0;
    }
    p->id = 0;
    p->spawn_seq = es_cut_seq(work, p->spawn_seq);
    p->exit_seq = es_cut_seq(work, p->exit_seq);
    p->name = until == INT64_MAX ? p->name : es_query_name(work->query, p->pid, until - 1);
}

static int copy_process(struct es_cut_work *work, const struct es_process *stored)
{
    struct es_process p = *stored;
    trim(work, &p);
    const es_ref refs[] = {p.pid, p.parent, p.name, p.module, p.function};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof refs / sizeof refs[0]; i++)
        rc = es_cut_ref(work, refs[i]);
    if (rc == 0)
        rc = es_cut_term(work, p.reason, p.reason_len);
    if (rc == 0)
        rc = es_cut_term(work, p.facts, p.facts_len);
    return rc == 0 ? es_store_process(work->store, &p) : rc;
}

static int copy_processes(struct es_cut_work *work)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(work->query->recording, &processes);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (is_in(work, &processes[i]))
            rc = copy_process(work, &processes[i]);
    return rc;
}

/* Names that processes of the part have or had. */
static int copy_names(struct es_cut_work *work)
{
    const struct es_name *names = NULL;
    size_t n = es_recording_names(work->query->recording, &names);
    int64_t until = work->request->until;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool known = names[i].until > work->request->since || es_refmap_find(&work->refs, names[i].pid);
        if (!known || names[i].since >= until)
            continue;
        rc = es_cut_ref(work, names[i].name);
        if (rc == 0)
            rc = es_store_name(work->store, names[i].name, names[i].pid, names[i].since,
                               names[i].until >= until ? INT64_MAX : names[i].until);
    }
    return rc;
}

/* ---- losses, metadata, counters ------------------------------------------------------------------------------------ */

static int copy_losses(struct es_cut_work *work)
{
    const struct es_loss *losses = NULL;
    size_t n = es_recording_losses(work->query->recording, &losses);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (losses[i].from < work->request->until && losses[i].to >= work->request->since)
            rc = es_store_loss(work->store, losses[i].kind, losses[i].count, losses[i].from, losses[i].to,
                               losses[i].why);
    return rc;
}

/* All but what a store says of its own file. */
static int copy_meta(const char *key, const char *value, void *context)
{
    static const char *const own[] = {"writer", "session",    "closed", "created", "ended",
                                      "end",    "end_reason", "kinds",  "warning"};
    struct es_cut_work *work = context;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(key, own[i]) == 0)
            return 0;
    return es_store_meta(work->store, key, value);
}

static int say_what_it_is(struct es_cut_work *work)
{
    char since[24], until[24];
    snprintf(since, sizeof since, "%" PRId64, work->request->since);
    snprintf(until, sizeof until, "%" PRId64, work->request->until);
    bool to_the_end = work->request->until == INT64_MAX;
    const char *reason = to_the_end ? es_recording_meta(work->query->recording, "end_reason") : NULL;
    int rc = es_store_meta(work->store, "end_reason", reason ? reason : "cut");
    const char *session = es_recording_meta(work->query->recording, "session");
    if (rc == 0 && session)
        rc = es_store_meta(work->store, "cut_of_session", session);
    if (rc == 0 && work->request->since != INT64_MIN)
        rc = es_store_meta(work->store, "cut_since", since);
    if (rc == 0 && work->request->until != INT64_MAX)
        rc = es_store_meta(work->store, "cut_until", until);
    return rc;
}

int es_cut_facts(struct es_cut_work *work)
{
    int rc = copy_processes(work);
    if (rc == 0)
        rc = copy_names(work);
    if (rc == 0)
        rc = copy_losses(work);
    if (rc == 0)
        rc = es_recording_each_meta(work->query->recording, copy_meta, work);
    if (rc == 0)
        rc = es_query_each_source(work->query, copy_source, work);
    if (rc == 0)
        rc = say_what_it_is(work);
    if (rc == 0)
        rc = es_made_count(work->store, "pairs", work->pairs);
    return rc == 0 ? es_made_count(work->store, "handled", work->handled) : rc;
}
