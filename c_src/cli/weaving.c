/* SPDX-License-Identifier: MIT */
/* The recorder's part of weaving: wishes go on to the agents, and what they tell is kept for whoever asks. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control_socket.h"
#include "cli/supervise.h"

void es_weaving_heard(struct es_track *track, const struct es_agent_message *message)
{
    track->weaving = message->weaving;
    track->n_weaving_lines = message->n_listed < ES_WEAVING_LINES ? message->n_listed : ES_WEAVING_LINES;
    for (size_t i = 0; i < track->n_weaving_lines; i++)
        memcpy(track->weaving_lines[i], message->listed[i], sizeof track->weaving_lines[i]);
}

/* The sums over all VMs that are being recorded. */
static struct es_weaving sums(const struct es_recorder *recorder, size_t *ret_vms)
{
    struct es_weaving sum = {0};
    *ret_vms = 0;
    for (size_t i = 0; i < recorder->n_tracks; i++) {
        const struct es_track *track = recorder->tracks[i];
        if (track->state > ES_TRACK_RUNNING)
            continue;
        ++*ret_vms;
        sum.answered += track->weaving.answered;
        sum.waiting += track->weaving.waiting;
        sum.added += track->weaving.added;
        sum.woven += track->weaving.woven;
        sum.refused += track->weaving.refused;
        sum.held += track->weaving.held;
    }
    return sum;
}

static void answer_json(const struct es_recorder *recorder, int fd)
{
    size_t vms;
    struct es_weaving sum = sums(recorder, &vms);
    json_t *lines = json_array();
    for (size_t i = 0; i < recorder->n_tracks; i++)
        for (size_t n = 0; n < recorder->tracks[i]->n_weaving_lines && json_array_size(lines) < ES_WEAVING_LINES; n++)
            json_array_append_new(lines, json_string(recorder->tracks[i]->weaving_lines[n]));
    json_t *whole = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "session", recorder->dir.id, "vms",
                              (json_int_t)vms, "answered", (json_int_t)sum.answered, "waiting", (json_int_t)sum.waiting,
                              "added", (json_int_t)sum.added, "woven", (json_int_t)sum.woven, "refused",
                              (json_int_t)sum.refused, "held", (json_int_t)sum.held, "lines", lines);
    char *text = json_dumps(whole, JSON_ENSURE_ASCII | JSON_COMPACT), answer[ES_CONTROL_LINE];
    snprintf(answer, sizeof answer, "ok %s", text ? text : "{}");
    es_control_answer(fd, answer);
    free(text);
    json_decref(whole);
}

/* The words of a request behind the first. */
static bool modules(char *words, struct es_weave *weave)
{
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (weave->n == ES_WEAVE_MAX)
            return false;
        weave->modules[weave->n++] = word;
    }
    return true;
}

typedef int es_wish(struct es_link *link, const struct es_weave *weave);

static int unweave(struct es_link *link, const struct es_weave *weave) { return es_link_unweave(link, weave, false); }
static int unweave_by_force(struct es_link *link, const struct es_weave *weave)
{
    return es_link_unweave(link, weave, true);
}

static void send(struct es_recorder *recorder, es_wish *wish, const struct es_weave *weave, int fd)
{
    size_t vms, sent = 0;
    char answer[64];
    struct es_weaving before = sums(recorder, &vms);
    for (size_t i = 0; i < recorder->n_tracks; i++)
        if (recorder->tracks[i]->state <= ES_TRACK_RUNNING && wish(&recorder->tracks[i]->link, weave) == 0)
            sent++;
    snprintf(answer, sizeof answer, "ok %lld", (long long)before.answered);
    es_control_answer(fd, sent > 0 ? answer : "error no VM is being recorded at this moment");
}

bool es_weaving_request(struct es_recorder *recorder, char *line, int fd)
{
    struct es_weave weave = {0};
    if (strcmp(line, "weaving") == 0) {
        answer_json(recorder, fd);
        return true;
    }
    char *words = strchr(line, ' ');
    if (words)
        *words++ = '\0';
    if (strcmp(line, "unweave") == 0) {
        bool force = words && strncmp(words, "--force", 7) == 0 && (!words[7] || words[7] == ' ');
        if (words && !modules(words + (force ? 7 : 0), &weave))
            es_control_answer(fd, "error too many modules");
        else
            send(recorder, force ? unweave_by_force : unweave, &weave, fd);
        return true;
    }
    char *names = words ? strchr(words, ' ') : NULL;
    if (strcmp(line, "weave") != 0 || !names)
        return false;
    *names++ = '\0';
    if (es_depth_parse(words, &weave.depth) < 0 || !modules(names, &weave) || es_weave_check(&weave, true) < 0)
        es_control_answer(fd, "error no depth and modules are named");
    else
        send(recorder, es_link_weave, &weave, fd);
    return true;
}
