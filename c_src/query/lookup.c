/* SPDX-License-Identifier: MIT */
/* From what people write, a name or the text of a pid, to processes; and what is near where there is none. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/nodes.h"

#define NEAR_MAX 5
#define NAME_MAX_BYTES 255

struct found {
    es_ref *pids;
    size_t n, room;
};

static int add_pid(struct found *found, es_ref pid)
{
    for (size_t i = 0; i < found->n; i++)
        if (found->pids[i] == pid)
            return 0;
    if (found->n == found->room) {
        size_t room = found->room ? found->room * 2 : 4;
        es_ref *pids = realloc(found->pids, room * sizeof *pids);
        if (!pids)
            return -ENOMEM;
        found->pids = pids;
        found->room = room;
    }
    found->pids[found->n++] = pid;
    return 0;
}

/* The nearest so far, the best first. */
struct near {
    struct {
        uint64_t distance;
        es_ref ref;
    } best[NEAR_MAX];
    size_t n;
};

static void add_near(struct near *near, uint64_t distance, es_ref ref)
{
    size_t i = 0;
    for (size_t k = 0; k < near->n; k++)
        if (near->best[k].ref == ref)
            return;
    while (i < near->n && near->best[i].distance <= distance)
        i++;
    if (i == NEAR_MAX)
        return;
    size_t keep = near->n < NEAR_MAX ? near->n : NEAR_MAX - 1;
    memmove(&near->best[i + 1], &near->best[i], (keep - i) * sizeof near->best[0]);
    near->best[i].distance = distance;
    near->best[i].ref = ref;
    near->n = keep + 1;
}

static int not_found(struct es_query *query, const char *text, const struct near *near)
{
    struct es_text list = {0};
    for (size_t i = 0; i < near->n; i++) {
        es_text_puts(&list, i ? ", " : "");
        es_query_print_ref(query, near->best[i].ref, es_ref_class_of(near->best[i].ref) == ES_REF_PID, &list);
    }
    int rc = es_fail(-ENOENT, "the recording has no process %s%s%s", text, near->n ? "; near it: " : "",
                     list.bytes ? list.bytes : "");
    es_text_fini(&list);
    return rc;
}

/* ---- pids ---------------------------------------------------------------------------------------------------------- */

/* Is it in any block? A process that is not in the table may still have sent something. */
static bool has_events(struct es_query *query, es_ref pid)
{
    struct es_filter filter = {
        .pids = &pid, .n_pids = 1, .since = INT64_MIN, .until = INT64_MAX, .limit = 1, .no_payload = true};
    struct es_cursor *cursor;
    const struct es_event *event;
    if (es_cursor_open(query, &filter, &cursor) < 0)
        return false;
    bool found = es_cursor_next(cursor, &event) > 0;
    es_cursor_close(cursor);
    return found;
}

static int find_pid(struct es_query *query, const char *text, es_ref pid, struct found *found)
{
    const struct es_process *processes = NULL;
    size_t n = es_recording_processes(query->recording, &processes);
    struct near near = {.n = 0};
    for (size_t i = 0; i < n; i++) {
        if (processes[i].pid == pid)
            return add_pid(found, pid);
        uint64_t a = processes[i].pid, distance = a > pid ? a - pid : pid - a;
        add_near(&near, distance, processes[i].pid);
    }
    return has_events(query, pid) ? add_pid(found, pid) : not_found(query, text, &near);
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

/* "cart", ":cart", "Shop.Cart", "Elixir.Shop.Cart", "'Elixir.Shop.Cart'": the bare name. */
struct bare {
    char text[NAME_MAX_BYTES * 4 + 1];
    size_t len;
};

static void make_bare(const char *text, size_t len, struct bare *ret)
{
    if (len >= 2 && (*text == '\'' || *text == '"') && text[len - 1] == *text) {
        text++;
        len -= 2;
    }
    if (len > 7 && memcmp(text, "Elixir.", 7) == 0) {
        text += 7;
        len -= 7;
    }
    ret->len = len < sizeof ret->text ? len : sizeof ret->text - 1;
    memcpy(ret->text, text, ret->len);
    ret->text[ret->len] = '\0';
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* How many letters have to change, case aside; names of more than NAME_MAX_BYTES are far from all. */
static uint64_t edits(const struct bare *a, const struct bare *b)
{
    unsigned row[NAME_MAX_BYTES + 1];
    if (a->len > NAME_MAX_BYTES || b->len > NAME_MAX_BYTES)
        return UINT64_MAX;
    for (size_t j = 0; j <= b->len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a->len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b->len; j++) {
            unsigned change = diagonal + (lower(a->text[i - 1]) != lower(b->text[j - 1]));
            diagonal = row[j];
            unsigned insert = row[j] + 1, take = row[j - 1] + 1;
            row[j] = change < insert ? (change < take ? change : take) : (insert < take ? insert : take);
        }
    }
    return row[b->len];
}

static void consider(struct near *near, const struct bare *asked, const struct bare *name, es_ref ref)
{
    uint64_t distance = edits(asked, name);
    if (asked->len >= 3 && strcasestr(name->text, asked->text))
        distance = distance > 1 ? 1 : distance;
    if (distance <= 2 + asked->len / 4)
        add_near(near, distance, ref);
}

static int find_name(struct es_query *query, const char *text, struct found *found)
{
    struct bare asked, name;
    struct near near = {.n = 0};
    const struct es_name *names = NULL;
    size_t n = es_recording_names(query->recording, &names), skip = text[0] == ':' ? 1 : 0;
    make_bare(text + skip, strlen(text + skip), &asked);
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const uint8_t *utf8 = es_recording_define(query->recording, names[i].name, &len);
        if (!utf8)
            continue;
        make_bare((const char *)utf8, len, &name);
        bool same = name.len == asked.len && memcmp(name.text, asked.text, name.len) == 0;
        if (!same)
            consider(&near, &asked, &name, names[i].name);
        else if (add_pid(found, names[i].pid) < 0)
            return -ENOMEM;
    }
    return found->n > 0 ? 0 : not_found(query, text, &near);
}

int es_query_pids(struct es_query *query, const char *text, es_ref **ret_pids, size_t *ret_n)
{
    struct found found = {0};
    es_ref pid;
    int rc = es_read_pid(query, text, &pid) ? find_pid(query, text, pid, &found) : find_name(query, text, &found);
    if (rc < 0) {
        free(found.pids);
        return rc == -ENOMEM ? es_fail(rc, "no memory to look for %s", text) : rc;
    }
    *ret_pids = found.pids;
    *ret_n = found.n;
    return 0;
}
