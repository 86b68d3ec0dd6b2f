/* SPDX-License-Identifier: MIT */
/* Two states of 50 kB that differ in one field: how long reading both as trees and finding the difference takes. Usage:
 * bench_diff [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "term/diff.h"
#include "term/layout.h"
#include "term/tagged.h"

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* #{<<"item N">> => #{left => …, price => …, tags => […], name => …}, …} */
static size_t make_state(uint8_t *bytes, size_t room, int changed)
{
    struct es_writer w;
    char text[64];
    es_writer_init(&w, bytes, room);
    es_write_map(&w, 450);
    for (int i = 0; i < 450; i++) {
        es_write_binary(&w, text, (size_t)snprintf(text, sizeof text, "item %d", i));
        es_write_map(&w, 4);
        es_write_atom(&w, "left", 4);
        es_write_int(&w, i == changed ? 19998 : 20000 + i);
        es_write_atom(&w, "price", 5);
        es_write_float(&w, i * 1.25);
        es_write_atom(&w, "tags", 4);
        es_write_list(&w, 2);
        es_write_atom(&w, "tea", 3);
        es_write_binary(&w, text, (size_t)snprintf(text, sizeof text, "tag %d", i % 7));
        es_write_nil(&w);
        es_write_atom(&w, "name", 4);
        es_write_binary(&w, text, (size_t)snprintf(text, sizeof text, "a tea of the number %d", i));
    }
    return (size_t)(w.at - bytes);
}

struct least {
    double read, diff, tagged, layout;
};

static void keep(double *least, double since)
{
    double took = now_us() - since;
    if (took < *least)
        *least = took;
}

static void round_once(const uint8_t *states[2], const size_t len[2], struct least *least)
{
    static const struct es_print print;
    struct es_tree a, b;
    struct es_diff diff;
    struct es_text text = {0};
    double t = now_us();
    if (es_tree_read(&a, states[0], len[0], &print) < 0 || es_tree_read(&b, states[1], len[1], &print) < 0)
        exit(1);
    keep(&least->read, t);
    t = now_us();
    if (es_diff_make(&a, &b, &diff) < 0 || diff.n_changes != 1)
        exit(1);
    keep(&least->diff, t);
    t = now_us();
    es_tagged_print(&a, 0, &print, &text);
    keep(&least->tagged, t);
    es_text_clear(&text);
    t = now_us();
    es_layout_print(&a, 0, &(struct es_layout){.print = &print, .width = 100}, &text);
    keep(&least->layout, t);
    es_text_fini(&text);
    es_diff_fini(&diff);
    es_tree_fini(&a);
    es_tree_fini(&b);
}

int main(int argc, char **argv)
{
    static uint8_t one[100000], other[100000];
    const uint8_t *states[2] = {one, other};
    size_t len[2] = {make_state(one, sizeof one, -1), make_state(other, sizeof other, 300)};
    struct least least = {1e9, 1e9, 1e9, 1e9};
    for (int i = argc > 1 ? atoi(argv[1]) : 200; i > 0; i--)
        round_once(states, len, &least);
    printf("state_bytes %zu\nread_two_us %.1f\ndiff_us %.1f\ntagged_us %.1f\nlayout_us %.1f\n", len[0], least.read,
           least.diff, least.tagged, least.layout);
    return 0;
}
