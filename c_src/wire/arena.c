/* SPDX-License-Identifier: MIT */
/* Opening and closing an arena. Its file belongs to another process and is believed in nothing: what is used
 * later is taken from a copy that was checked. */
#include "wire/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/arena_map.h"

static uint64_t page_size(void) { return (uint64_t)sysconf(_SC_PAGESIZE); }

uint64_t es_arena_head_bytes(void)
{
    uint64_t page = page_size();
    return (sizeof(struct es_arena_head) + page - 1) / page * page;
}

/* ---- the file -------------------------------------------------------------------------------------------- */

bool es_arena_is_proc_fd(const char *path)
{
    const char *at = path;
    if (strncmp(at, "/proc/", 6) != 0)
        return false;
    at += 6;
    size_t n = strncmp(at, "self", 4) == 0 ? 4 : strspn(at, "0123456789");
    if (n == 0 || strncmp(at + n, "/fd/", 4) != 0)
        return false;
    at += n + 4;
    n = strspn(at, "0123456789");
    return n > 0 && at[n] == '\0';
}

/* Ours, readable by us alone, whole in memory: a hole could not be filled later on a full tmpfs and kill us
 * by SIGBUS. */
static int check_file(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    uid_t me = geteuid();
    if (!S_ISREG(st.st_mode) || (st.st_mode & 07777) != 0600 || (st.st_uid != me && me != 0))
        return -EPERM;
    if (st.st_nlink > 1 || fcntl(fd, F_GET_SEALS) < 0)
        return -EPERM; /* a second name, or a file on a disk, where writing may wait */
    if (st.st_size < (off_t)es_arena_head_bytes() || (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size)
        return -EBADMSG;
    return 0;
}

int es_arena_open(const char *path, struct es_arena *ret_arena)
{
    bool proc_fd = es_arena_is_proc_fd(path); /* a link by nature, so O_NOFOLLOW would refuse it */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (proc_fd ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return -errno;
    int rc = check_file(fd);
    struct es_arena arena;
    if (rc == 0)
        rc = es_arena_map(fd, &arena);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    arena.memfd = proc_fd;
    *ret_arena = arena;
    return 0;
}

/* ---- the head -------------------------------------------------------------------------------------------- */

static bool sane_redaction(const struct es_arena_head *head)
{
    if (head->n_redact > ES_REDACT_MAX)
        return false;
    for (uint32_t i = 0; i < head->n_redact; i++) {
        const struct es_redact_rule *rule = &head->redact[i];
        if ((rule->kind != ES_REDACT_KEY && rule->kind != ES_REDACT_STRUCT) || rule->len == 0 ||
            rule->len > ES_REDACT_TEXT)
            return false;
    }
    return true;
}

/* Rings follow each other without holes, from the head to the end of the file. */
static bool sane_rings(const struct es_arena_head *head)
{
    if (head->n_rings == 0 || head->n_rings > ES_RINGS_MAX)
        return false;
    uint64_t offset = es_arena_head_bytes();
    for (uint32_t i = 0; i < head->n_rings; i++) {
        const struct es_arena_ring *ring = &head->ring[i];
        if (ring->offset != offset || ring->size < ES_RING_MIN || (ring->size & (ring->size - 1)) != 0)
            return false;
        if (ring->class != ES_RING_SCHEDULER && ring->class != ES_RING_OTHER)
            return false;
        if (ring->size > head->size || head->size - ring->size < offset + head->page)
            return false;
        offset += head->page + ring->size;
    }
    return offset == head->size;
}

static bool sane_head(const struct es_arena_head *head, uint64_t file_size)
{
    return memcmp(head->magic, ES_ARENA_MAGIC, sizeof head->magic) == 0 && head->version == ES_ARENA_VERSION &&
           (head->clock == ES_CLOCK_OS || head->clock == ES_CLOCK_COUNTER) && head->clock_rate > 0 &&
           head->page == page_size() && head->size == file_size && sane_rings(head) && sane_redaction(head);
}

/* ---- mapping --------------------------------------------------------------------------------------------- */

/* Positions as another process left them; it may be writing, so the tail is read until it stands still. */
static bool sane_positions(const struct es_ring_head *head, uint64_t size)
{
    uint64_t end, tail = atomic_load_explicit(&head->tail, memory_order_acquire);
    for (int tries = 0; tries < 1000; tries++) {
        uint64_t before = tail;
        end = atomic_load_explicit(&head->head, memory_order_acquire);
        tail = atomic_load_explicit(&head->tail, memory_order_acquire);
        if (tail == before)
            return end - tail <= size && end % 8 == 0 && tail % 8 == 0;
    }
    return false;
}

static void unmap_ring(struct es_ring *ring)
{
    if (ring->head)
        munmap(ring->head, page_size() + 2 * ring->size);
}

/* Head page, data, and the data again behind it, in address space reserved for all three. */
static int map_ring(int fd, const struct es_arena_ring *place, struct es_ring *ring)
{
    size_t page = page_size(), size = place->size;
    uint8_t *base = mmap(NULL, page + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return -errno;
    int access = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
    if (mmap(base, page + size, access, flags, fd, (off_t)place->offset) == MAP_FAILED ||
        mmap(base + page + size, size, access, flags, fd, (off_t)(place->offset + page)) == MAP_FAILED) {
        int rc = -errno;
        munmap(base, page + 2 * size);
        return rc;
    }
    madvise(base, page + 2 * size, MADV_DONTDUMP); /* messages of users do not belong into core dumps */
    *ring = (struct es_ring){.head = (struct es_ring_head *)(void *)base, .data = base + page, .size = size};
    if (ring->head->size != size || ring->head->class != place->class || !sane_positions(ring->head, size))
        return -EBADMSG;
    es_ring_resume(ring);
    for (unsigned kind = 0; kind < ES_KIND_MAX; kind++)
        ring->lost_told[kind] = atomic_load_explicit(&ring->head->lost[kind], memory_order_relaxed);
    return 0;
}

static int map_rings(int fd, const struct es_arena_head *checked, struct es_arena *arena)
{
    arena->rings = calloc(checked->n_rings, sizeof *arena->rings);
    if (!arena->rings)
        return -ENOMEM;
    arena->n_rings = checked->n_rings;
    for (uint32_t i = 0; i < checked->n_rings; i++) {
        int rc = map_ring(fd, &checked->ring[i], &arena->rings[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_and_map(int fd, struct es_arena_head *copy, struct es_arena *arena)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    ssize_t n = pread(fd, copy, sizeof *copy, 0);
    if (n < 0)
        return -errno;
    if (n != (ssize_t)sizeof *copy || !sane_head(copy, (uint64_t)st.st_size))
        return -EBADMSG;
    void *head = mmap(NULL, es_arena_head_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (head == MAP_FAILED)
        return -errno;
    arena->head = head;
    return map_rings(fd, copy, arena);
}

static void unmap(struct es_arena *arena)
{
    for (uint32_t i = 0; i < arena->n_rings; i++)
        unmap_ring(&arena->rings[i]);
    free(arena->rings);
    if (arena->head)
        munmap(arena->head, es_arena_head_bytes());
}

int es_arena_map(int fd, struct es_arena *ret_arena)
{
    struct es_arena arena = {.fd = fd};
    struct es_arena_head *copy = malloc(sizeof *copy);
    if (!copy)
        return -ENOMEM;
    int rc = check_and_map(fd, copy, &arena);
    free(copy);
    if (rc < 0) {
        unmap(&arena);
        return rc;
    }
    *ret_arena = arena;
    return 0;
}

void es_arena_close(struct es_arena *arena)
{
    unmap(arena);
    close(arena->fd);
    *arena = (struct es_arena){.fd = -1};
}

/* ---- page tables ----------------------------------------------------------------------------------------- */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define POPULATE_STEP (UINT64_C(1) << 20)

/* Reading maps a page for writing too, as memory has no dirty pages to watch. */
static void read_pages(const uint8_t *at, size_t len)
{
    for (size_t offset = 0, page = page_size(); offset < len; offset += page)
        (void)*(const volatile uint8_t *)(at + offset);
}

static void populate(uint8_t *data, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += POPULATE_STEP) {
        size_t len = size - at < POPULATE_STEP ? size - at : POPULATE_STEP;
        if (madvise(data + at, len, MADV_POPULATE_WRITE) < 0)
            read_pages(data + at, len); /* before Linux 5.14 */
    }
}

void es_arena_populate(const struct es_arena *arena)
{
    for (uint32_t i = 0; i < arena->n_rings; i++)
        populate(arena->rings[i].data, arena->rings[i].size);
}

/* ---- redaction ------------------------------------------------------------------------------------------- */

static bool same_rule(const struct es_redact_rule *a, const struct es_redact_rule *b)
{
    return a->kind == b->kind && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

int es_arena_redact(struct es_arena *arena, enum es_redact_kind kind, const char *text)
{
    struct es_arena_head *head = arena->head;
    size_t len = strlen(text);
    if (len == 0 || len > ES_REDACT_TEXT || (kind != ES_REDACT_KEY && kind != ES_REDACT_STRUCT))
        return -EINVAL;
    if (atomic_load_explicit(&head->enabled, memory_order_relaxed))
        return -EBUSY;
    struct es_redact_rule rule = {.kind = (uint8_t)kind, .len = (uint8_t)len};
    for (size_t i = 0; i < len; i++)
        rule.text[i] = kind == ES_REDACT_KEY && text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 32) : text[i];
    uint32_t n = head->n_redact < ES_REDACT_MAX ? head->n_redact : ES_REDACT_MAX;
    for (uint32_t i = 0; i < n; i++)
        if (same_rule(&head->redact[i], &rule))
            return 0;
    if (n == ES_REDACT_MAX)
        return -ENOSPC;
    head->redact[n] = rule;
    head->n_redact = n + 1;
    return 0;
}
