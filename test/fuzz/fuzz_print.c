/* SPDX-License-Identifier: MIT */
/* Any bytes as a term: printed in both notations and turned into plain ETF. What comes out is always UTF-8
 * without control characters, keeps to its limit, is the same JSON string's worth of text, and plain ETF is
 * plain: turned again it stays as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "term/text.h"
#include "term/utf8.h"

static const uint8_t *lookup(uint64_t word, size_t *ret_len, void *context)
{
    static const char *const texts[] = {"cart", "Elixir.MyApp.Cart", "__struct__",   "Elixir.MapSet", "map", "\xff\"\n",
                                        "",     "odd name",          "Elixir.Range", "first"};
    (void)context;
    if (word >= sizeof texts / sizeof texts[0])
        return NULL;
    *ret_len = strlen(texts[word]);
    return (const uint8_t *)texts[word];
}

static void check_text(const struct es_text *out, size_t max)
{
    uint32_t point;
    if (max && out->len > max && out->len > 3)
        abort();
    for (size_t i = 0, n; i < out->len; i += n) {
        n = es_utf8_next((const uint8_t *)out->bytes + i, out->len - i, &point);
        if (n == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0))
            abort();
    }
}

static void print(const uint8_t *term, size_t len, const struct es_print *how)
{
    struct es_text out = {0}, json = {0};
    int rc = es_term_print(term, len, how, &out);
    if (rc != 0 && strncmp(out.bytes, "#Malformed<", how->max_bytes > 16 || !how->max_bytes ? 11 : 0) != 0)
        abort();
    check_text(&out, how->max_bytes);
    es_text_json(&json, out.bytes, out.len);
    check_text(&json, 0);
    es_text_fini(&out);
    es_text_fini(&json);
}

static void convert(const uint8_t *term, size_t len, const struct es_print *how)
{
    struct es_text once = {0}, twice = {0};
    if (es_term_to_etf(term, len, how, &once) == 0) {
        if (es_term_to_etf((const uint8_t *)once.bytes + 1, once.len - 1, how, &twice) != 0 || once.len != twice.len ||
            memcmp(once.bytes, twice.bytes, once.len) != 0)
            abort();
    } else if (once.len != 0) {
        abort();
    }
    es_text_fini(&once);
    es_text_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct es_print how = {.erlang = data[0] & 1,
                           .max_bytes = data[0] >> 2,
                           .atoms = lookup,
                           .local_node = data[0] & 2 ? "cart" : NULL,
                           .local_node_len = 4};
    uint8_t *term = malloc(size); /* ends where the term ends */
    memcpy(term, data + 1, size - 1);
    term = realloc(term, size > 1 ? size - 1 : 1);
    print(term, size - 1, &how);
    convert(term, size - 1, &how);
    free(term);
    return 0;
}
