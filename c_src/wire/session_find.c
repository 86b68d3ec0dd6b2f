/* SPDX-License-Identifier: MIT */
/* Finding sessions: by name, or all of them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/session_bases.h"

void es_session_bases(struct es_session_bases *ret_bases)
{
    const char *only = getenv("ELIXIRSCOPE_SHM"), *runtime = getenv("XDG_RUNTIME_DIR");
    struct es_session_bases bases = {.n = 0};
    if (only && only[0] == '/') {
        bases.path[bases.n++] = only;
    } else {
        bases.path[bases.n++] = "/dev/shm";
        if (runtime && runtime[0] == '/')
            bases.path[bases.n++] = runtime;
        bases.path[bases.n++] = "/tmp";
    }
    *ret_bases = bases;
}

bool es_session_user(const char *name, uid_t *ret_uid)
{
    const size_t len = strlen(ES_SESSION_USER_PREFIX);
    if (strncmp(name, ES_SESSION_USER_PREFIX, len) != 0)
        return false;
    const char *digits = name + len;
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 10 || digits[n] || (digits[0] == '0' && n > 1))
        return false;
    unsigned long long uid = strtoull(digits, NULL, 10);
    if (uid >= UINT32_MAX)
        return false;
    *ret_uid = (uid_t)uid;
    return true;
}

bool es_session_id_is_sane(const char *id)
{
    size_t len = strlen(id);
    return len > 0 && len < ES_SESSION_ID_MAX && id[0] != '-' &&
           strspn(id, "0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

/* ---- walking --------------------------------------------------------------------------------------------- */

/* Calls `each` with the path of every entry of a directory until it returns non-zero. What can't be opened
 * has none. */
typedef int (*entry_callback)(const char *path, const char *name, void *context);

static int each_entry(const char *path, entry_callback each, void *context)
{
    DIR *stream = opendir(path);
    if (!stream)
        return errno == ENOMEM ? -ENOMEM : 0;
    char entry_path[PATH_MAX];
    const struct dirent *entry;
    int rc = 0;
    while (rc == 0 && (entry = readdir(stream)) != NULL) {
        int len = snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
        if (len > 0 && (size_t)len < sizeof entry_path)
            rc = each(entry_path, entry->d_name, context);
    }
    closedir(stream);
    return rc;
}

struct walk {
    const char *id; /* only this one; NULL: all */
    struct es_session_dir *found;
    size_t n, room;
    int malformed; /* why one that was looked for could not be read */
};

static int walk_add(struct walk *walk, const struct es_session_dir *dir)
{
    if (walk->n == walk->room) {
        size_t room = walk->room ? 2 * walk->room : 8;
        struct es_session_dir *found = realloc(walk->found, room * sizeof *found);
        if (!found)
            return -ENOMEM;
        walk->found = found;
        walk->room = room;
    }
    walk->found[walk->n++] = *dir;
    return 0;
}

static int visit_session(const char *path, const char *name, void *context)
{
    struct walk *walk = context;
    struct es_session_dir dir;
    if (!es_session_id_is_sane(name) || (walk->id && strcmp(walk->id, name) != 0))
        return 0;
    int rc = es_session_load_path(path, &dir);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0) { /* removed meanwhile, not ours, or broken: nothing to show */
        walk->malformed = rc;
        return 0;
    }
    return walk_add(walk, &dir);
}

static int visit_user(const char *path, const char *name, void *context)
{
    uid_t uid;
    if (!es_session_user(name, &uid) || (geteuid() != 0 && uid != geteuid()))
        return 0;
    return each_entry(path, visit_session, context);
}

static int walk_all(struct walk *walk)
{
    struct es_session_bases bases;
    es_session_bases(&bases);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < bases.n; i++)
        rc = each_entry(bases.path[i], visit_user, walk);
    return rc;
}

static int older_first(const void *a, const void *b)
{
    const struct es_session_dir *x = a, *y = b;
    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* ---- what is asked --------------------------------------------------------------------------------------- */

int es_session_dir_each(int (*each)(const struct es_session_dir *dir, void *context), void *context)
{
    struct walk walk = {0};
    int rc = walk_all(&walk);
    if (rc == 0 && walk.n > 0)
        qsort(walk.found, walk.n, sizeof *walk.found, older_first);
    for (size_t i = 0; rc == 0 && i < walk.n; i++)
        rc = each(&walk.found[i], context);
    free(walk.found);
    return rc;
}

/* As people write paths: from where they are, with a slash at the end. */
static int load_written(const char *written, struct es_session_dir *ret_dir)
{
    char here[PATH_MAX] = "", path[PATH_MAX];
    if (written[0] != '/' && !getcwd(here, sizeof here))
        return -errno;
    int len = snprintf(path, sizeof path, "%s%s%s", here, here[0] ? "/" : "", written);
    if (len < 0 || (size_t)len >= sizeof path)
        return -ENAMETOOLONG;
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    return es_session_load_path(path, ret_dir);
}

int es_session_dir_load(const char *id, struct es_session_dir *ret_dir)
{
    if (strchr(id, '/'))
        return load_written(id, ret_dir);
    struct walk walk = {.id = id};
    int rc = walk_all(&walk);
    if (rc == 0 && walk.n > 0)
        *ret_dir = walk.found[0];
    else if (rc == 0)
        rc = walk.malformed ? walk.malformed : -ENOENT;
    free(walk.found);
    return rc;
}
