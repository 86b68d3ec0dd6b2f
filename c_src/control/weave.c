/* SPDX-License-Identifier: MIT */
/* What is to be woven: names of depths and of modules. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "control/control.h"

#define NAME_MAX_BYTES 255

const char *const es_depth_names[ES_DEPTHS] = {"calls", "lines", "values"};

int es_depth_parse(const char *text, enum es_depth *ret_depth)
{
    for (int depth = 0; depth < ES_DEPTHS; depth++)
        if (strcmp(text, es_depth_names[depth]) == 0) {
            *ret_depth = (enum es_depth)depth;
            return 0;
        }
    es_hint("Depths: calls, lines, values; each includes the one before.");
    return es_fail(-EINVAL, "there is no depth called '%s'", text);
}

static int check(const char *name, bool yes_really)
{
    const char *star = strchr(name, '*');
    if (!*name || strlen(name) > NAME_MAX_BYTES)
        return es_fail(-EINVAL, "the name of a module has 1 to %d bytes", NAME_MAX_BYTES);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return es_fail(-EINVAL, "'%s' is not the name of a module", name);
    if (star && star[1])
        return es_fail(-EINVAL, "weaving %s: a '*' stands at the end of a module's name only", name);
    if (star == name && !yes_really) {
        es_hint("Name a module or a prefix such as MyApp.*; --yes-really weaves all that can be woven.");
        return es_fail(-EPERM, "'*' would weave every module of the node");
    }
    return 0;
}

int es_weave_check(const struct es_weave *weave, bool yes_really)
{
    int rc = 0;
    for (size_t i = 0; i < weave->n && rc == 0; i++)
        rc = check(weave->modules[i], yes_really);
    return rc;
}
