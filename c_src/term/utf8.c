/* SPDX-License-Identifier: MIT */
/* UTF-8 and printability; see utf8.h. */
#include "term/utf8.h"

size_t es_utf8_next(const uint8_t *bytes, size_t len, uint32_t *ret_point)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0)
        return 0;
    if (bytes[0] < 0x80) {
        *ret_point = bytes[0];
        return 1;
    }
    size_t n = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || n > len)
        return 0;
    uint32_t point = bytes[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return 0;
    *ret_point = point;
    return n;
}

size_t es_utf8_put(uint32_t point, char bytes[4])
{
    static const uint8_t head[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(head[n] | point);
    return n;
}

size_t es_utf8_torn(const uint8_t *bytes, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        uint8_t byte = bytes[len - back];
        if (byte < 0x80)
            return 0;
        if (byte >= 0xc0) {
            size_t n = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
            return n > back ? back : 0;
        }
    }
    return 0;
}

bool es_utf8_is_text(const uint8_t *bytes, size_t len)
{
    uint32_t point;
    for (size_t i = 0, n; i < len; i += n)
        if ((n = es_utf8_next(bytes + i, len - i, &point)) == 0)
            return false;
    return true;
}

bool es_printable(uint32_t point, bool erlang)
{
    if (point < 0x20)
        return es_escape_letter(point, erlang) != 0;
    if (point < 0x7f)
        return true;
    if (point == 0x7f)
        return !erlang;
    return (point >= 0xa0 && point < 0xd800) || (point >= 0xe000 && point < 0xfffe) ||
           (point >= 0x10000 && point <= 0x10ffff);
}

bool es_is_deceptive(uint32_t point)
{
    return point == 0xfeff || (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

char es_escape_letter(uint32_t point, bool erlang)
{
    switch (point) {
    case '\a': return erlang ? 0 : 'a';
    case '\b': return 'b';
    case '\t': return 't';
    case '\n': return 'n';
    case '\v': return 'v';
    case '\f': return 'f';
    case '\r': return 'r';
    case 0x1b: return 'e';
    case 0x7f: return 'd';
    case '\\': return '\\';
    default: return 0;
    }
}

bool es_name_point(uint32_t point)
{
    static const struct {
        uint32_t from, to;
    } not_in_names[] = {{0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},       {0xd7, 0xd7},
                        {0xf7, 0xf7},     {0x2000, 0x2070}, {0x2072, 0x207e}, {0x2080, 0x208f},   {0x20a0, 0x20cf},
                        {0x2190, 0x2bff}, {0x2e00, 0x2fff}, {0x3000, 0x3004}, {0x3008, 0x3020},   {0xd800, 0xf8ff},
                        {0xfe00, 0xfe6f}, {0xfeff, 0xff20}, {0xfff0, 0xffff}, {0x1f000, 0x1faff}, {0xe0000, 0x10ffff}};
    if (point < 0x80)
        return (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') || (point >= '0' && point <= '9') ||
               point == '_';
    for (unsigned i = 0; i < sizeof not_in_names / sizeof not_in_names[0]; i++)
        if (point >= not_in_names[i].from && point <= not_in_names[i].to)
            return false;
    return true;
}
