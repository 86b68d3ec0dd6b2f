/* SPDX-License-Identifier: MIT */
/* Answers of state machines; see actions.h. */
#include "engine/actions.h"

#define ANSWER_MAX 4u /* elements of an answer */

/* Element with the actions; 0 none. */
static uint32_t place_of(enum es_word word, uint32_t n)
{
    switch (word) {
    case ES_W_OK: /* of init */
    case ES_W_NEXT_STATE: return n == 4 ? 3 : 0;
    case ES_W_KEEP_STATE:
    case ES_W_REPEAT_STATE: return n == 3 ? 2 : 0;
    case ES_W_KEEP_STATE_AND_DATA:
    case ES_W_REPEAT_STATE_AND_DATA: return n == 2 ? 1 : 0;
    default: return 0;
    }
}

static void add_timer(struct es_actions *actions, const uint8_t *from, const uint8_t *to)
{
    if (actions->n_timers == ES_ACTION_TIMERS)
        actions->any_timer = true;
    else
        actions->timers[actions->n_timers++] = es_timer_kind(from, (size_t)(to - from));
}

/* {postpone, Bool}, {state_timeout, …}, {{timeout, Name}, …}, or another one; `r` is behind the tuple's arity. */
static bool read_pair(const struct es_names *names, struct es_reader r, struct es_actions *actions)
{
    struct es_token token, value;
    const uint8_t *kind = r.at;
    struct es_reader behind = r;
    if (es_token_next(&r, &token) < 0 || es_term_skip(&behind) < 0)
        return false;
    enum es_word word = es_names_token_word(names, &token);
    if (word == ES_W_POSTPONE && es_token_next(&r, &value) == 0)
        actions->postponed = es_names_token_word(names, &value) == ES_W_TRUE ? ES_POSTPONED : ES_POSTPONED_NOT;
    else if (word == ES_W_TIMEOUT || word == ES_W_STATE_TIMEOUT || token.type == ES_TOK_TUPLE)
        add_timer(actions, kind, behind.at);
    return token.type != ES_TOK_CUT;
}

/* False where it is not known what it is. */
static bool read_action(const struct es_names *names, struct es_reader *r, struct es_actions *actions)
{
    struct es_reader inside = *r;
    struct es_token token;
    if (es_token_next(&inside, &token) < 0 || es_term_skip(r) < 0 || token.type == ES_TOK_CUT)
        return false;
    if (es_names_token_word(names, &token) == ES_W_POSTPONE)
        actions->postponed = ES_POSTPONED;
    else if (token.type == ES_TOK_INT)
        actions->any_timer = true; /* how long it waits for the next event */
    return token.type != ES_TOK_TUPLE || token.count == 0 || read_pair(names, inside, actions);
}

static bool read_actions(const struct es_names *names, struct es_reader r, struct es_actions *actions)
{
    struct es_reader list = r;
    struct es_token token;
    if (es_token_next(&list, &token) < 0 || token.type == ES_TOK_CUT)
        return false;
    if (token.type != ES_TOK_LIST)
        return read_action(names, &r, actions);
    for (uint32_t i = 0; i < token.count; i++)
        if (!read_action(names, &list, actions))
            return false;
    return true;
}

/* Passes over an element; one that was cut off stands for all behind it. */
static bool skip_element(struct es_reader *r)
{
    struct es_reader before = *r;
    struct es_token token;
    if (es_term_skip(r) < 0)
        return false;
    return *before.at != ES_T_CUT || (es_token_next(&before, &token) == 0 && !(token.cut.flags & ES_CUT_REST));
}

static bool read_answer(const struct es_names *names, const struct es_event *event, struct es_actions *actions)
{
    struct es_reader r;
    struct es_token token;
    es_reader_init(&r, event->payload, event->payload_len);
    if (event->kind == ES_K_EXCEPTION || event->payload_len == 0) /* what it threw may be an answer */
        return false;
    if (es_token_next(&r, &token) < 0 || token.type == ES_TOK_CUT)
        return false;
    if (token.type != ES_TOK_TUPLE)
        return true;
    uint32_t n = token.count;
    if (n == 0 || n > ANSWER_MAX || es_token_next(&r, &token) < 0 || token.type == ES_TOK_CUT)
        return false;
    uint32_t place = place_of(es_names_token_word(names, &token), n);
    for (uint32_t i = 1; i < place; i++)
        if (!skip_element(&r))
            return false;
    return place == 0 || read_actions(names, r, actions);
}

void es_actions_read(const struct es_names *names, const struct es_event *event, struct es_actions *ret_actions)
{
    *ret_actions = (struct es_actions){.postponed = ES_POSTPONED_NOT};
    if (!read_answer(names, event, ret_actions))
        *ret_actions = ES_ACTIONS_UNKNOWN;
}
