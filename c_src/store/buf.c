/* SPDX-License-Identifier: MIT */
/* Growing bytes; see buf.h. */
#include "store/buf.h"

#include <errno.h>

int es_buf_grow(struct es_buf *buf, size_t more)
{
    if (more > SIZE_MAX / 4 - buf->len)
        return -ENOMEM;
    size_t room = buf->room ? buf->room : 256;
    while (room - buf->len < more)
        room = room < (1u << 20) ? room * 2 : room + room / 2;
    uint8_t *bytes = realloc(buf->bytes, room);
    if (!bytes)
        return -ENOMEM;
    buf->bytes = bytes;
    buf->room = room;
    return 0;
}

int es_buf_add(struct es_buf *buf, const void *bytes, size_t len)
{
    if (es_buf_reserve(buf, len) < 0)
        return -ENOMEM;
    if (len)
        memcpy(buf->bytes + buf->len, bytes, len);
    buf->len += len;
    return 0;
}

void es_buf_trim(struct es_buf *buf, size_t keep)
{
    buf->len = 0;
    if (buf->room > keep)
        es_buf_fini(buf);
}
