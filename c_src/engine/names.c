/* SPDX-License-Identifier: MIT */
/* Definitions; see names.h. */
#include "engine/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define TEXT_MAX (4u << 20) /* bytes of atoms' texts that are kept */
#define OTHERS_MAX (1u << 16)
#define ATOM_MAX 1020u /* bytes: 255 characters */

static const struct {
    const char *text;
    size_t len;
} words[ES_W_MAX] = {
#define W(symbol, name) [ES_W_##symbol] = {name, sizeof(name) - 1},
    ES_WORDS(W)
#undef W
};

static enum es_word word_of(const uint8_t *text, size_t len)
{
    for (int i = ES_W_NONE + 1; i < ES_W_MAX; i++)
        if (words[i].len == len && memcmp(words[i].text, text, len) == 0)
            return (enum es_word)i;
    return ES_W_NONE;
}

void es_names_init(struct es_names *names, struct es_store *store)
{
    *names = (struct es_names){.store = store, .free_others = ES_TABLE_NONE};
}

static void clear_others(struct es_names *names)
{
    for (uint32_t i = 0; i < names->n_others; i++)
        free(names->other[i].bytes);
    es_table_fini(&names->others);
    names->n_others = 0;
    names->free_others = ES_TABLE_NONE;
}

void es_names_fini(struct es_names *names)
{
    clear_others(names);
    es_table_fini(&names->words);
    es_table_fini(&names->texts);
    es_table_fini(&names->by_text);
    free(names->other);
    free(names->text);
}

/* ---- atoms --------------------------------------------------------------------------------------------------------- */

struct text {
    es_ref ref;
    uint16_t len;
    const uint8_t *bytes;
};
#define TEXT_HEAD (sizeof(es_ref) + sizeof(uint16_t))

static struct text text_at(const struct es_names *names, uint32_t at)
{
    struct text text;
    memcpy(&text.ref, names->text + at, sizeof text.ref);
    memcpy(&text.len, names->text + at + sizeof text.ref, sizeof text.len);
    text.bytes = names->text + at + TEXT_HEAD;
    return text;
}

static uint64_t text_key(const uint8_t *text, size_t len) { return es_hash_bytes(text, len, 0) | 1; }

/* Texts are only for the VM's facts and for words in payloads: those that come first are enough. */
static int keep_text(struct es_names *names, es_ref ref, const uint8_t *text, size_t len)
{
    uint32_t at = names->text_len, need = at + (uint32_t)(TEXT_HEAD + len);
    if (need > TEXT_MAX)
        return 0;
    if (need > names->text_room) {
        uint32_t room = names->text_room ? names->text_room * 2 : 16384;
        uint8_t *grown = realloc(names->text, room < need ? need : room);
        if (!grown)
            return -ENOMEM;
        names->text = grown;
        names->text_room = room < need ? need : room;
    }
    uint16_t size = (uint16_t)len;
    memcpy(names->text + at, &ref, sizeof ref);
    memcpy(names->text + at + sizeof ref, &size, sizeof size);
    memcpy(names->text + at + TEXT_HEAD, text, len);
    names->text_len = need;
    int r = es_table_put(&names->texts, ref, at);
    return r < 0 ? r : es_table_put(&names->by_text, text_key(text, len), at);
}

static int define_atom(struct es_names *names, es_ref ref, const uint8_t *text, size_t len)
{
    if (len > ATOM_MAX)
        return 0; /* no atom is so long */
    if (es_table_get(&names->texts, ref) == ES_TABLE_NONE) {
        enum es_word word = word_of(text, len);
        int r = keep_text(names, ref, text, len);
        if (r == 0 && word != ES_W_NONE) {
            names->word_ref[word] = ref;
            r = es_table_put(&names->words, ref, word);
        }
        if (r < 0)
            return es_fail(r, "no memory for the names of the recording");
    }
    return es_store_define(names->store, ref, text, len);
}

enum es_word es_names_token_word(const struct es_names *names, const struct es_token *token)
{
    if (token->type == ES_TOK_ATOM_REF)
        return es_names_word(names, es_ref_make(ES_REF_ATOM, token->word));
    return token->type == ES_TOK_ATOM ? word_of(token->bytes, token->len) : ES_W_NONE;
}

/* No emulator's word for an atom is so large. */
#define OWN_ATOM (UINT64_C(1) << 59)

es_ref es_names_ref(struct es_names *names, enum es_word word)
{
    if (names->word_ref[word])
        return names->word_ref[word];
    es_ref ref = es_ref_make(ES_REF_ATOM, OWN_ATOM | (uint64_t)word);
    return define_atom(names, ref, (const uint8_t *)words[word].text, words[word].len) < 0 ? 0 : ref;
}

static es_ref ref_of_text(const struct es_names *names, const uint8_t *text, size_t len)
{
    uint32_t at = es_table_get(&names->by_text, text_key(text, len));
    if (at == ES_TABLE_NONE)
        return 0;
    struct text found = text_at(names, at);
    return found.len == len && memcmp(found.bytes, text, len) == 0 ? found.ref : 0;
}

es_ref es_names_intern(struct es_names *names, const uint8_t *text, size_t len)
{
    es_ref ref = ref_of_text(names, text, len);
    if (ref || len > ATOM_MAX)
        return ref;
    ref = es_ref_make(ES_REF_ATOM, OWN_ATOM | (names->text_len + ES_W_MAX));
    uint32_t before = names->text_len;
    return define_atom(names, ref, text, len) < 0 || names->text_len == before ? 0 : ref;
}

es_ref es_names_atom(const struct es_names *names, const struct es_token *token)
{
    if (token->type == ES_TOK_ATOM_REF)
        return es_ref_make(ES_REF_ATOM, token->word);
    return token->type == ES_TOK_ATOM ? ref_of_text(names, token->bytes, token->len) : 0;
}

const uint8_t *es_names_text(uint64_t word, size_t *ret_len, void *context)
{
    const struct es_names *names = context;
    uint32_t at = es_table_get(&names->texts, es_ref_make(ES_REF_ATOM, word));
    if (at == ES_TABLE_NONE)
        return NULL;
    struct text text = text_at(names, at);
    *ret_len = text.len;
    return text.bytes;
}

/* ---- other references ---------------------------------------------------------------------------------------------- */

void es_names_node(struct es_names *names, const uint8_t *name, size_t len)
{
    if (len < sizeof names->node) {
        memcpy(names->node, name, len);
        names->node[len] = '\0';
    }
}

/* Whether a node's name, as an atom or a reference to one, is another node's for certain. */
static bool is_elsewhere(const struct es_names *names, const uint8_t *text, size_t len, uint64_t word)
{
    static const char nowhere[] = "nonode@nohost";
    if (!text)
        text = es_names_text(word, &len, (void *)(uintptr_t)names);
    if (!text || !names->node[0] || strcmp(names->node, nowhere) == 0)
        return false; /* a node may be given its name later */
    return (len != strlen(names->node) || memcmp(text, names->node, len) != 0) &&
           (len != sizeof nowhere - 1 || memcmp(text, nowhere, len) != 0);
}

bool es_names_is_elsewhere(const struct es_names *names, const struct es_token *token)
{
    return is_elsewhere(names, token->node.text, token->node.len, token->node.word);
}

/* {Name, Node} */
static void read_pair(const struct es_names *names, struct es_reader *r, struct es_other *other)
{
    struct es_token name, node;
    if (es_token_next(r, &name) < 0 || es_token_next(r, &node) < 0 ||
        (node.type != ES_TOK_ATOM && node.type != ES_TOK_ATOM_REF))
        return;
    if (is_elsewhere(names, node.type == ES_TOK_ATOM ? node.bytes : NULL, node.len, node.word)) {
        other->address = ES_ADDRESS_REMOTE;
        return;
    }
    if (name.type != ES_TOK_ATOM && name.type != ES_TOK_ATOM_REF)
        return;
    other->name = es_names_atom(names, &name);
    if (other->name && names->node[0])
        other->address = ES_ADDRESS_NAME;
}

static void read_address(const struct es_names *names, struct es_other *other)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, other->bytes, other->len);
    if (es_token_next(&r, &token) < 0)
        return;
    if (token.type == ES_TOK_TUPLE && token.count == 2)
        read_pair(names, &r, other);
    else if (token.type == ES_TOK_PID || token.type == ES_TOK_PORT)
        other->address = ES_ADDRESS_REMOTE; /* else it would be of class PID or PORT */
    else if (token.type == ES_TOK_REF)
        other->address = es_names_is_elsewhere(names, &token) ? ES_ADDRESS_REMOTE : ES_ADDRESS_REFERENCE;
}

static int store_other(struct es_names *names, struct es_other *other)
{
    if (other->stored)
        return 0;
    int r = es_store_define(names->store, other->ref, other->bytes, other->len);
    if (r < 0)
        return r;
    other->stored = true;
    free(other->bytes);
    other->bytes = NULL;
    return 0;
}

/* Makes room by writing everything down and beginning anew: who comes again is told by content then. */
static int drop_others(struct es_names *names)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < names->n_others; i++)
        if (names->other[i].ref)
            r = store_other(names, &names->other[i]);
    if (r == 0)
        clear_others(names);
    return r;
}

static int new_other(struct es_names *names, uint32_t *ret_place)
{
    if (names->free_others != ES_TABLE_NONE) {
        *ret_place = names->free_others;
        names->free_others = names->other[*ret_place].next_free;
        return 0;
    }
    if (names->n_others == OTHERS_MAX) {
        int r = drop_others(names);
        if (r < 0)
            return r;
    }
    if (names->n_others == names->others_room) {
        uint32_t room = names->others_room ? names->others_room * 2 : 64;
        struct es_other *grown = realloc(names->other, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        names->other = grown;
        names->others_room = room;
    }
    *ret_place = names->n_others++;
    names->other[*ret_place] = (struct es_other){0};
    return 0;
}

static int define_other(struct es_names *names, es_ref ref, const uint8_t *bytes, size_t len)
{
    uint32_t place;
    if (es_table_get(&names->others, ref) != ES_TABLE_NONE)
        return 0;
    uint8_t *copy = malloc(len + 1);
    int r = copy ? new_other(names, &place) : -ENOMEM;
    if (r == 0)
        r = es_table_put(&names->others, ref, place);
    if (r < 0) {
        free(copy);
        return es_fail(r, "no memory for the names of the recording");
    }
    memcpy(copy, bytes, len);
    names->other[place] = (struct es_other){.ref = ref, .bytes = copy, .len = (uint32_t)len};
    read_address(names, &names->other[place]);
    return 0;
}

int es_names_define(struct es_names *names, es_ref ref, const uint8_t *bytes, size_t len)
{
    switch (es_ref_class_of(ref)) {
    case ES_REF_ATOM: return define_atom(names, ref, bytes, len);
    case ES_REF_OTHER: return define_other(names, ref, bytes, len);
    default: return 0; /* pids and ports say themselves who they are */
    }
}

const struct es_other *es_names_other(const struct es_names *names, es_ref ref)
{
    uint32_t place = es_table_get(&names->others, ref);
    return place == ES_TABLE_NONE ? NULL : &names->other[place];
}

int es_names_use(struct es_names *names, es_ref ref)
{
    uint32_t place = es_table_get(&names->others, ref);
    return place == ES_TABLE_NONE ? 0 : store_other(names, &names->other[place]);
}

void es_names_forget(struct es_names *names, es_ref ref)
{
    uint32_t place = es_table_get(&names->others, ref);
    if (place == ES_TABLE_NONE)
        return;
    es_table_remove(&names->others, ref);
    free(names->other[place].bytes);
    names->other[place] = (struct es_other){.next_free = names->free_others};
    names->free_others = place;
}
