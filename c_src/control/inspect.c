/* SPDX-License-Identifier: MIT */
/* Whether a running node can be recorded from here: the shared memory needs the same machine, the shared object the same architecture, and both
 * a path that the node's user reaches. */
#include <ei.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "control/etf.h"
#include "control/inject.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Calls with a list of arguments given as text. */
static int ask(struct es_cnode *node, const char *const function[2], const char *arguments,
               struct es_reader *ret_result)
{
    ei_x_buff x;
    ei_x_new(&x);
    ei_x_format_wo_ver(&x, arguments);
    struct es_call one = {.module = function[0], .function = function[1], .arguments = x.buff, .len = (size_t)x.index};
    int rc = es_cnode_call(node, &one, ret_result);
    ei_x_free(&x);
    return rc;
}

/* The bytes in {ok, Binary} of a function of module file with a path; "" where it answered something else. */
static int ask_file(struct es_cnode *node, const char *function, const char *path, struct es_reader *ret_result)
{
    ei_x_buff x;
    ei_x_new(&x);
    ei_x_encode_list_header(&x, 1);
    ei_x_encode_binary(&x, path, (int)strlen(path));
    ei_x_encode_empty_list(&x);
    struct es_call one = {.module = "file", .function = function, .arguments = x.buff, .len = (size_t)x.index};
    int rc = es_cnode_call(node, &one, ret_result);
    ei_x_free(&x);
    return rc;
}

static bool is_ok(struct es_reader *r)
{
    uint32_t arity;
    return es_etf_tuple(r, &arity) && arity == 2 && es_etf_is_atom(r, "ok");
}

static int same_machine(struct es_cnode *node)
{
    struct es_reader r;
    char theirs[64], ours[64] = "";
    int rc = ask_file(node, "read_file", BOOT_ID, &r);
    if (rc < 0)
        return rc;
    FILE *file = fopen(BOOT_ID, "re");
    bool known = file && fgets(ours, sizeof ours, file);
    if (file)
        fclose(file);
    if (!known || !is_ok(&r) || !es_etf_text(&r, theirs, sizeof theirs) || strcmp(theirs, ours) == 0)
        return 0;
    es_hint(
        "Run `elixirscope attach` on that machine: events travel through its shared memory, never over the network.");
    return es_fail(-EREMOTE, "%s runs on another machine", es_cnode_name(node));
}

static int same_architecture(struct es_cnode *node, const struct es_node_facts *facts)
{
    struct utsname us;
    size_t len = strcspn(facts->system, "-");
    if (uname(&us) < 0 || strncmp(us.machine, facts->system, len) == 0 ||
        (strcmp(us.machine, "x86_64") == 0 && strncmp(facts->system, "amd64", 5) == 0))
        return 0;
    es_hint("Use an elixirscope that was built for %.*s.", (int)len, facts->system);
    return es_fail(-ENOEXEC, "%s is built for %s, this program for %s", es_cnode_name(node), facts->system, us.machine);
}

/* The user the VM runs as: the effective one in "Uid:\treal\teffective…". */
static int user_of(struct es_cnode *node, uid_t *ret_uid)
{
    struct es_reader r;
    char status[4096];
    unsigned real, effective;
    int rc = ask_file(node, "read_file", "/proc/self/status", &r);
    if (rc < 0)
        return rc;
    const char *line = is_ok(&r) && es_etf_text(&r, status, sizeof status) ? strstr(status, "\nUid:") : NULL;
    *ret_uid = line && sscanf(line, "\nUid: %u %u", &real, &effective) == 2 ? (uid_t)effective : geteuid();
    return 0;
}

static int may_reach(struct es_cnode *node, uid_t uid)
{
    if (uid == geteuid() || geteuid() == 0)
        return 0;
    const struct passwd *them = getpwuid(uid);
    char name[64];
    snprintf(name, sizeof name, "%s", them ? them->pw_name : "");
    es_hint("Run it as that user (sudo -u %s elixirscope attach …) or as root.", name[0] ? name : "USER");
    return es_fail(-EPERM, "%s runs as user %s (%u), and you are %u", es_cnode_name(node), name[0] ? name : "?",
                   (unsigned)uid, (unsigned)geteuid());
}

struct search {
    int64_t os_pid;
    struct es_session_dir found;
    bool is_found;
};

static int look(const struct es_session_dir *dir, void *context)
{
    struct search *search = context;
    if (dir->vm != search->os_pid || dir->vm_start != es_process_start(dir->vm) ||
        es_session_dir_life(dir) != ES_SESSION_LIVE)
        return 0;
    search->found = *dir;
    search->is_found = true;
    return 1;
}

/* A session that we cannot see, of another user or folder, shows by its agent alone. */
static int has_no_agent(struct es_cnode *node)
{
    static const char *const whereis[] = {"erlang", "whereis"};
    struct es_reader r;
    int rc = ask(node, whereis, "[elixirscope_agent]", &r);
    if (rc < 0 || es_etf_is_atom(&r, "undefined"))
        return rc;
    return es_fail(-EBUSY, "%s is being recorded already, by a session of somebody else", es_cnode_name(node));
}

static int not_taken(struct es_cnode *node, int64_t os_pid)
{
    struct search search = {.os_pid = os_pid};
    if (es_session_dir_each(look, &search) < 0 || !search.is_found)
        return has_no_agent(node);
    es_hint("Stop that recorder first (process %d), or read along: elixirscope events --follow %s",
            search.found.recorder, search.found.recording);
    return es_fail(-EBUSY, "%s is being recorded already, by session %s into %s", es_cnode_name(node), search.found.id,
                   search.found.recording);
}

int es_inject_inspect(struct es_cnode *node, struct es_node_facts *ret_facts)
{
    static const char *const getpid_function[] = {"os", "getpid"}, *const system_info[] = {"erlang", "system_info"};
    struct es_node_facts facts = {0};
    struct es_reader r;
    char text[32] = "";
    int rc = ask(node, getpid_function, "[]", &r);
    if (rc == 0 && es_etf_text(&r, text, sizeof text))
        facts.os_pid = strtoll(text, NULL, 10);
    if (rc == 0 && (rc = ask(node, system_info, "[otp_release]", &r)) == 0)
        es_etf_text(&r, facts.otp, sizeof facts.otp);
    if (rc == 0 && (rc = ask(node, system_info, "[system_architecture]", &r)) == 0)
        es_etf_text(&r, facts.system, sizeof facts.system);
    if (rc == 0)
        rc = same_machine(node);
    if (rc == 0)
        rc = same_architecture(node, &facts);
    if (rc == 0)
        rc = user_of(node, &facts.uid);
    if (rc == 0)
        rc = may_reach(node, facts.uid);
    if (rc == 0)
        rc = not_taken(node, facts.os_pid);
    if (rc == 0)
        *ret_facts = facts;
    return rc;
}

int es_inject_reachable(struct es_cnode *node, const char *path)
{
    struct es_reader r;
    int rc = ask_file(node, "read_file_info", path, &r);
    if (rc < 0 || is_ok(&r))
        return rc;
    es_hint("A node in a container is recorded by running elixirscope inside of that container.");
    return es_fail(-ENOENT, "%s does not see %s: it runs in another container, or its user may not read it",
                   es_cnode_name(node), path);
}
