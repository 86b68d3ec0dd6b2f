/* SPDX-License-Identifier: MIT */
/* The language of --trace, and the names of levels. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "control/control.h"

static struct es_spec read(const char *text)
{
    struct es_spec spec;
    es_error_clear();
    if (es_spec_parse(text, false, &spec) != 0)
        fail_msg("%s: %s", text, es_error_text());
    return spec;
}

static void check_function(const char *text, enum es_spec_kind kind, const char *module, const char *function,
                           int arity)
{
    struct es_spec spec = read(text);
    assert_int_equal(spec.kind, kind);
    assert_string_equal(spec.module, module);
    assert_string_equal(spec.function, function);
    assert_int_equal(spec.arity, arity);
}

static void simple_specs_are_words(void **state)
{
    (void)state;
    assert_int_equal(read("messages").kind, ES_SPEC_MESSAGES);
    assert_int_equal(read("processes").kind, ES_SPEC_PROCESSES);
    assert_int_equal(read("scheduling").kind, ES_SPEC_SCHEDULING);
    assert_int_equal(read("gc").kind, ES_SPEC_GC);
}

static void functions_are_named_as_in_either_language(void **state)
{
    (void)state;
    check_function("calls:MyApp.Cart.add/2", ES_SPEC_CALLS, "MyApp.Cart", "add", 2);
    check_function("calls:MyApp.Cart.add", ES_SPEC_CALLS, "MyApp.Cart", "add", -1);
    check_function("calls:MyApp.Cart", ES_SPEC_CALLS, "MyApp.Cart", "*", -1);
    check_function("calls:MyApp.Cart.*", ES_SPEC_CALLS, "MyApp.Cart.*", "*", -1);
    check_function("calls:MyApp.Cart.valid?/1", ES_SPEC_CALLS, "MyApp.Cart", "valid?", 1);
    check_function("calls:MyApp.Cart._private/0", ES_SPEC_CALLS, "MyApp.Cart", "_private", 0);
    check_function("calls:lists:map/2", ES_SPEC_CALLS, "lists", "map", 2);
    check_function("calls:lists.map/2", ES_SPEC_CALLS, "lists", "map", 2);
    check_function("calls::lists.map/2", ES_SPEC_CALLS, "lists", "map", 2);
    check_function("calls:lists", ES_SPEC_CALLS, "lists", "*", -1);
    check_function("calls:my_mod:*", ES_SPEC_CALLS, "my_mod", "*", -1);
    check_function("calls:shop_*", ES_SPEC_CALLS, "shop_*", "*", -1);
    check_function("calls:'Elixir.MyApp.Cart':add/2", ES_SPEC_CALLS, "Elixir.MyApp.Cart", "add", 2);
    check_function("calls:'odd:name':'a b'/1", ES_SPEC_CALLS, "odd:name", "a b", 1);
    check_function("returns:MyApp.Cart.add/2", ES_SPEC_RETURNS, "MyApp.Cart", "add", 2);
    check_function("states:MyApp.Cart", ES_SPEC_STATES, "MyApp.Cart", "*", -1);
    check_function("states:my_server", ES_SPEC_STATES, "my_server", "*", -1);
    check_function("states:*", ES_SPEC_STATES, "*", "*", -1);
}

static void processes_are_named_or_numbered(void **state)
{
    (void)state;
    assert_string_equal(read("pid:<0.123.4>").text, "<0.123.4>");
    assert_string_equal(read("pid:0.123.0").text, "<0.123.0>");
    assert_string_equal(read("pid:#PID<0.123.0>").text, "<0.123.0>");
    assert_string_equal(read("name:shop_cart").text, "shop_cart");
    assert_string_equal(read("name:'Elixir.Shop.Cart'").text, "Elixir.Shop.Cart");
}

static void what_is_no_spec_is_refused_with_the_words_that_are(void **state)
{
    static const char *const wrong[] = {
        "",
        "message",
        "messages:x",
        "calls",
        "calls:",
        "calls:/2",
        "calls:lists/2",
        "calls:a*b",
        "calls:lists:ma*p1",
        "calls:lists:map/256",
        "returns:MyApp.Cart",
        "returns:lists:*",
        "returns:M*.f/1",
        "states:MyApp.Cart.add/2",
        "pid:",
        "pid:1",
        "pid:<0.1.2",
        "pid:<0.1.2>x",
        "pid:0.1.2>",
        "name:",
        "name:''",
        "callsx:lists",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct es_spec spec = {.arity = 77};
        es_error_clear();
        if (es_spec_parse(wrong[i], true, &spec) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
        assert_int_equal(spec.arity, 77);
        assert_non_null(strstr(es_error_text(), wrong[i]));
        assert_true(es_error_hint()[0] != '\0');
    }
    char longest[600];
    struct es_spec spec;
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "calls:", 6);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(es_spec_parse(longest, true, &spec), -EINVAL);
}

static void tracing_everything_needs_a_second_word(void **state)
{
    struct es_spec spec;
    (void)state;
    es_error_clear();
    assert_int_equal(es_spec_parse("calls:*", false, &spec), -EPERM);
    assert_int_equal(es_spec_parse("calls:*:f/1", false, &spec), -EPERM);
    assert_int_equal(es_spec_parse("calls:*", true, &spec), 0);
    assert_string_equal(spec.module, "*");
}

static void levels_have_names(void **state)
{
    enum es_level level = ES_LEVEL_OFF;
    (void)state;
    assert_int_equal(es_level_parse("balanced", &level), 0);
    assert_int_equal(level, ES_LEVEL_BALANCED);
    assert_int_equal(es_level_parse("Balanced", &level), -EINVAL);
    assert_int_equal(es_level_parse("", &level), -EINVAL);
    for (int i = 0; i < ES_LEVEL_MAX; i++)
        assert_int_equal(es_level_parse(es_level_names[i], &level), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_specs_are_words),
        cmocka_unit_test(functions_are_named_as_in_either_language),
        cmocka_unit_test(processes_are_named_or_numbered),
        cmocka_unit_test(what_is_no_spec_is_refused_with_the_words_that_are),
        cmocka_unit_test(tracing_everything_needs_a_second_word),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
