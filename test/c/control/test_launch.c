/* SPDX-License-Identifier: MIT */
/* Starting a command: its environment, its failures, what it leaves behind; and the boot script of a release. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "control/etf.h"
#include "control/launch.h"
#include "control/release.h"

static struct es_launch launch_of(char *const *argv)
{
    return (struct es_launch){.argv = argv, .session = "/dev/shm/elixirscope-test/1", .nif = "/n.so"};
}

/* ---- flags --------------------------------------------------------------------------------------------------------- */

static char *flags(const char *boot, const char *user)
{
    char *argv[] = {"true", NULL};
    struct es_launch launch = launch_of(argv);
    launch.boot = boot;
    char *made = es_launch_flags(&launch, user);
    assert_non_null(made);
    return made;
}

static void our_flags_come_behind_the_users(void **state)
{
    (void)state;
    char *made = flags(NULL, "-kernel a b");
    assert_ptr_equal(strstr(made, "-kernel a b -eval '"), made);
    free(made);
    made = flags(NULL, NULL);
    assert_ptr_equal(strstr(made, "-eval '"), made);
    free(made);
    made = flags(NULL, "");
    assert_ptr_equal(strstr(made, "-eval '"), made);
    assert_null(strchr(strchr(made, '\'') + 1, '"') ? NULL : made);
    free(made);
}

static void nothing_is_put_behind_extra(void **state)
{
    (void)state;
    char *made = flags(NULL, "-kernel a b -extra c");
    char *user = strstr(made, " -kernel a b -extra c");
    assert_non_null(user);
    assert_string_equal(user, " -kernel a b -extra c");
    free(made);
    made = flags(NULL, "-my-extra c");
    assert_ptr_equal(strstr(made, "-my-extra c"), made);
    free(made);
}

static void a_boot_script_is_quoted(void **state)
{
    (void)state;
    char *made = flags("/a \"b\" $c/start", NULL);
    assert_ptr_equal(strstr(made, "-boot \"/a \"\\\"\"b\"\\\"\" $c/start\" -eval "), made);
    free(made);
}

/* ---- starting ------------------------------------------------------------------------------------------------------ */

static int code_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run_shell(const char *script)
{
    char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};
    struct es_launch launch = launch_of(argv);
    pid_t pid;
    assert_int_equal(es_launch(&launch, &pid), 0);
    return code_of(pid);
}

static void the_command_gets_the_session_and_can_restore_its_flags(void **state)
{
    (void)state;
    setenv("ERL_AFLAGS", "-user flag", 1);
    assert_int_equal(
        run_shell("test \"$ELIXIRSCOPE_SESSION\" = /dev/shm/elixirscope-test/1 && test \"$ELIXIRSCOPE_NIF\" = /n.so && "
                  "test \"$ELIXIRSCOPE_AFLAGS_BEFORE\" = '-user flag' && case $ERL_AFLAGS in '-user flag -eval '*) "
                  "exit 42;; esac"),
        42);
    assert_string_equal(getenv("ERL_AFLAGS"), "-user flag");
    unsetenv("ERL_AFLAGS");
    setenv("ELIXIRSCOPE_AFLAGS_BEFORE", "of another session", 1);
    assert_int_equal(run_shell("test -z \"${ELIXIRSCOPE_AFLAGS_BEFORE+x}\" && exit 43"), 43);
    unsetenv("ELIXIRSCOPE_AFLAGS_BEFORE");
}

static void what_cannot_be_started_says_why(void **state)
{
    char *missing[] = {"no-such-command-here", NULL}, *folder[] = {"/tmp", NULL};
    struct es_launch launch = launch_of(missing);
    pid_t pid = -7;
    (void)state;
    es_error_clear();
    assert_int_equal(es_launch(&launch, &pid), -ENOENT);
    assert_string_equal(es_error_text(), "no-such-command-here: command not found");
    launch = launch_of(folder);
    es_error_clear();
    assert_int_equal(es_launch(&launch, &pid), -EACCES);
    assert_int_equal(pid, -7);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
    assert_int_equal(errno, ECHILD);
}

static void processes_left_behind_are_found_by_their_environment(void **state)
{
    char session[64];
    (void)state;
    snprintf(session, sizeof session, "/dev/shm/elixirscope-test/%d", (int)getpid());
    char *argv[] = {"sleep", "60", NULL};
    struct es_launch launch = {.argv = argv, .session = session, .nif = "/n.so"};
    pid_t pid;
    assert_false(es_launch_leftovers(session));
    assert_int_equal(es_launch(&launch, &pid), 0);
    assert_true(es_launch_leftovers(session));
    assert_false(es_launch_leftovers("/dev/shm/elixirscope-test")); /* not even where it is a beginning */
    kill(pid, SIGKILL);
    assert_int_equal(code_of(pid), -SIGKILL);
    assert_false(es_launch_leftovers(session));
}

/* ---- releases ------------------------------------------------------------------------------------------------------ */

struct place {
    char root[64];
};

static int make_release(void **state)
{
    static struct place place;
    char command[512];
    strcpy(place.root, "/tmp/es-test-rel-XXXXXX");
    assert_non_null(mkdtemp(place.root));
    snprintf(command, sizeof command,
             "cd %s && mkdir -p bin releases/1.2 && echo '13.1 1.2' >releases/start_erl.data && touch "
             "releases/1.2/start.boot && "
             "touch releases/1.2/other.boot bin/app && chmod +x bin/app",
             place.root);
    assert_int_equal(system(command), 0);
    *state = &place;
    return 0;
}

static int drop_release(void **state)
{
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", place->root);
    return system(command);
}

static void a_release_is_known_by_its_folders(void **state)
{
    struct place *place = *state;
    char app[128], found[256], wanted[256];
    snprintf(app, sizeof app, "%s/bin/app", place->root);
    char *start[] = {app, "start", NULL}, *eval[] = {app, "eval", "1", NULL}, *other[] = {"/bin/sh", "start", NULL};
    assert_int_equal(es_release_boot(start, found, sizeof found), 1);
    snprintf(wanted, sizeof wanted, "%s/releases/1.2/start.boot", place->root);
    assert_string_equal(found, wanted);
    assert_int_equal(es_release_boot(eval, found, sizeof found), 0);
    assert_int_equal(es_release_boot(other, found, sizeof found), 0);
    setenv("RELEASE_BOOT_SCRIPT", "other", 1);
    assert_int_equal(es_release_boot(start, found, sizeof found), 1);
    assert_non_null(strstr(found, "/other.boot"));
    unsetenv("RELEASE_BOOT_SCRIPT");
    setenv("RELEASE_VSN", "9.9", 1);
    assert_int_equal(es_release_boot(start, found, sizeof found), 0);
    unsetenv("RELEASE_VSN");
}

/* {script, {"n", "v"}, [{progress, a}, {apply, {application, start_boot, [kernel, permanent]}}, … stdlib …, {progress, b}]} */
static size_t make_script(uint8_t *bytes, size_t room, bool stdlib)
{
    static const char *const applications[] = {"kernel", "stdlib", "mine"};
    struct es_writer w;
    es_writer_init(&w, bytes, room);
    es_write_u8(&w, 131);
    es_write_tuple(&w, 3);
    es_etf_put_atom(&w, "script");
    es_write_tuple(&w, 2);
    es_etf_put_text(&w, "n");
    es_etf_put_text(&w, "v");
    es_write_list(&w, 4);
    es_write_tuple(&w, 2);
    es_etf_put_atom(&w, "progress");
    es_etf_put_atom(&w, "a");
    for (int i = 0; i < 3; i++) {
        es_write_tuple(&w, 2);
        es_etf_put_atom(&w, "apply");
        es_write_tuple(&w, 3);
        es_etf_put_atom(&w, "application");
        es_etf_put_atom(&w, "start_boot");
        es_write_list(&w, 2);
        es_etf_put_atom(&w, i == 1 && !stdlib ? "other" : applications[i]);
        es_etf_put_atom(&w, "permanent");
        es_write_nil(&w);
    }
    es_write_nil(&w);
    assert_false(w.full);
    return (size_t)(w.at - bytes);
}

static void the_agent_starts_behind_stdlib(void **state)
{
    uint8_t script[1024], *patched;
    size_t len = make_script(script, sizeof script, true), patched_len;
    uint32_t n;
    (void)state;
    assert_int_equal(es_boot_patch(script, len, &patched, &patched_len), 0);
    struct es_reader r;
    es_reader_init(&r, patched, patched_len);
    assert_true(es_etf_version(&r) && es_etf_tuple(&r, &n) && es_etf_is_atom(&r, "script"));
    assert_int_equal(es_term_skip(&r), 0);
    assert_true(es_etf_list(&r, &n));
    assert_int_equal(n, 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(es_term_skip(&r), 0);
    struct es_reader ours = r; /* {apply, {erl_eval, exprs, …}} */
    assert_true(es_etf_tuple(&ours, &n) && es_etf_is_atom(&ours, "apply") && es_etf_tuple(&ours, &n) &&
                es_etf_is_atom(&ours, "erl_eval"));
    for (int i = 0; i < 2; i++)
        assert_int_equal(es_term_skip(&r), 0);
    assert_int_equal(*r.at, ES_T_NIL);
    assert_int_equal(es_term_skip(&r), 0);
    assert_int_equal(es_reader_left(&r), 0);
    free(patched);
}

static void a_script_that_is_not_as_expected_is_left_alone(void **state)
{
    uint8_t script[1024], *patched = NULL;
    size_t patched_len = 0, len = make_script(script, sizeof script, false);
    (void)state;
    assert_int_equal(es_boot_patch(script, len, &patched, &patched_len), -EBADMSG);
    len = make_script(script, sizeof script, true);
    for (size_t i = 0; i < len; i++) {
        uint8_t *cut = malloc(i ? i : 1);
        memcpy(cut, script, i);
        assert_int_equal(es_boot_patch(cut, i, &patched, &patched_len), -EBADMSG);
        free(cut);
    }
    uint32_t random = 7;
    for (size_t i = 0; i < len; i++)
        for (int round = 0; round < 20; round++) {
            uint8_t *copy = malloc(len);
            memcpy(copy, script, len);
            random = random * 1664525u + 1013904223u;
            copy[i] = (uint8_t)(random >> 24);
            if (es_boot_patch(copy, len, &patched, &patched_len) == 0)
                free(patched);
            free(copy);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_flags_come_behind_the_users),
        cmocka_unit_test(nothing_is_put_behind_extra),
        cmocka_unit_test(a_boot_script_is_quoted),
        cmocka_unit_test(the_command_gets_the_session_and_can_restore_its_flags),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(processes_left_behind_are_found_by_their_environment),
        cmocka_unit_test_setup_teardown(a_release_is_known_by_its_folders, make_release, drop_release),
        cmocka_unit_test(the_agent_starts_behind_stdlib),
        cmocka_unit_test(a_script_that_is_not_as_expected_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
