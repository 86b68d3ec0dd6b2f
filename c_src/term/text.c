/* SPDX-License-Identifier: MIT */
/* A growing text; see text.h. */
#include "term/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "term/utf8.h"

#define ES_TEXT_FIRST 256

void es_text_fini(struct es_text *text)
{
    free(text->bytes);
    *text = (struct es_text){0};
}

void es_text_clear(struct es_text *text)
{
    text->len = 0;
    text->failed = false;
    if (text->bytes)
        text->bytes[0] = '\0';
}

/* Room for `len` more bytes and the NUL. */
static bool grow(struct es_text *text, size_t len)
{
    if (text->failed)
        return false;
    if (len < text->room - text->len && text->bytes)
        return true;
    size_t room = text->room ? text->room : ES_TEXT_FIRST;
    while (room - text->len <= len) {
        if (room > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        room *= 2;
    }
    char *bytes = realloc(text->bytes, room);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

void es_text_add(struct es_text *text, const char *bytes, size_t len)
{
    if (!grow(text, len))
        return;
    if (len > 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

void es_text_puts(struct es_text *text, const char *string) { es_text_add(text, string, strlen(string)); }

void es_text_uint(struct es_text *text, uint64_t value)
{
    char digits[20], *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    es_text_add(text, at, (size_t)(digits + sizeof digits - at));
}

void es_text_int(struct es_text *text, int64_t value)
{
    if (value < 0)
        es_text_add(text, "-", 1);
    es_text_uint(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void es_text_printf(struct es_text *text, const char *format, ...)
{
    va_list args;
    if (!grow(text, 32)) /* enough for most */
        return;
    size_t room = text->room - text->len;
    va_start(args, format);
    int n = vsnprintf(text->bytes + text->len, room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n >= room && grow(text, (size_t)n)) {
        va_start(args, format);
        n = vsnprintf(text->bytes + text->len, (size_t)n + 1, format, args);
        va_end(args);
    }
    text->failed = text->failed || n < 0;
    if (!text->failed)
        text->len += (size_t)n;
    text->bytes[text->len] = '\0';
}

/* How long the run of bytes is that a JSON string holds as they are. */
static size_t plain_run(const char *bytes, size_t len)
{
    size_t n = 0;
    while (n < len && (unsigned char)bytes[n] >= 0x20 && (unsigned char)bytes[n] < 0x7f && bytes[n] != '"' &&
           bytes[n] != '\\')
        n++;
    return n;
}

static void json_special(struct es_text *text, const char *bytes, size_t len, size_t *ret_used)
{
    uint32_t point;
    size_t used = es_utf8_next((const uint8_t *)bytes, len, &point);
    *ret_used = used ? used : 1;
    if (used == 0)
        es_text_puts(text, "\xef\xbf\xbd");
    else if (point == '"' || point == '\\')
        es_text_printf(text, "\\%c", (char)point);
    else if (point == '\n')
        es_text_puts(text, "\\n");
    else if (point == '\t')
        es_text_puts(text, "\\t");
    else if (point == '\r')
        es_text_puts(text, "\\r");
    else if (point < 0x20 || point == 0x7f || point == 0x2028 ||
             point == 0x2029) /* the last two end lines in JavaScript */
        es_text_printf(text, "\\u%04x", point);
    else
        es_text_add(text, bytes, used);
}

void es_text_json(struct es_text *text, const char *bytes, size_t len)
{
    es_text_add(text, "\"", 1);
    for (size_t i = 0; i < len && !text->failed;) {
        size_t n = plain_run(bytes + i, len - i);
        es_text_add(text, bytes + i, n);
        i += n;
        if (i < len) {
            json_special(text, bytes + i, len - i, &n);
            i += n;
        }
    }
    es_text_add(text, "\"", 1);
}
