/* SPDX-License-Identifier: MIT */
/* How one node's clock lies on another's, from messages: a message is delivered after it was sent, so each one bounds the offset from one
 * side at one time. Knows nothing of recordings. Offset: what is added to the node's own time to get the common one. Nanoseconds. */
#ifndef ES_QUERY_MERGE_CLOCK_H
#define ES_QUERY_MERGE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_clock_bound {
    int64_t at; /* on the node's own clock */
    int64_t
        offset; /* at that time the offset is at least this (from a message to the node), or at most (from one of it) */
    bool most;
};

enum es_clock_how {
    ES_CLOCK_HOW_SAME,     /* it is the same clock */
    ES_CLOCK_HOW_GIVEN,    /* by hand */
    ES_CLOCK_HOW_MESSAGES, /* bounded by messages from both sides */
    ES_CLOCK_HOW_WALL,     /* wall clocks of both */
    ES_CLOCK_HOW_ONE_WAY,  /* there are messages of one direction: wall clocks, moved as far as these demand */
    ES_CLOCK_HOW_MAX
};
extern const char *const es_clock_how_names[ES_CLOCK_HOW_MAX];

struct es_clock_piece {
    int64_t from;   /* own time from which on it holds; the first: for all before, too */
    int64_t offset; /* at `from` */
    double drift;   /* change of the offset a nanosecond */
};

#define ES_CLOCK_PIECES 64u
struct es_clock_fit {
    struct es_clock_piece pieces[ES_CLOCK_PIECES];
    size_t n;
    uint8_t how;             /* enum es_clock_how */
    int64_t uncertainty;     /* half of the band that all bounds leave, where it is widest; -1: unknown */
    uint64_t bounds[2];      /* how many of either side: [0] at least, [1] at most */
    uint64_t contradictions; /* bounds that do not hold */
};

/* What is known without messages. */
struct es_clock_hint {
    int64_t wall; /* offset by the wall clocks */
    bool has_wall;
};

/* Finds the offset from `n` bounds, which are put in order of time. One offset, where one holds for all of them; else one line, as clocks
 * drift. Else the few bounds that contradict many others are left out, and it is an offset, a line, up to a change of 1.1 % as an emulator makes
 * it at most, or as few lines as hold, one after the other. -ENOMEM. */
int es_clock_solve(struct es_clock_bound *bounds, size_t n, const struct es_clock_hint *hint,
                   struct es_clock_fit *ret_fit);
/* Of bounds in order of time those that can be believed; `kept` has room for all. -ENOMEM. */
int es_clock_believe(const struct es_clock_bound *bounds, size_t n, struct es_clock_bound *kept, size_t *ret_n);
/* One that is known. */
void es_clock_fixed(int64_t offset, enum es_clock_how how, struct es_clock_fit *ret_fit);

/* The common time of an own one; never runs backwards within a piece. */
int64_t es_clock_map(const struct es_clock_fit *fit, int64_t time);

#endif
