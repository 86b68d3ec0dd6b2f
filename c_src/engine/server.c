/* SPDX-License-Identifier: MIT */
/* gen_server's functions as the callbacks they stand for; see server.h. */
#include "engine/server.h"

#include <errno.h>

#include "base/error.h"

/* init_it(Mod, Args), try_handle_call(Mod, Msg, From, State) …: the match specification makes [Mod, Callback | Arguments] of their
 * arguments, without the state. */
static bool is_ours(const struct es_names *names, es_ref function)
{
    switch (es_names_word(names, function)) {
    case ES_W_INIT_IT:
    case ES_W_TRY_DISPATCH:
    case ES_W_TRY_HANDLE_CALL:
    case ES_W_TRY_HANDLE_CAST:
    case ES_W_TRY_HANDLE_INFO:
    case ES_W_TRY_HANDLE_CONTINUE: return true;
    default: return false;
    }
}

static uint16_t arity_of(const struct es_names *names, es_ref callback)
{
    enum es_word word = es_names_word(names, callback);
    return word == ES_W_HANDLE_CALL ? 3 : word == ES_W_INIT ? 1 : 2;
}

static int note_module(struct es_states *states, es_ref module)
{
    uint32_t set = es_table_get(&states->modules, module);
    if (set != ES_TABLE_NONE && (set & ES_B_SERVER))
        return 0;
    set = set == ES_TABLE_NONE ? ES_B_SERVER : set | ES_B_SERVER;
    return es_table_put(&states->modules, module, set) < 0 ? es_fail(-ENOMEM, "no memory for modules") : 0;
}

/* A payload that was cut before the callback's name leaves the event as it is. */
static int translate_call(struct es_states *states, const struct es_names *names, struct es_proc *proc,
                          struct es_record_view *view)
{
    struct es_reader r;
    struct es_token list, module, callback;
    proc->called_module = 0;
    es_reader_init(&r, view->payload, view->payload_len);
    if (!(view->flags & ES_R_CALLBACK) || es_token_next(&r, &list) < 0 || list.type != ES_TOK_LIST || list.count < 3 ||
        es_token_next(&r, &module) < 0 || es_token_next(&r, &callback) < 0)
        return 0;
    es_ref module_ref = es_names_atom(names, &module), callback_ref = es_names_atom(names, &callback);
    if (!module_ref || !callback_ref)
        return 0;
    size_t rest = es_reader_left(&r);
    int rc = es_states_reserve(states, rest + 8);
    if (rc == 0)
        rc = note_module(states, module_ref);
    if (rc < 0)
        return rc;
    struct es_writer w;
    es_writer_init(&w, states->scratch, states->room);
    es_write_list(&w, list.count - 2);
    es_write_bytes(&w, r.at, rest);
    view->payload = states->scratch;
    view->payload_len = (uint32_t)(w.at - states->scratch);
    proc->callback = proc->called_module = view->module = module_ref;
    proc->called_function = view->function = callback_ref;
    view->arity = arity_of(names, callback_ref);
    return 0;
}

/* {'EXIT', Class, Reason, Stack} was caught on the callback's behalf: {Class, Reason} is what an exception's payload is. */
static int translate_exit(struct es_states *states, struct es_record_view *view, struct es_reader r)
{
    struct es_token token;
    const uint8_t *at = r.at;
    if (es_token_next(&r, &token) < 0 || es_term_skip(&r) < 0)
        return 0;
    size_t len = (size_t)(r.at - at);
    int rc = es_states_reserve(states, len + 8);
    if (rc < 0)
        return rc;
    struct es_writer w;
    es_writer_init(&w, states->scratch, states->room);
    es_write_tuple(&w, 2);
    es_write_bytes(&w, at, len);
    view->kind = ES_K_EXCEPTION;
    view->payload = states->scratch;
    view->payload_len = (uint32_t)(w.at - states->scratch);
    return 0;
}

/* {ok, Value}: what the callback returned. */
static int translate_return(struct es_states *states, const struct es_names *names, struct es_proc *proc,
                            struct es_record_view *view)
{
    struct es_reader r;
    struct es_token tuple, tag;
    if (!proc->called_module)
        return 0;
    view->module = proc->called_module;
    view->function = proc->called_function;
    view->arity = arity_of(names, proc->called_function);
    view->flags |= ES_R_CALLBACK;
    proc->called_module = 0;
    es_reader_init(&r, view->payload, view->payload_len);
    if (view->kind != ES_K_RETURN || es_token_next(&r, &tuple) < 0 || tuple.type != ES_TOK_TUPLE ||
        es_token_next(&r, &tag) < 0)
        return 0;
    enum es_word word = es_names_token_word(names, &tag);
    if (tuple.count == 4 && word == ES_W_EXIT)
        return translate_exit(states, view, r);
    if (tuple.count == 2 && word == ES_W_OK) {
        view->payload = r.at;
        view->payload_len = (uint32_t)es_reader_left(&r);
    }
    return 0;
}

int es_server_translate(struct es_states *states, const struct es_names *names, struct es_proc *proc,
                        struct es_record_view *view)
{
    if (!view->module || view->module != names->word_ref[ES_W_GEN_SERVER] || !is_ours(names, view->function))
        return 0;
    return view->kind == ES_K_CALL ? translate_call(states, names, proc, view)
                                   : translate_return(states, names, proc, view);
}
