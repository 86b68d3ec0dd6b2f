/* SPDX-License-Identifier: MIT */
/* The shortest edit script by E. Myers (An O(ND) Difference Algorithm, 1986): for d = 0, 1, 2 … edits, how far one gets
 * on each diagonal; and back along the way. */
#include "term/align.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct way {
    const uint64_t *a, *b;
    int32_t n, m;
    int32_t *reach;  /* of every d: 2d + 1 numbers, for the diagonals -d, -d + 2 … d: every second is used */
    uint32_t *match; /* of a's elements, offset by `shift` in both */
    uint32_t shift;
};

static int32_t *row(const struct way *w, int32_t d) { return w->reach + (size_t)d * (size_t)d + d; } /* [-d, d] */

#define NOWHERE INT32_MIN

static bool is_inside(const struct way *w, int32_t x, int32_t k)
{
    return x >= 0 && x <= w->n && x - k >= 0 && x - k <= w->m;
}

/* How far one is on diagonal k before following it, after the best of d - 1 edits and one more: an insertion from the
 * diagonal above, or a removal from the one below. NOWHERE: not within both lists. */
static int32_t start_of(const struct way *w, int32_t d, int32_t k, bool *ret_insert)
{
    const int32_t *before = row(w, d - 1);
    int32_t insert = k <= d - 2 ? before[k + 1] : NOWHERE, removal = k >= 2 - d ? before[k - 1] : NOWHERE;
    removal += removal != NOWHERE;
    insert = insert != NOWHERE && is_inside(w, insert, k) ? insert : NOWHERE;
    removal = removal != NOWHERE && is_inside(w, removal, k) ? removal : NOWHERE;
    *ret_insert = insert > removal || (insert == removal && insert != NOWHERE);
    return *ret_insert ? insert : removal;
}

static bool step(const struct way *w, int32_t d)
{
    int32_t *reach = row(w, d);
    for (int32_t k = -d; k <= d; k += 2) {
        bool insert;
        int32_t x = d == 0 ? 0 : start_of(w, d, k, &insert);
        while (x != NOWHERE && x < w->n && x - k < w->m && w->a[x] == w->b[x - k])
            x++;
        reach[k] = x;
        if (x == w->n && x - k == w->m)
            return true;
    }
    return false;
}

static void trace_back(const struct way *w, int32_t d)
{
    int32_t x = w->n, k = w->n - w->m;
    for (; d >= 0; d--) {
        bool insert = false;
        int32_t from = d == 0 ? 0 : start_of(w, d, k, &insert);
        for (; x > from; x--)
            w->match[w->shift + (uint32_t)x - 1] = w->shift + (uint32_t)(x - k) - 1;
        x -= !insert;
        k += insert ? 1 : -1;
    }
}

static int align_middle(struct way *w)
{
    int32_t most = w->n + w->m < (int32_t)ES_ALIGN_EDITS ? w->n + w->m : (int32_t)ES_ALIGN_EDITS;
    w->reach = malloc(((size_t)most + 1) * ((size_t)most + 1) * sizeof *w->reach);
    if (!w->reach)
        return -ENOMEM;
    for (int32_t d = 0; d <= most; d++)
        if (step(w, d)) {
            trace_back(w, d);
            break;
        }
    free(w->reach);
    return 0;
}

int es_align(const struct es_sequence *from, const struct es_sequence *to, uint32_t *ret_match)
{
    uint32_t n = from->n, m = to->n, head = 0, tail = 0, least = n < m ? n : m;
    while (head < least && from->ids[head] == to->ids[head]) {
        ret_match[head] = head;
        head++;
    }
    while (tail < least - head && from->ids[n - 1 - tail] == to->ids[m - 1 - tail]) {
        ret_match[n - 1 - tail] = m - 1 - tail;
        tail++;
    }
    for (uint32_t i = head; i < n - tail; i++)
        ret_match[i] = ES_ALIGN_NONE;
    if (n - tail == head || m - tail == head || n > INT32_MAX / 2 || m > INT32_MAX / 2)
        return 0;
    struct way w = {.a = from->ids + head,
                    .b = to->ids + head,
                    .n = (int32_t)(n - tail - head),
                    .m = (int32_t)(m - tail - head),
                    .match = ret_match,
                    .shift = head};
    return align_middle(&w);
}
