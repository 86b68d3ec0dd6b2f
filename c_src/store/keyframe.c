/* SPDX-License-Identifier: MIT */
/* The two parts of a keyframe; see keyframe.h. */
#include "store/keyframe.h"

#include <errno.h>

#define MAGIC UINT64_C(0x0000000231464b45) /* "EKF1", number of parts */
#define HEAD 24u

int es_keyframe_join(const struct es_keyframe_parts *parts, struct es_buf *buf)
{
    if (es_buf_reserve(buf, HEAD + parts->own.len + parts->world.len) < 0)
        return -ENOMEM;
    uint8_t *at = buf->bytes + buf->len;
    at = es_put_le64(at, MAGIC);
    at = es_put_le64(at, parts->own.len);
    at = es_put_le64(at, parts->world.len);
    buf->len += HEAD;
    int r = parts->own.len ? es_buf_add(buf, parts->own.bytes, parts->own.len) : 0;
    return r == 0 && parts->world.len ? es_buf_add(buf, parts->world.bytes, parts->world.len) : r;
}

int es_keyframe_split(const uint8_t *bytes, size_t len, struct es_keyframe_parts *ret_parts)
{
    *ret_parts = (struct es_keyframe_parts){0};
    if (len == 0)
        return 0;
    if (len < HEAD || es_get_le64(bytes) != MAGIC)
        return -EBADMSG;
    uint64_t own = es_get_le64(bytes + 8), world = es_get_le64(bytes + 16);
    if (own > len - HEAD || world != len - HEAD - own)
        return -EBADMSG;
    ret_parts->own = (struct es_keyframe_part){bytes + HEAD, (size_t)own};
    ret_parts->world = (struct es_keyframe_part){bytes + HEAD + own, (size_t)world};
    return 0;
}
