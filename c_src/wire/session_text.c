/* SPDX-License-Identifier: MIT */
/* The text file of a session directory; see session_text.h. */
#include "wire/session_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC_LINE "elixirscope-session=1\n"

enum value_type { TEXT, PID, NUMBER };

/* One key: where its value lives in struct es_session_dir. */
static const struct field {
    const char *key;
    enum value_type type;
    size_t offset, size;
} fields[] = {
#define FIELD(name, value_type)                                                                              \
    {                                                                                                        \
#name, value_type, offsetof(struct es_session_dir, name), sizeof(((struct es_session_dir *)0)->name) \
    }
    FIELD(id, TEXT),
    FIELD(arena, TEXT),
    FIELD(recording, TEXT),
    FIELD(node, TEXT),
    FIELD(recorder, PID),
    FIELD(engine, PID),
    FIELD(vm, PID),
    FIELD(recorder_start, NUMBER),
    FIELD(engine_start, NUMBER),
    FIELD(vm_start, NUMBER),
    FIELD(created, NUMBER),
#undef FIELD
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

/* ---- printing -------------------------------------------------------------------------------------------- */

static char *print_text(char *at, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c < 32 || c == 127 || c == '%')
            at += sprintf(at, "%%%02X", c);
        else
            *at++ = *value;
    }
    return at;
}

size_t es_session_text_print(const struct es_session_dir *dir, char *text)
{
    char *at = text + sprintf(text, MAGIC_LINE);
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *value = (const char *)dir + fields[i].offset;
        at += sprintf(at, "%s=", fields[i].key);
        switch (fields[i].type) {
        case TEXT: at = print_text(at, value); break;
        case PID: at += sprintf(at, "%d", *(const int *)(const void *)value); break;
        case NUMBER: at += sprintf(at, "%" PRIu64, *(const uint64_t *)(const void *)value); break;
        }
        *at++ = '\n';
    }
    return (size_t)(at - text);
}

/* ---- parsing --------------------------------------------------------------------------------------------- */

static bool parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (len == 0 || len > 20)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_text(const char *text, size_t len, char *value, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%') {
            if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return false;
            c = (unsigned char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        } else if (c < 32 || c == 127) {
            return false;
        }
        if (c == '\0' || n + 1 >= size)
            return false;
        value[n++] = (char)c;
    }
    value[n] = '\0';
    return true;
}

static bool parse_value(const struct field *field, const char *text, size_t len, struct es_session_dir *dir)
{
    char *value = (char *)dir + field->offset;
    uint64_t number = 0;
    switch (field->type) {
    case TEXT: return parse_text(text, len, value, field->size);
    case PID:
        if (!parse_number(text, len, INT32_MAX, &number))
            return false;
        *(int *)(void *)value = (int)number;
        return true;
    case NUMBER: return parse_number(text, len, UINT64_MAX, (uint64_t *)(void *)value);
    }
    return false;
}

/* One line without its end; `*seen` has a bit for each field that was there. */
static bool parse_line(const char *line, size_t len, struct es_session_dir *dir, unsigned *seen)
{
    const char *equals = memchr(line, '=', len);
    if (!equals)
        return false;
    size_t key_len = (size_t)(equals - line);
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (strlen(fields[i].key) != key_len || memcmp(fields[i].key, line, key_len) != 0)
            continue;
        bool twice = *seen & (1u << i);
        *seen |= 1u << i;
        return !twice && parse_value(&fields[i], equals + 1, len - key_len - 1, dir);
    }
    return true;
}

int es_session_text_parse(const char *text, size_t len, struct es_session_dir *dir)
{
    struct es_session_dir read = *dir;
    const char *at = text, *end = text + len;
    unsigned seen = 0;
    size_t magic = strlen(MAGIC_LINE);
    if (len < magic || memcmp(text, MAGIC_LINE, magic) != 0)
        return -EBADMSG;
    for (at += magic; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline || !parse_line(at, (size_t)(newline - at), &read, &seen))
            return -EBADMSG;
        at = newline + 1;
    }
    if (seen != (1u << N_FIELDS) - 1 || strcmp(read.id, dir->id) != 0 ||
        (read.recording[0] && read.recording[0] != '/'))
        return -EBADMSG;
    *dir = read;
    return 0;
}
