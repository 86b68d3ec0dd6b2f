/* SPDX-License-Identifier: MIT */
/* Which elements of a list stay when it becomes another list. */
#ifndef ES_TERM_ALIGN_H
#define ES_TERM_ALIGN_H

#include <stddef.h>
#include <stdint.h>

struct es_sequence {
    const uint64_t *ids;
    uint32_t n;
};

#define ES_ALIGN_EDITS 200u /* more insertions and removals are not looked for */

/* For each element of `from` the element of `to` that it stays as, in rising order; ES_ALIGN_NONE: it does not stay.
 * Myers' greedy algorithm; where it needs more than ES_ALIGN_EDITS, only the common beginning and end stay.
 * 0 or -ENOMEM. */
#define ES_ALIGN_NONE UINT32_MAX
int es_align(const struct es_sequence *from, const struct es_sequence *to, uint32_t *ret_match);

#endif
