/* SPDX-License-Identifier: MIT */
/* `elixirscope doctor`: what works on this machine, and how to mend what does not. Checks of the Erlang installation: doctor_vm.c. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "control/epmd.h"
#include "control/place.h"
#include "wire/arena.h"
#include "wire/clock.h"
#include "wire/memory.h"
#include "wire/sessiondir.h"

#define SHM_WANTED (UINT64_C(256) << 20)
#define DISK_WANTED (UINT64_C(1) << 30)

static const char help[] =
    "elixirscope doctor - what works on this machine, and how to mend what does not\n"
    "\n"
    "Usage: elixirscope doctor [--json]\n"
    "\n"
    "One line a check: ok, warn (it works, with a limit) or fail (recording will not work). Changes nothing.\n"
    "\n"
    "Options:\n"
    "  --json               a JSON object with all checks\n"
    "  --help               this text\n"
    "\n"
    "Examples:\n"
    "  elixirscope doctor\n"
    "\n"
    "Exit codes:\n"
    "  0 recording works, 1 something essential fails, 2 wrong usage\n";

/* ---- reporting ----------------------------------------------------------------------------------------------------- */

struct es_doctor {
    json_t *checks; /* NULL: text */
    bool failed;
};

void es_doctor_say(struct es_doctor *doctor, enum es_health health, const char *name, const struct es_finding *finding)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    static const enum es_style styles[] = {ES_STYLE_GREEN, ES_STYLE_YELLOW, ES_STYLE_RED};
    doctor->failed |= health == ES_HEALTH_FAIL;
    const char *mend = health == ES_HEALTH_OK || !finding->mend ? "" : finding->mend;
    if (doctor->checks) {
        json_array_append_new(doctor->checks, json_pack("{s:s, s:s, s:s, s:s*}", "check", name, "health", words[health],
                                                        "found", finding->text, "mend", mend[0] ? mend : NULL));
        return;
    }
    printf("%s%-4s%s  %-14s %s\n", es_cli_style(stdout, styles[health]), words[health],
           es_cli_style(stdout, ES_STYLE_NONE), name, finding->text);
    if (mend[0])
        printf("%22s%s\n", "", mend);
}

void es_doctor_found(struct es_finding *finding, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static void check_shm(struct es_doctor *doctor)
{
    const char *only = getenv("ELIXIRSCOPE_SHM"), *path = only && only[0] == '/' ? only : "/dev/shm";
    struct es_finding found = {.mend = "In a container give it more: docker run --shm-size=1g. Until then anonymous "
                                       "memory is used, where a killed recorder "
                                       "and engine lose what was not written yet."};
    struct statvfs fs;
    struct es_cli_buf size, room;
    if (statvfs(path, &fs) < 0 || access(path, W_OK | X_OK) < 0) {
        es_doctor_found(&found, "%s: %s", path, strerror(errno));
        es_doctor_say(doctor, ES_HEALTH_WARN, "shared memory", &found);
        return;
    }
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    es_doctor_found(&found, "%s has %s free of %s%s", path, es_cli_bytes(free_bytes, &room),
                    es_cli_bytes((uint64_t)fs.f_blocks * fs.f_frsize, &size),
                    fs.f_flag & ST_NOEXEC ? ", mounted noexec: the shared object is put below /tmp" : "");
    es_doctor_say(doctor, free_bytes >= SHM_WANTED || fs.f_blocks == 0 ? ES_HEALTH_OK : ES_HEALTH_WARN, "shared memory",
                  &found);
}

/* Whether another process of this user reaches an anonymous file, as a VM would. */
static bool memfd_is_shared(int fd)
{
    char path[64];
    int status = 1;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int other = open(path, O_RDWR | O_CLOEXEC);
        _exit(other < 0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void check_memfd(struct es_doctor *doctor)
{
    struct es_finding found = {
        .mend = "It is the fallback where /dev/shm is small or missing; allow memfd_create(2) and /proc/PID/fd."};
    int fd = memfd_create("elixirscope-doctor", MFD_CLOEXEC);
    bool shared = fd >= 0 && memfd_is_shared(fd);
    es_doctor_found(&found, "%s",
                    fd < 0   ? strerror(errno)
                    : shared ? "works, and other processes reach it"
                             : "works, but other processes do not reach it");
    if (fd >= 0)
        close(fd);
    es_doctor_say(doctor, shared ? ES_HEALTH_OK : ES_HEALTH_WARN, "memfd", &found);
}

static int try_arena(const char *path, struct es_arena *ret_arena)
{
    struct es_arena_plan plan = {
        .schedulers = 1, .others = 1, .scheduler_bytes = ES_RING_MIN, .other_bytes = ES_RING_MIN, .owner = (uid_t)-1};
    return es_arena_create(path, &plan, ret_arena);
}

/* What a recording begins with, done for real. */
static void check_session(struct es_doctor *doctor)
{
    struct es_finding found = {
        .mend = "Set ELIXIRSCOPE_SHM to a folder on tmpfs that only you may write, and see the lines above."};
    struct es_session_dir dir;
    struct es_arena arena;
    char path[PATH_MAX + 8];
    int rc = es_session_dir_create((uid_t)-1, &dir);
    if (rc < 0) {
        es_doctor_found(&found, "no session can be made: %s", strerror(-rc));
        es_doctor_say(doctor, ES_HEALTH_FAIL, "session", &found);
        return;
    }
    snprintf(path, sizeof path, "%s/arena", dir.path);
    rc = try_arena(path, &arena);
    if (rc < 0)
        es_doctor_found(&found, "rings cannot be made in %s: %s", dir.path, strerror(-rc));
    else
        es_doctor_found(&found, "rings can be made (%s)", arena.memfd ? "in anonymous memory" : dir.path);
    if (rc == 0)
        es_arena_close(&arena);
    es_session_dir_remove(&dir);
    es_doctor_say(doctor, rc < 0 ? ES_HEALTH_FAIL : ES_HEALTH_OK, "session", &found);
}

static void check_memory(struct es_doctor *doctor)
{
    struct es_finding found = {
        .mend =
            "Rings take 16 to 64 MiB a scheduler and count against a container's memory: use a smaller --ring-size."};
    struct es_cli_buf buf;
    uint64_t bytes = es_memory_available();
    if (bytes == UINT64_MAX)
        es_doctor_found(&found, "no limit is known");
    else
        es_doctor_found(&found, "%s available", es_cli_bytes(bytes, &buf));
    es_doctor_say(doctor, bytes >= SHM_WANTED ? ES_HEALTH_OK : ES_HEALTH_WARN, "memory", &found);
}

/* ---- the rest of the machine --------------------------------------------------------------------------------------- */

static void check_clock(struct es_doctor *doctor)
{
    struct es_finding found = {.mend = "Events are stamped by the operating system's clock instead, which costs some "
                                       "more time each. Nothing has to be done."};
    bool counter = es_clock_detect() == ES_CLOCK_COUNTER;
    if (counter)
        es_doctor_found(&found, "invariant cycle counter, %.3f GHz", (double)es_clock_rate(ES_CLOCK_COUNTER) / 1e9);
    else
        es_doctor_found(&found, "no invariant cycle counter");
    es_doctor_say(doctor, counter ? ES_HEALTH_OK : ES_HEALTH_WARN, "clock", &found);
}

static void check_disk(struct es_doctor *doctor)
{
    struct es_finding found = {.mend =
                                   "Recordings are written here unless -o says otherwise; --limit size=… bounds them."};
    struct statvfs fs;
    struct es_cli_buf buf;
    if (statvfs(".", &fs) < 0 || access(".", W_OK) < 0) {
        es_doctor_found(&found, "this folder cannot be written: %s", strerror(errno));
        es_doctor_say(doctor, ES_HEALTH_WARN, "disk", &found);
        return;
    }
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    es_doctor_found(&found, "%s free in this folder", es_cli_bytes(room, &buf));
    es_doctor_say(doctor, room >= DISK_WANTED ? ES_HEALTH_OK : ES_HEALTH_WARN, "disk", &found);
}

static void check_limits(struct es_doctor *doctor)
{
    struct es_finding found = {.mend = "Raise them with ulimit -n 1024, ulimit -f unlimited, ulimit -v unlimited."};
    struct rlimit files, size, space;
    struct es_cli_buf a, b;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_FSIZE, &size) < 0 || getrlimit(RLIMIT_AS, &space) < 0)
        return;
    es_doctor_found(&found, "%llu open files, file size %s, address space %s", (unsigned long long)files.rlim_cur,
                    size.rlim_cur == RLIM_INFINITY ? "unlimited" : es_cli_bytes(size.rlim_cur, &a),
                    space.rlim_cur == RLIM_INFINITY ? "unlimited" : es_cli_bytes(space.rlim_cur, &b));
    bool enough = files.rlim_cur >= 256 && size.rlim_cur >= DISK_WANTED && space.rlim_cur >= SHM_WANTED * 8;
    es_doctor_say(doctor, enough ? ES_HEALTH_OK : ES_HEALTH_WARN, "limits", &found);
}

static void check_yama(struct es_doctor *doctor)
{
    struct es_finding found = {0};
    char value[16] = "";
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file && !fgets(value, sizeof value, file))
        value[0] = '\0';
    if (file)
        fclose(file);
    value[strcspn(value, "\n")] = '\0';
    if (value[0])
        es_doctor_found(&found, "kernel.yama.ptrace_scope is %s: not in the way, recording does not use ptrace", value);
    else
        es_doctor_found(&found, "no restriction by kernel.yama");
    es_doctor_say(doctor, ES_HEALTH_OK, "yama", &found);
}

static void check_epmd(struct es_doctor *doctor)
{
    struct es_finding found = {
        .mend = "`attach` needs it: check ERL_EPMD_PORT and the firewall of the loopback interface."};
    struct in_addr here = {.s_addr = htonl(INADDR_LOOPBACK)};
    char names[384];
    int rc = es_epmd_names(here, names, sizeof names);
    if (rc == -ECONNREFUSED)
        es_doctor_found(&found, "not running; the first named node starts it");
    else if (rc < 0)
        es_doctor_found(&found, "port %d: %s", es_epmd_port(), strerror(-rc));
    else
        es_doctor_found(&found, "port %d, nodes: %s", es_epmd_port(), names[0] ? names : "none");
    es_doctor_say(doctor, rc == 0 || rc == -ECONNREFUSED ? ES_HEALTH_OK : ES_HEALTH_WARN, "epmd", &found);
}

/* ---- sessions ------------------------------------------------------------------------------------------------------ */

static int show_session(const struct es_session_dir *dir, void *context)
{
    struct es_doctor *doctor = context;
    struct es_finding found = {.mend = "`elixirscope recover` finishes it; so does the next record or attach."};
    enum es_session_life life = es_session_dir_life(dir);
    static const char *const words[] = {
        [ES_SESSION_LIVE] = "live", [ES_SESSION_ORPHANED] = "its recorder died", [ES_SESSION_STALE] = "a leftover"};
    if (life != ES_SESSION_LIVE && !dir->arena[0] && es_process_start(dir->vm) == dir->vm_start && dir->vm_start) {
        es_doctor_found(&found, "%s: finished; it holds the boot script of process %d", dir->id, dir->vm);
        es_doctor_say(doctor, ES_HEALTH_OK, "session", &found);
        return 0;
    }
    es_doctor_found(&found, "%s: %s%s%s, recorder %d, %s", dir->id, words[life], dir->node[0] ? ", node " : "",
                    dir->node, dir->recorder, dir->recording);
    es_doctor_say(doctor, life == ES_SESSION_LIVE ? ES_HEALTH_OK : ES_HEALTH_WARN, "session", &found);
    return 0;
}

int es_cmd_doctor(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, ES_OPT_JSON}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct es_doctor doctor = {0};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return es_cli_help(help);
        if (option != ES_OPT_JSON)
            return es_cli_usage("doctor", "wrong option");
        if (!doctor.checks)
            doctor.checks = json_array();
    }
    if (optind < argc)
        return es_cli_usage("doctor", "it takes no arguments");
    es_doctor_vm(&doctor);
    check_shm(&doctor);
    check_memfd(&doctor);
    check_memory(&doctor);
    check_session(&doctor);
    check_clock(&doctor);
    check_disk(&doctor);
    check_limits(&doctor);
    check_yama(&doctor);
    check_epmd(&doctor);
    es_session_dir_each(show_session, &doctor);
    if (doctor.checks) {
        json_t *whole = json_pack("{s:b, s:o}", "works", !doctor.failed, "checks", doctor.checks);
        json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(whole);
    }
    return es_cli_finish("doctor", doctor.failed ? ES_EXIT_FAILURE : ES_EXIT_OK);
}
