/* SPDX-License-Identifier: MIT */
/* Every form of a time, what is refused and how the refusal reads. */
#include "shop.h"

#include <time.h>

#define S INT64_C(1000000000)

/* Events at the start and `length` later; wall clock of the first in ns since 1970, or none. */
static struct es_query *recording(int64_t length, int64_t wall)
{
    char offset[32];
    shop_begin();
    snprintf(offset, sizeof offset, wall >= 0 ? "%" PRId64 : "unknown", wall - SHOP_START);
    assert_ok(es_store_meta(shop_store, "wall_offset_ns", offset));
    shop_add((struct es_event){.kind = ES_K_TIMEOUT, .pid = shop_pid(1)});
    shop_now = SHOP_START + length;
    shop_add((struct es_event){.kind = ES_K_TIMEOUT, .pid = shop_pid(1)});
    shop_end();
    return shop_open();
}

static void in_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void is_at(struct es_query *query, const char *text, int64_t since_start)
{
    int64_t time = -1;
    es_error_clear();
    int rc = es_query_time(query, text, &time);
    if (rc < 0 || time != SHOP_START + since_start)
        fail_msg("'%s' gives %d and %" PRId64 " after the start, not %" PRId64 ": %s", text, rc, time - SHOP_START,
                 since_start, es_error_text());
}

static void is_refused(struct es_query *query, const char *text, int code)
{
    int64_t time = 77;
    es_error_clear();
    int rc = es_query_time(query, text, &time);
    if (rc != code || time != 77 || es_error_text()[0] == '\0')
        fail_msg("'%s' gives %d and not %d: %s", text, rc, code, es_error_text());
}

static void relative(void **state)
{
    (void)state;
    struct es_query *query = recording(10 * S, SHOP_WALL);
    static const struct {
        const char *text;
        int64_t at;
    } table[] = {
        {"+0s", 0},
        {"+1.5s", 1500000000},
        {"+200ms", 200000000},
        {"+5us", 5000},
        {"+5µs", 5000},
        {"+7ns", 7},
        {"+0.1m", 6 * S},
        {"+0.001h", 3600000000},
        {"+10s", 10 * S},
        {"+.5s", S / 2},
        {"+1.s", S},
        {"+1.0000000019s", S + 1},
        {"+0.1234567891234567s", 123456789},
        {"-200ms", 9800000000},
        {"-0s", 10 * S},
        {"-10s", 0},
        {"-1.5s", 8500000000},
        {"0%", 0},
        {"40%", 4 * S},
        {"100%", 10 * S},
        {"33.3%", 3330000000},
        {"0.00000001%", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        is_at(query, table[i].text, table[i].at);
    es_query_close(query);
}

static void absolute(void **state)
{
    (void)state;
    struct es_query *query = recording(10 * S, SHOP_WALL);
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, SHOP_START + 5);
    is_at(query, text, 5);
    snprintf(text, sizeof text, "%" PRId64, SHOP_START);
    is_at(query, text, 0);
    snprintf(text, sizeof text, "%" PRId64, SHOP_START - 1);
    is_refused(query, text, -ERANGE);
    es_query_close(query);
}

static void wall_clock(void **state)
{
    (void)state;
    struct es_query *query = recording(10 * S, SHOP_WALL); /* begins 14:25:01.3 UTC */
    in_zone("UTC0");
    is_at(query, "14:25:02", 700000000);
    is_at(query, "14:25:01.5", 200000000);
    is_at(query, "14:25:01.300000007", 7);
    is_at(query, "2026-01-31 14:25:05", 3700000000);
    is_at(query, "2026-01-31T14:25:05Z", 3700000000);
    is_at(query, "2026-01-31T14:25:05.25z", 3950000000);
    is_at(query, "2026-01-31T16:25:05+02:00", 3700000000);
    is_at(query, "2026-01-31T16:25:05+0200", 3700000000);
    is_at(query, "2026-01-31 09:25:05-05", 3700000000);
    is_at(query, "14:25:01", 0); /* the second in which it began */
    is_at(query, "2026-01-31T14:25:01Z", 0);
    is_refused(query, "14:25:00", -ERANGE);
    is_refused(query, "14:25:12", -ERANGE);
    is_refused(query, "14:26", -ERANGE);
    is_refused(query, "2026-01-30 14:25:05", -ERANGE);
    is_refused(query, "14:25:05Z", -EINVAL); /* of which day there? */
    in_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    is_at(query, "15:25:02", 700000000);
    is_at(query, "2026-01-31 15:25:02", 700000000);
    is_at(query, "2026-01-31T14:25:02Z", 700000000);
    is_refused(query, "14:25:02", -ERANGE);
    es_query_close(query);
}

static void over_midnight_and_summer_time(void **state)
{
    (void)state;
    in_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    struct es_query *query =
        recording(4 * 3600 * S, INT64_C(1774738800) * S); /* 2026-03-29 00:00 in Warsaw; at 02:00 it becomes 03:00 */
    is_at(query, "01:00", 3600 * S);
    is_at(query, "03:30", 2 * 3600 * S + 1800 * S);
    es_query_close(query);
    shop_teardown(NULL);
    shop_setup(NULL);
    query = recording(3600 * S, INT64_C(1774738800) * S - 600 * S); /* from ten to midnight */
    is_at(query, "23:55", 300 * S);
    is_at(query, "00:10", 1200 * S);
    is_refused(query, "23:40", -ERANGE);
    es_query_close(query);
}

static void refused(void **state)
{
    (void)state;
    struct es_query *query = recording(10 * S, SHOP_WALL);
    static const char *const wrong[] = {"",
                                        " ",
                                        "x",
                                        "+",
                                        "-",
                                        "+1",
                                        "-5x",
                                        "+1.5",
                                        "+s",
                                        "+1 s",
                                        "+1s ",
                                        " +1s",
                                        "--1s",
                                        "+-1s",
                                        "1s",
                                        "1e3",
                                        "0x10",
                                        "99999999999999999999",
                                        "-99999999999999999999",
                                        "+99999999999999999999s",
                                        "+9999999999999h",
                                        "%",
                                        "-1%",
                                        "+40%",
                                        "40%%",
                                        "1.%x",
                                        "25:00:00",
                                        "14:60",
                                        "14:25:61",
                                        "14:",
                                        "1:25",
                                        "14:25:",
                                        "14:25:01.",
                                        "2026-13-01 00:00",
                                        "2026-00-01 00:00",
                                        "2026-01-32 00:00",
                                        "2026-01-31",
                                        "2026-1-31 00:00",
                                        "2026-01-31 14:25:01+",
                                        "2026-01-31 14:25:01+99",
                                        "2026-01-31 14:25:01+02:0",
                                        "2026-01-31 14:25:01 CET",
                                        "now",
                                        "5000000000000%",
                                        "+1d",
                                        "+1S",
                                        "2026-01-31  14:25:01"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        is_refused(query, wrong[i], -EINVAL);
    assert_non_null(strstr(es_error_hint(), "40%"));
    static const char *const outside[] = {"+10.000000001s",      "-10.1s", "101%", "5", "0", "9223372036854775807",
                                          "-9223372036854775808"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        is_refused(query, outside[i], -ERANGE);
    in_zone("UTC0");
    is_refused(query, "+11s", -ERANGE);
    assert_string_equal(
        es_error_text(),
        "time '+11s' lies outside of the recording, which goes from -576460751234567890 (2026-01-31 14:25:01.300) to "
        "-576460741234567890 (2026-01-31 14:25:11.300): 10.000000000 s");
    es_query_close(query);
}

static void without_a_wall_clock(void **state)
{
    (void)state;
    struct es_query *query = recording(10 * S, -1);
    assert_true(es_query_wall(query, SHOP_START) == INT64_MIN);
    is_refused(query, "14:25:01", -EINVAL);
    assert_non_null(strstr(es_error_text(), "wall clock"));
    is_at(query, "+1s", S);
    is_refused(query, "+11s", -ERANGE);
    es_query_close(query);
}

static void with_a_wall_clock(void **state)
{
    (void)state;
    struct es_query *query = recording(10 * S, SHOP_WALL);
    assert_int_equal(es_query_wall(query, SHOP_START + 5), SHOP_WALL + 5);
    assert_true(es_query_wall(query, INT64_MAX) == INT64_MIN);
    es_query_close(query);
}

static void without_events(void **state)
{
    (void)state;
    shop_begin();
    shop_end();
    struct es_query *query = shop_open();
    is_refused(query, "+1s", -ERANGE);
    assert_non_null(strstr(es_error_text(), "no events"));
    es_query_close(query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(relative),          TEST(absolute),
                                       TEST(wall_clock),        TEST(over_midnight_and_summer_time),
                                       TEST(refused),           TEST(without_a_wall_clock),
                                       TEST(with_a_wall_clock), TEST(without_events)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
