/* SPDX-License-Identifier: MIT */
/* What the engine must know of definitions: which references are the few atoms whose meaning matters here, the texts of atoms (a bounded
 * part of them), and where a message goes that is addressed by something else than a pid. All else goes to the store at once. */
#ifndef ES_ENGINE_NAMES_H
#define ES_ENGINE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/table.h"
#include "store/store.h"
#include "wire/event.h"
#include "wire/term.h"

/* Atoms with a meaning for the engine. */
/* clang-format off */
#define ES_WORDS(W)                                                                                                       \
    W(OK, "ok") W(REPLY, "reply") W(NOREPLY, "noreply") W(STOP, "stop") W(NEXT_STATE, "next_state")                       \
    W(KEEP_STATE, "keep_state") W(KEEP_STATE_AND_DATA, "keep_state_and_data") W(REPEAT_STATE, "repeat_state")             \
    W(REPEAT_STATE_AND_DATA, "repeat_state_and_data") W(STOP_AND_REPLY, "stop_and_reply") W(INIT, "init")                 \
    W(INIT_IT, "init_it") W(TRY_DISPATCH, "try_dispatch") W(TRY_HANDLE_CALL, "try_handle_call")                       \
    W(TRY_HANDLE_CAST, "try_handle_cast") W(TRY_HANDLE_INFO, "try_handle_info")                                           \
    W(TRY_HANDLE_CONTINUE, "try_handle_continue") W(EXIT, "EXIT")                                                         \
    W(HANDLE_CALL, "handle_call") W(HANDLE_CAST, "handle_cast") W(HANDLE_INFO, "handle_info")       \
    W(HANDLE_CONTINUE, "handle_continue") W(HANDLE_EVENT, "handle_event") W(CODE_CHANGE, "code_change")                   \
    W(TERMINATE, "terminate") W(FORMAT_STATUS, "format_status") W(CALLBACK_MODE, "callback_mode")                         \
    W(GEN_SERVER, "gen_server") W(GEN_STATEM, "gen_statem") W(GEN_EVENT, "gen_event") W(SUPERVISOR, "supervisor")         \
    W(SUPERVISOR_BRIDGE, "supervisor_bridge") W(EX_GEN_SERVER, "Elixir.GenServer") W(GEN, "gen") W(PROC_LIB, "proc_lib")  \
    W(INIT_P, "init_p") W(SYSTEM_REPLACE_STATE, "system_replace_state") W(NAME, "name") W(REGISTERED_NAME, "registered_name") W(NODE, "node") W(UNDEFINED, "undefined") \
    W(TIMEOUT, "timeout") W(STATE_TIMEOUT, "state_timeout") W(START_TIMER, "start_timer") W(POSTPONE, "postpone") W(TRUE, "true") W(ERLANG, "erlang") W(SEND_AFTER, "send_after") \
    W(CLOCK_SERVICE, "clock_service") W(NORMAL, "normal") W(LINKS, "links") W(INTERNAL, "internal") W(ENTER, "enter")
/* clang-format on */

enum es_word {
    ES_W_NONE,
#define W(symbol, text) ES_W_##symbol,
    ES_WORDS(W)
#undef W
        ES_W_MAX
};

enum es_address { ES_ADDRESS_UNKNOWN, ES_ADDRESS_REMOTE, ES_ADDRESS_NAME, ES_ADDRESS_REFERENCE };

struct es_other {     /* a reference of class OTHER */
    es_ref ref, name; /* name: of a process of this node, for ES_ADDRESS_NAME */
    uint8_t address;  /* enum es_address */
    bool stored;      /* the store has its definition */
    uint32_t len, next_free;
    uint8_t *bytes; /* its term, NULL once it is stored; owned */
};

struct es_names {
    struct es_store *store;
    struct es_table words; /* reference -> enum es_word */
    es_ref word_ref[ES_W_MAX];
    struct es_table texts;   /* reference of an atom -> where it is in `text` */
    struct es_table by_text; /* hash of a text -> the same */
    uint8_t *text;           /* reference, length, text; … */
    uint32_t text_len, text_room;
    struct es_table others; /* reference -> place in `other` */
    struct es_other *other;
    uint32_t n_others, others_room, free_others; /* places used so far; first free one among them */
    char node[256];                              /* of the recorded VM, "" while unknown */
};

void es_names_init(struct es_names *names, struct es_store *store);
void es_names_fini(struct es_names *names);

/* A definition from a ring. Those of class OTHER wait until an event uses them, as most references are used once and never shown. */
int es_names_define(struct es_names *names, es_ref ref, const uint8_t *bytes, size_t len);

static inline enum es_word es_names_word(const struct es_names *names, es_ref ref)
{
    uint32_t word = es_table_get(&names->words, ref);
    return word == ES_TABLE_NONE ? ES_W_NONE : (enum es_word)word;
}
/* The word an atom token is, whether by reference or by text; ES_W_NONE for others. */
enum es_word es_names_token_word(const struct es_names *names, const struct es_token *token);

/* The reference of a word; where the VM has not defined it, one of our own. 0: no memory. */
es_ref es_names_ref(struct es_names *names, enum es_word word);
/* The reference of a text, numbered by ourselves where it has none: for sources whose atoms have no references. 0: no room for more. */
es_ref es_names_intern(struct es_names *names, const uint8_t *text, size_t len);
/* The reference of an atom token, 0 for others and for texts that are not known. */
es_ref es_names_atom(const struct es_names *names, const struct es_token *token);

/* Text of an atom, NULL where it is not known (any more). Has the type of es_atom_lookup; `context` is a struct es_names. */
const uint8_t *es_names_text(uint64_t word, size_t *ret_len, void *context);

/* A pid, port or reference of another node, for certain. */
struct es_token;
bool es_names_is_elsewhere(const struct es_names *names, const struct es_token *token);

/* Where an OTHER reference leads; NULL where its definition is not known. Valid until the next es_names_define(). */
const struct es_other *es_names_other(const struct es_names *names, es_ref ref);

/* An event of the recording shows this reference: its definition must be there. */
int es_names_use(struct es_names *names, es_ref ref);

/* Nobody will ask for it again. */
void es_names_forget(struct es_names *names, es_ref ref);

/* The node's own name, from the VM's facts. */
void es_names_node(struct es_names *names, const uint8_t *name, size_t len);

#endif
