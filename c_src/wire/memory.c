/* SPDX-License-Identifier: MIT */
/* How much memory may still be taken; see memory.h. */
#include "wire/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A control group file system: where it is, and what its files are called. */
struct hierarchy {
    const char *root, *limit, *usage, *reclaimable;
};
static const struct hierarchy version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};
static const struct hierarchy version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                           "total_inactive_file"};

/* The number behind `key` in a file of lines "key number", or the file's first number where `key` is NULL. */
static bool read_number(const char *path, const char *key, uint64_t *ret_number)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[256];
    bool found = false;
    size_t len = key ? strlen(key) : 0;
    while (!found && fgets(line, sizeof line, file)) {
        if (key && (strncmp(line, key, len) != 0 || !strchr(" :", line[len])))
            continue;
        found = sscanf(line + len + (key && line[len] == ':'), "%" SCNu64, ret_number) == 1;
        if (!key)
            break;
    }
    fclose(file);
    return found;
}

/* What one group leaves; pages of files it has cached can be dropped and count as free. */
static uint64_t group_available(const struct hierarchy *h, const char *group)
{
    char path[PATH_MAX];
    uint64_t limit, usage, reclaimable = 0;
    snprintf(path, sizeof path, "%s%s/%s", h->root, group, h->limit);
    if (!read_number(path, NULL, &limit))
        return UINT64_MAX; /* "max", or no such file */
    snprintf(path, sizeof path, "%s%s/%s", h->root, group, h->usage);
    if (!read_number(path, NULL, &usage))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s%s/memory.stat", h->root, group);
    read_number(path, h->reclaimable, &reclaimable);
    usage -= reclaimable < usage ? reclaimable : usage;
    return usage < limit ? limit - usage : 0;
}

/* The least of a group and all above it; a container may not see the path, but sees its own group as the
 * root. */
static uint64_t groups_available(const struct hierarchy *h, char *group)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t here = group_available(h, group);
        least = here < least ? here : least;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup: "0::/path" (version 2) or "9:memory:/path". */
static uint64_t own_groups_available(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    char line[PATH_MAX / 2];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        const struct hierarchy *h = NULL;
        if (controllers[1] == '\0')
            h = &version_2;
        else if (strstr(controllers, "memory"))
            h = &version_1;
        uint64_t here = h ? groups_available(h, strcmp(group, "/") == 0 ? group + 1 : group) : UINT64_MAX;
        least = here < least ? here : least;
    }
    fclose(file);
    return least;
}

uint64_t es_memory_available(void)
{
    uint64_t machine = UINT64_MAX, kib;
    if (read_number("/proc/meminfo", "MemAvailable", &kib))
        machine = kib * 1024;
    uint64_t groups = own_groups_available();
    return groups < machine ? groups : machine;
}
