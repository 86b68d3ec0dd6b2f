/* SPDX-License-Identifier: MIT */
/* The source of a woven module, as the recording has it, and how often each of its lines was reached: see query.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "query/inner.h"
#include "query/site.h"
#include "wire/term.h"

#define NAMED_MAX 400u /* bytes of modules' names in an error */

/* ---- text: a definition {es_source, Module, Path, Md5, Text} --------------------------------------------------------- */

struct search {
    const char *module;
    struct es_text path, text;
    struct es_text others; /* names of other modules */
    bool found;
};

static const char elixir[] = "Elixir.";
#define ELIXIR_LEN (sizeof elixir - 1)

/* With and without "Elixir.", Erlang's with and without a colon. */
static bool is_named(const uint8_t *name, size_t len, const char *module)
{
    if (*module == ':')
        module++;
    if (len == strlen(module) && memcmp(name, module, len) == 0)
        return true;
    return len > ELIXIR_LEN && memcmp(name, elixir, ELIXIR_LEN) == 0 && len - ELIXIR_LEN == strlen(module) &&
           memcmp(name + ELIXIR_LEN, module, len - ELIXIR_LEN) == 0;
}

static void note_other(struct search *search, const uint8_t *name, size_t len)
{
    bool strip = len > ELIXIR_LEN && memcmp(name, elixir, ELIXIR_LEN) == 0;
    if (search->others.len > NAMED_MAX)
        return;
    es_text_puts(&search->others, search->others.len ? ", " : "");
    es_text_add(&search->others, (const char *)name + (strip ? ELIXIR_LEN : 0), len - (strip ? ELIXIR_LEN : 0));
}

static bool next_is(struct es_reader *r, struct es_token *token, unsigned type)
{
    return es_token_next(r, token) == 0 && token->type == type;
}

/* Reads {es_source, Module, Path, Md5, Text}: the name, and behind it the reader. */
static bool read_head(es_ref ref, struct es_reader *r, struct es_token *ret_name)
{
    struct es_token token;
    return es_ref_class_of(ref) == ES_REF_OTHER && next_is(r, &token, ES_TOK_TUPLE) && token.count == 5 &&
           next_is(r, &token, ES_TOK_ATOM) && token.len == 9 && memcmp(token.bytes, "es_source", 9) == 0 &&
           next_is(r, ret_name, ES_TOK_ATOM);
}

static int look(es_ref ref, const uint8_t *bytes, size_t len, void *context)
{
    struct search *search = context;
    struct es_reader r;
    struct es_token name, path, md5, text;
    es_reader_init(&r, bytes, len);
    if (!read_head(ref, &r, &name) || !next_is(&r, &path, ES_TOK_BINARY) || !next_is(&r, &md5, ES_TOK_BINARY) ||
        !next_is(&r, &text, ES_TOK_BINARY))
        return 0;
    if (!is_named(name.bytes, name.len, search->module)) {
        note_other(search, name.bytes, name.len);
        return 0;
    }
    es_text_clear(&search->path); /* of several versions the one that comes last */
    es_text_clear(&search->text);
    es_text_add(&search->path, (const char *)path.bytes, path.len);
    es_text_add(&search->text, (const char *)text.bytes, text.len);
    search->found = true;
    return 0;
}

struct refs {
    es_ref *ref;
    size_t n, room;
};

static int note(es_ref ref, const uint8_t *bytes, size_t len, void *context)
{
    struct refs *refs = context;
    struct es_reader r;
    struct es_token name;
    es_reader_init(&r, bytes, len);
    if (!read_head(ref, &r, &name))
        return 0;
    if (refs->n == refs->room) {
        size_t room = refs->room ? refs->room * 2 : 16;
        es_ref *grown = realloc(refs->ref, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        refs->ref = grown;
        refs->room = room;
    }
    refs->ref[refs->n++] = ref;
    return 0;
}

int es_query_each_source(struct es_query *query, int (*visit)(es_ref ref, void *context), void *context)
{
    struct refs refs = {0};
    int rc = es_recording_each_define(query->recording, note, &refs);
    for (size_t i = 0; rc == 0 && i < refs.n; i++)
        rc = visit(refs.ref[i], context);
    free(refs.ref);
    return rc;
}

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

struct places {               /* by site */
    struct es_refmap numbers; /* site -> place in `all` + 1 */
    struct es_source_line *all;
    size_t n, room;
};

static int add(struct places *places, struct es_query *query, const struct es_event *event)
{
    struct es_site site;
    uint64_t *number = es_refmap_place(&places->numbers, event->site);
    if (!number)
        return -ENOMEM;
    if (*number == 0) {
        if (es_site_read(query, event->site, &site) < 0)
            return 0;
        if (places->n == places->room) {
            size_t room = places->room ? places->room * 2 : 64;
            struct es_source_line *all = realloc(places->all, room * sizeof *all);
            if (!all)
                return -ENOMEM;
            places->all = all;
            places->room = room;
        }
        places->all[places->n] = (struct es_source_line){.line = site.line};
        *number = ++places->n;
    }
    places->all[*number - 1].hits++;
    places->all[*number - 1].last_seq = event->seq;
    return 0;
}

static int by_line(const void *a, const void *b)
{
    const struct es_source_line *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

/* A line may have several probes: it was reached as often as that of them that was reached most. */
static void join(struct places *places, struct es_source *source)
{
    qsort(places->all, places->n, sizeof *places->all, by_line);
    for (size_t i = 0; i < places->n; i++) {
        struct es_source_line *line = &places->all[i], *last = source->n ? &places->all[source->n - 1] : NULL;
        if (!last || last->line != line->line) {
            places->all[source->n++] = *line;
            continue;
        }
        last->hits = line->hits > last->hits ? line->hits : last->hits;
        last->last_seq = line->last_seq > last->last_seq ? line->last_seq : last->last_seq;
    }
    source->lines = places->all;
}

static int count(struct es_query *query, const char *module, uint64_t before_seq, struct es_source *source)
{
    struct es_filter filter = {.kinds = UINT64_C(1) << ES_K_LINE,
                               .module = *module == ':' ? module + 1 : module,
                               .since = INT64_MIN,
                               .until = INT64_MAX,
                               .before_seq = before_seq,
                               .no_payload = true,
                               .fields = ES_F_SITE | ES_F_FUN};
    struct places places = {0};
    struct es_cursor *cursor;
    const struct es_event *event;
    int rc = es_cursor_open(query, &filter, &cursor);
    if (rc < 0)
        return rc;
    while (rc >= 0 && (rc = es_cursor_next(cursor, &event)) > 0)
        rc = event->site ? add(&places, query, event) : 0;
    es_cursor_close(cursor);
    es_refmap_fini(&places.numbers);
    if (rc < 0) {
        free(places.all);
        return rc == -ENOMEM ? es_fail(rc, "no memory for the lines of %s", module) : rc;
    }
    join(&places, source);
    return 0;
}

int es_query_source(struct es_query *query, const char *module, uint64_t before_seq, struct es_source *ret)
{
    struct es_source source = {0};
    struct search search = {.module = module};
    es_text_add(&search.path, "", 0);
    es_text_add(&search.text, "", 0);
    int rc = es_recording_each_define(query->recording, look, &search);
    if (rc == 0)
        rc = count(query, module, before_seq, &source);
    if (rc == 0 && !search.found && source.n == 0) {
        es_hint(search.others.len ? "Woven are: %s." : "Nothing is woven: see --weave of `record` and `attach`.%s",
                search.others.len ? search.others.bytes : "");
        rc = es_fail(-ENOENT, "%s is no module that is woven in this recording", module);
    }
    if (rc == 0 && (search.text.failed || search.path.failed))
        rc = es_fail(-ENOMEM, "no memory for the source of %s", module);
    es_text_fini(&search.others);
    source.path = search.path.bytes; /* it is the caller's from here on */
    source.text = search.text.bytes;
    source.text_len = search.text.len;
    if (rc < 0)
        es_source_fini(&source);
    else
        *ret = source;
    return rc;
}

void es_source_fini(struct es_source *source)
{
    free(source->path);
    free(source->text);
    free(source->lines);
    *source = (struct es_source){0};
}
