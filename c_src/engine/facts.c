/* SPDX-License-Identifier: MIT */
/* The VM's facts about itself: a map becomes metadata of the recording, a key each. */
#include <string.h>

#include "engine/drain.h"
#include "term/text.h"

#define KEY_MAX 64u
#define VALUE_MAX 4096u

/* Keys are atoms or binaries; others are passed over. */
static bool read_key(const struct es_names *names, const struct es_token *token, char key[KEY_MAX])
{
    const uint8_t *text = token->type == ES_TOK_ATOM || token->type == ES_TOK_BINARY ? token->bytes : NULL;
    size_t len = token->len;
    if (token->type == ES_TOK_ATOM_REF)
        text = es_names_text(token->word, &len, (void *)(uintptr_t)names);
    if (!text || len == 0 || len >= KEY_MAX || memchr(text, 0, len))
        return false;
    memcpy(key, text, len);
    key[len] = '\0';
    return true;
}

/* A list of texts, such as a command line: one text with spaces between. False for everything else. */
static bool read_words(const uint8_t *term, size_t len, struct es_text *value)
{
    struct es_reader r;
    struct es_token list, word;
    es_reader_init(&r, term, len);
    if (es_token_next(&r, &list) < 0 || list.type != ES_TOK_LIST)
        return false;
    for (uint32_t i = 0; i < list.count; i++) {
        if (es_token_next(&r, &word) < 0 || word.type != ES_TOK_BINARY || word.bits != 8 ||
            memchr(word.bytes, 0, word.len)) {
            es_text_clear(value);
            return false;
        }
        es_text_add(value, " ", i > 0);
        es_text_add(value, (const char *)word.bytes, word.len);
    }
    return value->len < VALUE_MAX;
}

/* Texts as they are, everything else in Erlang's notation. */
static bool read_value(const struct es_names *names, const uint8_t *term, size_t len, struct es_text *value)
{
    struct es_reader r;
    struct es_token token;
    es_text_clear(value);
    es_reader_init(&r, term, len);
    if (es_token_next(&r, &token) < 0)
        return false;
    const uint8_t *text =
        (token.type == ES_TOK_BINARY && token.bits == 8) || token.type == ES_TOK_ATOM ? token.bytes : NULL;
    size_t text_len = token.len;
    if (token.type == ES_TOK_ATOM_REF)
        text = es_names_text(token.word, &text_len, (void *)(uintptr_t)names);
    if (text && text_len <= VALUE_MAX && !memchr(text, 0, text_len)) {
        es_text_add(value, (const char *)text, text_len);
    } else if (!read_words(term, len, value)) {
        es_text_clear(value);
        struct es_print print = {
            .erlang = true, .max_bytes = VALUE_MAX, .atoms = es_names_text, .context = (void *)(uintptr_t)names};
        if (es_term_print(term, len, &print, value) < 0)
            return false;
    }
    return !value->failed && value->len < 2 * VALUE_MAX && !(value->bytes && strlen(value->bytes) != value->len);
}

/* What the store says of the file itself is not for the VM to say. */
static bool is_reserved(const char *key)
{
    static const char *const ours[] = {"closed",     "writer",         "session", "created",
                                       "end_reason", "wall_offset_ns", "clock",   "trigger"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(key, ours[i]) == 0)
            return true;
    return false;
}

int es_vm_facts(struct es_core *core, const uint8_t *term, size_t len)
{
    struct es_reader r;
    struct es_token token;
    struct es_text value = {0};
    int rc = 0;
    es_reader_init(&r, term, len);
    if (es_token_next(&r, &token) < 0 || token.type != ES_TOK_MAP)
        return 0;
    for (uint32_t i = 0; rc == 0 && i < token.count; i++) {
        struct es_reader key_reader = r;
        struct es_token key_token;
        char key[KEY_MAX];
        if (es_token_next(&key_reader, &key_token) < 0 || es_term_skip(&r) < 0)
            break;
        bool known = read_key(&core->names, &key_token, key) && !is_reserved(key);
        const uint8_t *at = r.at;
        if (es_term_skip(&r) < 0)
            break;
        if (!known || !read_value(&core->names, at, (size_t)(r.at - at), &value))
            continue;
        if (strcmp(key, "node") == 0 && value.bytes)
            es_names_node(&core->names, (const uint8_t *)value.bytes, value.len);
        rc = es_store_meta(core->store, key, value.bytes ? value.bytes : "");
    }
    es_text_fini(&value);
    return rc;
}
