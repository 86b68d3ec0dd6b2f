/* SPDX-License-Identifier: MIT */
/* Reading frames; see dbgfile.h. */
#include "engine/dbgfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

/* ---- wrapped sets -------------------------------------------------------------------------------------------------- */

/* A name in three parts: what is before the counter, the counter, what is behind. */
struct pattern {
    const char *name;
    size_t before, digits;
};

static bool counter_of(const struct pattern *pattern, const char *name, uint32_t *ret_counter)
{
    const char *behind = pattern->name + pattern->before + pattern->digits;
    size_t len = strlen(name), tail = strlen(behind);
    if (len <= pattern->before + tail || len - pattern->before - tail > 6 ||
        memcmp(name, pattern->name, pattern->before) != 0 || strcmp(name + len - tail, behind) != 0)
        return false;
    uint32_t counter = 0;
    if (name[pattern->before] == '0' && len - tail > pattern->before + 1)
        return false; /* dbg writes plain numbers */
    for (size_t i = pattern->before; i < len - tail; i++) {
        if (!isdigit((unsigned char)name[i]))
            return false;
        counter = counter * 10 + (uint32_t)(name[i] - '0');
    }
    *ret_counter = counter;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t find_neighbours(const char *directory, const struct pattern *pattern,
                                uint32_t numbers[ES_DBG_FILES_MAX])
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    uint32_t n = 0;
    while (dir && n < ES_DBG_FILES_MAX && (entry = readdir(dir)) != NULL)
        if (counter_of(pattern, entry->d_name, &numbers[n]))
            n++;
    if (dir)
        closedir(dir);
    qsort(numbers, n, sizeof *numbers, by_number);
    return n;
}

/* Where the set was wrapped a number is missing: those behind the gap are the older ones. */
static uint32_t oldest_of(const uint32_t *numbers, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (numbers[i] != numbers[i - 1] + 1)
            return i;
    return 0;
}

static int add_path(struct es_dbg_files *files, const char *path)
{
    char **paths = realloc(files->paths, (files->n + 1) * sizeof *paths);
    if (!paths || !(files->paths = paths) || !(paths[files->n] = strdup(path)))
        return es_fail(-ENOMEM, "no memory to read %s", path);
    files->n++;
    return 0;
}

static int add_set(struct es_dbg_files *files, const char *directory, const struct pattern *pattern,
                   const uint32_t *numbers, uint32_t n)
{
    uint32_t oldest = oldest_of(numbers, n);
    int r = 0;
    for (uint32_t i = 0; i < n && r == 0; i++) {
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%.*s%u%s", directory, (int)pattern->before, pattern->name,
                           numbers[(oldest + i) % n], pattern->name + pattern->before + pattern->digits);
        r = len > 0 && (size_t)len < sizeof path ? add_path(files, path)
                                                 : es_fail(-ENAMETOOLONG, "%s is too long a name", directory);
    }
    return r;
}

/* The file must be the first of the set: number 0, or 1 where 0 is the missing one. */
static bool is_set(const struct pattern *pattern, const uint32_t *numbers, uint32_t n)
{
    uint32_t own;
    if (n < 2 || !counter_of(pattern, pattern->name, &own) || own != numbers[0])
        return false;
    return own == 0 || (own == 1 && n > 2);
}

static int find_paths(const char *path, struct es_dbg_files *files)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char directory[PATH_MAX];
    uint32_t *numbers = malloc(ES_DBG_FILES_MAX * sizeof *numbers);
    if (!numbers)
        return es_fail(-ENOMEM, "no memory to read %s", path);
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int r = 1;
    for (size_t end = strlen(name); r == 1 && end > 0; end--) {
        size_t begin = end;
        while (begin > 0 && isdigit((unsigned char)name[begin - 1]))
            begin--;
        struct pattern pattern = {name, begin, end - begin};
        if (begin == end)
            continue;
        uint32_t n = find_neighbours(*directory ? directory : "/", &pattern, numbers);
        if (is_set(&pattern, numbers, n))
            r = add_set(files, directory, &pattern, numbers, n);
        end = begin + 1;
    }
    free(numbers);
    return r == 1 ? add_path(files, path) : r;
}

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static int open_next(struct es_dbg_files *files)
{
    const char *path = files->paths[files->next++];
    struct stat st;
    if (files->file)
        fclose(files->file);
    files->file = fopen(path, "rbe");
    if (!files->file || fstat(fileno(files->file), &st) < 0)
        return es_fail(-errno, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return es_fail(-EINVAL, "%s is not a regular file", path);
    files->left = (uint64_t)st.st_size;
    return 0;
}

int es_dbg_files_open(const char *path, struct es_dbg_files *files)
{
    *files = (struct es_dbg_files){0};
    int r = find_paths(path, files);
    if (r == 0)
        r = open_next(files);
    if (r < 0)
        es_dbg_files_close(files);
    return r;
}

void es_dbg_files_close(struct es_dbg_files *files)
{
    for (uint32_t i = 0; i < files->n; i++)
        free(files->paths[i]);
    free(files->paths);
    free(files->bytes);
    if (files->file)
        fclose(files->file);
    *files = (struct es_dbg_files){0};
}

/* The rest of this file is of no use. */
static void give_up_file(struct es_dbg_files *files)
{
    files->truncated = true;
    files->left = 0;
}

static int read_body(struct es_dbg_files *files, uint32_t size, struct es_dbg_frame *frame)
{
    if (size > files->left) {
        give_up_file(files);
        return 0;
    }
    files->left -= size;
    if (size > ES_DBG_FRAME_MAX) {
        files->too_large++;
        return fseeko(files->file, (off_t)size, SEEK_CUR) < 0 ? es_fail(-errno, "cannot read: %s", strerror(errno)) : 0;
    }
    if (size > files->room) {
        uint8_t *grown = realloc(files->bytes, size);
        if (!grown)
            return es_fail(-ENOMEM, "no memory for %u bytes of a trace", size);
        files->bytes = grown;
        files->room = size;
    }
    if (fread(files->bytes, 1, size, files->file) != size) {
        give_up_file(files);
        return 0;
    }
    *frame = (struct es_dbg_frame){.bytes = files->bytes, .len = size};
    return 1;
}

int es_dbg_files_next(struct es_dbg_files *files, struct es_dbg_frame *ret_frame)
{
    for (;;) {
        uint8_t head[5];
        while (files->left == 0) {
            if (files->next == files->n)
                return 0;
            int r = open_next(files);
            if (r < 0)
                return r;
        }
        if (files->left < sizeof head || fread(head, 1, sizeof head, files->file) != sizeof head || head[0] > 1) {
            give_up_file(files);
            continue;
        }
        files->left -= sizeof head;
        uint32_t size = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
        if (head[0] == 1) {
            *ret_frame = (struct es_dbg_frame){.is_drop = true, .dropped = size};
            return 1;
        }
        int r = read_body(files, size, ret_frame);
        if (r != 0)
            return r;
    }
}
