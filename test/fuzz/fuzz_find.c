/* SPDX-License-Identifier: MIT */
/* Any text as an expression of find over a small recording, in both directions: no crash. */
#include "small_recording.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64], path[128];
static struct es_query *query;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    query = small_recording(directory, path);
    return 0;
}

static void run(const char *text, bool reverse)
{
    struct es_find *find;
    const struct es_event *event;
    struct es_find_request request = {.expression = text, .from = INT64_MIN, .reverse = reverse, .erlang = reverse};
    if (es_find_open(query, &request, &find) == 0) {
        while (es_find_next(find, &event) > 0)
            need(event->seq >= 1 && event->seq <= EVENTS, "event");
        es_find_close(find);
    }
    es_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    run(text, false);
    run(text, true);
    free(text);
    return 0;
}
