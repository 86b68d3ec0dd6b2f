/* SPDX-License-Identifier: MIT */
/* What makes the next version of some bytes out of the one before. Two forms: where the length stays the same, bytes are written over in
 * place; else pieces are replaced by others of another length. A patch is a row of pieces:
 *
 *   varint gap       bytes of the old version that stay, since the piece before
 *   varint n         new bytes
 *   varint gone      old bytes they take the place of (only where the length changes; in place: n as well)
 *   n bytes
 *
 * What follows the last piece stays. So a new version is never longer than the old one and the patch together. */
#ifndef ES_STORE_PATCH_H
#define ES_STORE_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_span {
    const uint8_t *bytes;
    size_t len;
};

/* Makes patches; keeps the memory it needs for that. All 0: ready for use. */
struct es_patcher {
    uint32_t *anchors;
    size_t room;
};
void es_patcher_fini(struct es_patcher *patcher);

struct es_patch {
    uint8_t *bytes; /* the caller's, with room for `room` */
    size_t room, len;
    bool in_place; /* which form */
};

/* What makes `to` out of `from`, both shorter than 1 GiB. -E2BIG: it does not fit into patch->room, or the two have hardly anything in
 * common; -ENOMEM. Costs about as much as reading both. */
int es_patch_make(struct es_patcher *patcher, struct es_span from, struct es_span to, struct es_patch *patch);

/* Writes the patch over `bytes`. -EBADMSG where it does not fit; then they mean nothing. */
int es_patch_apply(struct es_span patch, uint8_t *bytes, size_t len);
/* Writes the new version of `from` to `to`, which must become exactly `len` bytes long. The same errors. */
int es_patch_splice(struct es_span patch, struct es_span from, uint8_t *to, size_t len);

#endif
