/* SPDX-License-Identifier: MIT */
/* Patches: what was changed by hand comes back, costs as little as what was changed, and a broken one never writes past its place. */
#include "scope.h"
#include "store/patch.h"

#define MOST 60000u

struct bytes {
    uint8_t *at;
    size_t len;
};

static struct bytes noise(size_t len)
{
    struct bytes b = {malloc(len + 1), len};
    for (size_t i = 0; i < len; i++)
        b.at[i] = (uint8_t)random_next();
    return b;
}

/* Few different bytes, in runs: places look alike. */
static struct bytes dull(size_t len)
{
    struct bytes b = {malloc(len + 1), len};
    for (size_t i = 0; i < len;)
        for (size_t n = 1 + random_below(50), value = random_below(3); n > 0 && i < len; n--)
            b.at[i++] = (uint8_t)value;
    return b;
}

static struct bytes copy(const struct bytes *b)
{
    struct bytes c = {malloc(b->len + 1), b->len};
    memcpy(c.at, b->at, b->len);
    return c;
}

/* `gone` bytes at `at` become `n` others. */
static void replace(struct bytes *b, size_t at, size_t gone, size_t n)
{
    struct bytes c = {malloc(b->len - gone + n + 1), b->len - gone + n};
    memcpy(c.at, b->at, at);
    for (size_t i = 0; i < n; i++)
        c.at[at + i] = (uint8_t)random_next();
    memcpy(c.at + at + n, b->at + at + gone, b->len - at - gone);
    free(b->at);
    *b = c;
}

static struct es_patcher patcher;
static uint8_t patch_bytes[MOST + 64];

/* Makes the patch, checks that it leads from one to the other, and tells its length; SIZE_MAX where there is none within `room`. */
static size_t patched(const struct bytes *from, const struct bytes *to, size_t room)
{
    struct es_patch patch = {.bytes = patch_bytes, .room = room};
    struct es_span a = {from->at, from->len}, b = {to->at, to->len};
    int r = es_patch_make(&patcher, a, b, &patch);
    if (r == -E2BIG)
        return SIZE_MAX;
    assert_int_equal(r, 0);
    assert_true(patch.len <= room);
    assert_true(to->len <= from->len + patch.len);
    struct es_span span = {patch.bytes, patch.len};
    struct bytes made = {malloc(to->len + 1), to->len}; /* exact, so that a sanitizer sees what is beyond */
    if (patch.in_place) {
        assert_int_equal(from->len, to->len);
        memcpy(made.at, from->at, from->len);
        assert_int_equal(es_patch_apply(span, made.at, made.len), 0);
    } else {
        assert_int_equal(es_patch_splice(span, a, made.at, made.len), 0);
    }
    assert_memory_equal(made.at, to->at, to->len);
    free(made.at);
    return patch.len;
}

static void one_field(void **state)
{
    (void)state;
    random_start();
    for (int i = 0; i < 200; i++) {
        struct bytes from = noise(50000), to = copy(&from);
        size_t at = random_below(from.len - 8);
        for (size_t k = 0; k < 8; k++)
            to.at[at + k] ^= (uint8_t)(1 + random_below(255));
        assert_in_range(patched(&from, &to, from.len / 2), 8, 12);
        free(from.at);
        free(to.at);
    }
}

static void nothing_changed(void **state)
{
    (void)state;
    random_start();
    for (size_t len = 0; len < 100; len++) {
        struct bytes from = noise(len);
        assert_int_equal(patched(&from, &from, 0), 0);
        free(from.at);
    }
}

/* Pieces put in, taken out and changed here and there: the patch is what was put in, and some bytes for each place (those
 * between two that are close to each other). */
static void pieces(void **state)
{
    (void)state;
    random_start();
    for (int i = 0; i < 300; i++) {
        struct bytes from = noise(10000 + random_below(40000)), to = copy(&from);
        size_t added = 0, places = 1 + random_below(6);
        for (size_t k = 0; k < places; k++) {
            size_t n = random_below(60), gone = random_below(60), at = random_below(to.len - gone);
            replace(&to, at, gone, n);
            added += n;
        }
        size_t len = patched(&from, &to, MOST);
        assert_true(len <= added + places * 48 + (from.len == to.len ? 64 + to.len / 128 : 0));
        free(from.at);
        free(to.at);
    }
}

/* The same length by chance: something was taken out in front and something put in behind. */
static void shifted(void **state)
{
    (void)state;
    random_start();
    for (int i = 0; i < 100; i++) {
        struct bytes from = noise(20000), to = copy(&from);
        replace(&to, 100 + random_below(5000), 9, 0);
        replace(&to, 10000 + random_below(5000), 0, 9);
        assert_int_equal(from.len, to.len);
        assert_true(patched(&from, &to, from.len / 2) < 30);
        free(from.at);
        free(to.at);
    }
}

/* A queue of things of which there are few kinds: one more in front, one less behind. All of it is there many times, but goes on as before
 * only behind the new one. */
static void queued(void **state)
{
    enum { KINDS = 8, LONGEST = 220, QUEUE = 250 };
    struct bytes kinds[KINDS];
    uint8_t queue[QUEUE + 100];
    (void)state;
    random_start();
    for (size_t k = 0; k < KINDS; k++)
        kinds[k] = noise(LONGEST - random_below(30));
    for (size_t k = 0; k < sizeof queue; k++)
        queue[k] = (uint8_t)random_below(KINDS);
    struct bytes from = {malloc(MOST), 0}, to = {malloc(MOST), 0};
    for (size_t first = sizeof queue - QUEUE + 1; first-- > 0;) {
        to.len = 0;
        for (size_t k = 0; k < QUEUE; k++) {
            const struct bytes *kind = &kinds[queue[first + k]];
            memset(to.at + to.len, '.', LONGEST); /* the rest of each is all the same */
            memcpy(to.at + to.len, kind->at, 40);
            to.len += kind->len;
        }
        if (from.len > 0)
            assert_true(patched(&from, &to, to.len / 2) <= LONGEST + 48);
        struct bytes swap = from;
        from = to;
        to = swap;
    }
    for (size_t k = 0; k < KINDS; k++)
        free(kinds[k].at);
    free(from.at);
    free(to.at);
}

static void nothing_in_common(void **state)
{
    (void)state;
    random_start();
    for (int i = 0; i < 20; i++) {
        struct bytes from = noise(MOST), to = noise(MOST - random_below(2) * random_below(1000));
        assert_int_equal(patched(&from, &to, to.len / 2), SIZE_MAX);
        free(from.at);
        free(to.at);
    }
}

static void whatever_it_is(void **state)
{
    (void)state;
    random_start();
    for (int i = 0; i < 3000; i++) {
        struct bytes from = random_below(2) ? dull(random_below(3000)) : noise(random_below(3000)), to = copy(&from);
        for (size_t k = random_below(5); k > 0; k--) {
            size_t gone = random_below(to.len < 200 ? to.len + 1 : 200), at = random_below(to.len - gone + 1);
            replace(&to, at, gone, random_below(2) ? gone : random_below(200));
        }
        if (random_below(10) == 0) {
            free(to.at);
            to = dull(random_below(3000));
        }
        assert_int_not_equal(patched(&from, &to, MOST), SIZE_MAX);
        patched(&from, &to, random_below(60));
        free(from.at);
        free(to.at);
    }
}

/* Changed patches: either form says no, or fills exactly its place. */
static void broken(void **state)
{
    (void)state;
    random_start();
    for (int i = 0; i < 20000; i++) {
        struct bytes from = noise(1 + random_below(300)), patch = noise(random_below(20)),
                     to = {malloc(400), random_below(400)};
        for (size_t k = 0; k < patch.len; k++)
            if (random_below(3))
                patch.at[k] %= 12;
        struct es_span span = {patch.at, patch.len}, a = {from.at, from.len};
        uint8_t *exact = malloc(to.len + 1);
        int r = es_patch_splice(span, a, exact, to.len);
        assert_true(r == 0 || r == -EBADMSG);
        r = es_patch_apply(span, from.at, from.len);
        assert_true(r == 0 || r == -EBADMSG);
        free(exact);
        free(to.at);
        free(from.at);
        free(patch.at);
    }
}

static int free_patcher(void **state)
{
    (void)state;
    es_patcher_fini(&patcher);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_field),      cmocka_unit_test(nothing_changed),
                                       cmocka_unit_test(pieces),         cmocka_unit_test(shifted),
                                       cmocka_unit_test(queued),         cmocka_unit_test(nothing_in_common),
                                       cmocka_unit_test(whatever_it_is), cmocka_unit_test(broken)};
    return cmocka_run_group_tests_name("store patches", tests, NULL, free_patcher);
}
