/* SPDX-License-Identifier: MIT */
/* Checks of the Erlang that is found in the path: its version and what is known of it, and whether our shared object loads there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/doctor.h"
#include "cli/engineproc.h"
#include "control/place.h"

#define RUN_MS 15000
#define OTP_MIN 25
#define OTP_MAX 29

/* ---- running a program --------------------------------------------------------------------------------------------- */

static pid_t start(char *const *argv, int *ret_out)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(out[1]);
    *ret_out = out[0];
    return pid;
}

/* Its standard output up to `room`, at most for RUN_MS. The exit code, or -errno. */
static int run(char *const *argv, char *ret_text, size_t room)
{
    int out, status = 0;
    pid_t pid = start(argv, &out);
    size_t len = 0;
    int64_t until = es_now_ms() + RUN_MS;
    bool late = false;
    ret_text[0] = '\0';
    if (pid < 0)
        return -EAGAIN;
    for (ssize_t n = 1; n > 0 && !late;) {
        struct pollfd p = {.fd = out, .events = POLLIN};
        int64_t left = until - es_now_ms();
        late = left <= 0 || poll(&p, 1, (int)left) == 0;
        char dropped[256];
        bool full = len + 1 >= room;
        n = late ? 0 : read(out, full ? dropped : ret_text + len, full ? sizeof dropped : room - 1 - len);
        len += n > 0 && !full ? (size_t)n : 0;
    }
    ret_text[len] = '\0';
    close(out);
    if (late)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return late ? -ETIMEDOUT : WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* ---- versions ------------------------------------------------------------------------------------------------------ */

struct version {
    int part[4];
};

static struct version parse(const char *text)
{
    struct version v = {{0}};
    if (sscanf(text, "%d.%d.%d.%d", &v.part[0], &v.part[1], &v.part[2], &v.part[3]) < 1)
        v.part[0] = 0;
    return v;
}

static bool below(struct version a, int w, int x, int y, int z)
{
    const int b[] = {w, x, y, z};
    for (int i = 0; i < 4; i++)
        if (a.part[i] != b[i])
            return a.part[i] < b[i];
    return false;
}

static void check_erts(struct es_doctor *doctor, const char *text)
{
    struct es_finding found = {
        .mend = "Update OTP to 25.3.2.11, 26.2.4 or later; until then keep recordings of busy production nodes short."};
    struct version erts = parse(text);
    if (below(erts, 13, 2, 0, 0)) {
        es_doctor_found(
            &found,
            "erts %s: tracing can meet dirty schedulers (GH-5984, GH-6448, PR 8286), so scheduling events stay off",
            text);
    } else if (below(erts, 13, 2, 2, 8) || (erts.part[0] == 14 && below(erts, 14, 2, 4, 0))) {
        es_doctor_found(
            &found, "erts %s: a rare crash of traced processes on dirty schedulers is not fixed there (PR 8286)", text);
    } else {
        es_doctor_found(&found, "erts %s: no known risk", text);
        es_doctor_say(doctor, ES_HEALTH_OK, "erts", &found);
        return;
    }
    es_doctor_say(doctor, ES_HEALTH_WARN, "erts", &found);
}

static bool check_erlang(struct es_doctor *doctor)
{
    char *argv[] = {"erl",
                    "-noshell",
                    "-noinput",
                    "-boot",
                    "start_clean",
                    "-eval",
                    "io:format(\"~s ~s ~s~n\", [erlang:system_info(otp_release), erlang:system_info(version), "
                    "code:root_dir()]), halt(0).",
                    NULL};
    struct es_finding found = {.mend = "Install Erlang/OTP 25 or later, or put its bin folder into PATH."};
    char text[512], otp[32], erts[32], root[256];
    int rc = run(argv, text, sizeof text);
    if (rc != 0 || sscanf(text, "%31s %31s %255[^\n]", otp, erts, root) != 3) {
        es_doctor_found(&found, "%s",
                        rc == 127          ? "erl is not found"
                        : rc == -ETIMEDOUT ? "erl does not answer"
                                           : "erl does not start");
        es_doctor_say(doctor, ES_HEALTH_FAIL, "erlang", &found);
        return false;
    }
    int release = atoi(otp);
    es_doctor_found(&found, "OTP %s in %s%s", otp, root,
                    release < OTP_MIN   ? ": too old"
                    : release > OTP_MAX ? ": newer than what was tried"
                                        : "");
    es_doctor_say(doctor,
                  release < OTP_MIN   ? ES_HEALTH_FAIL
                  : release > OTP_MAX ? ES_HEALTH_WARN
                                      : ES_HEALTH_OK,
                  "erlang", &found);
    check_erts(doctor, erts);
    return true;
}

static void check_elixir(struct es_doctor *doctor)
{
    char *argv[] = {"elixir", "--short-version", NULL};
    struct es_finding found = {0};
    char text[64];
    int rc = run(argv, text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    if (rc == 0 && text[0])
        es_doctor_found(&found, "%s", text);
    else
        es_doctor_found(&found, "not found; it is not needed to record Erlang or a release");
    es_doctor_say(doctor, ES_HEALTH_OK, "elixir", &found);
}

/* ---- our part ------------------------------------------------------------------------------------------------------ */

/* A path as an Erlang string. */
static void erlang_string(const char *path, char *text, size_t room)
{
    size_t len = 0;
    for (; *path && len + 3 < room; path++) {
        if (*path == '"' || *path == '\\')
            text[len++] = '\\';
        text[len++] = *path;
    }
    text[len] = '\0';
}

static void check_nif(struct es_doctor *doctor)
{
    struct es_finding found = {.mend = "Build again with the Erlang that will run it: `make clean all`."};
    char ebin[PATH_MAX], nif[PATH_MAX], quoted[PATH_MAX], text[512], program[PATH_MAX + 256];
    if (es_place_ebin(ebin, sizeof ebin) < 0 || es_place_nif(nif, sizeof nif) < 0) {
        es_doctor_found(&found, "%s", es_error_text());
        es_error_clear();
        es_doctor_say(doctor, ES_HEALTH_FAIL, "agent", &found);
        return;
    }
    char *suffix = strstr(nif, ".so");
    if (suffix)
        *suffix = '\0';
    erlang_string(nif, quoted, sizeof quoted);
    snprintf(program, sizeof program, "io:format(\"~0p\", [elixirscope_nif:load(\"%s\")]), halt(0).", quoted);
    char *argv[] = {"erl", "-noshell", "-noinput", "-boot", "start_clean", "-pa", ebin, "-eval", program, NULL};
    int rc = run(argv, text, sizeof text);
    bool loads = rc == 0 && strcmp(text, "ok") == 0;
    if (loads)
        es_doctor_found(&found, "%s.so loads", nif);
    else
        es_doctor_found(&found, "%s.so does not load: %s", nif,
                        rc == 0 && text[0] ? text
                        : rc == -ETIMEDOUT ? "erl does not answer"
                                           : "erl fails");
    es_doctor_say(doctor, loads ? ES_HEALTH_OK : ES_HEALTH_FAIL, "agent", &found);
}

void es_doctor_vm(struct es_doctor *doctor)
{
    bool has_erlang = check_erlang(doctor);
    check_elixir(doctor);
    if (has_erlang)
        check_nif(doctor);
}
