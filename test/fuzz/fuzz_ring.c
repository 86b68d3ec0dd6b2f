/* SPDX-License-Identifier: MIT */
/* Fuzzes what wire believes of another process. The first byte chooses: 0 bytes of a ring are read as
 * records; 1 a writer and a reader work on a ring in any order, with honest and lying tails; 2 an arena with
 * a changed head is opened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/arena.h"
#include "wire/term.h"

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static struct es_arena arena;
static struct es_arena_head *clean_head;
static struct es_ring_head *clean_ring;

static void make_arena(void)
{
    if (clean_head)
        return;
    struct es_arena_plan plan = {.schedulers = 1, .scheduler_bytes = ES_RING_MIN, .owner = (uid_t)-1};
    CHECK(es_arena_create(NULL, &plan, &arena) == 0);
    clean_head = malloc(sizeof *clean_head);
    clean_ring = aligned_alloc(_Alignof(struct es_ring_head), sizeof *clean_ring);
    memcpy(clean_head, arena.head, sizeof *clean_head);
    memcpy(clean_ring, arena.rings[0].head, sizeof *clean_ring);
}

/* ---- bytes as records ------------------------------------------------------------------------------------ */

static uint64_t sink;

static void read_records(const uint8_t *bytes, size_t len)
{
    struct es_record_view view;
    size_t at = 0;
    while (es_record_read(bytes + at, len - at, &view) == 0) {
        CHECK(view.size >= sizeof(struct es_record) && view.size <= len - at && view.kind < ES_KIND_MAX);
        CHECK(view.payload_len == 0 ||
              (view.payload >= bytes + at && view.payload + view.payload_len <= bytes + at + view.size));
        for (uint32_t i = 0; i < view.payload_len; i++)
            sink += view.payload[i];
        struct es_reader r;
        es_reader_init(&r, view.payload, view.payload_len);
        sink += (uint64_t)es_term_skip(&r);
        at += view.size;
    }
}

/* ---- writer and reader ----------------------------------------------------------------------------------- */

struct model {
    uint64_t pos, stamp; /* read up to here */
    uint64_t written[ES_KIND_MAX], lost[ES_KIND_MAX], read[ES_KIND_MAX], told[ES_KIND_MAX];
};

static void write_event(struct model *model, uint8_t kind_byte, uint8_t size_byte)
{
    struct es_ring *ring = &arena.rings[0];
    unsigned kind = 1 + kind_byte % (ES_K_LOST - 1);
    uint32_t size =
        24 + 8 * es_kind_table[kind].words + (es_kind_table[kind].fields & ES_F_PAYLOAD ? 256u * size_byte : 0);
    model->stamp++;
    es_ring_begin(ring);
    struct es_record *record = es_ring_reserve(ring, kind, size);
    if (record) {
        CHECK((uint8_t *)record >= ring->data && (uint8_t *)record + size <= ring->data + 2 * ring->size);
        memset(record, 0xee, size);
        *record = (struct es_record){.size = size, .kind = (uint8_t)kind, .stamp = model->stamp};
        es_ring_append(ring, size);
        model->written[kind]++;
    } else {
        es_ring_lose(ring, kind, model->stamp);
        model->lost[kind]++;
    }
    es_ring_end(ring);
}

static void read_lost(struct model *model, const struct es_record_view *view)
{
    struct es_reader r;
    es_reader_init(&r, view->payload, view->payload_len);
    CHECK(es_reader_le64(&r) <= view->stamp);
    while (es_reader_left(&r) > 0) {
        uint64_t kind = es_reader_le64(&r), count = es_reader_le64(&r);
        CHECK(!r.bad && kind < ES_KIND_MAX && count > 0);
        model->told[kind] += count;
    }
}

static void read_events(struct model *model, unsigned most)
{
    struct es_ring *ring = &arena.rings[0];
    bool busy;
    uint64_t end = es_ring_published(ring, &busy), last = 0;
    CHECK(!busy && end - model->pos <= ring->size);
    for (unsigned n = 0; n < most && model->pos < end; n++) {
        struct es_record_view view;
        CHECK(es_record_read(es_ring_at(ring, model->pos), end - model->pos, &view) == 0);
        CHECK(view.stamp >= last);
        last = view.stamp;
        model->pos += view.size;
        if (view.kind == ES_K_LOST)
            read_lost(model, &view);
        else
            model->read[view.kind]++;
    }
    es_ring_release(ring, model->pos);
}

/* Another side that lies about its tail: nothing may be written outside of the ring. All was read before, for
 * a lie can have it overwritten; positions are honest again afterwards. */
static void lie(struct model *model, uint8_t a, uint8_t b)
{
    struct es_ring *ring = &arena.rings[0];
    read_events(model, UINT32_MAX);
    es_ring_release(ring, ((uint64_t)a << 56) + ring->pos + 64u * b);
    struct es_ring before = *ring;
    uint32_t size = 8u << (a % 20);
    uint8_t *record = (uint8_t *)es_ring_reserve(ring, a % 2 ? ES_K_EXIT : ES_K_SEND, size);
    CHECK(!record || (record >= ring->data && record + size <= ring->data + 2 * ring->size));
    *ring = before;
    es_ring_release(ring, model->pos);
}

static void work(const uint8_t *bytes, size_t len)
{
    struct model model = {0};
    struct es_ring *ring = &arena.rings[0];
    memcpy(ring->head, clean_ring, sizeof *clean_ring);
    ring->lost_since = 0;
    memset(ring->lost_told, 0, sizeof ring->lost_told);
    es_ring_resume(ring);
    for (size_t i = 0; i + 3 <= len; i += 3) {
        if (bytes[i] < 200)
            for (int repeat = bytes[i] / 8; repeat >= 0; repeat--)
                write_event(&model, bytes[i + 1], bytes[i + 2]);
        else if (bytes[i] < 250)
            read_events(&model, bytes[i + 1]);
        else
            lie(&model, bytes[i + 1], bytes[i + 2]);
    }
    read_events(&model, UINT32_MAX);
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++) {
        CHECK(model.read[kind] == model.written[kind]);
        CHECK(model.lost[kind] == atomic_load(&ring->head->lost[kind]));
        CHECK(model.told[kind] <= model.lost[kind]);
        CHECK(ring->lost_since != 0 || model.told[kind] == model.lost[kind]);
    }
}

/* ---- heads ----------------------------------------------------------------------------------------------- */

/* Each three bytes change one of the head's first bytes, or of its ring table, or of the ring's head. */
static void open_changed(const uint8_t *bytes, size_t len)
{
    uint8_t *parts[] = {(uint8_t *)arena.head, (uint8_t *)arena.head->ring, (uint8_t *)arena.rings[0].head};
    for (size_t i = 0; i + 3 <= len; i += 3)
        parts[bytes[i] % 3][bytes[i + 1]] = bytes[i + 2];
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", arena.fd);
    struct es_arena opened;
    if (es_arena_open(path, &opened) == 0) {
        CHECK(opened.n_rings == 1 && opened.rings[0].size == ES_RING_MIN);
        sink += opened.rings[0].data[0] + opened.rings[0].data[2 * ES_RING_MIN - 1];
        struct es_record *record = es_ring_reserve(&opened.rings[0], ES_K_EXIT, 64);
        if (record)
            memset(record, 1, 64);
        es_arena_close(&opened);
    }
    memcpy(arena.head, clean_head, sizeof *clean_head);
    memcpy(arena.rings[0].head, clean_ring, sizeof *clean_ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    make_arena();
    if (len == 0)
        return 0;
    switch (bytes[0] % 3) {
    case 0: read_records(bytes + 1, len - 1); break;
    case 1: work(bytes + 1, len - 1); break;
    default: open_changed(bytes + 1, len - 1); break;
    }
    return 0;
}
