/* SPDX-License-Identifier: MIT */
/* Names of levels, and the small language of --trace. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "control/control.h"

const char *const es_level_names[ES_LEVEL_MAX] = {"off", "minimal", "states_only", "messages_only", "balanced", "full"};
const char *const es_spec_kind_names[ES_SPEC_KINDS] = {"messages", "processes", "scheduling", "gc",  "calls",
                                                       "returns",  "states",    "pid",        "name"};

static int refuse(const char *text, const char *why)
{
    es_hint("A SPEC is one of: messages, processes, scheduling, gc, calls:MODULE[.FUNCTION[/ARITY]], "
            "returns:MODULE.FUNCTION/ARITY, "
            "states:MODULE, pid:<0.123.0>, name:NAME. MODULE may end with '*'. Examples: calls:MyApp.Cart.add/2, "
            "calls:my_mod:run, "
            "states:MyApp.*, name:shop_cart.");
    return es_fail(-EINVAL, "--trace %s: %s", text, why);
}

int es_level_parse(const char *text, enum es_level *ret_level)
{
    for (int level = 0; level < ES_LEVEL_MAX; level++)
        if (strcmp(text, es_level_names[level]) == 0) {
            *ret_level = (enum es_level)level;
            return 0;
        }
    es_hint("Levels: minimal, states_only, messages_only, balanced, full.");
    return es_fail(-EINVAL, "there is no level called '%s'", text);
}

/* Copies [from, to) without the quotes of a quoted atom. False where it is empty or too long. */
static bool part(char *ret, size_t room, const char *from, const char *to)
{
    if (to - from >= 2 && *from == '\'' && to[-1] == '\'') {
        from++;
        to--;
    }
    size_t len = (size_t)(to - from);
    if (len == 0 || len >= room)
        return false;
    memcpy(ret, from, len);
    ret[len] = '\0';
    return true;
}

/* The '/' in front of the arity, or NULL. Operators of Elixir may be called '/': digits must follow. */
static const char *arity_mark(const char *text)
{
    const char *slash = strrchr(text, '/');
    if (!slash || !isdigit((unsigned char)slash[1]))
        return NULL;
    for (const char *p = slash + 1; *p; p++)
        if (!isdigit((unsigned char)*p))
            return NULL;
    return slash;
}

/* Where module and function part: an Erlang ':', else the last '.' that lower case or a quote follows. NULL: it is all module. */
static const char *function_mark(const char *text, const char *end)
{
    const char *found = NULL;
    bool quoted = false;
    for (const char *p = text; p < end; p++) {
        if (*p == '\'' || *p == '"')
            quoted = !quoted;
        if (quoted || p == text)
            continue;
        if (*p == ':')
            return p;
        if (*p == '.' && p + 1 < end && (islower((unsigned char)p[1]) || strchr("_'\"", p[1])))
            found = p;
        if (*p == '.' && p + 2 == end && p[1] == '*')
            found = NULL; /* "MyApp.*" is a prefix of modules */
    }
    return found;
}

static int parse_function(const char *text, const char *rest, struct es_spec *spec)
{
    const char *end = arity_mark(rest);
    spec->arity = -1;
    if (end) {
        long arity = strtol(end + 1, NULL, 10);
        if (arity > 255)
            return refuse(text, "no function has more than 255 arguments");
        spec->arity = (int)arity;
    } else {
        end = rest + strlen(rest);
    }
    const char *mark = function_mark(rest, end);
    if (mark == rest + 1 && rest[0] == '*')
        strcpy(spec->module, "*");
    else if (!part(spec->module, sizeof spec->module, *rest == ':' ? rest + 1 : rest, mark ? mark : end))
        return refuse(text, "the module is missing or too long");
    strcpy(spec->function, "*");
    if (mark && !part(spec->function, sizeof spec->function, mark + 1, end))
        return refuse(text, "the function is missing or too long");
    if (!mark && spec->arity >= 0)
        return refuse(text, "an arity needs a function in front of it");
    return 0;
}

static bool every(const char *name) { return strcmp(name, "*") == 0; }

static int check_function(const char *text, bool yes_really, const struct es_spec *spec)
{
    if (spec->kind == ES_SPEC_STATES && !every(spec->function))
        return refuse(text, "states are those of a module's processes, without a function");
    const char *star = strchr(spec->module, '*');
    if (star && star[1])
        return refuse(text, "a '*' stands at the end of a module's name only");
    star = strchr(spec->function, '*');
    if (star && !every(spec->function) && strlen(spec->function) > 3) /* the operators * and ** are names */
        return refuse(text, "a function is named whole, or '*' for all");
    if (spec->kind == ES_SPEC_RETURNS && (strchr(spec->module, '*') || every(spec->function))) {
        es_hint("A traced return keeps a frame for every open call, so functions are named one by one, and loops are "
                "not for it.");
        return es_fail(-EINVAL, "--trace %s: returns need a module and a function", text);
    }
    if (spec->kind == ES_SPEC_CALLS && every(spec->module) && !yes_really) {
        es_hint("Name a module or a prefix such as calls:MyApp.*; --yes-really traces every call of every module all "
                "the same.");
        return es_fail(
            -EPERM, "--trace %s would trace calls of every module, which makes a busy node several times slower", text);
    }
    return 0;
}

static int parse_text(const char *text, const char *rest, struct es_spec *spec)
{
    if (!*rest || strlen(rest) >= sizeof spec->text)
        return refuse(text, "a process is missing behind the ':'");
    if (spec->kind == ES_SPEC_NAME)
        return part(spec->text, sizeof spec->text, rest, rest + strlen(rest)) ? 0 : refuse(text, "the name is empty");
    unsigned a, b, c;
    int used = 0;
    if (strncmp(rest, "#PID", 4) == 0)
        rest += 4;
    bool bracket = *rest == '<';
    if (sscanf(rest + bracket, "%9u.%9u.%9u%n", &a, &b, &c, &used) != 3 ||
        strcmp(rest + bracket + used, bracket ? ">" : "") != 0)
        return refuse(text, "a pid looks like <0.123.0>");
    snprintf(spec->text, sizeof spec->text, "<%u.%u.%u>", a, b, c);
    return 0;
}

int es_spec_parse(const char *text, bool yes_really, struct es_spec *ret_spec)
{
    struct es_spec spec = {.arity = -1};
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    int kind = 0;
    while (kind < ES_SPEC_KINDS &&
           (strlen(es_spec_kind_names[kind]) != len || strncmp(text, es_spec_kind_names[kind], len) != 0))
        kind++;
    if (kind == ES_SPEC_KINDS)
        return refuse(text, "there is no such thing to trace");
    spec.kind = (enum es_spec_kind)kind;
    if (spec.kind <= ES_SPEC_GC) {
        if (colon)
            return refuse(text, "nothing may follow it");
    } else if (!colon) {
        return refuse(text, "a ':' and a name must follow");
    } else {
        bool process = spec.kind == ES_SPEC_PID || spec.kind == ES_SPEC_NAME;
        int rc = process ? parse_text(text, colon + 1, &spec) : parse_function(text, colon + 1, &spec);
        if (rc == 0 && !process)
            rc = check_function(text, yes_really, &spec);
        if (rc < 0)
            return rc;
    }
    *ret_spec = spec;
    return 0;
}
