/* SPDX-License-Identifier: MIT */
/* Lists that lie over the events: the processes that live, and how something came about or what it led to. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay.h"

#define STORY_DEPTH 16
#define STORY_LIMIT 60

static void open_view(struct es_replay *r, enum es_replay_view view)
{
    r->view = view;
    r->playing = false; /* what is listed is of this moment */
    r->focus = ES_PANE_LIST;
    r->selected = 0;
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static bool fits(struct es_replay *r, es_ref pid)
{
    struct es_text who = {0};
    es_query_print_ref(r->query, pid, true, &who);
    es_text_puts(&who, " ");
    es_replay_who(r, pid, r->event.time, &who);
    bool found = !r->filter[0] || (who.bytes && strcasestr(who.bytes, r->filter));
    es_text_fini(&who);
    return found;
}

static bool is_selected(const struct es_replay *r, es_ref pid)
{
    return r->selected < r->n_listed && r->listed[r->selected] == pid;
}

void es_replay_filter(struct es_replay *r)
{
    es_ref before = r->selected < r->n_listed ? r->listed[r->selected] : r->pid;
    r->n_listed = r->selected = 0;
    for (size_t i = 0; i < r->everyone->n; i++)
        if (fits(r, r->everyone->rows[i].pid)) {
            r->listed[r->n_listed++] = r->everyone->rows[i].pid;
            if (r->listed[r->n_listed - 1] == before)
                r->selected = r->n_listed - 1;
        }
}

static void list_processes(struct es_replay *r)
{
    es_moment_free(r->everyone);
    r->everyone = NULL;
    if (es_query_moment(r->query, r->seq, &r->everyone) < 0) {
        es_replay_fail(r);
        return;
    }
    free(r->listed);
    r->listed = malloc((r->everyone->n + 1) * sizeof *r->listed);
    r->filter[0] = '\0';
    r->n_listed = 0;
    if (!r->listed) {
        es_replay_say(r, "no memory for %zu processes", r->everyone->n);
        return;
    }
    open_view(r, ES_VIEW_PROCESSES);
    es_replay_filter(r);
    if (!is_selected(r, r->pid))
        r->selected = 0;
}

/* ---- stories ------------------------------------------------------------------------------------------------------- */

void es_replay_story(struct es_replay *r, bool forward)
{
    struct es_cone_request request = {.seq = r->seq,
                                      .forward = forward,
                                      .depth = STORY_DEPTH,
                                      .limit = STORY_LIMIT,
                                      .bound = forward ? INT64_MAX : INT64_MIN};
    struct es_caused *story = NULL;
    size_t n = 0;
    if (es_query_story(r->query, &request, &story, &n, &r->story_cut) < 0) {
        es_replay_fail(r);
        return;
    }
    free(r->story);
    r->story = story;
    r->n_listed = n;
    r->story_forward = forward;
    open_view(r, ES_VIEW_STORY);
    if (n < 2)
        es_replay_say(r, forward ? "it is not known to have led to anything" : "what led to it is not known");
}

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

void es_replay_list(struct es_replay *r, enum es_replay_view view)
{
    if (view == ES_VIEW_PROCESSES)
        list_processes(r);
    else
        open_view(r, view);
}

void es_replay_move(struct es_replay *r, long by)
{
    long n = (long)r->n_listed, to = (long)r->selected + by;
    r->selected = n == 0 || to < 0 ? 0 : to >= n ? (size_t)n - 1 : (size_t)to;
}

void es_replay_choose(struct es_replay *r)
{
    enum es_replay_view view = r->view;
    r->view = ES_VIEW_EVENTS;
    if (r->selected >= r->n_listed)
        return;
    if (view == ES_VIEW_PROCESSES) {
        es_replay_select(r, r->listed[r->selected], true);
        es_replay_say(r, "held: this process stays in sight; . lets go, o shows its events alone");
    } else if (view == ES_VIEW_STORY) {
        es_replay_jump(r, r->story[r->selected].seq);
    }
}
