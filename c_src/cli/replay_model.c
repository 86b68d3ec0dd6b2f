/* SPDX-License-Identifier: MIT */
/* Where one is in a recording, and the ways from there. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay.h"

/* ---- what is said -------------------------------------------------------------------------------------------------- */

void es_replay_say(struct es_replay *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    r->failed = false;
}

void es_replay_fail(struct es_replay *r)
{
    const char *text = es_error_text(), *hint = es_error_hint();
    snprintf(r->message, sizeof r->message, "%s%s%s", *text ? text : "that cannot be read", *hint ? ". " : "", hint);
    r->failed = true;
    es_error_clear();
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int measure(struct es_replay *r)
{
    struct es_info info;
    const struct es_block_info *blocks = NULL;
    int rc = es_query_info(r->query, &info);
    if (rc < 0)
        return rc;
    size_t n = es_recording_blocks(es_query_recording(r->query), &blocks);
    r->first = n ? blocks[0].first_seq : 0;
    r->last = n ? blocks[n - 1].last_seq : 0;
    r->start = info.first_time;
    r->end = info.last_time;
    r->live = info.live;
    return n ? 0 : es_fail(-ENODATA, "the recording has no events%s", info.live ? " yet" : "");
}

int es_replay_open(struct es_replay *r, struct es_query *query)
{
    r->query = query;
    int rc = measure(r);
    if (rc < 0)
        return rc;
    r->line = (struct es_cli_line){query, r->erlang, r->start};
    r->known_last = r->last;
    es_replay_go(r, r->first);
    return 0;
}

static void forget_seen(struct es_replay *r)
{
    es_moment_free(r->moment);
    r->moment = NULL;
    if (r->has_state)
        es_state_fini(&r->state);
    r->has_state = false;
    r->filled = 0;
}

void es_replay_close(struct es_replay *r)
{
    forget_seen(r);
    es_moment_free(r->everyone);
    free(r->listed);
    free(r->story);
    free(r->own.seqs);
    free(r->expression);
    es_text_fini(&r->no_state);
    es_replay_page_fini(&r->head);
    es_replay_page_fini(&r->body);
    es_replay_page_fini(&r->process);
}

bool es_replay_refresh(struct es_replay *r)
{
    uint64_t last = r->last;
    if (!r->live)
        return false;
    forget_seen(r);
    r->own.n = 0;
    if (r->everyone) { /* its places are the query's */
        es_moment_free(r->everyone);
        r->everyone = NULL;
        if (r->view == ES_VIEW_PROCESSES)
            r->view = ES_VIEW_EVENTS;
    }
    if (es_query_refresh(r->query) < 0 || measure(r) < 0)
        es_replay_fail(r);
    if (r->seq < r->first)
        es_replay_go(r, r->first); /* retention dropped it */
    else
        es_replay_go(r, r->seq);
    return r->last > last;
}

/* ---- going --------------------------------------------------------------------------------------------------------- */

static void look(struct es_replay *r, uint64_t seq)
{
    r->seq = seq;
    r->unreadable_first = r->unreadable_last = 0;
    int rc = es_query_peek(r->query, seq, &r->event);
    if (rc == 0)
        return;
    es_error_clear();
    r->event = (struct es_event){.seq = seq, .time = r->event.time};
    if (!es_query_block_around(r->query, seq, &r->unreadable_first, &r->unreadable_last))
        r->unreadable_first = r->unreadable_last = seq;
}

void es_replay_go(struct es_replay *r, uint64_t seq)
{
    seq = seq < r->first ? r->first : seq > r->last ? r->last : seq;
    look(r, seq);
    if (seq == r->last)
        r->known_last = r->last;
    if (!r->held && r->event.pid != ES_REF_NONE)
        r->pid = r->event.pid;
    if (!r->playing)
        r->clock = r->event.time;
}

void es_replay_jump(struct es_replay *r, uint64_t seq)
{
    if (r->jump + 2 > ES_REPLAY_JUMPS) {
        memmove(r->jumps, r->jumps + 1, (ES_REPLAY_JUMPS - 1) * sizeof *r->jumps);
        r->jump--;
    }
    r->jumps[r->jump++] = r->seq;
    es_replay_go(r, seq);
    r->jumps[r->jump] = r->seq;
    r->n_jumps = r->jump + 1;
}

void es_replay_back(struct es_replay *r, bool forward)
{
    if (forward ? r->jump + 1 >= r->n_jumps : r->jump == 0) {
        es_replay_say(r, forward ? "no later place to go to" : "no earlier place to go back to");
        return;
    }
    r->jumps[r->jump] = r->seq;
    r->jump = forward ? r->jump + 1 : r->jump - 1;
    es_replay_go(r, r->jumps[r->jump]);
}

void es_replay_select(struct es_replay *r, es_ref pid, bool held)
{
    if (pid == ES_REF_NONE) {
        es_replay_say(r, "this event is of no process");
        return;
    }
    r->pid = pid;
    r->held = held;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static void say_end(struct es_replay *r, bool back)
{
    if (back)
        es_replay_say(r, "this is where the recording begins");
    else
        es_replay_say(r, "%s", r->live ? "this is the last event so far" : "this is where the recording ends");
}

static void next_own(struct es_replay *r, bool back)
{
    size_t at;
    if (es_replay_own(r, 1, 2, &at) < 0) {
        es_replay_fail(r);
        return;
    }
    bool here = at < r->own.n && r->own.seqs[at] == r->seq;
    size_t to = back ? at - 1 : at + here;
    if (to < r->own.n) /* back from 0 is larger */
        es_replay_go(r, r->own.seqs[to]);
    else
        es_replay_say(r, "this process has no %s event", back ? "earlier" : "later");
}

void es_replay_next(struct es_replay *r, bool back)
{
    uint64_t from = r->unreadable_first ? r->unreadable_first : r->seq,
             to = r->unreadable_last ? r->unreadable_last : r->seq;
    if (r->only)
        next_own(r, back);
    else if (back ? from <= r->first : to >= r->last)
        say_end(r, back);
    else
        es_replay_go(r, back ? from - 1 : to + 1);
}

void es_replay_step(struct es_replay *r, uint64_t kinds, bool back)
{
    uint64_t seq;
    struct es_walk step = {r->seq, back, r->pid, kinds};
    if (es_query_walk(r->query, &step, &seq) < 0)
        es_replay_fail(r);
    else if (seq)
        es_replay_go(r, seq);
    else
        es_replay_say(r, "this process has no %s such event", back ? "earlier" : "later");
}

void es_replay_state_step(struct es_replay *r, bool back)
{
    uint64_t seq;
    struct es_walk step = {r->seq, back, r->pid, 0};
    if (es_query_walk_state(r->query, &step, &seq) < 0)
        es_replay_fail(r);
    else if (seq)
        es_replay_go(r, seq);
    else
        es_replay_say(r, "no %s change of this process's state is known", back ? "earlier" : "later");
}

/* ---- jumps --------------------------------------------------------------------------------------------------------- */

static const char *way_of(enum es_edge_kind edge, bool forward)
{
    static const char *const back[] = {[ES_EDGE_PROGRAM] = "what this process had done before",
                                       [ES_EDGE_MESSAGE] = "the message was sent here",
                                       [ES_EDGE_HANDLING] = "the message that it handled",
                                       [ES_EDGE_SPAWN] = "the process was started here",
                                       [ES_EDGE_EXIT] = "the exit that it was told of",
                                       [ES_EDGE_TIMER] = "the timer was set here",
                                       [ES_EDGE_REPLY] = "the callback that answered",
                                       [ES_EDGE_CALL] = "the call that it was done in",
                                       [ES_EDGE_WAITING] = "what it waited for"};
    static const char *const ahead[] = {[ES_EDGE_PROGRAM] = "what this process did next",
                                        [ES_EDGE_MESSAGE] = "where the message arrived",
                                        [ES_EDGE_HANDLING] = "the callback that handled it",
                                        [ES_EDGE_SPAWN] = "the process that was started",
                                        [ES_EDGE_EXIT] = "who was told of the exit",
                                        [ES_EDGE_TIMER] = "the message of the timer",
                                        [ES_EDGE_REPLY] = "the answer",
                                        [ES_EDGE_CALL] = "what was done in this call",
                                        [ES_EDGE_WAITING] = "who waited for it"};
    const char *way = edge <= ES_EDGE_WAITING ? (forward ? ahead : back)[edge] : NULL;
    return way ? way : "";
}

void es_replay_cause(struct es_replay *r, bool forward)
{
    struct es_cone_request request = {
        .seq = r->seq, .forward = forward, .depth = 1, .limit = 8, .bound = forward ? INT64_MAX : INT64_MIN};
    struct es_caused *events = NULL;
    size_t n = 0;
    bool cut;
    if (es_query_story(r->query, &request, &events, &n, &cut) < 0) {
        es_replay_fail(r);
        return;
    }
    if (n < 2) {
        const char *state = r->event.cause_state > ES_CAUSE_PAIRED ? es_cause_names[r->event.cause_state] : NULL;
        es_replay_say(r, forward ? "it is not known to have led to anything" : "what led to it is not known%s%s",
                      state && !forward ? ": " : "", state && !forward ? state : "");
    } else {
        es_replay_jump(r, events[1].seq);
        const char *way = way_of(events[1].edge, forward), *maybe = events[1].maybe ? "possibly: " : "";
        es_replay_say(r, forward && n > 2 ? "%s%s; the first of %zu%s, W shows them" : "%s%s", maybe, way, n - 1,
                      cut ? " or more" : "");
    }
    free(events);
}

static bool is_number(const char *text) { return *text && strspn(text, "0123456789") == strlen(text); }

void es_replay_time(struct es_replay *r, const char *text)
{
    uint64_t seq = 0;
    int64_t time;
    const char *digits = *text == '#' ? text + 1 : text;
    unsigned long long number = is_number(digits) && strlen(digits) < 20 ? strtoull(digits, NULL, 10) : 0;
    if (number >= r->first && number <= r->last) {
        es_replay_jump(r, number);
        return;
    }
    if (*text == '#') {
        es_replay_say(r, "events have the numbers %" PRIu64 " to %" PRIu64, r->first, r->last);
        r->failed = true;
        return;
    }
    if (es_query_time(r->query, text, &time) < 0 || es_query_seq_at(r->query, time, &seq) < 0)
        es_replay_fail(r);
    else
        es_replay_jump(r, seq ? seq : r->first);
}

void es_replay_find(struct es_replay *r, const char *expression, bool back)
{
    struct es_find_request request = {.expression = expression,
                                      .erlang = r->erlang,
                                      .from = INT64_MIN,
                                      .from_seq = r->seq,
                                      .reverse = back,
                                      .limit = 1,
                                      .stop = r->stop,
                                      .context = r->stop_context};
    struct es_find *find = NULL;
    const struct es_event *event = NULL;
    int rc = es_find_open(r->query, &request, &find);
    if (rc == 0)
        rc = es_find_next(find, &event);
    if (rc > 0)
        es_replay_jump(r, event->seq);
    uint64_t undecided = find ? es_find_undecided(find) : 0;
    es_find_close(find);
    if (rc < 0)
        es_replay_fail(r);
    else if (rc == 0)
        es_replay_say(r, "it does not hold at any %s event", back ? "earlier" : "later");
    if (rc >= 0 && undecided)
        es_replay_say(r, "%s; %" PRIu64 " times what was asked for was cut or not captured, and taken as not holding",
                      rc ? "found" : "not found", undecided);
}

/* ---- what there is to see ------------------------------------------------------------------------------------------ */

const struct es_moment_row *es_replay_row(const struct es_replay *r)
{
    return r->moment && r->moment->n > 0 ? &r->moment->rows[0] : NULL;
}

/* Why none is known may take a look at every block: `state` does that. */
static void tell_stateless(struct es_replay *r)
{
    const char *level = es_recording_meta(es_query_recording(r->query), "level");
    es_text_puts(&r->no_state, "No state of it is known");
    if (level)
        es_text_printf(&r->no_state, " (recorded with level %s)", level);
    es_text_puts(&r->no_state, "; `elixirscope state` says why.");
}

static void fill_state(struct es_replay *r)
{
    struct es_walk walk = {.seq = r->seq, .pid = r->pid};
    uint64_t first = 0;
    es_text_clear(&r->no_state);
    int rc = es_query_state_after(r->query, r->pid, r->seq, &r->state);
    r->has_state = rc == 0;
    if (rc == -ENODATA && es_query_walk_state(r->query, &walk, &first) == 0 && first)
        es_text_puts(&r->no_state, "No state of it is known yet; s goes to the first that is.");
    else if (rc == -ENODATA)
        tell_stateless(r);
    else if (rc < 0)
        es_text_puts(&r->no_state, es_error_text());
    es_error_clear();
}

bool es_replay_count(struct es_replay *r)
{
    es_replay_fill(r);
    if (!r->has_state || r->state.number)
        return false;
    if (es_query_state_number(r->query, &r->state) == 0)
        return true;
    es_error_clear();
    return false;
}

void es_replay_fill(struct es_replay *r)
{
    if (r->filled == r->seq && r->filled_pid == r->pid)
        return;
    forget_seen(r);
    r->filled = r->seq;
    r->filled_pid = r->pid;
    if (r->pid == ES_REF_NONE)
        return;
    if (es_query_moment_of(r->query, r->seq, r->pid, &r->moment) < 0)
        es_error_clear(); /* its block is damaged: the pane says that nothing is known */
    fill_state(r);
}
