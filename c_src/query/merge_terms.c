/* SPDX-License-Identifier: MIT */
/* Terms as they stand in the result: references to atoms are others there; what a gap says of times too. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "query/merge.h"

static int add_atom(struct es_merge *merge, struct es_merge_rec *rec, struct es_buf *buf, uint64_t word)
{
    es_ref ref;
    struct es_writer w;
    int rc = es_merge_map_atom(merge, rec, es_ref_make(ES_REF_ATOM, word), &ref);
    if (rc == 0)
        rc = es_buf_reserve(buf, 16);
    if (rc < 0)
        return rc;
    es_writer_init(&w, buf->bytes + buf->len, 16);
    es_write_atom_ref(&w, ref);
    buf->len = (size_t)(w.at - buf->bytes);
    return 0;
}

/* A token as it is, but for a reference to an atom in it. */
static int add_token(struct es_merge *merge, struct es_merge_rec *rec, struct es_buf *buf, const struct es_token *token,
                     const uint8_t *from, const uint8_t *to)
{
    bool names = token->type == ES_TOK_PID || token->type == ES_TOK_PORT || token->type == ES_TOK_REF;
    if (token->type == ES_TOK_ATOM_REF)
        return add_atom(merge, rec, buf, token->word);
    if (!names || token->node.text)
        return es_buf_add(buf, from, (size_t)(to - from));
    size_t before = *from == ES_T_NEWER_REF || *from == ES_T_NEW_REF ? 3 : 1; /* tag, and how many numbers */
    size_t atom = from[before] == ES_T_ATOM_REF8 ? 9 : 5;
    int rc = es_buf_add(buf, from, before);
    if (rc == 0)
        rc = add_atom(merge, rec, buf, token->node.word);
    from += before + atom;
    return rc == 0 ? es_buf_add(buf, from, (size_t)(to - from)) : rc;
}

int es_merge_term(struct es_merge *merge, struct es_merge_rec *rec, struct es_buf *buf, const uint8_t **bytes,
                  uint32_t *len)
{
    struct es_reader r;
    struct es_token token;
    int rc = 0;
    if (rec->identity || *len == 0)
        return 0;
    es_reader_init(&r, *bytes, *len);
    buf->len = 0;
    while (rc == 0 && es_reader_left(&r) > 0) {
        const uint8_t *from = r.at;
        if (es_token_next(&r, &token) < 0) { /* damaged: the rest stays as it is, and does not print either */
            rc = es_buf_add(buf, from, (size_t)(r.end - from));
            break;
        }
        rc = add_token(merge, rec, buf, &token, from, r.at);
    }
    if (rc < 0)
        return es_fail(rc, "no memory for a term");
    *bytes = buf->bytes;
    *len = (uint32_t)buf->len;
    return 0;
}

/* ---- gaps ---------------------------------------------------------------------------------------------------------- */

static bool is_time(const struct es_merge *merge, const struct es_token *key)
{
    size_t len = key->len;
    const uint8_t *text = key->type == ES_TOK_ATOM_REF ? es_merge_text(key->word, &len, (void *)(uintptr_t)merge)
                          : key->type == ES_TOK_ATOM   ? key->bytes
                                                       : NULL;
    return text && ((len == 4 && memcmp(text, "from", 4) == 0) || (len == 2 && memcmp(text, "to", 2) == 0));
}

int es_merge_gap(struct es_merge *merge, struct es_merge_rec *rec, struct es_event *event)
{
    struct es_reader r;
    struct es_token key = {.type = ES_TOK_NIL}, token;
    int rc = 0;
    es_reader_init(&r, event->payload, event->payload_len);
    merge->gap.len = 0;
    while (rc == 0 && es_reader_left(&r) > 0) {
        const uint8_t *from = r.at;
        if (es_token_next(&r, &token) < 0)
            return 0; /* damaged: it stays as it is */
        rc = es_buf_reserve(&merge->gap, (size_t)(r.at - from) + 16);
        if (rc == 0 && token.type == ES_TOK_INT && is_time(merge, &key)) {
            struct es_writer w;
            es_writer_init(&w, merge->gap.bytes + merge->gap.len, 16);
            es_write_int(&w, es_clock_map(&rec->fit, token.integer));
            merge->gap.len = (size_t)(w.at - merge->gap.bytes);
        } else if (rc == 0) {
            rc = es_buf_add(&merge->gap, from, (size_t)(r.at - from));
        }
        key = token;
    }
    event->payload = merge->gap.bytes;
    event->payload_len = (uint32_t)merge->gap.len;
    return rc < 0 ? es_fail(rc, "no memory for a term") : 0;
}
