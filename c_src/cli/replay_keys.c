/* SPDX-License-Identifier: MIT */
/* The keys: one table for what they do, the line at the bottom, the help and the manual. */
#include <stdlib.h>
#include <string.h>

#include "cli/replay.h"

#define PAGE 20
#define MESSAGES                                                                              \
    (UINT64_C(1) << ES_K_SEND | UINT64_C(1) << ES_K_SEND_DEAD | UINT64_C(1) << ES_K_DELIVER | \
     UINT64_C(1) << ES_K_TIMEOUT)

/* ---- what they do -------------------------------------------------------------------------------------------------- */

static struct es_replay_page *focused(struct es_replay *r)
{
    return r->focus == ES_PANE_STATE ? &r->body : r->focus == ES_PANE_PROCESS ? &r->process : NULL;
}

static void scroll(struct es_replay_page *page, long by)
{
    long to = (long)page->scroll + by, most = page->n_lines > 1 ? (long)page->n_lines - 1 : 0;
    page->scroll = to < 0 ? 0 : (size_t)(to > most ? most : to);
}

static void step(struct es_replay *r, bool back)
{
    if (focused(r))
        scroll(focused(r), back ? -1 : 1);
    else
        es_replay_next(r, back);
}

static void page(struct es_replay *r, bool back)
{
    if (focused(r)) {
        scroll(focused(r), back ? -PAGE / 2 : PAGE / 2);
        return;
    }
    for (int i = 0; i < PAGE; i++)
        es_replay_next(r, back);
}

#define KEY(name) static void name(struct es_replay *r, const char *text __attribute__((unused)))

KEY(key_next) { es_replay_next(r, false); }
KEY(key_prev) { es_replay_next(r, true); }
KEY(key_down) { step(r, false); }
KEY(key_up) { step(r, true); }
KEY(key_page_down) { page(r, false); }
KEY(key_page_up) { page(r, true); }
KEY(key_next_message) { es_replay_step(r, MESSAGES, false); }
KEY(key_prev_message) { es_replay_step(r, MESSAGES, true); }
KEY(key_next_state) { es_replay_state_step(r, false); }
KEY(key_prev_state) { es_replay_state_step(r, true); }
KEY(key_cause) { es_replay_cause(r, false); }
KEY(key_effect) { es_replay_cause(r, true); }
KEY(key_back) { es_replay_back(r, false); }
KEY(key_forward) { es_replay_back(r, true); }
KEY(key_first) { es_replay_jump(r, r->first); }
KEY(key_last) { es_replay_jump(r, r->last); }
KEY(key_go) { es_replay_time(r, text); }
KEY(key_why) { es_replay_story(r, false); }
KEY(key_leads) { es_replay_story(r, true); }
KEY(key_list) { es_replay_list(r, ES_VIEW_PROCESSES); }
KEY(key_help) { es_replay_list(r, ES_VIEW_HELP); }
KEY(key_play) { es_replay_play(r, !r->playing); }
KEY(key_faster) { es_replay_faster(r, false); }
KEY(key_slower) { es_replay_faster(r, true); }
KEY(key_diff) { r->diff = !r->diff; }
KEY(key_tab) { r->focus = (r->focus + 1) % ES_PANES; }
KEY(key_quit) { r->quit = true; }

KEY(key_find)
{
    char *expression = *text ? strdup(text) : NULL;
    if (expression) {
        free(r->expression);
        r->expression = expression;
    }
    if (r->expression)
        es_replay_find(r, r->expression, false);
    else
        es_replay_say(r, "nothing was looked for yet");
}

KEY(key_find_next)
{
    if (r->expression)
        es_replay_find(r, r->expression, false);
    else
        es_replay_say(r, "nothing was looked for yet: / does");
}

KEY(key_find_prev)
{
    if (r->expression)
        es_replay_find(r, r->expression, true);
    else
        es_replay_say(r, "nothing was looked for yet: / does");
}

KEY(key_hold)
{
    if (!r->held)
        es_replay_select(r, r->pid, true);
    else
        r->held = r->only = false;
    es_replay_go(r, r->seq);
}

KEY(key_only)
{
    if (r->pid == ES_REF_NONE) {
        es_replay_say(r, "this event is of no process");
        return;
    }
    r->only = !r->only;
    r->held = r->only || r->held;
}

KEY(key_enter)
{
    if (r->event.pid != ES_REF_NONE && r->pid != r->event.pid)
        es_replay_select(r, r->event.pid, true);
    else if (r->event.peer != ES_REF_NONE && es_ref_class_of(r->event.peer) == ES_REF_PID)
        es_replay_select(r, r->event.peer, true);
    else
        es_replay_select(r, r->pid, true);
    es_replay_say(r, "held: this process stays in sight; . lets go");
}

KEY(key_follow)
{
    r->follow = !r->follow && r->live;
    r->playing = false;
    if (r->follow)
        es_replay_go(r, r->last);
    else
        es_replay_say(r, r->live ? "not following any more" : "the recording has ended: there is nothing to follow");
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

const struct es_replay_key es_replay_keys[] = {
    {NULL, NULL, "Steps", NULL, NULL},
    {"n j", "next", "next event", NULL, key_next},
    {"p k", "prev", "the event before", NULL, key_prev},
    {"Down", NULL, "next event; in a pane beside: its next line", NULL, key_down},
    {"Up", NULL, "the event before; in a pane beside: the line before", NULL, key_up},
    {"PageDown Ctrl-F", NULL, "20 events further, or half a pane", NULL, key_page_down},
    {"PageUp Ctrl-B", NULL, "20 events back, or half a pane", NULL, key_page_up},
    {"m N", "message", "next message of the process: sent, delivered, or timed out", NULL, key_next_message},
    {"M P", NULL, "its message before", NULL, key_prev_message},
    {"s", "state", "next change of the process's state", NULL, key_next_state},
    {"S", NULL, "the change before", NULL, key_prev_state},
    {NULL, NULL, "Jumps", NULL, NULL},
    {"c", "cause", "what led to this event", NULL, key_cause},
    {"e", "effect", "what it led to", NULL, key_effect},
    {"w", "why", "why: all that led to it, as a list; Enter goes there", NULL, key_why},
    {"W", NULL, "what it led to, likewise", NULL, key_leads},
    {"/", "find", "find where an expression holds next (docs/find.md)", "find", key_find},
    {">", NULL, "where it holds next", NULL, key_find_next},
    {"<", NULL, "where it held before", NULL, key_find_prev},
    {"g", "go", "go to TIME (+1.5s, -200ms, 40%, 14:25:01), or an event (#17)", "go to", key_go},
    {"Home", NULL, "first event", NULL, key_first},
    {"End G", NULL, "last event", NULL, key_last},
    {"[", "back", "back to where the last jump began", NULL, key_back},
    {"]", NULL, "forward again", NULL, key_forward},
    {NULL, NULL, "Processes", NULL, NULL},
    {"l", "list", "processes that live now; typing filters, Enter holds one", NULL, key_list},
    {"Enter", NULL, "hold the event's process, else the one it deals with", NULL, key_enter},
    {".", "hold", "hold the process in sight, or let it change with the events", NULL, key_hold},
    {"o", "only", "only the events of this process, or all", NULL, key_only},
    {"d", "diff", "the state, or how it differs from the version before", NULL, key_diff},
    {"Tab", NULL, "next pane: arrows scroll it", NULL, key_tab},
    {NULL, NULL, "Playing", NULL, NULL},
    {"Space", "play", "play, pause", NULL, key_play},
    {"+ =", NULL, "faster", NULL, key_faster},
    {"-", NULL, "slower", NULL, key_slower},
    {"F", NULL, "follow the end of a live recording", NULL, key_follow},
    {NULL, NULL, "And", NULL, NULL},
    {"? h", "help", "this help", NULL, key_help},
    {"q", "quit", "quit", NULL, key_quit},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Is it one of the names in a list with blanks? */
static bool is_in(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, " ");
        if (n == len && strncmp(at, name, n) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

const struct es_replay_key *es_replay_key(const char *name)
{
    for (const struct es_replay_key *key = es_replay_keys; key->help; key++)
        if (key->keys && is_in(key->keys, name))
            return key;
    return NULL;
}

void es_replay_press(struct es_replay *r, const struct es_replay_key *key, const char *text)
{
    uint64_t before = r->seq;
    bool followed = r->follow;
    r->message[0] = '\0';
    r->failed = false;
    key->run(r, text ? text : "");
    r->filled = 0; /* the world that it was made of may be of another moment now */
    if (r->seq == before)
        return;
    r->playing = false;
    r->follow = r->follow && !followed;
    r->clock = r->event.time;
}

/* ---- in lists ------------------------------------------------------------------------------------------------------ */

static bool type(struct es_replay *r, const char *name)
{
    size_t len = strlen(r->filter);
    if (strcmp(name, "Backspace") == 0 && len > 0)
        r->filter[len - 1] = '\0';
    else if (strcmp(name, "Space") == 0 || strlen(name) != 1 || len + 1 == sizeof r->filter)
        return false;
    else
        memcpy(r->filter + len, name, 2);
    es_replay_filter(r);
    return true;
}

bool es_replay_list_key(struct es_replay *r, const char *name)
{
    static const struct {
        const char *name;
        long by;
    } moves[] = {{"Down", 1},       {"Up", -1}, {"PageDown", PAGE}, {"PageUp", -PAGE}, {"Home", -(1L << 30)},
                 {"End", 1L << 30}, {"j", 1},   {"k", -1},          {"n", 1},          {"p", -1}};
    bool typing = r->view == ES_VIEW_PROCESSES;
    if (strcmp(name, "Esc") == 0 || (!typing && (is_in("q ? h w W", name)))) {
        r->view = ES_VIEW_EVENTS;
        return true;
    }
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (strcmp(moves[i].name, name) == 0 && !(typing && strlen(name) == 1)) {
            es_replay_move(r, moves[i].by);
            return true;
        }
    if (strcmp(name, "Enter") == 0) {
        es_replay_choose(r);
        return true;
    }
    return typing && type(r, name);
}
