/* SPDX-License-Identifier: MIT */
/* Structs of Elixir's standard library that have a form of their own: dates, times, ranges, regular
 * expressions, sets. Whatever does not look exactly as expected (another calendar, a field cut out) is left
 * to the general form, which shows all there is. */
#include <stdio.h>
#include <string.h>

#include "term/print.h"
#include "term/utf8.h"

#define FIELDS_MAX 16

/* Fields of a struct that are numbers, atoms or binaries. */
struct field {
    struct es_token key, value;
    struct es_token pair[2]; /* of {Number, Number} */
};
struct fields {
    struct field list[FIELDS_MAX];
    size_t n;
};

static bool is_simple(const struct es_token *t)
{
    return t->type == ES_TOK_INT || t->type == ES_TOK_ATOM || t->type == ES_TOK_ATOM_REF ||
           (t->type == ES_TOK_BINARY && t->bits == 8) || t->type == ES_TOK_NIL;
}

/* A tuple's elements, all of them simple. The first two are kept. */
static bool read_tuple(struct es_reader *r, struct field *f)
{
    struct es_token token;
    for (uint32_t i = 0; i < f->value.count; i++) {
        if (es_token_next(r, &token) < 0 || !is_simple(&token))
            return false;
        if (i < 2)
            f->pair[i] = token;
    }
    return true;
}

static bool read_fields(struct es_reader r, uint32_t pairs, struct fields *ret)
{
    ret->n = 0;
    if (pairs > FIELDS_MAX)
        return false;
    for (uint32_t i = 0; i < pairs; i++) {
        struct field *f = &ret->list[ret->n++];
        if (es_token_next(&r, &f->key) < 0 || es_token_next(&r, &f->value) < 0)
            return false;
        if (f->value.type == ES_TOK_TUPLE ? !read_tuple(&r, f) : !is_simple(&f->value))
            return false;
    }
    return true;
}

static const struct field *find(struct es_printer *p, const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->n; i++)
        if (es_token_is_atom(p, &fields->list[i].key, name))
            return &fields->list[i];
    return NULL;
}

static bool integer(struct es_printer *p, const struct fields *fields, const char *name, int64_t *ret)
{
    const struct field *f = find(p, fields, name);
    if (!f || f->value.type != ES_TOK_INT)
        return false;
    *ret = f->value.integer;
    return true;
}

static bool within(int64_t value, int64_t from, int64_t to) { return value >= from && value <= to; }

/* ---- dates and times ----------------------------------------------------------------------------------------------- */

static bool is_iso(struct es_printer *p, const struct fields *fields)
{
    const struct field *f = find(p, fields, "calendar");
    return f && es_token_is_atom(p, &f->value, "Elixir.Calendar.ISO");
}

static bool add_date(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    int64_t year, month, day;
    if (!integer(p, fields, "year", &year) || !integer(p, fields, "month", &month) ||
        !integer(p, fields, "day", &day) || !within(year, -9999, 9999) || !within(month, 1, 12) || !within(day, 1, 31))
        return false;
    es_text_printf(out, "%s%04d-%02d-%02d", year < 0 ? "-" : "", (int)(year < 0 ? -year : year), (int)month, (int)day);
    return true;
}

static bool add_time(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    int64_t hour, minute, second;
    const struct field *micro = find(p, fields, "microsecond");
    if (!integer(p, fields, "hour", &hour) || !integer(p, fields, "minute", &minute) ||
        !integer(p, fields, "second", &second) || !within(hour, 0, 23) || !within(minute, 0, 59) ||
        !within(second, 0, 60))
        return false;
    if (!micro || micro->value.type != ES_TOK_TUPLE || micro->value.count != 2 || micro->pair[0].type != ES_TOK_INT ||
        micro->pair[1].type != ES_TOK_INT || !within(micro->pair[0].integer, 0, 999999) ||
        !within(micro->pair[1].integer, 0, 6))
        return false;
    char fraction[8];
    es_text_printf(out, "%02d:%02d:%02d", (int)hour, (int)minute, (int)second);
    snprintf(fraction, sizeof fraction, "%06u", (unsigned)micro->pair[0].integer);
    if (micro->pair[1].integer > 0)
        es_text_printf(out, ".%.*s", (int)micro->pair[1].integer, fraction);
    return true;
}

static bool add_zone(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    int64_t utc, standard;
    const struct field *zone = find(p, fields, "time_zone"), *name = find(p, fields, "zone_abbr");
    if (!integer(p, fields, "utc_offset", &utc) || !integer(p, fields, "std_offset", &standard) || !zone || !name ||
        zone->value.type != ES_TOK_BINARY || name->value.type != ES_TOK_BINARY || !within(utc, -86400, 86400) ||
        !within(standard, -86400, 86400))
        return false;
    int64_t offset = utc + standard, size = offset < 0 ? -offset : offset;
    struct es_quoting quoting = {'>', false, SIZE_MAX};
    es_text_printf(out, "%c%02d:%02d ", offset < 0 ? '-' : '+', (int)(size / 3600), (int)(size / 60 % 60));
    es_print_quoted(name->value.bytes, name->value.len, &quoting, out);
    es_text_puts(out, " ");
    es_print_quoted(zone->value.bytes, zone->value.len, &quoting, out);
    return true;
}

static bool is_utc(struct es_printer *p, const struct fields *fields)
{
    const struct field *zone = find(p, fields, "time_zone");
    return zone && zone->value.type == ES_TOK_BINARY && zone->value.len == 7 &&
           memcmp(zone->value.bytes, "Etc/UTC", 7) == 0;
}

static bool print_date(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    es_text_puts(out, "~D[");
    return is_iso(p, fields) && add_date(p, fields, out) && (es_text_puts(out, "]"), true);
}

static bool print_time(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    es_text_puts(out, "~T[");
    return is_iso(p, fields) && add_time(p, fields, out) && (es_text_puts(out, "]"), true);
}

static bool print_naive(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    es_text_puts(out, "~N[");
    return is_iso(p, fields) && add_date(p, fields, out) && (es_text_puts(out, " "), true) &&
           add_time(p, fields, out) && (es_text_puts(out, "]"), true);
}

static bool print_datetime(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    bool utc = is_utc(p, fields);
    es_text_puts(out, utc ? "~U[" : "#DateTime<");
    if (!is_iso(p, fields) || !add_date(p, fields, out))
        return false;
    es_text_puts(out, " ");
    if (!add_time(p, fields, out) || (!utc && !add_zone(p, fields, out)))
        return false;
    es_text_puts(out, utc ? "Z]" : ">");
    return true;
}

/* ---- others -------------------------------------------------------------------------------------------------------- */

static bool print_range(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    int64_t first, last, step = 1;
    if (!integer(p, fields, "first", &first) || !integer(p, fields, "last", &last))
        return false;
    bool has_step = integer(p, fields, "step", &step);
    es_text_printf(out, "%lld..%lld", (long long)first, (long long)last);
    if (has_step && step != 1)
        es_text_printf(out, "//%lld", (long long)step);
    return has_step || fields->n == 3;
}

/* The text between the slashes, as it was written. False where it is not plain text. */
static bool add_pattern(const uint8_t *utf8, size_t len, struct es_text *out)
{
    bool escaped = false;
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t point;
        n = es_utf8_next(utf8 + i, len - i, &point);
        if (n == 0 || point < 0x20 || !es_printable(point, true) || es_is_deceptive(point))
            return false;
        if (point == '/' && !escaped)
            es_text_puts(out, "\\");
        es_text_add(out, (const char *)utf8 + i, n);
        escaped = point == '\\' && !escaped;
    }
    return true;
}

static bool print_regex(struct es_printer *p, const struct fields *fields, struct es_text *out)
{
    const struct field *source = find(p, fields, "source"), *opts = find(p, fields, "opts");
    if (!source || source->value.type != ES_TOK_BINARY || !opts || opts->value.type != ES_TOK_BINARY)
        return false;
    es_text_puts(out, "~r/");
    if (!add_pattern(source->value.bytes, source->value.len, out))
        return false;
    es_text_puts(out, "/");
    for (size_t i = 0; i < opts->value.len; i++)
        if (opts->value.bytes[i] < 'a' || opts->value.bytes[i] > 'z')
            return false;
    es_text_add(out, (const char *)opts->value.bytes, opts->value.len);
    return true;
}

struct known {
    const char *module;
    bool (*print)(struct es_printer *p, const struct fields *fields, struct es_text *out);
};
static const struct known known[] = {
    {"Elixir.Range", print_range},         {"Elixir.Date", print_date},         {"Elixir.Time", print_time},
    {"Elixir.NaiveDateTime", print_naive}, {"Elixir.DateTime", print_datetime}, {"Elixir.Regex", print_regex},
};

static bool read_module(struct es_printer *p, const struct es_shape *shape, const struct es_reader *r,
                        struct es_token *ret)
{
    struct es_reader at = {p->bytes + shape->module, r->end, false};
    return es_token_next(&at, ret) == 0;
}

bool es_print_known_struct(struct es_printer *p, const struct es_shape *shape, struct es_reader r, uint32_t pairs)
{
    struct es_token module;
    struct fields fields;
    if (!read_module(p, shape, &r, &module))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!es_token_is_atom(p, &module, known[i].module))
            continue;
        size_t before = p->out->len;
        if (read_fields(r, pairs, &fields) && known[i].print(p, &fields, p->out))
            return true;
        p->out->len = before;
        es_text_add(p->out, "", 0);
        return false;
    }
    return false;
}

/* %MapSet{map: %{member => []}, version: 2}: the map may be anywhere, the rest is simple. Shapes say where it
 * ends. */
bool es_find_set(struct es_printer *p, const struct es_shape *shape, struct es_reader *r, uint32_t *ret_members)
{
    struct es_token key, value;
    if (!read_module(p, shape, r, &key) || !es_token_is_atom(p, &key, "Elixir.MapSet"))
        return false;
    size_t first = (size_t)(shape - p->shapes.list) + 1;
    struct es_reader at = *r, members = {0};
    while (at.at < p->bytes + shape->end) {
        if (es_token_next(&at, &key) < 0 || (key.type != ES_TOK_ATOM && key.type != ES_TOK_ATOM_REF) ||
            es_token_next(&at, &value) < 0)
            return false;
        if (value.type == ES_TOK_MAP && !members.at && es_token_is_atom(p, &key, "map")) {
            members = at;
            *ret_members = value.count;
            at.at = p->bytes + p->shapes.list[first].end;
        } else if (!is_simple(&value)) {
            return false;
        }
    }
    if (!members.at)
        return false;
    *r = members;
    return true;
}
