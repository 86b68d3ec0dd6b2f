/* SPDX-License-Identifier: MIT */
/* What a recording came to, in a few lines or as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"

static bool read_info(const char *file, struct es_info *ret_info)
{
    struct es_query *query = NULL;
    bool read = es_query_open(file, &query) == 0 && es_query_info(query, ret_info) == 0;
    if (query)
        es_query_close(query);
    return read;
}

bool es_summary_counts(const char *file, uint64_t *ret_events, uint64_t *ret_lost)
{
    struct es_info info;
    bool read = read_info(file, &info);
    if (read) {
        *ret_events = info.events;
        *ret_lost = info.losses;
    }
    es_error_clear();
    return read;
}

/* "send 12, deliver 3" of what was lost. */
static void losses(const struct es_info *info, char *text, size_t room)
{
    struct es_cli_buf buf;
    size_t len = 0;
    text[0] = '\0';
    for (unsigned kind = 0; kind < ES_KIND_MAX && len < room; kind++)
        if (info->losses_by_kind[kind])
            len += (size_t)snprintf(text + len, room - len, "%s%s %s", len ? ", " : "", es_kind_table[kind].name,
                                    es_cli_count(info->losses_by_kind[kind], &buf));
}

static json_t *describe(const struct es_track *track)
{
    const struct es_hello *hello = &track->hello;
    json_t *vm = json_pack("{s:s, s:i, s:s, s:s, s:s*}", "node", hello->node, "os_pid", track->dir.vm, "otp",
                           hello->otp, "erts", hello->erts, "elixir", hello->elixir[0] ? hello->elixir : NULL);
    return json_pack("{s:s, s:s, s:s, s:o}", "session", track->dir.id, "file", track->file, "end", track->why, "vm",
                     vm);
}

static void print_json(const struct es_track *track, const struct es_info *info)
{
    const struct es_recorder *recorder = track->recorder;
    json_t *object = describe(track);
    if (info) {
        json_t *lost = json_object();
        for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
            if (info->losses_by_kind[kind])
                json_object_set_new(lost, es_kind_table[kind].name,
                                    json_integer((json_int_t)info->losses_by_kind[kind]));
        json_object_set_new(object, "events", json_integer((json_int_t)info->events));
        json_object_set_new(object, "lost", json_integer((json_int_t)info->losses));
        json_object_set_new(object, "lost_by_kind", lost);
        json_object_set_new(object, "duration_ns", json_integer(info->events ? info->last_time - info->first_time : 0));
        json_object_set_new(object, "bytes", json_integer((json_int_t)info->bytes));
        json_object_set_new(object, "processes", json_integer((json_int_t)info->processes));
    }
    json_object_set_new(object, "clean", json_boolean(!track->failed));
    if (track->armed)
        json_object_set_new(object, "armed",
                            json_pack("{s:I, s:I, s:I, s:I}", "processes", (json_int_t)track->arming.processes,
                                      "longest_slice_ns", (json_int_t)track->arming.longest_slice_ns, "p99_slice_ns",
                                      (json_int_t)track->arming.p99_slice_ns, "total_ns",
                                      (json_int_t)track->arming.total_ns));
    if (recorder->capture->engine.on)
        json_object_set_new(object, "triggered", json_boolean(atomic_load(&track->arena.head->trigger) > 0));
    if (recorder->command_ended && WIFEXITED(recorder->status))
        json_object_set_new(object, "command_exit", json_integer(WEXITSTATUS(recorder->status)));
    if (recorder->command_ended && WIFSIGNALED(recorder->status))
        json_object_set_new(object, "command_signal", json_integer(WTERMSIG(recorder->status)));
    json_dumpf(object, recorder->command ? stderr : stdout, JSON_ENSURE_ASCII);
    fputc('\n', recorder->command ? stderr : stdout);
    json_decref(object);
}

static void print_text(const struct es_track *track, const struct es_info *info)
{
    const struct es_recorder *recorder = track->recorder;
    struct es_cli_buf events, span, bytes, processes, lost;
    char kinds[512];
    es_recorder_tell(recorder, "%s: %s events of %s processes in %s, %s", track->why,
                     es_cli_count(info->events, &events), es_cli_count(info->processes, &processes),
                     es_cli_duration(info->events ? info->last_time - info->first_time : 0, &span),
                     info->losses ? "some lost" : "nothing lost");
    if (info->losses) {
        losses(info, kinds, sizeof kinds);
        es_recorder_warn(recorder,
                         "%s events were lost (%s): larger rings (--ring-size), a smaller --payload or --state, or a "
                         "lower --level help",
                         es_cli_count(info->losses, &lost), kinds);
    }
    if (recorder->capture->engine.on)
        es_recorder_tell(recorder, atomic_load(&track->arena.head->trigger)
                                       ? "the trigger fired, and what came before it is kept"
                                       : "no trigger fired; the last of it is kept all the same");
    es_recorder_tell(recorder, "%s, %s; look at it with: elixirscope info %s", track->file,
                     es_cli_bytes(info->bytes, &bytes), track->file);
}

void es_summary_print(const struct es_track *track)
{
    struct es_info info;
    bool read = read_info(track->file, &info);
    if (!read)
        es_recorder_warn(track->recorder, "%s cannot be read back: %s", track->file, es_error_text());
    es_error_clear();
    if (track->recorder->capture->json)
        print_json(track, read ? &info : NULL);
    else if (read)
        print_text(track, &info);
}

char *es_summary_status(const struct es_recorder *recorder)
{
    static const char *const states[] = {"opening", "recording", "stopping", "leaving", "finishing", "done"};
    json_t *list = json_array();
    for (size_t i = 0; i < recorder->n_tracks; i++) {
        const struct es_track *track = recorder->tracks[i];
        json_t *object = describe(track);
        json_object_set_new(object, "state", json_string(states[track->state]));
        json_object_set_new(object, "engine_pid", json_integer(track->engine.pid));
        json_object_set_new(object, "engine_restarts", json_integer(track->engine.restarts));
        json_array_append_new(list, object);
    }
    json_t *whole = json_pack("{s:s, s:s, s:o}", "session", recorder->dir.id, "command", recorder->capture->command,
                              "recordings", list);
    char *text = json_dumps(whole, JSON_ENSURE_ASCII | JSON_COMPACT);
    json_decref(whole);
    return text;
}
