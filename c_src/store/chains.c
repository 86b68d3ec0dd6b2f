/* SPDX-License-Identifier: MIT */
/* State versions of the open block; see chains.h. */
#include "store/chains.h"

#include <errno.h>

#define KNOWN_BYTES (4u << 20) /* at most, together */
#define KNOWN_MAX (1u << 20)   /* a longer one is put together again each time */
#define KEEP (1u << 20)        /* memory of scratch, from block to block */
#define LEND_LEAST 1024u       /* bytes of a version that is worth a look at another process's */
#define MISSES_MAX 8u          /* then a module's processes have nothing in common */

static void forget_known(struct es_chains *c)
{
    for (size_t i = 0; i < ES_KNOWN_VERSIONS; i++) {
        c->known[i].version = ES_NO_VERSION;
        es_buf_fini(&c->known[i].bytes);
    }
    c->known_bytes = 0;
}

void es_chains_fini(struct es_chains *c)
{
    forget_known(c);
    es_buf_fini(&c->versions);
    es_buf_fini(&c->last);
    es_buf_fini(&c->scratch[0]);
    es_buf_fini(&c->scratch[1]);
    es_patcher_fini(&c->patcher);
    *c = (struct es_chains){0};
}

void es_chains_reset(struct es_chains *c)
{
    c->n = 0;
    c->last.len = 0;
    es_buf_trim(&c->versions, KEEP);
    es_buf_trim(&c->scratch[0], KEEP);
    es_buf_trim(&c->scratch[1], KEEP);
    for (size_t i = 0; i < ES_KNOWN_VERSIONS; i++)
        c->known[i].version = ES_NO_VERSION;
    for (size_t i = 0; i < ES_LENDERS; i++)
        c->lenders[i] = (struct es_lender){.version = ES_NO_VERSION};
    c->borrowed = 0;
}

/* Where the last version of a process is noted; NULL without memory. */
static uint32_t *last_of(struct es_chains *c, uint32_t pid)
{
    size_t need = ((size_t)pid + 1) * sizeof(uint32_t);
    if (c->last.len < need) {
        if (es_buf_reserve(&c->last, need - c->last.len) < 0)
            return NULL;
        memset(c->last.bytes + c->last.len, 0xff, need - c->last.len);
        c->last.len = need;
    }
    return (uint32_t *)(void *)c->last.bytes + pid;
}

/* ---- putting together ---------------------------------------------------------------------------------------------- */

static int apply(struct es_chains *c, const struct es_buf *payload, const struct es_version *v)
{
    struct es_span patch = {payload->bytes + v->at, v->len}, from = {c->scratch[0].bytes, c->scratch[0].len};
    if (v->form == ES_VERSION_PATCH)
        return es_patch_apply(patch, c->scratch[0].bytes, v->full);
    struct es_buf to = c->scratch[1];
    to.len = 0;
    int r = es_buf_reserve(&to, v->full);
    if (r == 0)
        r = es_patch_splice(patch, from, to.bytes, v->full);
    to.len = v->full;
    c->scratch[1] = r == 0 ? c->scratch[0] : to;
    if (r == 0)
        c->scratch[0] = to;
    return r;
}

int es_chains_read(struct es_chains *c, const struct es_buf *payload, uint32_t version, struct es_span *ret_bytes)
{
    const struct es_version *v = es_chains_version(c, version), *first = v;
    uint32_t patches[ES_CHAIN_PATCHES], n = 0;
    if (v->form == ES_VERSION_WHOLE) {
        *ret_bytes = (struct es_span){payload->bytes + v->at, v->full};
        return 0;
    }
    size_t place = v->pid % ES_KNOWN_VERSIONS;
    if (c->known[place].version == version) {
        *ret_bytes = (struct es_span){c->known[place].bytes.bytes, v->full};
        return 0;
    }
    for (; first->form != ES_VERSION_WHOLE; first = es_chains_version(c, first->before))
        patches[n++] = (uint32_t)(first - es_chains_version(c, 0));
    c->scratch[0].len = 0;
    int r = es_buf_add(&c->scratch[0], payload->bytes + first->at, first->full);
    while (r == 0 && n > 0)
        r = apply(c, payload, es_chains_version(c, patches[--n]));
    *ret_bytes = (struct es_span){c->scratch[0].bytes, v->full};
    return r;
}

/* Without memory for it, it is put together when it is needed. */
static void keep(struct es_chains *c, const struct es_version *v, struct es_span bytes, const struct es_patch *patch)
{
    size_t place = v->pid % ES_KNOWN_VERSIONS;
    struct es_buf *kept = &c->known[place].bytes;
    if (patch->in_place && c->known[place].version == v->before) {
        es_patch_apply((struct es_span){patch->bytes, patch->len}, kept->bytes, v->full);
        c->known[place].version = c->n;
        return;
    }
    c->known[place].version = ES_NO_VERSION;
    if (bytes.len > KNOWN_MAX)
        return;
    size_t room = kept->room;
    kept->len = 0;
    if (es_buf_add(kept, bytes.bytes, bytes.len) < 0)
        return;
    c->known_bytes += kept->room - room;
    if (c->known_bytes > KNOWN_BYTES)
        forget_known(c);
    else
        c->known[place].version = c->n;
}

/* ---- adding -------------------------------------------------------------------------------------------------------- */

/* Appends the patch that makes `bytes` of version `before`, and tells it in `v`. Else `v` stays a whole one. */
static int try_patch(struct es_chains *c, struct es_version *v, struct es_span bytes, struct es_buf *payload)
{
    const struct es_version *before = es_chains_version(c, v->before);
    struct es_patch patch = {.bytes = payload->bytes + payload->len, .room = bytes.len / 2};
    struct es_span from;
    if (before->patches == ES_CHAIN_PATCHES)
        return 0;
    int r = es_chains_read(c, payload, v->before, &from);
    if (r == 0)
        r = es_patch_make(&c->patcher, from, bytes, &patch);
    if (r < 0)
        return r == -E2BIG ? 0 : r;
    uint32_t spliced = before->spliced + (patch.in_place ? 0 : v->full),
             patched = before->patched + (uint32_t)patch.len;
    if (spliced > ES_CHAIN_SPLICED || patched > (v->full > ES_CHAIN_BYTES ? v->full : ES_CHAIN_BYTES))
        return 0;
    v->form = patch.in_place ? ES_VERSION_PATCH : ES_VERSION_SPLICE;
    v->len = (uint32_t)patch.len;
    v->patched = patched;
    v->spliced = spliced;
    v->patches = (uint16_t)(before->patches + 1);
    keep(c, v, bytes, &patch);
    return 0;
}

/* The first version of a process, tried as a patch of a whole one of another process. */
static int try_lender(struct es_chains *c, struct es_version *v, uint32_t module, struct es_span bytes,
                      struct es_buf *payload)
{
    struct es_lender *lender = &c->lenders[module % ES_LENDERS];
    if (module == 0 || bytes.len < LEND_LEAST)
        return 0;
    bool known = lender->version != ES_NO_VERSION && lender->module == module;
    if (!known)
        lender->misses = 0;
    if (known && lender->misses < MISSES_MAX && c->borrowed + bytes.len <= ES_CHAIN_BORROWED) {
        v->before = lender->version;
        int r = try_patch(c, v, bytes, payload);
        if (r < 0)
            return r;
        lender->misses = v->form == ES_VERSION_WHOLE ? lender->misses + 1 : 0;
    }
    if (v->form != ES_VERSION_WHOLE) {
        c->borrowed += v->full;
        return 0;
    }
    v->before = ES_NO_VERSION;
    lender->module = module;
    lender->version = c->n;
    return 0;
}

int es_chains_add(struct es_chains *c, struct es_version_place place, struct es_span bytes, struct es_buf *payload)
{
    uint32_t *last = last_of(c, place.pid);
    if (!last || es_buf_reserve(&c->versions, sizeof(struct es_version)) < 0)
        return -ENOMEM;
    struct es_version v = {.event = place.event,
                           .pid = place.pid,
                           .before = *last,
                           .at = (uint32_t)payload->len,
                           .len = (uint32_t)bytes.len,
                           .full = (uint32_t)bytes.len,
                           .form = ES_VERSION_WHOLE};
    int r =
        v.before == ES_NO_VERSION ? try_lender(c, &v, place.module, bytes, payload) : try_patch(c, &v, bytes, payload);
    if (r < 0)
        return r;
    if (v.form == ES_VERSION_WHOLE)
        memcpy(payload->bytes + payload->len, bytes.bytes, bytes.len);
    payload->len += v.len;
    memcpy(c->versions.bytes + c->versions.len, &v, sizeof v);
    c->versions.len += sizeof v;
    *last = c->n++;
    return 0;
}
