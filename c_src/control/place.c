/* SPDX-License-Identifier: MIT */
/* Where the program's own parts are, and the copy of the shared object that a VM maps. */
#include "control/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"

#define NIF "elixirscope_nif.so"
#define ENTRY "elixirscope_agent"
#define BOOT "start.boot"

static int program_folder(char *ret_path, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", ret_path, room - 1);
    if (n <= 0)
        return -ENOENT;
    ret_path[n] = '\0';
    char *slash = strrchr(ret_path, '/');
    if (!slash)
        return -ENOENT;
    *slash = '\0';
    return 0;
}

static bool try_path(char *ret_path, size_t room, const char *base, const char *rest)
{
    char joined[PATH_MAX], *whole;
    if (snprintf(joined, sizeof joined, "%s/%s", base, rest) >= (int)sizeof joined)
        return false;
    whole = realpath(joined, NULL);
    if (!whole)
        return false;
    bool fits = snprintf(ret_path, room, "%s", whole) < (int)room;
    free(whole);
    return fits;
}

static int find(char *ret_path, size_t room, const char *rest)
{
    const char *home = getenv("ELIXIRSCOPE_HOME");
    if (home && *home) {
        if (try_path(ret_path, room, home, rest))
            return 0;
        return es_fail(-ENOENT, "%s is not in %s, where ELIXIRSCOPE_HOME says", rest, home);
    }
    char folder[PATH_MAX], installed[PATH_MAX];
    if (program_folder(folder, sizeof folder) == 0) {
        if (try_path(ret_path, room, folder, rest))
            return 0;
        if (snprintf(installed, sizeof installed, "%s/../lib/elixirscope", folder) < (int)sizeof installed &&
            try_path(ret_path, room, installed, rest))
            return 0;
    }
    es_hint("Build it with `make`, install it with `make install`, or set ELIXIRSCOPE_HOME to the folder that has "
            "ebin/ and priv/.");
    return es_fail(-ENOENT, "%s is neither beside the program nor in ../lib/elixirscope", rest);
}

int es_place_ebin(char *ret_path, size_t room)
{
    char beam[PATH_MAX];
    int rc = find(beam, sizeof beam, "ebin/" ENTRY ".beam");
    if (rc < 0)
        return rc;
    *strrchr(beam, '/') = '\0';
    return snprintf(ret_path, room, "%s", beam) < (int)room ? 0 : -ENAMETOOLONG;
}

int es_place_nif(char *ret_path, size_t room) { return find(ret_path, room, "priv/" NIF); }

/* Not one that comes and goes with the agent: woven code calls it for as long as there is any. */
#define PROBE "elixirscope_probe.beam"

static int entry_last(const void *a, const void *b)
{
    bool entry_a = strcmp(a, ENTRY) == 0, entry_b = strcmp(b, ENTRY) == 0;
    return entry_a != entry_b ? entry_a - entry_b : strcmp(a, b);
}

int es_place_modules(const char *ebin, char ret_names[ES_MODULES_MAX][ES_MODULE_NAME])
{
    DIR *list = opendir(ebin);
    const struct dirent *entry;
    int n = 0;
    while (list && n < ES_MODULES_MAX && (entry = readdir(list)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        size_t len = dot ? (size_t)(dot - entry->d_name) : 0;
        if (strncmp(entry->d_name, "elixirscope", 11) != 0 || !dot || strcmp(dot, ".beam") != 0 ||
            len >= ES_MODULE_NAME || strcmp(entry->d_name, PROBE) == 0)
            continue;
        memcpy(ret_names[n], entry->d_name, len);
        ret_names[n++][len] = '\0';
    }
    if (list)
        closedir(list);
    if (n == 0)
        return es_fail(-ENOENT, "there are no modules in %s", ebin);
    qsort(ret_names, (size_t)n, ES_MODULE_NAME, entry_last);
    return n;
}

/* ---- the copy ------------------------------------------------------------------------------------------------------ */

static int copy_bytes(int from, int to)
{
    char buf[65536];
    for (;;) {
        ssize_t n = read(from, buf, sizeof buf);
        if (n == 0)
            return 0;
        if (n < 0)
            return -errno;
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(to, buf + done, (size_t)(n - done));
            if (m < 0)
                return -errno;
            done += m;
        }
    }
}

static int copy_file(const char *from, const char *to, uid_t owner)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return es_fail(-errno, "%s cannot be read: %s", from, strerror(errno));
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
    int rc = out < 0 ? -errno : copy_bytes(in, out);
    if (rc == 0 && owner != (uid_t)-1 && owner != geteuid() && fchown(out, owner, (gid_t)-1) < 0)
        rc = -errno;
    if (out >= 0 && close(out) < 0 && rc == 0)
        rc = -errno;
    if (rc < 0 && out >= 0)
        unlink(to);
    close(in);
    return rc < 0 ? es_fail(rc, "%s cannot be written: %s", to, strerror(-rc)) : 0;
}

static bool forbids_executing(const char *folder)
{
    struct statvfs fs;
    return statvfs(folder, &fs) == 0 && (fs.f_flag & ST_NOEXEC);
}

/* Private folder outside of the session: its name holds the session's id, so that es_place_remove() finds it. */
static void outside(const struct es_session_dir *dir, char *ret_path, size_t room)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(ret_path, room, "%s/elixirscope-nif-%s", tmp && *tmp ? tmp : "/tmp", dir->id);
}

int es_place_nif_copy(const struct es_session_dir *dir, uid_t owner, char *ret_path, size_t room)
{
    char from[PATH_MAX], folder[PATH_MAX], to[PATH_MAX];
    int rc = es_place_nif(from, sizeof from);
    if (rc < 0)
        return rc;
    snprintf(folder, sizeof folder, "%s", dir->path);
    if (forbids_executing(folder)) {
        outside(dir, folder, sizeof folder);
        if (mkdir(folder, 0700) < 0 ||
            (owner != (uid_t)-1 && owner != geteuid() && chown(folder, owner, (gid_t)-1) < 0))
            return es_fail(-errno, "%s cannot be made: %s", folder, strerror(errno));
        if (forbids_executing(folder)) {
            rmdir(folder);
            es_hint("Set TMPDIR to a folder on a file system that is not mounted with noexec.");
            return es_fail(-EACCES, "neither %s nor %s may hold a shared object: both are mounted with noexec",
                           dir->path, folder);
        }
    }
    if (snprintf(to, sizeof to, "%s/" NIF, folder) >= (int)sizeof to || strlen(to) >= room)
        return -ENAMETOOLONG;
    rc = copy_file(from, to, owner);
    if (rc == 0)
        strcpy(ret_path, to);
    return rc;
}

int es_place_ebin_link(const struct es_session_dir *dir, const char *ebin)
{
    char link[PATH_MAX + 8];
    snprintf(link, sizeof link, "%s/ebin", dir->path);
    return symlink(ebin, link) < 0 ? es_fail(-errno, "%s cannot be made: %s", link, strerror(errno)) : 0;
}

void es_place_control_socket(const struct es_session_dir *dir, char ret_path[108])
{
    if (snprintf(ret_path, 108, "%s/control.sock", dir->path) >= 108)
        ret_path[0] = '\0';
}

void es_place_boot(const struct es_session_dir *dir, char *ret_path, size_t room)
{
    snprintf(ret_path, room, "%s/start", dir->path);
}

/* What a VM that booted from our script would miss in init:restart(): the script, and the text that says whose it is. */
static void remove_but_boot(const struct es_session_dir *dir)
{
    struct es_session_dir rest = *dir;
    if (dir->arena[0] == '/' && strncmp(dir->arena, "/proc/", 6) != 0)
        unlink(dir->arena);
    unlink(dir->socket);
    rest.arena[0] = '\0';
    rest.recorder = rest.engine = 0;
    es_session_dir_save(&rest);
}

void es_place_remove(const struct es_session_dir *dir)
{
    static const char *const ours[] = {"control.sock", "ebin", NIF, BOOT}; /* the boot script last */
    int at = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool boots =
        at >= 0 && dir->vm_start && es_process_start(dir->vm) == dir->vm_start && faccessat(at, BOOT, F_OK, 0) == 0;
    for (size_t i = 0; at >= 0 && i < sizeof ours / sizeof *ours - boots; i++)
        unlinkat(at, ours[i], 0);
    if (at >= 0)
        close(at);
    char folder[PATH_MAX], path[PATH_MAX + 32];
    outside(dir, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/" NIF, folder);
    unlink(path);
    rmdir(folder);
    if (boots)
        remove_but_boot(dir);
    else
        es_session_dir_remove(dir);
}
