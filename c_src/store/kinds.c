/* SPDX-License-Identifier: MIT */
/* The table of kinds as text; see kinds.h. */
#include "store/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

void es_kinds_write(char text[ES_KINDS_TEXT])
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        const struct es_kind_info *info = &es_kind_table[kind];
        if (info->family != ES_FAM_INTERNAL)
            len += (size_t)snprintf(text + len, ES_KINDS_TEXT - len, "%s%u:%.30s:%x", len ? " " : "", kind, info->name,
                                    info->fields);
    }
}

int es_kinds_check(const char *text)
{
    for (const char *at = text; *at;) {
        unsigned kind, fields;
        char name[32];
        int n = 0;
        if (sscanf(at, "%u:%31[^:]:%x%n", &kind, name, &fields, &n) != 3)
            return es_fail(-EBADMSG, "its table of kinds is malformed");
        if (kind >= ES_KIND_MAX || es_kind_table[kind].family == ES_FAM_INTERNAL ||
            strcmp(es_kind_table[kind].name, name) != 0 || es_kind_table[kind].fields != fields) {
            es_hint("open it with the elixirscope that made it, or a newer one");
            return es_fail(-EPROTONOSUPPORT, "it has events of kind %u, \"%s\", which this program does not know", kind,
                           name);
        }
        at += n;
        at += strspn(at, " ");
    }
    return 0;
}
