/* SPDX-License-Identifier: MIT */
/* What the player shows, as JSON; and keys from a script instead of a keyboard. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/replay_grid.h"
#include "cli/state.h"

#define TICK INT64_C(10000000) /* ns of playing at a time */
#define REPEAT_MAX 1000000u

/* ---- parts --------------------------------------------------------------------------------------------------------- */

static void add_text(struct es_text *out, const char *key, const struct es_text *text)
{
    es_text_printf(out, ",\"%s\":", key);
    if (text->len)
        es_text_json(out, text->bytes, text->len);
    else
        es_text_puts(out, "null");
}

static void add_ref(struct es_replay *r, const char *key, es_ref ref, struct es_text *out)
{
    struct es_text text = {0};
    es_query_print_ref(r->query, ref, r->erlang || es_ref_class_of(ref) == ES_REF_PID, &text);
    add_text(out, key, &text);
    es_text_fini(&text);
}

static void add_event(struct es_replay *r, struct es_text *out)
{
    const struct es_event *event;
    es_text_puts(out, ",\"event\":");
    if (!r->unreadable_first && es_query_event(r->query, r->seq, &event) == 0)
        es_query_event_json(r->query, event, r->erlang, out);
    else
        es_text_puts(out, "null");
    es_error_clear();
}

static void add_process(struct es_replay *r, struct es_text *out)
{
    es_text_puts(out, ",\"process\":{\"held\":");
    es_text_printf(out, "%s,\"only\":%s", r->held ? "true" : "false", r->only ? "true" : "false");
    add_ref(r, "pid", r->pid, out);
    add_ref(r, "name", r->pid ? es_query_name(r->query, r->pid, r->event.time) : ES_REF_NONE, out);
    es_text_puts(out, "}");
}

static void add_state(struct es_replay *r, struct es_text *out)
{
    struct es_text text = {0};
    const struct es_state *state = &r->state;
    if (!r->has_state) {
        es_text_puts(out, ",\"state\":null");
        add_text(out, "no_state", &r->no_state);
        return;
    }
    es_text_printf(out,
                   ",\"state\":{\"version\":%" PRIu64 ",\"versions\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"since\":%" PRId64
                   ",\"known\":\"%s\",\"shown\":%" PRIu64,
                   state->number, state->of, state->version.seq, state->since, es_state_known_names[state->known],
                   state->shown);
    if (state->bytes)
        es_query_print_term(r->query, state->bytes, state->len, r->erlang, &text);
    add_text(out, "text", &text);
    es_text_puts(out, "}");
    es_text_fini(&text);
}

static void add_fun(struct es_replay *r, const struct es_world_fun *fun, struct es_text *out)
{
    struct es_text text = {0};
    struct es_event event = {.kind = ES_K_CALL, .module = fun->module, .function = fun->function, .arity = fun->arity};
    es_query_print_fun(r->query, &event, r->erlang, &text);
    add_text(out, "function", &text);
    es_text_fini(&text);
}

static void add_stack(struct es_replay *r, const struct es_world_proc *proc, struct es_text *out)
{
    const char *comma = "";
    uint32_t at = proc ? proc->frame : ES_TABLE_NONE;
    es_text_puts(out, ",\"stack\":[");
    for (; at != ES_TABLE_NONE; at = r->moment->world->frames[at].below) {
        const struct es_world_frame *frame = &r->moment->world->frames[at];
        es_text_printf(out, "%s{\"seq\":%" PRIu64, comma, frame->seq);
        add_fun(r, &r->moment->world->funs[frame->fun], out);
        es_text_puts(out, "}");
        comma = ",";
    }
    es_text_puts(out, "]");
}

static void add_mailbox(const struct es_moment_row *row, struct es_text *out)
{
    const struct es_world_proc *proc = row->proc;
    es_text_printf(out, ",\"mailbox\":{\"known\":%s,\"at_most\":%s,\"count\":%" PRIu64 ",\"messages\":[",
                   row->mail_known ? "true" : "false", row->mail_at_most ? "true" : "false",
                   proc ? es_world_mail_count(proc) : 0);
    for (uint32_t i = 0; proc && i < proc->mail_n; i++)
        es_text_printf(out, "%s%" PRIu64, i ? "," : "", es_world_mail_at(proc, i)->seq);
    es_text_puts(out, "]}");
}

/* What it is doing; null where it does not live. */
static void add_doing(struct es_replay *r, struct es_text *out)
{
    const struct es_moment_row *row = es_replay_row(r);
    if (!row) {
        es_text_puts(out, ",\"doing\":null");
        return;
    }
    es_text_printf(out, ",\"doing\":{\"status\":");
    if (es_status_names[row->status])
        es_text_printf(out, "\"%s\"", es_status_names[row->status]);
    else
        es_text_puts(out, "null");
    add_fun(r, &row->inside, out);
    add_ref(r, "waits_for", row->waits_for, out);
    add_stack(r, row->proc, out);
    add_mailbox(row, out);
    es_text_puts(out, ",\"links\":[");
    const char *comma = "";
    for (uint32_t at = row->proc ? row->proc->link : ES_TABLE_NONE; at != ES_TABLE_NONE; comma = ",") {
        struct es_text text = {0};
        es_query_print_ref(r->query, es_world_link_at(r->moment->world, &at), true, &text);
        es_text_puts(out, comma);
        es_text_json(out, text.bytes ? text.bytes : "", text.len);
        es_text_fini(&text);
    }
    es_text_puts(out, "]}");
}

static void add_listed(struct es_replay *r, struct es_text *out)
{
    static const char *const views[] = {"events", "processes", "story", "help"};
    es_text_printf(out, ",\"view\":\"%s\"", views[r->view]);
    if (r->view != ES_VIEW_PROCESSES && r->view != ES_VIEW_STORY)
        return;
    es_text_printf(out, ",\"selected\":%zu,\"list\":[", r->selected);
    for (size_t i = 0; i < r->n_listed; i++) {
        struct es_text text = {0};
        es_text_puts(out, i ? "," : "");
        if (r->view == ES_VIEW_STORY) {
            es_text_printf(out, "%" PRIu64, r->story[i].seq);
            continue;
        }
        es_query_print_ref(r->query, r->listed[i], true, &text);
        es_text_json(out, text.bytes ? text.bytes : "", text.len);
        es_text_fini(&text);
    }
    es_text_puts(out, "]");
}

void es_replay_json(struct es_replay *r, const char *key, struct es_text *out)
{
    es_replay_count(r);
    es_text_puts(out, "{\"key\":");
    es_text_json(out, key, strlen(key));
    es_text_printf(
        out, ",\"seq\":%" PRIu64 ",\"time\":%" PRId64 ",\"percent\":%.3f,\"events\":%" PRIu64, r->seq, r->event.time,
        r->end > r->start ? (double)(r->event.time - r->start) * 100 / (double)(r->end - r->start) : 0, r->last);
    add_event(r, out);
    if (r->unreadable_first)
        es_text_printf(out, ",\"unreadable\":[%" PRIu64 ",%" PRIu64 "]", r->unreadable_first, r->unreadable_last);
    add_process(r, out);
    add_state(r, out);
    add_doing(r, out);
    add_listed(r, out);
    es_text_printf(out, ",\"playing\":%s,\"speed\":%g,\"failed\":%s,\"message\":", r->playing ? "true" : "false",
                   es_replay_speed(r), r->failed ? "true" : "false");
    es_text_json(out, r->message, strlen(r->message));
    es_text_puts(out, "}");
}

/* ---- scripts ------------------------------------------------------------------------------------------------------- */

struct word {
    char key[32];
    char *text; /* between parentheses; NULL: none. owned */
    uint64_t times;
};

/* "key", "3key", "key(text)". 1, 0 at the end, -EINVAL. */
static int next_word(const char **at, struct word *ret)
{
    const char *from = *at + strspn(*at, " \t\n");
    if (*from == '\0')
        return 0;
    size_t digits = strspn(from, "0123456789");
    *ret = (struct word){.times = digits ? strtoull(from, NULL, 10) : 1};
    size_t len = strcspn(from + digits, " \t\n("), depth = 0, end;
    if (len == 0 || len >= sizeof ret->key || ret->times > REPEAT_MAX)
        return es_fail(-EINVAL, "the script is not clear at '%.20s'", from);
    memcpy(ret->key, from + digits, len);
    *at = from += digits + len;
    if (*from != '(')
        return 1;
    for (end = 0; from[end]; end++) {
        depth += from[end] == '(';
        depth -= from[end] == ')';
        if (depth == 0)
            break;
    }
    if (depth)
        return es_fail(-EINVAL, "the script lacks a ')' behind '%.20s'", from);
    ret->text = strndup(from + 1, end - 1);
    *at = from + end + 1;
    return ret->text ? 1 : es_fail(-ENOMEM, "no memory for a script");
}

static int wait_for(struct es_replay *r, const char *text)
{
    int64_t ns;
    int rc = es_cli_parse_duration(text ? text : "", &ns);
    for (; rc == 0 && ns > 0; ns -= TICK)
        es_replay_tick(r, ns < TICK ? ns : TICK);
    return rc;
}

/* Letters of a text one by one, as they would be typed into a list. */
static void type_text(struct es_replay *r, const char *text)
{
    for (; text && *text; text++)
        es_replay_list_key(r, *text == ' ' ? "Space" : (char[]){*text, '\0'});
}

static int run_word(struct es_replay *r, const struct word *word)
{
    const struct es_replay_key *key = es_replay_key(word->key);
    if (strcmp(word->key, "wait") == 0)
        return wait_for(r, word->text);
    if (r->view != ES_VIEW_EVENTS) {
        es_replay_list_key(r, word->key);
        return 0;
    }
    if (strcmp(word->key, "Esc") == 0)
        return 0;
    if (!key)
        return es_fail(-EINVAL, "there is no key '%s'", word->key);
    if (word->text && !key->prompt && strcmp(word->key, "l") != 0)
        return es_fail(-EINVAL, "the key %s takes no text", word->key);
    for (uint64_t i = 0; i < word->times && !r->quit; i++)
        es_replay_press(r, key, word->text);
    if (!key->prompt)
        type_text(r, word->text);
    return 0;
}

static int print_screen(struct es_replay *r, const struct es_replay_script *script, struct es_text *out)
{
    struct es_grid grid;
    struct es_film *film = NULL;
    struct es_replay_scene scene = {.replay = r, .grid = &grid};
    int rc = es_grid_init(&grid, script->width, script->height);
    if (rc < 0)
        return rc;
    rc = es_film_open(r->query, (uint32_t)(script->width - 2), &film);
    while (rc == 0 && (rc = es_film_step(film)) > 0)
        rc = 0;
    scene.film = film;
    es_replay_count(r);
    es_replay_draw(&scene);
    es_grid_print(&grid, out);
    es_film_close(film);
    es_grid_fini(&grid);
    return rc;
}

static int run_script(struct es_replay *r, const struct es_replay_script *script, struct es_text *out)
{
    const char *at = script->keys;
    struct word word;
    int rc = 0;
    while (!r->quit && (rc = next_word(&at, &word)) > 0) {
        rc = run_word(r, &word);
        free(word.text);
        if (rc < 0)
            return rc;
        if (script->json) {
            es_replay_json(r, word.key, out);
            if (!es_cli_flush(out, stdout))
                return 0;
        }
    }
    if (r->quit || script->json)
        return 0;
    return rc < 0 ? rc : print_screen(r, script, out);
}

int es_replay_script(struct es_replay *r, const struct es_replay_script *script)
{
    struct es_text out = {0};
    int rc = run_script(r, script, &out);
    if (rc == 0 && out.len > 0)
        fwrite(out.bytes, 1, out.len, stdout);
    es_text_fini(&out);
    if (rc < 0)
        es_cli_failure("replay");
    return rc == -EINVAL ? ES_EXIT_USAGE : rc < 0 ? ES_EXIT_FAILURE : ES_EXIT_OK;
}
