/* SPDX-License-Identifier: MIT */
/* What is seldom needed of seen.h, so that the frequent part stays small. */
#include "capture/seen.h"

unsigned es_seen_find_behind(const uint64_t *set, uint64_t key)
{
    for (int i = 1; i < 4; i++)
        if (set[i] - key < 4)
            return (unsigned)(set[i] & 3);
    return 0;
}
