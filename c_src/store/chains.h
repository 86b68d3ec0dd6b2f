/* SPDX-License-Identifier: MIT */
/* State versions of the open block: a whole one of each process now and then, and patches of the one before. The chain of patches behind a
 * whole version is bounded, so that any version is soon put together. */
#ifndef ES_STORE_CHAINS_H
#define ES_STORE_CHAINS_H

#include "store/buf.h"
#include "store/patch.h"

#define ES_NO_VERSION UINT32_MAX
/* Behind a whole version there are at most so many patches, so many bytes of them where the state is not longer itself, and so many bytes
 * that are written anew to change lengths. Readers may rely on the first and the last
 * two. */
#define ES_CHAIN_PATCHES 1024u
#define ES_CHAIN_BYTES (16u << 10)
#define ES_CHAIN_SPLICED (12u << 20)
#define ES_CHAIN_BORROWED (256u << 20) /* bytes of all versions in a block that are patches of another process's */

enum es_version_form {                      /* numbers are part of the format */
                       ES_VERSION_NONE = 0, /* no bytes */
                       ES_VERSION_WHOLE = 1,
                       ES_VERSION_PATCH = 2, /* in place, of the process's version before that has bytes */
                       ES_VERSION_SPLICE = 3 /* the same, to another length */
};

struct es_version {
    uint32_t event, pid; /* in the batch; pid by number */
    uint32_t before;     /* the version it is a patch of: of the same process, or a whole one that another lends */
    uint32_t at, len;    /* its bytes in the batch's payloads */
    uint32_t full;       /* length of the version itself */
    uint32_t patched, spliced; /* by the chain up to here */
    uint16_t patches;
    uint8_t form;
};

/* Processes that run the same module often have large parts of their states in common: the first version of a process is tried as a patch
 * of another's whole one. */
#define ES_LENDERS 64u
struct es_lender {
    uint32_t module;  /* by its number */
    uint32_t version; /* a whole one; ES_NO_VERSION: none */
    uint32_t misses;  /* how often in a row it was of no use */
};

#define ES_KNOWN_VERSIONS 256u
struct es_chains {
    struct es_buf versions; /* struct es_version */
    uint32_t n;
    struct es_buf last; /* uint32_t: last version of a process, by its number */
    struct es_lender lenders[ES_LENDERS];
    uint64_t borrowed; /* bytes, as ES_CHAIN_BORROWED bounds them */
    struct {
        uint32_t version;
        struct es_buf bytes;
    } known[ES_KNOWN_VERSIONS]; /* of some processes, the last version put together */
    size_t known_bytes;
    struct es_buf scratch[2];
    struct es_patcher patcher;
};

void es_chains_fini(struct es_chains *chains);
void es_chains_reset(struct es_chains *chains); /* keeps the memory; needed before the first use too */

/* The next version, `bytes` long, of process `pid` at event `event`; what is to be stored is appended to `payload`, which has room for the
 * whole. -ENOMEM leaves all as it was. */
struct es_version_place {
    uint32_t event, pid, module; /* module by number, 0: none */
};
int es_chains_add(struct es_chains *chains, struct es_version_place place, struct es_span bytes,
                  struct es_buf *payload);

/* A version put together; valid until the next call. */
int es_chains_read(struct es_chains *chains, const struct es_buf *payload, uint32_t version, struct es_span *ret_bytes);

static inline const struct es_version *es_chains_version(const struct es_chains *chains, uint32_t version)
{
    return (const struct es_version *)(const void *)chains->versions.bytes + version;
}

/* Is it a patch of a version that another process lends? */
static inline bool es_chains_borrows(const struct es_chains *chains, const struct es_version *version)
{
    return version->form != ES_VERSION_WHOLE && es_chains_version(chains, version->before)->pid != version->pid;
}

#endif
