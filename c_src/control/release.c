/* SPDX-License-Identifier: MIT */
/* Which boot script a release would use, and a copy of it that starts the agent.
 *
 * A boot script is {script, {Name, Vsn}, [Instruction]}. Behind {apply,{application,start_boot,[stdlib,permanent]}} the code server and the
 * evaluator are there and the applications are not: the place for one more {apply,_}. */
#include "control/release.h"

#include <ei.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "control/etf.h"

#define BOOT_MAX (64u << 20)

/* The parsed form of: case os:getenv("ELIXIRSCOPE_SESSION") of false -> ok; D -> try os:putenv("ELIXIRSCOPE_START", "boot"),
 * code:load_abs(D ++ "/ebin/elixirscope_agent"), elixirscope_agent:boot() catch _:_ -> ok end end */
#define CALL(module, function, arguments) \
    "{call,1,{remote,1,{atom,1," module "},{atom,1," function "}},[" arguments "]}"
#define TEXT(text) "{string,1,\"" text "\"}"
static const char instruction[] = "{apply,{erl_eval,exprs,[[{'case',1," CALL(
    "os", "getenv",
    TEXT(
        "ELIXIRSCOPE_SESSION")) ",["
                                "{clause,1,[{atom,1,false}],[],[{atom,1,ok}]},"
                                "{clause,1,[{var,1,'D'}],[],[{'try',1,[" CALL(
                                    "os", "putenv",
                                    TEXT("ELIXIRSCOPE_START") "," TEXT(
                                        "boot")) "," CALL("code", "load_abs",
                                                          "{op,1,'++',{var,1,'D'}," TEXT(
                                                              "/ebin/elixirscope_agent") "}") "," CALL("elixirscope_"
                                                                                                       "agent",
                                                                                                       "boot",
                                                                                                       "") "],[],"
                                                                                                           "[{clause,1,"
                                                                                                           "[{tuple,1,["
                                                                                                           "{var,1,'_'}"
                                                                                                           ",{var,1,'_'"
                                                                                                           "},{var,1,'_"
                                                                                                           "'}]}],[],[{"
                                                                                                           "atom,1,ok}]"
                                                                                                           "}],[]}]}]}]"
                                                                                                           ",[]]}}";

/* ---- finding ------------------------------------------------------------------------------------------------------- */

static bool starts_it(const char *word)
{
    static const char *const words[] = {"start", "start_iex", "daemon", "daemon_iex", "foreground", "console"};
    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Absolute path of the program a shell would run for `name`. */
static bool program_path(const char *name, char *ret_path)
{
    if (strchr(name, '/'))
        return realpath(name, ret_path) != NULL;
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        char joined[PATH_MAX];
        if (snprintf(joined, sizeof joined, "%.*s/%s", (int)len, path, name) < (int)sizeof joined &&
            access(joined, X_OK) == 0)
            return realpath(joined, ret_path) != NULL;
        path += len + (path[len] == ':');
    }
    return false;
}

/* Version of the release below `root`: what its start script would take. */
static bool version(const char *root, char ret_version[128])
{
    const char *wanted = getenv("RELEASE_VSN");
    if (wanted && *wanted && !strchr(wanted, '/'))
        return snprintf(ret_version, 128, "%s", wanted) < 128;
    char path[PATH_MAX + 32], erts[64];
    snprintf(path, sizeof path, "%s/releases/start_erl.data", root);
    FILE *file = fopen(path, "re");
    bool found = file && fscanf(file, "%63s %127s", erts, ret_version) == 2;
    if (file)
        fclose(file);
    return found && !strchr(ret_version, '/');
}

int es_release_boot(char *const *argv, char *ret_boot, size_t room)
{
    char program[PATH_MAX], vsn[128], boot[2 * PATH_MAX];
    if (!argv[0] || !starts_it(argv[1]) || !program_path(argv[0], program))
        return 0;
    char *name = strrchr(program, '/');
    *name++ = '\0';
    char *bin = strrchr(program, '/');
    if (!bin || strcmp(bin, "/bin") != 0)
        return 0;
    *bin = '\0';
    if (!version(program, vsn))
        return 0;
    const char *script = getenv("RELEASE_BOOT_SCRIPT");
    const char *const names[] = {script && *script && !strchr(script, '/') ? script : "start", name};
    for (size_t i = 0; i < 2; i++) {
        snprintf(boot, sizeof boot, "%s/releases/%s/%s.boot", program, vsn, names[i]);
        if (access(boot, R_OK) == 0)
            return snprintf(ret_boot, room, "%s", boot) < (int)room;
    }
    return 0;
}

/* ---- patching ------------------------------------------------------------------------------------------------------ */

static bool is_tuple(struct es_reader *r, uint32_t wanted)
{
    uint32_t arity;
    return es_etf_tuple(r, &arity) && arity == wanted;
}

/* {apply,{application,start_boot,[stdlib,_]}} */
static bool starts_stdlib(struct es_reader r)
{
    uint32_t n;
    return is_tuple(&r, 2) && es_etf_is_atom(&r, "apply") && is_tuple(&r, 3) && es_etf_is_atom(&r, "application") &&
           es_etf_is_atom(&r, "start_boot") && es_etf_list(&r, &n) && n >= 1 && es_etf_is_atom(&r, "stdlib");
}

/* Where the list of instructions begins, and where the new one goes. */
struct place {
    const uint8_t *list, *behind;
    uint32_t count;
};

static bool find_place(const uint8_t *script, size_t len, struct place *ret_place)
{
    struct es_reader r;
    es_reader_init(&r, script, len);
    if (!es_etf_version(&r) || !is_tuple(&r, 3) || !es_etf_is_atom(&r, "script") || es_term_skip(&r) < 0)
        return false;
    struct place place = {.list = r.at};
    if (!es_etf_list(&r, &place.count))
        return false;
    for (uint32_t i = 0; i < place.count; i++) {
        struct es_reader before = r;
        if (es_term_skip(&r) < 0)
            return false;
        before.end = r.at;
        if (!place.behind && starts_stdlib(before))
            place.behind = r.at;
    }
    *ret_place = place;
    return place.behind && es_term_skip(&r) == 0 && es_reader_left(&r) == 0;
}

int es_boot_patch(const uint8_t *script, size_t len, uint8_t **ret_script, size_t *ret_len)
{
    struct place place;
    if (!find_place(script, len, &place) || place.count == UINT32_MAX)
        return -EBADMSG;
    ei_x_buff more;
    if (ei_x_new(&more) < 0)
        return -ENOMEM;
    uint8_t *copy = ei_x_format_wo_ver(&more, instruction) < 0 ? NULL : malloc(len + (size_t)more.index);
    if (copy) {
        struct es_writer w;
        es_writer_init(&w, copy, len + (size_t)more.index);
        es_write_bytes(&w, script, (size_t)(place.list - script));
        es_write_list(&w, place.count + 1);
        const uint8_t *first = place.list + 5; /* LIST_EXT and its count, as es_write_list() writes it */
        es_write_bytes(&w, first, (size_t)(place.behind - first));
        es_write_bytes(&w, more.buff, (size_t)more.index);
        es_write_bytes(&w, place.behind, (size_t)(script + len - place.behind));
        *ret_script = copy;
        *ret_len = (size_t)(w.at - copy);
    }
    ei_x_free(&more);
    return copy ? 0 : -ENOMEM;
}

static int read_whole(const char *path, uint8_t **ret_bytes, size_t *ret_len)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    if (!file)
        return -errno;
    int rc = fstat(fileno(file), &st) < 0 ? -errno : st.st_size <= 0 || st.st_size > BOOT_MAX ? -EBADMSG : 0;
    uint8_t *bytes = rc == 0 ? malloc((size_t)st.st_size) : NULL;
    if (rc == 0 && !bytes)
        rc = -ENOMEM;
    if (rc == 0 && fread(bytes, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
        rc = -EIO;
    fclose(file);
    if (rc < 0) {
        free(bytes);
        return rc;
    }
    *ret_bytes = bytes;
    *ret_len = (size_t)st.st_size;
    return 0;
}

static int write_whole(const char *path, const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = 0;
    while (rc == 0 && len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0)
            rc = -errno;
        else {
            bytes += n;
            len -= (size_t)n;
        }
    }
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc < 0)
        unlink(path);
    return rc;
}

int es_release_patch(const char *boot, const char *out)
{
    uint8_t *script = NULL, *patched = NULL;
    size_t len = 0, patched_len = 0;
    int rc = read_whole(boot, &script, &len);
    if (rc < 0)
        return es_fail(rc, "the boot script %s cannot be read: %s", boot, strerror(-rc));
    rc = es_boot_patch(script, len, &patched, &patched_len);
    free(script);
    if (rc < 0)
        return es_fail(rc, "the boot script %s is not one that can be extended", boot);
    rc = write_whole(out, patched, patched_len);
    free(patched);
    return rc < 0 ? es_fail(rc, "%s cannot be written: %s", out, strerror(-rc)) : 0;
}
