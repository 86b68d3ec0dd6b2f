/* SPDX-License-Identifier: MIT */
/* Times as people write them: absolute, relative to an end of the recording, as a part of it, and wall
 * clock. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "query/inner.h"

#define SECOND INT64_C(1000000000)

bool es_query_span(struct es_query *query, int64_t *ret_first, int64_t *ret_last)
{
    const struct es_block_info *blocks = NULL;
    size_t n = es_recording_blocks(query->recording, &blocks);
    if (n == 0)
        return false;
    *ret_first = blocks[0].first_time;
    *ret_last = blocks[n - 1].last_time;
    return true;
}

int64_t es_query_wall(struct es_query *query, int64_t time)
{
    int64_t wall;
    return query->has_wall && !__builtin_add_overflow(time, query->wall_offset, &wall) ? wall : INT64_MIN;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

/* Digits with a fraction, times `unit`, without rounding errors. 0 or -EINVAL; moves `*at` behind it. */
struct decimal {
    uint64_t whole, fraction, scale;
};

static int read_decimal(const char **at, struct decimal *ret)
{
    struct decimal d = {0, 0, 1};
    const char *p = *at;
    int digits = 0;
    for (; isdigit((unsigned char)*p); p++, digits++)
        if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
            __builtin_add_overflow(d.whole, (uint64_t)(*p - '0'), &d.whole))
            return -EINVAL;
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p); p++, digits++) {
            if (d.scale < UINT64_C(1000000000000000)) { /* beyond that it is less than a nanosecond of an hour */
                d.fraction = d.fraction * 10 + (uint64_t)(*p - '0');
                d.scale *= 10;
            }
        }
    }
    if (digits == 0)
        return -EINVAL;
    *at = p;
    *ret = d;
    return 0;
}

static int scaled(const struct decimal *d, uint64_t unit, int64_t *ret)
{
    uint64_t whole;
    unsigned __int128 part = (unsigned __int128)d->fraction * unit / d->scale;
    if (__builtin_mul_overflow(d->whole, unit, &whole) || __builtin_add_overflow(whole, (uint64_t)part, &whole) ||
        whole > INT64_MAX)
        return -EINVAL;
    *ret = (int64_t)whole;
    return 0;
}

static uint64_t unit_of(const char *name)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},
                 {"us", 1000},
                 {"µs", 1000},
                 {"ms", 1000000},
                 {"s", 1000000000},
                 {"m", UINT64_C(60000000000)},
                 {"h", UINT64_C(3600000000000)}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(name, units[i].name) == 0)
            return units[i].ns;
    return 0;
}

/* ---- forms --------------------------------------------------------------------------------------------------------- */

struct span {
    int64_t first, last;
};

static int read_absolute(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || !(isdigit((unsigned char)text[0]) || text[0] == '-'))
        return -EINVAL;
    *ret = value;
    return 0;
}

/* "+1.5s" from the start, "-200ms" from the end. */
static int read_relative(const char *text, const struct span *span, int64_t *ret)
{
    struct decimal d;
    int64_t distance, time;
    const char *at = text + 1;
    if ((*text != '+' && *text != '-') || read_decimal(&at, &d) < 0)
        return -EINVAL;
    uint64_t unit = unit_of(at);
    if (unit == 0 || scaled(&d, unit, &distance) < 0)
        return -EINVAL;
    bool far = *text == '+' ? __builtin_add_overflow(span->first, distance, &time)
                            : __builtin_sub_overflow(span->last, distance, &time);
    if (far)
        return -EINVAL;
    *ret = time;
    return 0;
}

static int read_percent(const char *text, const struct span *span, int64_t *ret)
{
    struct decimal d;
    const char *at = text;
    if (read_decimal(&at, &d) < 0 || strcmp(at, "%") != 0 || d.whole > 1000)
        return -EINVAL;
    uint64_t length = (uint64_t)span->last - (uint64_t)span->first;
    unsigned __int128 parts = ((unsigned __int128)d.whole * d.scale + d.fraction) * length / d.scale / 100;
    if (parts > INT64_MAX || __builtin_add_overflow(span->first, (int64_t)parts, ret))
        return -EINVAL;
    return 0;
}

/* ---- wall clock ---------------------------------------------------------------------------------------------------- */

struct wall {
    struct tm tm;
    bool has_date, has_zone;
    int64_t zone, fraction;
};

/* Exactly two digits, or four. */
static bool read_digits(const char **at, int n, int *ret)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    return true;
}

static bool read_char(const char **at, char c)
{
    bool is = **at == c;
    *at += is;
    return is;
}

static bool read_date(const char **at, struct wall *wall)
{
    const char *p = *at;
    struct tm *tm = &wall->tm;
    if (!read_digits(&p, 4, &tm->tm_year) || !read_char(&p, '-') || !read_digits(&p, 2, &tm->tm_mon) ||
        !read_char(&p, '-') || !read_digits(&p, 2, &tm->tm_mday) || !(read_char(&p, ' ') || read_char(&p, 'T')))
        return false;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    wall->has_date = true;
    *at = p;
    return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31;
}

/* hh:mm, hh:mm:ss, hh:mm:ss.fraction */
static bool read_clock(const char **at, struct wall *wall)
{
    struct tm *tm = &wall->tm;
    if (!read_digits(at, 2, &tm->tm_hour) || !read_char(at, ':') || !read_digits(at, 2, &tm->tm_min) ||
        tm->tm_hour > 23 || tm->tm_min > 59)
        return false;
    if (!read_char(at, ':'))
        return true;
    if (!read_digits(at, 2, &tm->tm_sec) || tm->tm_sec > 60)
        return false;
    if (**at != '.')
        return true;
    struct decimal d;
    return isdigit((unsigned char)(*at)[1]) && read_decimal(at, &d) == 0 && scaled(&d, SECOND, &wall->fraction) == 0;
}

/* Z, +02:00, +0200, +02 */
static bool read_zone(const char **at, struct wall *wall)
{
    int hours = 0, minutes = 0;
    if (read_char(at, 'Z') || read_char(at, 'z')) {
        wall->has_zone = true;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    if (!read_char(at, '+') && !read_char(at, '-'))
        return true;
    if (!read_digits(at, 2, &hours) || hours > 14)
        return false;
    if ((read_char(at, ':') || **at) && (!read_digits(at, 2, &minutes) || minutes > 59))
        return false;
    wall->has_zone = true;
    wall->zone = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool read_wall(const char *text, struct wall *ret)
{
    const char *at = text;
    *ret = (struct wall){.tm = {.tm_isdst = -1}};
    bool dated = strlen(text) > 4 && text[4] == '-';
    return (!dated || read_date(&at, ret)) && read_clock(&at, ret) && read_zone(&at, ret) && *at == '\0' &&
           (ret->has_date || !ret->has_zone);
}

/* ns since 1970. */
static int64_t wall_ns(const struct wall *wall)
{
    struct tm tm = wall->tm; /* both functions normalise it */
    int64_t seconds = wall->has_zone ? (int64_t)timegm(&tm) - wall->zone : (int64_t)mktime(&tm);
    return seconds * SECOND + wall->fraction;
}

/* A time without a fraction names a whole second: the one in which the recording began is not before it. */
static int64_t not_just_before(const struct wall *wall, int64_t ns, int64_t first_wall)
{
    return wall->fraction == 0 && ns < first_wall && first_wall - ns < SECOND ? first_wall : ns;
}

/* Without a date: the day on which the recording began, or the next one. */
static int64_t on_its_day(const struct wall *clock, int64_t first_wall)
{
    struct wall wall = *clock;
    time_t seconds = (time_t)((first_wall < 0 ? first_wall - SECOND + 1 : first_wall) / SECOND);
    struct tm day;
    if (!localtime_r(&seconds, &day))
        return first_wall;
    wall.tm.tm_year = day.tm_year;
    wall.tm.tm_mon = day.tm_mon;
    wall.tm.tm_mday = day.tm_mday;
    int64_t ns = not_just_before(&wall, wall_ns(&wall), first_wall);
    if (ns >= first_wall)
        return ns;
    wall.tm.tm_mday++;
    return wall_ns(&wall);
}

static int from_wall(struct es_query *query, const struct wall *wall, const struct span *span, int64_t *ret)
{
    int64_t first_wall = es_query_wall(query, span->first);
    if (first_wall == INT64_MIN)
        return es_fail(-EINVAL, "the recording does not know the wall clock");
    int64_t ns = wall->has_date ? not_just_before(wall, wall_ns(wall), first_wall) : on_its_day(wall, first_wall);
    return __builtin_sub_overflow(ns, query->wall_offset, ret) ? es_fail(-EINVAL, "it is out of all bounds") : 0;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static void add_wall(struct es_query *query, int64_t time, struct es_text *out)
{
    int64_t wall = es_query_wall(query, time);
    time_t seconds = (time_t)(wall / SECOND);
    struct tm tm;
    char text[40];
    if (wall == INT64_MIN || wall < 0 || !localtime_r(&seconds, &tm) ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        return;
    es_text_printf(out, " (%s.%03" PRId64 ")", text, wall % SECOND / 1000000);
}

static int outside(struct es_query *query, const char *text, const struct span *span)
{
    struct es_text from = {0}, to = {0};
    es_text_printf(&from, "%" PRId64, span->first);
    add_wall(query, span->first, &from);
    es_text_printf(&to, "%" PRId64, span->last);
    add_wall(query, span->last, &to);
    uint64_t length = (uint64_t)span->last - (uint64_t)span->first;
    int rc = es_fail(
        -ERANGE, "time '%s' lies outside of the recording, which goes from %s to %s: %" PRIu64 ".%09" PRIu64 " s", text,
        from.bytes ? from.bytes : "?", to.bytes ? to.bytes : "?", length / (uint64_t)SECOND, length % (uint64_t)SECOND);
    es_text_fini(&from);
    es_text_fini(&to);
    return rc;
}

/* Whatever form it has. */
static int read_time(struct es_query *query, const char *text, const struct span *span, int64_t *ret)
{
    struct wall wall;
    if (read_absolute(text, ret) == 0 || read_relative(text, span, ret) == 0 || read_percent(text, span, ret) == 0)
        return 0;
    if (read_wall(text, &wall))
        return from_wall(query, &wall, span, ret);
    es_hint("Write 123456789 (ns), +1.5s from the start, -200ms from the end, 40%%, 14:25:01.5 or "
            "2026-01-31T14:25:01Z; units: ns us ms s m h.");
    return es_fail(-EINVAL, "it has none of the forms of a time");
}

int es_query_time(struct es_query *query, const char *text, int64_t *ret_time)
{
    struct span span;
    int64_t time = 0;
    if (!es_query_span(query, &span.first, &span.last))
        return es_fail(-ERANGE, "time '%s': the recording has no events", text);
    int rc = read_time(query, text, &span, &time);
    if (rc < 0)
        return es_fail(rc, "time '%s'", text);
    if (time < span.first || time > span.last)
        return outside(query, text, &span);
    *ret_time = time;
    return 0;
}
