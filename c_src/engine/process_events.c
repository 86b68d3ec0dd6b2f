/* SPDX-License-Identifier: MIT */
/* What spawn, census and exit say of a process; see process.h. */
#include "engine/process.h"

#include <errno.h>

#include "store/event.h"

/* ---- the initial call behind proc_lib and gen ---------------------------------------------------------------------- */

struct call {
    es_ref module, function, callback;
    uint16_t arity;
    bool supervisor;
};

static bool skip(struct es_reader *r, int terms)
{
    while (terms-- > 0)
        if (es_term_skip(r) < 0)
            return false;
    return true;
}

static es_ref next_atom(const struct es_names *names, struct es_reader *r, enum es_word *ret_word)
{
    struct es_token token;
    *ret_word = ES_W_NONE;
    if (es_token_next(r, &token) < 0)
        return 0;
    *ret_word = es_names_token_word(names, &token);
    return es_names_atom(names, &token);
}

/* Of a supervisor the callback is in its arguments: {Name, Module, Args}, of a bridge [Module | _]. */
static es_ref supervised(const struct es_names *names, struct es_reader *r, bool bridge)
{
    struct es_token token;
    enum es_word word;
    if (es_token_next(r, &token) < 0)
        return 0;
    if (!bridge && (token.type != ES_TOK_TUPLE || token.count != 3 || !skip(r, 1)))
        return 0;
    if (bridge && token.type != ES_TOK_LIST)
        return 0;
    return next_atom(names, r, &word);
}

/* The next term is a name, {local, Name} and the like, and not yet the module. */
static bool is_gen_name(struct es_reader r)
{
    struct es_token token;
    return es_token_next(&r, &token) == 0 && token.type == ES_TOK_TUPLE;
}

/* Arguments of gen:init_it: [GenMod, Starter, Parent, [Name,] Mod, Args, Options]; those at the end may have been cut. */
static void through_gen(struct es_names *names, struct es_reader *r, struct call *call)
{
    struct es_token list;
    enum es_word behaviour, word;
    if (es_token_next(r, &list) < 0 || list.type != ES_TOK_LIST || list.count < 4)
        return;
    es_ref gen = next_atom(names, r, &behaviour);
    if (behaviour == ES_W_GEN_EVENT) {
        *call = (struct call){.module = gen, .function = call->function, .callback = gen, .arity = 6};
        return;
    }
    if (!skip(r, 2) || (is_gen_name(*r) && !skip(r, 1)))
        return;
    es_ref module = next_atom(names, r, &word);
    if (!module)
        return;
    call->callback = module;
    call->supervisor = word == ES_W_SUPERVISOR || word == ES_W_SUPERVISOR_BRIDGE;
    if (call->supervisor) {
        es_ref behind = supervised(names, r, word == ES_W_SUPERVISOR_BRIDGE);
        module = behind ? behind : module;
    }
    call->module = module;
    call->function = es_names_ref(names, ES_W_INIT);
    call->arity = 1;
}

/* Arguments of proc_lib:init_p: [Parent, Ancestors, M, F, Args]. */
static void through_proc_lib(struct es_names *names, const struct es_event *event, struct call *call)
{
    struct es_reader r;
    struct es_token list;
    enum es_word module_word, function_word;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &list) < 0 || list.type != ES_TOK_LIST || list.count != 5 || !skip(&r, 2))
        return;
    es_ref module = next_atom(names, &r, &module_word), function = next_atom(names, &r, &function_word);
    if (!module || !function)
        return;
    struct es_reader args = r;
    struct es_token token;
    *call = (struct call){.module = module, .function = function};
    if (es_token_next(&args, &token) == 0 && (token.type == ES_TOK_LIST || token.type == ES_TOK_STRING))
        call->arity = (uint16_t)token.count;
    if (module_word == ES_W_GEN && function_word == ES_W_INIT_IT)
        through_gen(names, &r, call);
}

static bool is_proc_lib(const struct es_names *names, const struct es_event *event)
{
    return es_names_word(names, event->module) == ES_W_PROC_LIB && es_names_word(names, event->function) == ES_W_INIT_P;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static void set_call(struct es_proc *proc, const struct call *call)
{
    proc->row.module = call->module;
    proc->row.function = call->function;
    proc->row.arity = call->arity;
    if (call->callback)
        proc->callback = call->callback;
}

/* The initial call of a supervisor is that of the module behind it, so that it must be said: #{supervisor => true}. */
static int touch(struct es_processes *p, struct es_proc *proc, bool supervisor)
{
    uint8_t facts[64];
    struct es_writer w;
    if (!supervisor)
        return es_proc_touch(p, proc);
    es_writer_init(&w, facts, sizeof facts);
    es_write_map(&w, 1);
    es_write_atom(&w, "supervisor", 10);
    es_write_atom(&w, "true", 4);
    proc->row.facts = facts;
    proc->row.facts_len = (uint32_t)(w.at - facts);
    int r = es_store_process(p->store, &proc->row);
    proc->row.facts = NULL;
    proc->row.facts_len = 0;
    return r;
}

int es_proc_spawn(struct es_processes *p, struct es_names *names, const struct es_event *event)
{
    struct es_proc *child = es_proc_born(p, event->peer);
    if (!child)
        return -ENOMEM;
    struct call call = {.module = event->module, .function = event->function, .arity = event->arity};
    if (is_proc_lib(names, event))
        through_proc_lib(names, event, &call);
    child->row.spawned = event->time;
    child->row.spawn_seq = event->seq;
    if (child->last_time < event->time)
        child->last_time = event->time;
    child->row.parent = event->pid;
    set_call(child, &call);
    return touch(p, child, call.supervisor);
}

/* Its parent's event says more, where there is one; else this. */
int es_proc_spawned(struct es_processes *p, const struct es_event *event)
{
    struct es_proc *child = es_proc_find(p, event->pid);
    if (child && (child->flags & ES_P_DEAD))
        child = es_proc_born(p, event->pid);
    if (!child)
        return -ENOMEM;
    if (child->row.spawned == INT64_MIN)
        child->row.spawned = event->time;
    if (!child->row.parent)
        child->row.parent = event->peer;
    if (!child->row.module)
        set_call(child, &(struct call){.module = event->module, .function = event->function, .arity = event->arity});
    return es_proc_touch(p, child);
}

/* A map of facts; a registered name may be among them. */
static es_ref find_name(const struct es_names *names, const struct es_event *event)
{
    struct es_reader r;
    struct es_token map, key;
    es_reader_init(&r, event->payload, event->payload_len);
    if (es_token_next(&r, &map) < 0 || map.type != ES_TOK_MAP)
        return 0;
    for (uint32_t i = 0; i < map.count; i++) {
        if (es_token_next(&r, &key) < 0 || (key.type != ES_TOK_ATOM && key.type != ES_TOK_ATOM_REF))
            return 0; /* no fact of ours has another key */
        enum es_word word = es_names_token_word(names, &key);
        struct es_reader value = r;
        struct es_token token;
        if ((word == ES_W_NAME || word == ES_W_REGISTERED_NAME) && es_token_next(&value, &token) == 0 &&
            es_names_token_word(names, &token) != ES_W_UNDEFINED)
            return es_names_atom(names, &token);
        if (es_term_skip(&r) < 0)
            return 0;
    }
    return 0;
}

int es_proc_census(struct es_processes *p, struct es_names *names, const struct es_event *event)
{
    struct es_proc *proc = es_proc_meet(p, event->pid);
    if (!proc)
        return -ENOMEM;
    proc->census_seq = event->seq;
    if (event->peer)
        proc->row.parent = event->peer;
    if (event->module)
        set_call(proc, &(struct call){.module = event->module, .function = event->function, .arity = event->arity});
    if (es_names_word(names, event->function) == ES_W_INIT && event->arity == 1)
        proc->callback = event->module;
    es_ref name = find_name(names, event);
    int r = name ? es_processes_register(p, name, event->pid, event->time) : 0;
    if (r < 0)
        return r;
    proc->row.facts = event->payload;
    proc->row.facts_len = event->payload_len;
    r = es_store_process(p->store, &proc->row);
    proc->row.facts = NULL;
    proc->row.facts_len = 0;
    return r;
}

int es_proc_exit(struct es_processes *p, const struct es_event *event)
{
    struct es_proc *proc = es_proc_meet(p, event->pid);
    if (!proc)
        return -ENOMEM;
    proc->row.exited = event->time;
    proc->row.exit_seq = event->seq;
    proc->died = event->time - event->moved;
    proc->row.reason = event->payload;
    proc->row.reason_len = event->payload_len;
    return es_proc_died(p, proc);
}
