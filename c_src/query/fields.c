/* SPDX-License-Identifier: MIT */
/* The fields of an event; see fields.h. */
#include "query/fields.h"

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    {ES_E_CUT, "cut"},
    {ES_E_REDACTED, "redacted"},
    {ES_E_NO_PAYLOAD, "no_payload"},
    {ES_E_CALLBACK, "callback"},
    {ES_E_LATE, "late"},
    {ES_E_STATE_SAME, "state_same"},
    {ES_E_STATE_MISSED, "state_missed"},
    {ES_E_MOVED, "moved"},
    {ES_FLAG_WOVEN, "woven"},
};

unsigned es_flags_of(const struct es_event *event)
{
    bool call = event->kind == ES_K_CALL || event->kind == ES_K_RETURN;
    return call && event->flags & ES_E_WOVEN ? (event->flags & ~(unsigned)ES_E_WOVEN) | ES_FLAG_WOVEN : event->flags;
}

/* One flag means different things of different kinds. */
static const char *flag_name(const struct es_event *event, size_t i)
{
    if (flag_names[i].flag != ES_E_CALLBACK)
        return flag_names[i].name;
    return event->kind == ES_K_SEND ? "request" : event->kind == ES_K_DELIVER ? "reply" : flag_names[i].name;
}

static void add_flags(const struct es_event *event, struct es_shown *ret)
{
    ret->n_flags = 0;
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++)
        if (es_flags_of(event) & flag_names[i].flag)
            ret->flags[ret->n_flags++] = flag_name(event, i);
}

void es_flags_print(unsigned flags, char *text, size_t room)
{
    size_t len = 0;
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++)
        if (flags & flag_names[i].flag && len < room)
            len += (size_t)snprintf(text + len, room - len, "%s%s", len ? "," : "", flag_names[i].name);
}

/* The text of a function's atom as it is: scripts compare it. */
static void add_function(struct es_query *query, es_ref function, struct es_text *out)
{
    size_t len = 0;
    const uint8_t *text =
        es_ref_class_of(function) == ES_REF_ATOM ? es_recording_define(query->recording, function, &len) : NULL;
    if (text)
        es_text_add(out, (const char *)text, len);
    else
        es_query_print_ref(query, function, true, out);
}

static void add_name_of(struct es_query *query, es_ref pid, int64_t time, bool erlang, struct es_text *out)
{
    if (es_ref_class_of(pid) == ES_REF_PID)
        es_query_print_ref(query, es_query_name(query, pid, time), erlang, out);
}

static void clear(struct es_shown *shown)
{
    struct es_text *texts[] = {&shown->pid,    &shown->name,     &shown->peer,   &shown->peer_name,
                               &shown->module, &shown->function, &shown->payload};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        es_text_clear(texts[i]);
}

void es_shown_fill(struct es_query *query, const struct es_event *event, const struct es_show *show,
                   struct es_shown *ret)
{
    clear(ret);
    ret->node = event->pid && query->n_nodes > 0 ? es_query_node(query, es_ref_node(event->pid)) : NULL;
    es_query_print_who(query, event->pid, show->erlang, &ret->pid);
    add_name_of(query, event->pid, event->time, show->erlang, &ret->name);
    es_query_print_who(query, event->peer, show->erlang, &ret->peer);
    add_name_of(query, event->peer, event->time, show->erlang, &ret->peer_name);
    es_query_print_ref(query, event->module, show->erlang, &ret->module);
    add_function(query, event->function, &ret->function);
    if (show->payload)
        es_query_print_payload(query, event, show->erlang, &ret->payload);
    add_flags(event, ret);
    ret->has_arity = event->module != ES_REF_NONE;
    ret->parent = es_query_parent(query, event);
    ret->wall = es_query_wall(query, event->time);
}

void es_shown_fini(struct es_shown *shown)
{
    struct es_text *texts[] = {&shown->pid,    &shown->name,     &shown->peer,   &shown->peer_name,
                               &shown->module, &shown->function, &shown->payload};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        es_text_fini(texts[i]);
}
