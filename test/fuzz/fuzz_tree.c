/* SPDX-License-Identifier: MIT */
/* Two terms and a path out of any bytes: trees, their difference, its printing, tagged JSON, layout. A term does not
 * differ from itself where nothing is cut; what is printed is UTF-8. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "term/diff.h"
#include "term/layout.h"
#include "term/path.h"
#include "term/tagged.h"
#include "term/utf8.h"

static const uint8_t *lookup(uint64_t word, size_t *ret_len, void *context)
{
    static const char *const texts[] = {"cart", "Elixir.MyApp.Cart", "__struct__", "Elixir.MapSet", "map", "\xff\"\n",
                                        ""};
    (void)context;
    if (word >= sizeof texts / sizeof texts[0])
        return NULL;
    *ret_len = strlen(texts[word]);
    return (const uint8_t *)texts[word];
}

static void check_text(struct es_text *text)
{
    if (text->bytes && !es_utf8_is_text((const uint8_t *)text->bytes, text->len))
        abort();
    es_text_fini(text);
}

static void show(const struct es_tree *tree, const struct es_print *print)
{
    struct es_text text = {0}, json = {0};
    struct es_layout_mark mark = {tree->n / 2, "<", ">"};
    struct es_layout layout = {.print = print, .width = 40, .marks = &mark, .n_marks = 1};
    es_layout_print(tree, 0, &layout, &text);
    es_tagged_print(tree, 0, print, &json);
    check_text(&text);
    check_text(&json);
}

static void compare(const struct es_tree *a, const struct es_tree *b, const struct es_print *print)
{
    static const struct es_diff_style plain;
    struct es_diff diff;
    struct es_text text = {0};
    if (es_diff_make(a, b, &diff) < 0)
        return;
    bool sure = !((a->nodes[0].flags | b->nodes[0].flags) & ES_NODE_UNSURE);
    if (sure && (diff.n_changes == 0) != (a->nodes[0].hash == b->nodes[0].hash))
        abort();
    for (uint32_t i = 0; i < diff.n_changes && i < 100; i++) {
        es_diff_print(&diff, &diff.changes[i], print, &plain, &text);
        es_diff_json(&diff, &diff.changes[i], print, &text);
    }
    es_diff_fini(&diff);
    check_text(&text);
}

static void follow(const struct es_tree *tree, const char *text, const struct es_print *print)
{
    struct es_path path;
    uint32_t node;
    if (es_path_parse(text, &path) < 0)
        return;
    if (es_path_resolve(&path, tree, print, &node) == 0 && node >= tree->n)
        abort();
    es_path_fini(&path);
}

/* A block of its own, so that reading past its end is seen. */
static uint8_t *copy(const uint8_t *bytes, size_t len)
{
    uint8_t *block = malloc(len ? len : 1);
    memcpy(block, bytes, len);
    return block;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct es_print print = {.erlang = data[0] & 1, .max_bytes = data[0] >> 1, .atoms = lookup};
    size_t left = size - 2, path_len = data[1] % 16 < left ? data[1] % 16 : left,
           half = (left - path_len) * (data[1] >> 4) / 15;
    char path[17] = "";
    memcpy(path, data + 2, path_len);
    uint8_t *first = copy(data + 2 + path_len, half),
            *second = copy(data + 2 + path_len + half, left - path_len - half);
    struct es_tree a, b;
    bool has_a = es_tree_read(&a, first, half, &print) == 0,
         has_b = es_tree_read(&b, second, left - path_len - half, &print) == 0;
    if (has_a) {
        show(&a, &print);
        follow(&a, path, &print);
        compare(&a, &a, &print);
    }
    if (has_a && has_b) {
        compare(&a, &b, &print);
        compare(&b, &a, &print);
    }
    if (has_a)
        es_tree_fini(&a);
    if (has_b)
        es_tree_fini(&b);
    free(first);
    free(second);
    es_error_clear();
    return 0;
}
