/* SPDX-License-Identifier: MIT */
/* Patches; see patch.h. Where the length changes, the ends that are equal are left out first; what is between is gone through once, looking
 * for places of the old version by their next 16 bytes. */
#include "store/patch.h"

#include <errno.h>

#include "store/buf.h"
#include "wire/term.h"

#define ANCHOR 16u             /* bytes that must be equal to be worth a look */
#define ANCHORS_MAX (1u << 16) /* so many places are known at most */
#define NEAR 24u               /* bytes of both: so far it is tried everywhere … */
#define NEAR_SURE 32u          /* where they go on alike for so long */
#define FAR 4096u              /* bytes that may have been put in, or taken out … */
#define FAR_SURE 64u           /* where they go on alike for so long */
#define FAR_PART 2u            /* … of the looks that are left */
#define SURE 64u               /* a patch in place of so many bytes and a part of the length is good enough */
#define SURE_PART 128u
#define CHUNK 256u /* bytes that are compared at once, where the same is expected */
#define JOIN 4u    /* pieces with fewer equal bytes between them are one */

void es_patcher_fini(struct es_patcher *patcher)
{
    free(patcher->anchors);
    *patcher = (struct es_patcher){0};
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}
static uint32_t load32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* How many bytes are the same from the beginning of both. */
static size_t same_ahead(const uint8_t *a, const uint8_t *b, size_t most)
{
    size_t i = 0;
    while (i + CHUNK <= most && memcmp(a + i, b + i, CHUNK) == 0)
        i += CHUNK;
    while (i + 32 <= most &&
           ((load64(a + i) ^ load64(b + i)) | (load64(a + i + 8) ^ load64(b + i + 8)) |
            (load64(a + i + 16) ^ load64(b + i + 16)) | (load64(a + i + 24) ^ load64(b + i + 24))) == 0)
        i += 32;
    while (i + 8 <= most && load64(a + i) == load64(b + i))
        i += 8;
    while (i < most && a[i] == b[i])
        i++;
    return i;
}

/* … and backwards from their ends. */
static size_t same_behind(const uint8_t *a_end, const uint8_t *b_end, size_t most)
{
    size_t i = 0;
    while (i + 8 <= most && load64(a_end - i - 8) == load64(b_end - i - 8))
        i += 8;
    while (i < most && a_end[-1 - (ptrdiff_t)i] == b_end[-1 - (ptrdiff_t)i])
        i++;
    return i;
}

struct piece {
    size_t gap, n, gone;
    const uint8_t *bytes;
};

static int put_piece(struct es_patch *patch, const struct piece *piece)
{
    uint8_t head[3 * ES_VARINT_MAX], *at = es_put_varint(es_put_varint(head, piece->gap), piece->n);
    if (!patch->in_place)
        at = es_put_varint(at, piece->gone);
    size_t len = (size_t)(at - head);
    if (patch->room - patch->len < len || patch->room - patch->len - len < piece->n)
        return -E2BIG;
    memcpy(patch->bytes + patch->len, head, len);
    memcpy(patch->bytes + patch->len + len, piece->bytes, piece->n);
    patch->len += len + piece->n;
    return 0;
}

/* ---- the same length ----------------------------------------------------------------------------------------------- */

/* Where the piece that begins with a difference at `i` ends: behind it are JOIN equal bytes. */
static size_t piece_end(const uint8_t *a, const uint8_t *b, size_t i, size_t len)
{
    while (i + JOIN <= len && load32(a + i) != load32(b + i))
        i++;
    while (i + JOIN > len && i < len && memcmp(a + i, b + i, len - i) != 0)
        i++;
    return i;
}

static int make_in_place(struct es_span from, struct es_span to, struct es_patch *patch)
{
    const uint8_t *a = from.bytes, *b = to.bytes;
    patch->in_place = true;
    patch->len = 0;
    for (size_t kept = 0;;) {
        size_t begin = kept + same_ahead(a + kept, b + kept, to.len - kept);
        if (begin == to.len)
            return 0;
        size_t end = piece_end(a, b, begin, to.len);
        if (put_piece(patch, &(struct piece){begin - kept, end - begin, end - begin, b + begin}) < 0)
            return -E2BIG;
        kept = end;
    }
}

/* ---- another length ------------------------------------------------------------------------------------------------ */

/* What lies between the equal ends, and how far it is done. */
struct splice {
    const uint8_t *a, *b;
    size_t a_at, b_at, a_end, b_end; /* done up to here; all up to there */
    size_t gap;                      /* equal bytes since the last piece */
    size_t looks;                    /* bytes that may still be gone through for what was put in */
    uint32_t *anchors;               /* place in `a` by hash, UINT32_MAX: none */
    unsigned shift;
};

static size_t anchor_place(const struct splice *s, const uint8_t *at)
{
    uint64_t mixed = (load64(at) * UINT64_C(0x9e3779b97f4a7c15)) ^ (load64(at + 8) * UINT64_C(0xc2b2ae3d27d4eb4f));
    return (size_t)((mixed ^ (mixed >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) >> s->shift);
}

static int set_anchors(struct es_patcher *patcher, struct splice *s)
{
    size_t size = 64, stride = ANCHOR, len = s->a_end - s->a_at;
    while (size < ANCHORS_MAX && size * (ANCHOR / 2) < len)
        size *= 2;
    while (len / stride > size / 2)
        stride *= 2;
    if (patcher->room < size) {
        free(patcher->anchors);
        patcher->anchors = malloc(size * sizeof *patcher->anchors);
        patcher->room = patcher->anchors ? size : 0;
        if (!patcher->anchors)
            return -ENOMEM;
    }
    s->anchors = patcher->anchors;
    s->shift = 64 - (unsigned)__builtin_ctzll(size);
    memset(s->anchors, 0xff, size * sizeof *s->anchors);
    /* From the end: of equal places the first one stays, so that little is passed over. */
    for (size_t n = (len - ANCHOR) / stride + 1; n-- > 0;)
        s->anchors[anchor_place(s, s->a + s->a_at + n * stride)] = (uint32_t)(s->a_at + n * stride);
    return 0;
}

static bool is_same(const struct splice *s, size_t a, size_t b)
{
    return load64(s->a + a) == load64(s->b + b) && load64(s->a + a + 8) == load64(s->b + b + 8);
}

static bool is_anchored(const struct splice *s, size_t a, size_t b)
{
    return a >= s->a_at && a + ANCHOR <= s->a_end && is_same(s, a, b);
}

static size_t same_from(const struct splice *s, size_t a, size_t b)
{
    size_t most = s->a_end - a < s->b_end - b ? s->a_end - a : s->b_end - b;
    return same_ahead(s->a + a, s->b + b, most);
}

/* A place in both, where they go on alike. */
struct place {
    size_t a, b;
};

static bool goes_on(const struct splice *s, struct place at, size_t sure)
{
    return is_same(s, at.a, at.b) && same_from(s, at.a, at.b) >= sure;
}

/* A few bytes are others, or more, or fewer. */
static bool find_near(const struct splice *s, struct place *ret_place)
{
    size_t a_left = s->a_end - s->a_at, b_left = s->b_end - s->b_at;
    for (size_t both = 1; both < NEAR; both++)
        for (size_t i = 0; i <= both; i++) {
            *ret_place = (struct place){s->a_at + i, s->b_at + both - i};
            if (i + ANCHOR <= a_left && both - i + ANCHOR <= b_left && goes_on(s, *ret_place, NEAR_SURE))
                return true;
        }
    return false;
}

/* How far a look for something put in, or taken out, may go. */
static size_t looks(const struct splice *s, size_t left)
{
    size_t most = s->looks / FAR_PART;
    most = most < FAR ? most : FAR;
    return left < ANCHOR ? 0 : most < left - ANCHOR + 1 ? most : left - ANCHOR + 1;
}

/* Where `b` goes on with what comes next in `a`: something was put in, as into a list or a map. What is put in is often like much else
 * that is further on in `a`, and by anchors alone all up to there would be passed over. */
static bool find_insertion(struct splice *s, struct place *ret_place)
{
    size_t most = s->a_end - s->a_at < ANCHOR ? 0 : looks(s, s->b_end - s->b_at), n = 0;
    while (n < most && !goes_on(s, (struct place){s->a_at, s->b_at + n}, FAR_SURE))
        n++;
    s->looks -= n;
    *ret_place = (struct place){s->a_at, s->b_at + n};
    return n < most;
}

/* … or taken out. */
static bool find_removal(struct splice *s, struct place *ret_place)
{
    size_t most = s->b_end - s->b_at < ANCHOR ? 0 : looks(s, s->a_end - s->a_at), n = 0;
    while (n < most && !goes_on(s, (struct place){s->a_at + n, s->b_at}, FAR_SURE))
        n++;
    s->looks -= n;
    *ret_place = (struct place){s->a_at + n, s->b_at};
    return n < most;
}

/* The next place in `b` within `room` bytes that is anywhere further on in `a`. */
static bool find_anchored(const struct splice *s, size_t room, struct place *ret_place)
{
    for (size_t b = s->b_at; b + ANCHOR <= s->b_end && b - s->b_at <= room; b++) {
        size_t across = s->a_at + (b - s->b_at), known = s->anchors[anchor_place(s, s->b + b)];
        bool straight = is_anchored(s, across, b);
        if (!straight && (known == UINT32_MAX || !is_anchored(s, known, b)))
            continue;
        size_t a = straight ? across : known, most = a - s->a_at < b - s->b_at ? a - s->a_at : b - s->b_at;
        size_t back = same_behind(s->a + a, s->b + b, most);
        *ret_place = (struct place){a - back, b - back};
        return true;
    }
    return false;
}

/* Where both go on alike: 1; 0 where they do not, or more is between than a patch may have. -ENOMEM */
static int find_place(struct es_patcher *patcher, struct splice *s, size_t room, struct place *ret_place)
{
    if (s->a_end - s->a_at < 2 * ANCHOR || s->b_end - s->b_at < 2 * ANCHOR)
        return 0;
    if (find_near(s, ret_place) || find_insertion(s, ret_place) || find_removal(s, ret_place))
        return 1;
    int r = s->anchors ? 0 : set_anchors(patcher, s);
    return r < 0 ? r : find_anchored(s, room, ret_place);
}

/* The bytes up to these places are different. */
static int replace(struct splice *s, struct place to, struct es_patch *patch)
{
    if (to.a == s->a_at && to.b == s->b_at)
        return 0;
    int r = put_piece(patch, &(struct piece){s->gap, to.b - s->b_at, to.a - s->a_at, s->b + s->b_at});
    s->gap = 0;
    s->a_at = to.a;
    s->b_at = to.b;
    return r;
}

static int make_splice(struct es_patcher *patcher, struct es_span from, struct es_span to, struct es_patch *patch)
{
    size_t shorter = from.len < to.len ? from.len : to.len, begin = same_ahead(from.bytes, to.bytes, shorter),
           end = same_behind(from.bytes + from.len, to.bytes + to.len, shorter - begin);
    struct place place;
    struct splice s = {.a = from.bytes,
                       .b = to.bytes,
                       .a_at = begin,
                       .b_at = begin,
                       .a_end = from.len - end,
                       .b_end = to.len - end,
                       .gap = begin};
    patch->in_place = false;
    patch->len = 0;
    s.looks = (s.b_end - s.b_at) / 2;
    int r;
    while ((r = find_place(patcher, &s, patch->room - patch->len, &place)) > 0) {
        r = replace(&s, place, patch);
        if (r < 0)
            return r;
        size_t n = same_from(&s, place.a, place.b);
        s.gap += n;
        s.a_at += n;
        s.b_at += n;
    }
    return r < 0 ? r : replace(&s, (struct place){s.a_end, s.b_end}, patch);
}

int es_patch_make(struct es_patcher *patcher, struct es_span from, struct es_span to, struct es_patch *patch)
{
    size_t room = patch->room, few = SURE + to.len / SURE_PART;
    if (from.len != to.len)
        return make_splice(patcher, from, to, patch);
    /* Where much seems to be different, it may only have moved. */
    patch->room = few < room ? few : room;
    int r = make_in_place(from, to, patch);
    patch->room = room;
    if (r == -E2BIG)
        r = make_splice(patcher, from, to, patch);
    return r == -E2BIG ? make_in_place(from, to, patch) : r;
}

/* ---- back ---------------------------------------------------------------------------------------------------------- */

static inline uint64_t get_varint(struct es_reader *r)
{
    return r->at < r->end && *r->at < 0x80 ? *r->at++ : es_reader_varint(r);
}

int es_patch_apply(struct es_span patch, uint8_t *bytes, size_t len)
{
    struct es_reader r;
    es_reader_init(&r, patch.bytes, patch.len);
    for (size_t at = 0; es_reader_left(&r);) {
        uint64_t gap = get_varint(&r), n = get_varint(&r);
        const uint8_t *piece = es_reader_take(&r, (size_t)n);
        if (r.bad || !piece || gap > len - at || n > len - at - gap)
            return -EBADMSG;
        memcpy(bytes + at + gap, piece, n);
        at += gap + n;
    }
    return 0;
}

int es_patch_splice(struct es_span patch, struct es_span from, uint8_t *to, size_t len)
{
    struct es_reader r;
    es_reader_init(&r, patch.bytes, patch.len);
    size_t old = 0, at = 0;
    while (es_reader_left(&r)) {
        uint64_t gap = get_varint(&r), n = get_varint(&r), gone = get_varint(&r);
        const uint8_t *piece = es_reader_take(&r, (size_t)n);
        if (r.bad || !piece || gap > from.len - old || gone > from.len - old - gap || gap > len - at ||
            n > len - at - gap)
            return -EBADMSG;
        memcpy(to + at, from.bytes + old, gap);
        memcpy(to + at + gap, piece, n);
        old += gap + gone;
        at += gap + n;
    }
    if (from.len - old != len - at)
        return -EBADMSG;
    if (len > at)
        memcpy(to + at, from.bytes + old, len - at);
    return 0;
}
