/* SPDX-License-Identifier: MIT */
/* Making an arena: how large its rings may be, where its file lives, and its head as it begins. Every byte is
 * allocated here, so that no later write can fail. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "wire/arena.h"
#include "wire/arena_map.h"
#include "wire/memory.h"

#define RING_LIMIT (UINT64_C(1) << 40)

/* ---- sizes ----------------------------------------------------------------------------------------------- */

struct layout {
    uint32_t schedulers, others;
    uint64_t scheduler_bytes, other_bytes, page;
};

static uint64_t layout_size(const struct layout *l)
{
    return es_arena_head_bytes() + l->schedulers * (l->page + l->scheduler_bytes) +
           l->others * (l->page + l->other_bytes);
}

static bool ring_size_is_sane(uint64_t size)
{
    return size >= ES_RING_MIN && size <= RING_LIMIT && (size & (size - 1)) == 0;
}

static int layout_init(const struct es_arena_plan *plan, struct layout *l)
{
    *l = (struct layout){plan->schedulers, plan->others, plan->scheduler_bytes, plan->other_bytes,
                         (uint64_t)sysconf(_SC_PAGESIZE)};
    if (l->schedulers > ES_RINGS_MAX || l->others > ES_RINGS_MAX - l->schedulers || l->schedulers + l->others == 0)
        return -EINVAL;
    if ((l->schedulers && !ring_size_is_sane(l->scheduler_bytes)) || (l->others && !ring_size_is_sane(l->other_bytes)))
        return -EINVAL;
    return 0;
}

static bool halve(uint64_t *size, uint32_t count)
{
    if (count == 0 || *size <= ES_RING_MIN)
        return false;
    *size /= 2;
    return true;
}

/* Halves the larger rings until all fit into `room`; false where not even the smallest do. */
static bool layout_shrink(struct layout *l, uint64_t room)
{
    while (layout_size(l) > room) {
        bool others_first = l->others && (!l->schedulers || l->other_bytes >= l->scheduler_bytes);
        if (others_first ? !halve(&l->other_bytes, l->others) : !halve(&l->scheduler_bytes, l->schedulers))
            return false; /* the larger ones are smallest, so all are */
    }
    return true;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* What may be taken of `free` bytes: all up to the plan's cap, half of it without one. */
static uint64_t share(const struct es_arena_plan *plan, uint64_t free)
{
    return plan->max_bytes ? least(plan->max_bytes, free) : free / 2;
}

/* ---- the file -------------------------------------------------------------------------------------------- */

static bool foreign_owner(const struct es_arena_plan *plan)
{
    return plan->owner != (uid_t)-1 && plan->owner != geteuid();
}

/* Bytes free in the file system of `fd`; none where it is not in memory. */
static uint64_t free_in_memory(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        return 0;
    if (fs.f_blocks == 0)
        return UINT64_MAX; /* mounted without a limit */
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
}

/* Allocates the whole file; where others took the room meanwhile, with smaller rings. */
static int allocate(int fd, struct layout *l)
{
    for (;;) {
        int error = posix_fallocate(fd, 0, (off_t)layout_size(l));
        if (error == 0)
            return 0;
        if (error == EINTR)
            continue;
        if (ftruncate(fd, 0) < 0)
            return -errno;
        if (error != ENOSPC && error != ENOMEM)
            return -error;
        if (!layout_shrink(l, layout_size(l) - 1))
            return -ENOSPC;
    }
}

static int give_to_owner(int fd, const struct es_arena_plan *plan)
{
    if (fchmod(fd, 0600) < 0) /* the caller's mask may have taken bits, and a memfd begins with all */
        return -errno;
    if (foreign_owner(plan) && fchown(fd, plan->owner, (gid_t)-1) < 0)
        return -errno;
    return 0;
}

static int fill_memfd(const struct es_arena_plan *plan, struct layout *l)
{
    int fd = memfd_create("elixirscope", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int rc = give_to_owner(fd, plan);
    if (rc == 0)
        rc = allocate(fd, l);
    if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        rc = -errno; /* sealed, nobody can make a mapping of it fault */
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

/* ---- the head -------------------------------------------------------------------------------------------- */

static void format_limits(struct es_limits *limits)
{
    atomic_init(&limits->payload_bytes, 1024);
    atomic_init(&limits->state_bytes, 65536);
    atomic_init(&limits->max_depth, 32);
    atomic_init(&limits->max_elements, 256);
    atomic_init(&limits->work, 1024);
    atomic_init(&limits->sample, 65536);
    atomic_init(&limits->deliver_payload, 0);
}

static void format_rings(struct es_arena_head *head, const struct layout *l)
{
    uint64_t offset = es_arena_head_bytes();
    head->n_rings = l->schedulers + l->others;
    for (uint32_t i = 0; i < head->n_rings; i++) {
        bool scheduler = i < l->schedulers;
        head->ring[i] = (struct es_arena_ring){
            .offset = offset,
            .size = scheduler ? l->scheduler_bytes : l->other_bytes,
            .class = scheduler ? ES_RING_SCHEDULER : ES_RING_OTHER,
        };
        offset += l->page + head->ring[i].size;
    }
    head->size = offset;
}

static int format_ring_head(int fd, const struct es_arena_ring *place)
{
    struct es_ring_head ring = {.size = place->size, .class = place->class};
    ssize_t n = pwrite(fd, &ring, sizeof ring, (off_t)place->offset);
    return n == (ssize_t)sizeof ring ? 0 : n < 0 ? -errno : -EIO;
}

static int format(int fd, const struct layout *l)
{
    struct es_arena_head *head = mmap(NULL, es_arena_head_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (head == MAP_FAILED)
        return -errno;
    head->version = ES_ARENA_VERSION;
    head->clock = es_clock_detect();
    head->clock_rate = es_clock_rate((enum es_clock)head->clock);
    head->page = (uint32_t)l->page;
    atomic_init(&head->recorder_pid, (uint32_t)getpid());
    format_limits(&head->limits);
    format_rings(head, l);
    int rc = getrandom(head->id, sizeof head->id, 0) == (ssize_t)sizeof head->id ? 0 : -EIO;
    for (uint32_t i = 0; rc == 0 && i < head->n_rings; i++)
        rc = format_ring_head(fd, &head->ring[i]);
    memcpy(head->magic, ES_ARENA_MAGIC, sizeof head->magic);
    munmap(head, es_arena_head_bytes());
    return rc;
}

/* ---- creating -------------------------------------------------------------------------------------------- */

struct making {
    const struct es_arena_plan *plan;
    int dir; /* where the file is made, -1: nowhere */
    const char *name;
    uint64_t room;        /* what memory allows, wherever it is taken */
    struct layout layout; /* as planned, then as it became */
};

/* Opens the directory of `path`. For a foreign owner it must be theirs: who may rename directories above it
 * could otherwise have us make files for them elsewhere. */
static int open_dir(const char *path, struct making *m)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof dir)
        return -ENAMETOOLONG;
    memcpy(dir, path, len);
    dir[len] = '\0';
    m->name = slash ? slash + 1 : path;
    m->dir = open(len ? dir : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (m->dir < 0 || fstat(m->dir, &st) < 0)
        return -errno;
    return foreign_owner(m->plan) && st.st_uid != m->plan->owner ? -EPERM : 0;
}

/* Makes the file with rings of together at least `floor` bytes: else -ENOSPC. */
static int fill_path(struct making *m, uint64_t floor)
{
    int fd = openat(m->dir, m->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = give_to_owner(fd, m->plan);
    if (rc == 0 && !layout_shrink(&m->layout, least(share(m->plan, free_in_memory(fd)), m->room)))
        rc = -ENOSPC;
    if (rc == 0 && layout_size(&m->layout) < floor)
        rc = -ENOSPC;
    if (rc == 0)
        rc = allocate(fd, &m->layout);
    if (rc < 0) {
        unlinkat(m->dir, m->name, 0);
        close(fd);
        return rc;
    }
    return fd;
}

/* The file if the rings can be as large there as anywhere, else a memfd. Only the caller's own processes can
 * reach a memfd: a foreign owner must do with what the file has. */
static int fill_somewhere(struct making *m, bool *ret_memfd)
{
    struct layout in_memfd = m->layout;
    bool memfd_fits = !foreign_owner(m->plan) && layout_shrink(&in_memfd, m->room);
    if (m->dir >= 0) {
        int fd = fill_path(m, memfd_fits ? layout_size(&in_memfd) : 0);
        if (fd != -ENOSPC || !memfd_fits)
            return fd;
    } else if (!memfd_fits) {
        return -ENOSPC;
    }
    m->layout = in_memfd;
    *ret_memfd = true;
    return fill_memfd(m->plan, &m->layout);
}

static int create(struct making *m, struct es_arena *ret_arena)
{
    uint64_t wanted = layout_size(&m->layout);
    bool memfd = false;
    int fd = fill_somewhere(m, &memfd);
    if (fd < 0)
        return fd;
    struct es_arena arena;
    int rc = format(fd, &m->layout);
    if (rc == 0)
        rc = es_arena_map(fd, &arena);
    if (rc < 0) {
        if (!memfd)
            unlinkat(m->dir, m->name, 0);
        close(fd);
        return rc;
    }
    arena.memfd = memfd;
    arena.shrunk = layout_size(&m->layout) < wanted;
    *ret_arena = arena;
    return 0;
}

int es_arena_create(const char *path, const struct es_arena_plan *plan, struct es_arena *ret_arena)
{
    struct making m = {.plan = plan, .dir = -1, .room = share(plan, es_memory_available())};
    int rc = layout_init(plan, &m.layout);
    if (rc == 0 && path)
        rc = open_dir(path, &m);
    if (rc == 0)
        rc = create(&m, ret_arena);
    if (m.dir >= 0)
        close(m.dir);
    return rc;
}
