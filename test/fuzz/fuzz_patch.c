/* SPDX-License-Identifier: MIT */
/* Patches: two versions cut out of the input must lead from one to the other, and the input as a patch must stay within its place. */
#include <stdlib.h>
#include <string.h>

#include "store/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *exactly(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    return copy;
}

static void make(struct es_span from, struct es_span to)
{
    static struct es_patcher patcher;
    struct es_patch patch = {.bytes = malloc(to.len + 16), .room = to.len + 16};
    uint8_t *made = exactly(from.len == to.len ? from.bytes : to.bytes, to.len);
    if (!patch.bytes || es_patch_make(&patcher, from, to, &patch) < 0)
        goto end;
    struct es_span span = {patch.bytes, patch.len};
    if (!patch.in_place)
        memset(made, 0, to.len);
    int r = patch.in_place ? es_patch_apply(span, made, to.len) : es_patch_splice(span, from, made, to.len);
    if (r < 0 || memcmp(made, to.bytes, to.len) != 0 || to.len > from.len + patch.len)
        abort();
end:
    free(patch.bytes);
    free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    size_t first = (size_t)(data[0] | data[1] << 8) % (size - 3), len = (size_t)(data[2] | data[3] << 8);
    struct es_span from = {data + 4, first < size - 4 ? first : size - 4}, to = {from.bytes + from.len, 0};
    to.len = (size_t)(data + size - to.bytes);
    make(from, to);
    uint8_t *bytes = exactly(from.bytes, from.len), *made = malloc(len + 1);
    if (made)
        es_patch_splice(to, from, made, len);
    es_patch_apply(to, bytes, from.len);
    free(made);
    free(bytes);
    return 0;
}
