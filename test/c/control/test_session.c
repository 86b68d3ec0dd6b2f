/* SPDX-License-Identifier: MIT */
/* What a session holds: rings after what the VM said, redaction, the copy of the shared object, and its removal. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "control/place.h"
#include "control/session.h"

static char base[64], home[64];
static struct es_session_dir dir;

static void run(const char *format, const char *argument)
{
    char command[512];
    snprintf(command, sizeof command, format, argument, argument, argument, argument);
    assert_int_equal(system(command), 0);
}

static int make(void **state)
{
    (void)state;
    strcpy(base, "/dev/shm/es-test-XXXXXX");
    strcpy(home, "/tmp/es-test-home-XXXXXX");
    assert_non_null(mkdtemp(base));
    assert_non_null(mkdtemp(home));
    setenv("ELIXIRSCOPE_SHM", base, 1);
    setenv("ELIXIRSCOPE_HOME", home, 1);
    run("mkdir %s/ebin %s/priv && echo shared object >%s/priv/elixirscope_nif.so", home);
    run("cd %s/ebin && touch elixirscope_agent.beam elixirscope_arm.beam elixirscope.beam elixirscope_x.txt other.beam",
        home);
    assert_int_equal(es_session_dir_create((uid_t)-1, &dir), 0);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    run("rm -r %s", base);
    run("rm -r %s", home);
    unsetenv("ELIXIRSCOPE_SHM");
    unsetenv("ELIXIRSCOPE_HOME");
    return 0;
}

static struct es_arena arena_for(const struct es_hello *hello, const struct es_session_options *options)
{
    struct es_arena arena;
    es_error_clear();
    if (es_session_arena(&dir, hello, options, (uid_t)-1, &arena) != 0)
        fail_msg("%s", es_error_text());
    return arena;
}

static void rings_follow_the_schedulers(void **state)
{
    struct es_hello hello = {.schedulers = 2, .dirty_cpu = 2, .dirty_io = 3};
    struct es_session_options options = {.ring_bytes = 300 << 10, .payload_bytes = 0, .state_bytes = 4096};
    (void)state;
    struct es_arena arena = arena_for(&hello, &options);
    assert_int_equal(arena.n_rings, 2 + 2 * 5 + 4);
    assert_int_equal(arena.rings[0].size, 512 << 10); /* the next power of two */
    assert_int_equal(atomic_load(&arena.head->limits.payload_bytes), 0);
    assert_int_equal(atomic_load(&arena.head->limits.state_bytes), 4096);
    assert_string_equal(dir.arena + strlen(dir.path), "/arena");
    es_arena_close(&arena);
}

static void senseless_numbers_of_a_vm_are_bounded(void **state)
{
    static const int64_t odd[] = {0, -1, INT64_MIN, INT64_MAX, 100000};
    struct es_session_options options = {.ring_bytes = ES_RING_MIN, .payload_bytes = INT64_MAX, .state_bytes = -1};
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct es_hello hello = {.schedulers = odd[i], .dirty_cpu = odd[i], .dirty_io = odd[i]};
        struct es_arena arena = arena_for(&hello, &options);
        assert_true(arena.n_rings >= 5 && arena.n_rings <= ES_RINGS_MAX);
        assert_true(atomic_load(&arena.head->limits.payload_bytes) < ES_RECORD_MAX);
        assert_int_equal(atomic_load(&arena.head->limits.state_bytes), 65536);
        es_arena_close(&arena);
        unlink(dir.arena);
    }
}

static bool redacts(const struct es_arena *arena, const char *text)
{
    for (uint32_t i = 0; i < arena->head->n_redact; i++)
        if (arena->head->redact[i].len == strlen(text) && memcmp(arena->head->redact[i].text, text, strlen(text)) == 0)
            return true;
    return false;
}

static void secrets_are_redacted_unless_that_is_switched_off(void **state)
{
    struct es_hello hello = {.schedulers = 1};
    struct es_redaction rule = {.kind = ES_REDACT_STRUCT, .text = "Elixir.MyApp.Card"};
    struct es_session_options options = {
        .ring_bytes = ES_RING_MIN, .redact = &rule, .n_redact = 1, .default_redaction = true};
    (void)state;
    struct es_arena arena = arena_for(&hello, &options);
    for (const char *const *key = es_redact_default; *key; key++)
        assert_true(redacts(&arena, *key));
    assert_true(redacts(&arena, "password") && redacts(&arena, "cvv") && redacts(&arena, "Elixir.MyApp.Card"));
    es_arena_close(&arena);
    unlink(dir.arena);
    options.default_redaction = false;
    arena = arena_for(&hello, &options);
    assert_int_equal(arena.head->n_redact, 1);
    es_arena_close(&arena);
}

static void a_rule_that_does_not_fit_leaves_nothing_behind(void **state)
{
    struct es_hello hello = {.schedulers = 1};
    char longest[100], path[PATH_MAX + 8];
    struct es_arena arena;
    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    struct es_redaction rule = {.kind = ES_REDACT_KEY, .text = longest};
    struct es_session_options options = {.ring_bytes = ES_RING_MIN, .redact = &rule, .n_redact = 1};
    assert_int_equal(es_session_arena(&dir, &hello, &options, (uid_t)-1, &arena), -EINVAL);
    snprintf(path, sizeof path, "%s/arena", dir.path);
    assert_int_equal(access(path, F_OK), -1);
}

static void modules_are_found_with_the_entry_last(void **state)
{
    char ebin[PATH_MAX], modules[ES_MODULES_MAX][ES_MODULE_NAME];
    (void)state;
    assert_int_equal(es_place_ebin(ebin, sizeof ebin), 0);
    assert_int_equal(es_place_modules(ebin, modules), 3);
    assert_string_equal(modules[0], "elixirscope");
    assert_string_equal(modules[1], "elixirscope_arm");
    assert_string_equal(modules[2], "elixirscope_agent");
    assert_int_equal(es_place_modules(base, modules), -ENOENT);
}

static void the_shared_object_is_copied_for_its_user_and_removed(void **state)
{
    char nif[PATH_MAX], ebin[PATH_MAX];
    struct stat st;
    (void)state;
    assert_int_equal(es_place_nif_copy(&dir, (uid_t)-1, nif, sizeof nif), 0);
    assert_int_equal(stat(nif, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0500);
    assert_int_equal(st.st_size, 14);
    assert_int_equal(es_place_nif_copy(&dir, (uid_t)-1, nif, sizeof nif), -EEXIST);
    assert_int_equal(es_place_ebin(ebin, sizeof ebin), 0);
    assert_int_equal(es_place_ebin_link(&dir, ebin), 0);
    es_place_remove(&dir);
    assert_int_equal(access(dir.path, F_OK), -1);
    assert_int_equal(access(ebin, F_OK), 0); /* the link went, not what it led to */
}

static void a_boot_script_outlives_the_session_while_its_vm_lives(void **state)
{
    struct es_hello hello = {.schedulers = 1};
    struct es_session_options options = {.ring_bytes = ES_RING_MIN};
    struct es_session_dir again;
    char boot[PATH_MAX + 8], path[PATH_MAX];
    (void)state;
    struct es_arena arena = arena_for(&hello, &options);
    es_arena_close(&arena);
    es_place_boot(&dir, path, sizeof path);
    snprintf(boot, sizeof boot, "%s.boot", path);
    close(open(boot, O_CREAT | O_WRONLY, 0600));
    dir.vm = getpid();
    dir.vm_start = es_process_start(dir.vm);
    es_place_remove(&dir);
    assert_int_equal(access(boot, F_OK), 0);
    assert_int_equal(access(dir.arena, F_OK), -1);
    assert_int_equal(es_session_dir_load(dir.path, &again), 0);
    assert_string_equal(again.arena, "");
    again.vm_start++; /* another process of that number */
    es_place_remove(&again);
    assert_int_equal(access(dir.path, F_OK), -1);
}

static void what_is_missing_is_said(void **state)
{
    char path[PATH_MAX];
    (void)state;
    setenv("ELIXIRSCOPE_HOME", "/nonexistent", 1);
    es_error_clear();
    assert_int_equal(es_place_nif(path, sizeof path), -ENOENT);
    assert_non_null(strstr(es_error_text(), "elixirscope_nif.so"));
    assert_non_null(strstr(es_error_text(), "ELIXIRSCOPE_HOME"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rings_follow_the_schedulers),
        TEST(senseless_numbers_of_a_vm_are_bounded),
        TEST(secrets_are_redacted_unless_that_is_switched_off),
        TEST(a_rule_that_does_not_fit_leaves_nothing_behind),
        TEST(modules_are_found_with_the_entry_last),
        TEST(the_shared_object_is_copied_for_its_user_and_removed),
        TEST(a_boot_script_outlives_the_session_while_its_vm_lives),
        TEST(what_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
