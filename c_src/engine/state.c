/* SPDX-License-Identifier: MIT */
/* Cutting states out of return values; see state.h. */
#include "engine/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "store/event.h"

#define ELEMENTS_MAX 5u    /* no value of a callback has more */
#define BEHAVIOURS_MAX 64u /* nor a module */

void es_states_fini(struct es_states *states)
{
    es_table_fini(&states->modules);
    free(states->scratch);
}

/* ---- modules ------------------------------------------------------------------------------------------------------- */

static uint32_t behaviour_of(enum es_word word)
{
    switch (word) {
    case ES_W_GEN_SERVER:
    case ES_W_EX_GEN_SERVER: return ES_B_SERVER;
    case ES_W_GEN_STATEM: return ES_B_STATEM;
    case ES_W_GEN_EVENT: return ES_B_EVENT;
    default: return 0;
    }
}

int es_states_module(struct es_states *states, const struct es_names *names, es_ref module, const uint8_t *term,
                     size_t len)
{
    struct es_reader r;
    struct es_token token;
    uint32_t set = 0;
    es_reader_init(&r, term, len);
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_LIST)
        return 0;
    uint32_t n = token.count < BEHAVIOURS_MAX ? token.count : BEHAVIOURS_MAX;
    for (uint32_t i = 0; i < n && es_token_next(&r, &token) == 0; i++)
        set |= behaviour_of(es_names_token_word(names, &token));
    if (set == 0 || es_ref_class_of(module) != ES_REF_ATOM)
        return 0;
    return es_table_put(&states->modules, module, set) < 0 ? es_fail(-ENOMEM, "no memory for modules") : 0;
}

static enum es_callback of_server(enum es_word function, unsigned arity)
{
    switch (function) {
    case ES_W_INIT: return arity == 1 ? ES_CB_INIT : ES_CB_NONE;
    case ES_W_HANDLE_CALL: return arity == 3 ? ES_CB_HANDLE : ES_CB_NONE;
    case ES_W_HANDLE_CAST:
    case ES_W_HANDLE_INFO:
    case ES_W_HANDLE_CONTINUE: return arity == 2 ? ES_CB_HANDLE : ES_CB_NONE;
    case ES_W_CODE_CHANGE: return arity == 3 ? ES_CB_CHANGE : ES_CB_NONE;
    case ES_W_TERMINATE: return arity == 2 ? ES_CB_OTHER : ES_CB_NONE;
    default: return ES_CB_NONE;
    }
}

/* Functions of arity 3 are states' names where they answer as such. */
static enum es_callback of_statem(enum es_word function, unsigned arity)
{
    switch (function) {
    case ES_W_INIT: return arity == 1 ? ES_CB_INIT : ES_CB_NONE;
    case ES_W_HANDLE_EVENT: return arity == 4 ? ES_CB_HANDLE : ES_CB_NONE;
    case ES_W_CODE_CHANGE: return arity == 4 ? ES_CB_CHANGE : ES_CB_NONE;
    case ES_W_TERMINATE: return arity == 3 ? ES_CB_OTHER : ES_CB_NONE;
    default: return arity == 3 ? ES_CB_HANDLE : ES_CB_NONE;
    }
}

static enum es_callback of_handler(enum es_word function, unsigned arity)
{
    switch (function) {
    case ES_W_INIT: return arity == 1 ? ES_CB_INIT : ES_CB_NONE;
    case ES_W_HANDLE_EVENT:
    case ES_W_HANDLE_CALL:
    case ES_W_HANDLE_INFO: return arity == 2 ? ES_CB_HANDLE : ES_CB_NONE;
    case ES_W_CODE_CHANGE: return arity == 3 ? ES_CB_CHANGE : ES_CB_NONE;
    case ES_W_TERMINATE: return arity == 2 ? ES_CB_OTHER : ES_CB_NONE;
    default: return ES_CB_NONE;
    }
}

struct es_callback_of es_states_callback(const struct es_states *states, const struct es_names *names,
                                         const struct es_event *event)
{
    struct es_callback_of of = {ES_CB_NONE, ES_B_SERVER};
    if (event->arity == 2 && es_names_word(names, event->function) == ES_W_SYSTEM_REPLACE_STATE) {
        uint32_t behaviour = behaviour_of(es_names_word(names, event->module));
        if (behaviour)
            return (struct es_callback_of){ES_CB_REPLACE, (uint8_t)behaviour};
    }
    uint32_t set = es_table_get(&states->modules, event->module);
    if (set == ES_TABLE_NONE)
        return of;
    enum es_word function = es_names_word(names, event->function);
    if (set & ES_B_SERVER)
        of.callback = (uint8_t)of_server(function, event->arity);
    if (of.callback == ES_CB_NONE && (set & ES_B_STATEM))
        of = (struct es_callback_of){(uint8_t)of_statem(function, event->arity), ES_B_STATEM};
    if (of.callback == ES_CB_NONE && (set & ES_B_EVENT))
        of = (struct es_callback_of){(uint8_t)of_handler(function, event->arity), ES_B_EVENT};
    return of;
}

/* ---- the value a callback returned --------------------------------------------------------------------------------- */

struct part {
    const uint8_t *at, *end;
};

struct value {
    enum es_word word; /* the tuple's first element, or the atom it is */
    uint32_t n;        /* elements; 1: a lone atom */
    struct part parts[ELEMENTS_MAX];
    uint32_t n_parts; /* of them were found whole */
};

static bool is_rest(struct part part)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, part.at, (size_t)(part.end - part.at));
    return part.at < part.end && *part.at == ES_T_CUT && es_token_next(&r, &token) == 0 &&
           (token.cut.flags & ES_CUT_REST);
}

/* The last element ends where the tuple does: what is inside it need not be looked at. */
static void read_value(const struct es_names *names, const uint8_t *bytes, const uint8_t *end, struct value *value)
{
    struct es_reader r;
    struct es_token token;
    *value = (struct value){.n = 0};
    es_reader_init(&r, bytes, (size_t)(end - bytes));
    if (es_token_next(&r, &token) < 0)
        return;
    if (token.type != ES_TOK_TUPLE) {
        value->word = es_names_token_word(names, &token);
        value->n = 1;
        return;
    }
    if (token.count == 0 || token.count > ELEMENTS_MAX)
        return;
    value->n = token.count;
    for (uint32_t i = 0; i < value->n; i++) {
        struct part part = {.at = r.at, .end = end};
        if (i + 1 < value->n && es_term_skip(&r) < 0)
            return;
        if (i + 1 < value->n)
            part.end = r.at;
        if (part.at == part.end || is_rest(part))
            return;
        value->parts[i] = part;
        value->n_parts = i + 1;
    }
    es_reader_init(&r, value->parts[0].at, (size_t)(value->parts[0].end - value->parts[0].at));
    if (es_token_next(&r, &token) == 0)
        value->word = es_names_token_word(names, &token);
}

/* A cut tuple still says in its first element what it is. */
static void read_cut_word(const struct es_names *names, struct value *value)
{
    struct es_reader r;
    struct es_token token;
    if (value->word != ES_W_NONE || value->n_parts == 0)
        return;
    es_reader_init(&r, value->parts[0].at, (size_t)(value->parts[0].end - value->parts[0].at));
    if (es_token_next(&r, &token) == 0)
        value->word = es_names_token_word(names, &token);
}

enum { NOWHERE = -1, SAME = -2 };
struct places {
    int state, name;
}; /* element with the new state; with a state machine's name: 0 none */

static struct places in_server(const struct value *v, enum es_callback callback)
{
    static const struct places nowhere = {NOWHERE, 0};
    if (callback != ES_CB_HANDLE)
        return v->word == ES_W_OK && v->n >= 2 && v->n <= 3 ? (struct places){1, 0} : nowhere;
    switch (v->word) {
    case ES_W_REPLY: return v->n == 3 || v->n == 4 ? (struct places){2, 0} : nowhere;
    case ES_W_NOREPLY: return v->n == 2 || v->n == 3 ? (struct places){1, 0} : nowhere;
    case ES_W_STOP: return v->n == 3 || v->n == 4 ? (struct places){(int)v->n - 1, 0} : nowhere;
    default: return nowhere;
    }
}

static struct places in_statem(const struct value *v, enum es_callback callback)
{
    static const struct places nowhere = {NOWHERE, 0};
    if (callback != ES_CB_HANDLE)
        return v->word == ES_W_OK && (v->n == 3 || v->n == 4) ? (struct places){2, 1} : nowhere;
    switch (v->word) {
    case ES_W_NEXT_STATE: return v->n == 3 || v->n == 4 ? (struct places){2, 1} : nowhere;
    case ES_W_KEEP_STATE:
    case ES_W_REPEAT_STATE: return v->n == 2 || v->n == 3 ? (struct places){1, 0} : nowhere;
    case ES_W_KEEP_STATE_AND_DATA:
    case ES_W_REPEAT_STATE_AND_DATA: return v->n <= 2 ? (struct places){SAME, 0} : nowhere;
    case ES_W_STOP: return v->n == 3 ? (struct places){2, 0} : nowhere;
    case ES_W_STOP_AND_REPLY: return v->n == 4 ? (struct places){3, 0} : nowhere;
    default: return nowhere;
    }
}

static struct places in_handler(const struct value *v, enum es_callback callback, bool is_call)
{
    int state = callback == ES_CB_HANDLE && is_call ? 2 : 1;
    if (v->word == ES_W_OK && ((int)v->n == state + 1 || (int)v->n == state + 2))
        return (struct places){state, 0};
    return (struct places){NOWHERE, 0};
}

/* ---- versions ------------------------------------------------------------------------------------------------------ */

int es_states_reserve(struct es_states *states, size_t len)
{
    if (len <= states->room)
        return 0;
    uint8_t *grown = realloc(states->scratch, len * 2);
    if (!grown)
        return es_fail(-ENOMEM, "no memory for a state");
    states->scratch = grown;
    states->room = len * 2;
    return 0;
}

/* Whether a term has marks of what was cut, or redacted. Looked for only where the whole value is said to have some. */
static uint8_t marks_in(const uint8_t *bytes, size_t len)
{
    uint32_t cuts = es_term_cuts(bytes, len), redacted = UINT32_C(1) << ES_CUT_REDACTED;
    return (uint8_t)((cuts & redacted ? ES_E_REDACTED : 0) | (cuts & ~redacted ? ES_E_CUT : 0));
}

/* {Name, Data} of a state machine; the name is remembered for versions that only bring data. */
static void put_pair(struct es_writer *w, struct es_proc *proc, struct part name, struct part data)
{
    es_write_tuple(w, 2);
    if (name.at) {
        size_t len = (size_t)(name.end - name.at);
        proc->state_name_len = len <= sizeof proc->state_name ? (uint8_t)len : 0;
        memcpy(proc->state_name, name.at, proc->state_name_len);
        es_write_bytes(w, name.at, len);
    } else if (proc->state_name_len) {
        es_write_bytes(w, proc->state_name, proc->state_name_len);
    } else {
        es_write_cut(w, &(struct es_cut){.type = ES_CUT_ANY});
    }
    es_write_bytes(w, data.at, (size_t)(data.end - data.at));
}

/* The value with a mark where the state was. */
static void put_value(struct es_writer *w, const struct es_event *event, struct part state, uint64_t hash)
{
    const uint8_t *end = event->payload + event->payload_len;
    es_write_bytes(w, event->payload, (size_t)(state.at - event->payload));
    es_write_cut(w, &(struct es_cut){.type = ES_CUT_STATE, .size = (uint64_t)(state.end - state.at), .hash = hash});
    es_write_bytes(w, state.end, (size_t)(end - state.end));
}

/* Neither half is 0, which means that there is none. */
static void set_fingerprint(struct es_version *version)
{
    XXH128_hash_t both = XXH3_128bits(version->state, version->state_len);
    version->hash = both.low64 ? both.low64 : 1;
    version->check = both.high64 ? both.high64 : 1;
}

/* After a take-over only the half that is in the recording is known of the version before. */
static void note_version(struct es_proc *proc, es_ref module, struct es_version *version)
{
    bool known = proc->state_hash == version->hash && proc->state_module == module &&
                 (proc->state_check == version->check || proc->state_check == 0);
    if (known && !(version->flags & (ES_E_CUT | ES_E_REDACTED))) {
        version->what = ES_V_SAME;
        version->flags = ES_E_STATE_SAME;
        version->state_len = 0;
    }
    proc->state_hash = version->flags & (ES_E_CUT | ES_E_REDACTED) ? 0 : version->hash;
    proc->state_check = version->check;
    proc->state_module = module;
}

static int new_version(struct es_states *states, struct es_proc *proc, const struct es_event *event, struct part name,
                       struct part state, bool statem, struct es_version *version)
{
    size_t len = (size_t)(state.end - state.at),
           pair = statem ? len + ES_CUT_BYTES + 8 + (size_t)(name.end - name.at) : 0;
    if (es_states_reserve(states, pair + event->payload_len + ES_CUT_BYTES) < 0)
        return -ENOMEM;
    struct es_writer w;
    es_writer_init(&w, states->scratch, states->room);
    version->what = ES_V_NEW;
    version->state = state.at;
    version->state_len = (uint32_t)len;
    if (statem) {
        put_pair(&w, proc, name, state);
        version->state = states->scratch;
        version->state_len = (uint32_t)(w.at - states->scratch);
    }
    set_fingerprint(version);
    if (event->flags & (ES_E_CUT | ES_E_REDACTED))
        version->flags = marks_in(version->state, version->state_len);
    version->value = w.at;
    put_value(&w, event, state, version->hash);
    version->value_len = (uint32_t)(w.at - version->value);
    note_version(proc, event->module, version);
    return 0;
}

/* {Name, Data}: the name is remembered for versions that only bring data. */
static void note_name(struct es_proc *proc, struct part pair)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, pair.at, (size_t)(pair.end - pair.at));
    proc->state_name_len = 0;
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_TUPLE || token.count != 2)
        return;
    const uint8_t *name = r.at;
    if (es_term_skip(&r) < 0 || (size_t)(r.at - name) > sizeof proc->state_name)
        return;
    proc->state_name_len = (uint8_t)(r.at - name);
    memcpy(proc->state_name, name, proc->state_name_len);
}

/* {ok, State, …}: of the value only the first two remain, for what follows holds the state once more. A state machine's
 * is a pair already. It stays a version of the module whose states these are. */
static int replaced(struct es_states *states, struct es_proc *proc, const struct es_event *event, struct part state,
                    struct es_version *version)
{
    struct es_writer w;
    if (es_states_reserve(states, ES_CUT_BYTES + 16) < 0)
        return -ENOMEM;
    version->what = ES_V_NEW;
    version->state = state.at;
    version->state_len = (uint32_t)(state.end - state.at);
    set_fingerprint(version);
    if (event->flags & (ES_E_CUT | ES_E_REDACTED))
        version->flags = marks_in(version->state, version->state_len);
    es_writer_init(&w, states->scratch, states->room);
    es_write_tuple(&w, 2);
    es_write_atom(&w, "ok", 2);
    es_write_cut(&w, &(struct es_cut){.type = ES_CUT_STATE, .size = version->state_len, .hash = version->hash});
    version->value = states->scratch;
    version->value_len = (uint32_t)(w.at - states->scratch);
    note_version(proc, proc->state_module, version);
    return 0;
}

static void missed(struct es_proc *proc, struct es_version *version)
{
    version->what = ES_V_MISSED;
    version->flags = ES_E_STATE_MISSED;
    proc->state_hash = 0;
    proc->state_name_len = 0;
}

int es_states_read(struct es_states *states, const struct es_names *names, struct es_proc *proc,
                   const struct es_event *event, struct es_callback_of of, struct es_version *ret_version)
{
    const uint8_t *at = event->payload, *end = at + event->payload_len;
    struct value value;
    *ret_version = (struct es_version){.what = ES_V_NONE};
    if (of.callback == ES_CB_NONE || of.callback == ES_CB_OTHER)
        return 0;
    if (event->payload_len == 0) {
        if (event->flags & ES_E_NO_PAYLOAD)
            missed(proc, ret_version);
        return 0;
    }
    if (of.callback == ES_CB_REPLACE && of.behaviour == ES_B_EVENT) {
        missed(proc, ret_version); /* the states of all handlers at once */
        return 0;
    }
    read_value(names, at, end, &value);
    read_cut_word(names, &value);
    if (of.callback == ES_CB_REPLACE) {
        if (value.word != ES_W_OK || value.n != 3 || value.n_parts < 2) {
            missed(proc, ret_version);
            return 0;
        }
        if (of.behaviour == ES_B_STATEM)
            note_name(proc, value.parts[1]);
        return replaced(states, proc, event, value.parts[1], ret_version);
    }
    bool is_call = es_names_word(names, event->function) == ES_W_HANDLE_CALL;
    struct places places = of.behaviour == ES_B_STATEM  ? in_statem(&value, of.callback)
                           : of.behaviour == ES_B_EVENT ? in_handler(&value, of.callback, is_call)
                                                        : in_server(&value, of.callback);
    if (places.state == NOWHERE) {
        if (value.n_parts < value.n && value.n > 1 && value.word == ES_W_NONE)
            missed(proc, ret_version); /* cut before it says what it is */
        return 0;
    }
    if (places.state == SAME) {
        *ret_version = (struct es_version){.what = ES_V_SAME, .flags = ES_E_STATE_SAME, .hash = proc->state_hash};
        return 0;
    }
    if ((uint32_t)places.state >= value.n_parts) {
        missed(proc, ret_version);
        return 0;
    }
    struct part name = places.name ? value.parts[places.name] : (struct part){0};
    return new_version(states, proc, event, name, value.parts[places.state], of.behaviour == ES_B_STATEM, ret_version);
}
