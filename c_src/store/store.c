/* SPDX-License-Identifier: MIT */
/* Gathering events and facts until they are committed; groups; the end. */
#include "store/store.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "store/store_inner.h"

#define GROUP_EVENTS (1u << 18)

int es_store_seal(struct es_store *store)
{
    if (store->batch.n == 0)
        return 0;
    if (store->n_sealed == store->sealed_room) {
        size_t room = store->sealed_room ? store->sealed_room * 2 : 8;
        struct es_sealed *sealed = realloc(store->sealed, room * sizeof *sealed);
        if (!sealed)
            return es_fail(-ENOMEM, "no memory for a block");
        store->sealed = sealed;
        store->sealed_room = room;
    }
    struct es_sealed *sealed = &store->sealed[store->n_sealed];
    *sealed = (struct es_sealed){.group = store->group.id};
    int r = es_block_encode(store->encoder, &store->batch, (struct es_range){0, store->batch.n, false, store->hurry},
                            &sealed->image);
    if (r < 0) {
        es_buf_fini(&sealed->image.bytes);
        return r;
    }
    uint8_t *exact = realloc(sealed->image.bytes.bytes, sealed->image.bytes.len + 1);
    if (exact) {
        sealed->image.bytes.bytes = exact;
        sealed->image.bytes.room = sealed->image.bytes.len + 1;
    }
    store->n_sealed++;
    store->sealed_bytes += sealed->image.bytes.len;
    store->group_bytes += sealed->image.bytes.len;
    if (store->n_minis) {
        store->old_first = store->minis[0].id;
        store->old_last = store->minis[store->n_minis - 1].id;
        store->n_minis = 0;
    }
    es_batch_reset(&store->batch, store->next_seq);
    store->committed = 0;
    store->committed_payload = 0;
    return 0;
}

static int check_event(const struct es_store *store, const struct es_event *event)
{
    if (event->seq != store->next_seq)
        return es_fail(-EINVAL, "event %llu where %llu must come", (unsigned long long)event->seq,
                       (unsigned long long)store->next_seq);
    if (event->kind >= ES_KIND_MAX || es_kind_table[event->kind].family == ES_FAM_INTERNAL)
        return es_fail(-EINVAL, "event %llu: kind %u is none of a recording", (unsigned long long)event->seq,
                       event->kind);
    if (event->payload_len > ES_BLOCK_PAYLOAD)
        return es_fail(-EMSGSIZE, "event %llu: a payload of %u bytes", (unsigned long long)event->seq,
                       event->payload_len);
    bool paired = event->cause_state == ES_CAUSE_PAIRED;
    if (event->cause_state >= ES_CAUSE_MAX || paired != (event->cause != 0) || event->cause >= event->seq)
        return es_fail(-EINVAL, "event %llu: cause %llu, state %u", (unsigned long long)event->seq,
                       (unsigned long long)event->cause, event->cause_state);
    if (store->sealed_bytes + es_facts_bytes(&store->facts) > 4 * ES_STORE_BATCH_BYTES)
        return es_fail(-ENOBUFS, "too much waits for a commit");
    return 0;
}

int es_store_event(struct es_store *store, const struct es_event *event)
{
    int r = check_event(store, event);
    if (r == 0 && !es_batch_fits(&store->batch, event->payload_len))
        r = es_store_seal(store);
    if (r < 0)
        return r;
    if (es_batch_add(&store->batch, event) < 0)
        return es_fail(-ENOMEM, "no memory for an event");
    store->next_seq++;
    store->last_time = event->time;
    return 0;
}

void es_store_hurry(struct es_store *store, bool hurry) { store->hurry = hurry; }

void es_store_foresee(const struct es_store *store, es_ref ref) { es_batch_foresee(&store->batch, ref); }

size_t es_store_pending(const struct es_store *store, size_t *ret_bytes)
{
    if (ret_bytes)
        *ret_bytes = store->sealed_bytes + (store->batch.payload.len - store->committed_payload) +
                     (store->batch.n - store->committed) * sizeof(struct es_staged) + es_facts_bytes(&store->facts) +
                     store->groups.len;
    return (size_t)(store->next_seq - store->committed_seq);
}

uint32_t es_store_open(const struct es_store *store, uint32_t *ret_left)
{
    *ret_left = ES_BLOCK_EVENTS - store->batch.n;
    return store->batch.n - store->committed;
}

int es_store_define(struct es_store *store, es_ref ref, const void *bytes, size_t len)
{
    return es_facts_define(&store->facts, ref, bytes, len);
}
int es_store_meta(struct es_store *store, const char *key, const char *value)
{
    return es_facts_meta(&store->facts, key, value);
}
int es_store_process(struct es_store *store, struct es_process *process)
{
    return es_facts_process(&store->facts, process);
}
int es_store_name(struct es_store *store, es_ref name, es_ref pid, int64_t since, int64_t until)
{
    return es_facts_name(&store->facts, &(struct es_name){name, pid, since, until});
}
int es_store_count(struct es_store *store, const char *counter, uint64_t add)
{
    return es_facts_count(&store->facts, counter, add);
}
int es_store_loss(struct es_store *store, unsigned kind, uint64_t count, int64_t from, int64_t to, const char *why)
{
    if (kind >= ES_KIND_MAX)
        return es_fail(-EINVAL, "losses of kind %u", kind);
    return es_facts_loss(&store->facts, &(struct es_loss){(uint8_t)kind, count, from, to, why});
}

uint64_t es_group_hash(uint64_t id, const void *bytes, size_t len) { return XXH3_64bits_withSeed(bytes, len, id); }

int es_store_keyframe(struct es_store *store, const void *bytes, size_t len)
{
    if (len > ES_ROW_MAX / 2)
        return es_fail(-EMSGSIZE, "a keyframe of %zu bytes", len);
    int r = es_store_seal(store);
    if (r < 0)
        return r;
    size_t bound = ZSTD_compressBound(len);
    struct es_group group = {store->group.id + 1, store->next_seq, store->last_time};
    if (es_buf_reserve(&store->groups, sizeof group + 2 * sizeof(uint64_t) + bound) < 0)
        return es_fail(-ENOMEM, "no memory for a keyframe");
    uint8_t *at = store->groups.bytes + store->groups.len;
    uint64_t lengths[2] = {len, ZSTD_compress(at + sizeof group + sizeof lengths, bound, bytes, len, 1)};
    if (ZSTD_isError(lengths[1]))
        return es_fail(-ENOMEM, "a keyframe cannot be compressed");
    memcpy(at, &group, sizeof group);
    memcpy(at + sizeof group, lengths, sizeof lengths);
    store->groups.len += sizeof group + sizeof lengths + lengths[1];
    store->group = group;
    store->group_bytes = 0;
    return 0;
}

static bool reached(uint64_t value, uint64_t limit) { return limit != 0 && value >= limit; }

/* Limits of the whole are an eighth each a group's, so that dropping one group drops little. */
bool es_store_group_full(const struct es_store *store)
{
    const struct es_store_options *o = &store->options;
    uint64_t events = store->next_seq - store->group.first_seq;
    if (events == 0)
        return false;
    bool timed = store->group.first_time != INT64_MIN;
    uint64_t age = timed ? (uint64_t)store->last_time - (uint64_t)store->group.first_time : 0;
    return reached(events, o->group_events ? o->group_events : GROUP_EVENTS) || reached(events, o->max_events / 8) ||
           reached(store->group_bytes, o->max_bytes / 8) || reached(age, o->max_age_ns / 8) ||
           (o->group_ns > 0 && reached(age, (uint64_t)o->group_ns));
}

void es_store_free(struct es_store *store)
{
    if (!store)
        return;
    es_checkpoint_stop(&store->checkpoint);
    es_rows_close(&store->rows);
    es_facts_close(&store->facts);
    sqlite3_finalize(store->sql.begin);
    sqlite3_finalize(store->sql.commit);
    sqlite3_finalize(store->sql.group);
    sqlite3_finalize(store->sql.ring);
    sqlite3_finalize(store->sql.position);
    sqlite3_finalize(store->sql.used_pages);
    sqlite3_finalize(store->sql.oldest);
    if (store->db && !store->closed) /* whoever comes next need not ask whether we live */
        sqlite3_exec(store->db, "DELETE FROM meta WHERE key = 'writer'", NULL, NULL, NULL);
    if (store->db)
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(store->db);
    for (size_t i = 0; i < store->n_sealed; i++)
        es_buf_fini(&store->sealed[i].image.bytes);
    free(store->sealed);
    es_buf_fini(&store->mini.bytes);
    es_buf_fini(&store->groups);
    es_batch_fini(&store->batch);
    es_encoder_free(store->encoder);
    free(store->path);
    free(store);
}

void es_store_abandon(struct es_store *store) { es_store_free(store); }
