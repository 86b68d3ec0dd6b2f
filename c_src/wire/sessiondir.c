/* SPDX-License-Identifier: MIT */
/* Making, saving, reading and removing session directories. They lie where everybody may write, so each step
 * goes through a descriptor of a directory that was checked: no link is followed below the base, nothing is
 * believed that another user could have put there. */
#include "wire/sessiondir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wire/arena.h"
#include "wire/arena_map.h"
#include "wire/session_bases.h"
#include "wire/session_text.h"

#define TEXT_NAME "session"
#define ARENA_NAME "arena"
#define SOCKET_NAME "agent.sock"

/* ---- directories that can be trusted --------------------------------------------------------------------- */

/* Opens the directory `name` below `at`: of `owner` ((uid_t)-1: of whoever it is), nobody else may look
 * in. */
static int open_private(int at, const char *name, uid_t owner)
{
    struct stat st;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        int rc = -errno;
        if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
            return -ELOOP;
        return rc;
    }
    if (fstat(fd, &st) < 0 || (owner != (uid_t)-1 && st.st_uid != owner) || (st.st_mode & 077) != 0) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

/* Makes it if it is not there, for `owner`. */
static int make_private(int at, const char *name, uid_t owner)
{
    if (mkdirat(at, name, 0700) < 0)
        return errno == EEXIST ? open_private(at, name, owner) : -errno;
    int fd = open_private(at, name, geteuid()); /* nobody else can have made it: then it would be theirs */
    if (fd < 0)
        return fd;
    if (fchmod(fd, 0700) < 0 || (owner != geteuid() && fchown(fd, owner, (gid_t)-1) < 0)) {
        int rc = -errno;
        unlinkat(at, name, AT_REMOVEDIR);
        close(fd);
        return rc;
    }
    return fd;
}

/* Descriptors of elixirscope-UID and of the session in it. */
struct opened {
    int user, session;
};
#define OPENED_NONE ((struct opened){-1, -1})

static void opened_close(struct opened *dirs)
{
    close(dirs->session);
    close(dirs->user);
}

static uid_t owner_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 ? (uid_t)-1 : st.st_uid;
}

/* Opens the directory `path`, which ends in elixirscope-UID/ID: of the caller, or for root of the user it is
 * named after. */
static int open_session(const char *path, struct opened *ret_dirs)
{
    char base[PATH_MAX];
    size_t len = strlen(path);
    const char *id = strrchr(path, '/');
    if (!id || id == path || len >= sizeof base)
        return -ENOENT;
    memcpy(base, path, len + 1);
    base[id - path] = '\0';
    char *user = strrchr(base, '/');
    uid_t uid;
    if (!user || user == base || !es_session_user(user + 1, &uid) || !es_session_id_is_sane(id + 1))
        return -ENOENT;
    if (geteuid() != 0 && uid != geteuid())
        return -EPERM;
    *user = '\0';
    int at = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -errno;
    struct opened dirs = OPENED_NONE;
    dirs.user = open_private(at, user + 1, uid);
    close(at);
    if (dirs.user < 0)
        return dirs.user;
    dirs.session = open_private(dirs.user, id + 1, uid);
    if (dirs.session < 0) {
        close(dirs.user);
        return dirs.session;
    }
    *ret_dirs = dirs;
    return 0;
}

/* ---- the text -------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* A new file beside the old one, then in its place. Its name has our process id: recorder and engine may both
 * write. */
static int replace_text(int dir, const char *text, size_t len)
{
    char name[32];
    snprintf(name, sizeof name, "." TEXT_NAME "-%d", getpid());
    unlinkat(dir, name, 0);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    uid_t owner = owner_of(dir);
    int rc = fchmod(fd, 0600) < 0 || (owner != geteuid() && fchown(fd, owner, (gid_t)-1) < 0) ? -errno : 0;
    if (rc == 0)
        rc = write_all(fd, text, len);
    close(fd);
    if (rc == 0 && renameat(dir, name, dir, TEXT_NAME) < 0)
        rc = -errno;
    if (rc < 0)
        unlinkat(dir, name, 0);
    return rc;
}

static int save_in(int dir, const struct es_session_dir *session)
{
    char *text = malloc(ES_SESSION_TEXT_MAX);
    if (!text)
        return -ENOMEM;
    int rc = replace_text(dir, text, es_session_text_print(session, text));
    free(text);
    return rc;
}

int es_session_dir_save(const struct es_session_dir *dir)
{
    struct opened dirs = OPENED_NONE;
    int rc = open_session(dir->path, &dirs);
    if (rc < 0)
        return rc;
    rc = save_in(dirs.session, dir);
    opened_close(&dirs);
    return rc;
}

static int read_text(int dir, char *text, size_t *ret_len)
{
    struct stat st;
    int fd = openat(dir, TEXT_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -EBADMSG : -errno;
    size_t len = 0;
    ssize_t n = 1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        n = -1;
    while (n > 0 && len < ES_SESSION_TEXT_MAX) {
        n = read(fd, text + len, ES_SESSION_TEXT_MAX - len);
        len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    *ret_len = len;
    return n < 0 || len == ES_SESSION_TEXT_MAX ? -EBADMSG : 0;
}

/* The arena is the file of that name in the directory, or a memfd of some process. */
static bool sane_arena(const struct es_session_dir *dir)
{
    size_t len = strlen(dir->path);
    if (dir->arena[0] == '\0')
        return true;
    if (strncmp(dir->arena, dir->path, len) == 0)
        return strcmp(dir->arena + len, "/" ARENA_NAME) == 0;
    return es_arena_is_proc_fd(dir->arena);
}

/* ---- one session ----------------------------------------------------------------------------------------- */

static int set_paths(struct es_session_dir *dir, const char *path)
{
    const char *id = strrchr(path, '/');
    size_t len = strlen(path);
    if (!id || len >= sizeof dir->path || strlen(id + 1) >= sizeof dir->id)
        return -ENAMETOOLONG;
    if (len + sizeof "/" SOCKET_NAME > sizeof dir->socket)
        return -ENAMETOOLONG;
    memcpy(dir->path, path, len + 1);
    strcpy(dir->id, id + 1);
    memcpy(dir->socket, path, len);
    strcpy(dir->socket + len, "/" SOCKET_NAME);
    return 0;
}

static int load_opened(int fd, struct es_session_dir *dir)
{
    char *text = malloc(ES_SESSION_TEXT_MAX);
    if (!text)
        return -ENOMEM;
    size_t len = 0;
    int rc = read_text(fd, text, &len);
    if (rc == 0)
        rc = es_session_text_parse(text, len, dir);
    free(text);
    return rc == 0 && !sane_arena(dir) ? -EBADMSG : rc;
}

int es_session_load_path(const char *path, struct es_session_dir *ret_dir)
{
    struct es_session_dir dir = {0};
    struct opened dirs = OPENED_NONE;
    int rc = set_paths(&dir, path);
    if (rc == 0)
        rc = open_session(path, &dirs);
    if (rc < 0)
        return rc;
    rc = load_opened(dirs.session, &dir);
    opened_close(&dirs);
    if (rc == 0)
        *ret_dir = dir;
    return rc;
}

/* Names the new session after the local time and the process, and finds one that is free. */
static int make_session(int user, const char *user_path, uid_t owner, struct es_session_dir *dir)
{
    time_t seconds = (time_t)(dir->created / 1000000000u);
    struct tm local;
    char stamp[20], path[PATH_MAX];
    if (!localtime_r(&seconds, &local))
        return -EOVERFLOW;
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
    for (int n = 1; n < 1000; n++) {
        int len = snprintf(path, sizeof path, n == 1 ? "%s/%s-%d" : "%s/%s-%d-%d", user_path, stamp, getpid(), n);
        if (len < 0 || (size_t)len >= sizeof path)
            return -ENAMETOOLONG;
        int rc = set_paths(dir, path);
        if (rc < 0)
            return rc;
        if (faccessat(user, dir->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        return make_private(user, dir->id, owner);
    }
    return -EEXIST;
}

static int create_in_user(int user, const char *user_path, uid_t owner, struct es_session_dir *dir)
{
    int session = make_session(user, user_path, owner, dir);
    if (session < 0)
        return session;
    int rc = save_in(session, dir); /* at once: a directory without an owner's name is nobody's */
    close(session);
    if (rc < 0)
        unlinkat(user, dir->id, AT_REMOVEDIR);
    return rc;
}

static int create_in_base(const char *base, uid_t owner, struct es_session_dir *dir)
{
    char user_path[PATH_MAX];
    int len = snprintf(user_path, sizeof user_path, "%s/" ES_SESSION_USER_PREFIX "%u", base, (unsigned)owner);
    if (len < 0 || (size_t)len >= sizeof user_path)
        return -ENAMETOOLONG;
    int at = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -errno;
    int rc = -ENOENT;
    for (int tries = 0; tries < 10 && rc == -ENOENT;
         tries++) { /* who removes the last session removes the user's directory too */
        int user = make_private(at, strrchr(user_path, '/') + 1, owner);
        rc = user < 0 ? user : create_in_user(user, user_path, owner, dir);
        if (user >= 0)
            close(user);
        if (rc < 0) /* leaves nothing behind; does nothing where others have sessions there */
            unlinkat(at, strrchr(user_path, '/') + 1, AT_REMOVEDIR);
    }
    close(at);
    return rc;
}

/* Reasons to look for another place; anything else is a danger or a defect, and said. */
static bool base_is_unusable(int rc)
{
    return rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES || rc == -EROFS || rc == -ENOSPC || rc == -ENAMETOOLONG;
}

int es_session_dir_create(uid_t owner, struct es_session_dir *ret_dir)
{
    struct es_session_dir dir = {.recorder = getpid(), .recorder_start = es_process_start(getpid())};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    dir.created = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    struct es_session_bases bases;
    es_session_bases(&bases);
    int rc = -ENOENT;
    for (size_t i = 0; i < bases.n && base_is_unusable(rc); i++)
        rc = create_in_base(bases.path[i], owner == (uid_t)-1 ? geteuid() : owner, &dir);
    if (rc == 0)
        *ret_dir = dir;
    return rc;
}

/* ---- removing -------------------------------------------------------------------------------------------- */

static void remove_drafts(int session)
{
    int fd = openat(session, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL)
        if (strncmp(entry->d_name, "." TEXT_NAME "-", sizeof TEXT_NAME + 1) == 0)
            unlinkat(session, entry->d_name, 0);
    closedir(stream);
}

int es_session_dir_remove(const struct es_session_dir *dir)
{
    struct opened dirs = OPENED_NONE;
    int rc = open_session(dir->path, &dirs);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    remove_drafts(dirs.session);
    static const char *const names[] = {ARENA_NAME, SOCKET_NAME,
                                        TEXT_NAME}; /* the text last: without it nobody finds the rest */
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof names[0]; i++)
        if (unlinkat(dirs.session, names[i], 0) < 0 && errno != ENOENT)
            rc = -errno;
    if (rc == 0 && unlinkat(dirs.user, dir->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
        rc = -errno;
    opened_close(&dirs);
    if (rc == 0) { /* and the user's directory, if this was the last one in it */
        char user_path[PATH_MAX];
        snprintf(user_path, sizeof user_path, "%.*s", (int)(strrchr(dir->path, '/') - dir->path), dir->path);
        rmdir(user_path);
    }
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static bool lives(int pid, uint64_t start)
{
    uint64_t now = es_process_start(pid);
    return now != 0 && (start == 0 || now == start);
}

static bool holds_events(const struct es_arena *arena)
{
    for (uint32_t i = 0; i < arena->n_rings; i++) {
        struct es_ring_head *head = arena->rings[i].head;
        if (atomic_load(&head->head) != atomic_load(&head->tail))
            return true;
    }
    return false;
}

enum es_session_life es_session_dir_life(const struct es_session_dir *dir)
{
    if (lives(dir->recorder, dir->recorder_start))
        return ES_SESSION_LIVE;
    if (lives(dir->vm, dir->vm_start) || lives(dir->engine, dir->engine_start))
        return ES_SESSION_ORPHANED;
    struct es_arena arena;
    int rc = dir->arena[0] ? es_arena_open(dir->arena, &arena) : -ENOENT;
    if (rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE)
        return ES_SESSION_ORPHANED; /* our own trouble: it may hold events */
    if (rc < 0)
        return ES_SESSION_STALE;
    bool undrained = holds_events(&arena);
    es_arena_close(&arena);
    return undrained ? ES_SESSION_ORPHANED : ES_SESSION_STALE;
}
