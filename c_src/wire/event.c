/* SPDX-License-Identifier: MIT */
/* The tables made from ES_KINDS, and the one place where a ring's bytes become a record. */
#include "wire/event.h"

#include <errno.h>
#include <string.h>

#define WORDS(fields)                                                                                  \
    ((((fields)&ES_F_PEER) ? 1 : 0) + (((fields)&ES_F_FUN) ? 2 : 0) + (((fields)&ES_F_HASH) ? 1 : 0) + \
     (((fields)&ES_F_CORR) ? 1 : 0) + (((fields)&ES_F_NUM) ? ES_NUMS : 0) + (((fields)&ES_F_SITE) ? 1 : 0))

const struct es_kind_info es_kind_table[ES_KIND_MAX] = {
#define K(symbol, text, fam, crit, set) [ES_K_##symbol] = {text, ES_FAM_##fam, crit, set, WORDS(set)},
    ES_KINDS(K)
#undef K
};

const char *const es_family_names[ES_FAM_MAX] = {
    [ES_FAM_PROCESS] = "process",
    [ES_FAM_MESSAGE] = "message",
    [ES_FAM_CALL] = "call",
    [ES_FAM_STATE] = "state",
    [ES_FAM_SCHEDULING] = "scheduling",
    [ES_FAM_MEMORY] = "memory",
    [ES_FAM_NODE] = "node",
    [ES_FAM_ERROR] = "error",
    [ES_FAM_USER] = "user",
    [ES_FAM_RECORDER] = "recorder",
    [ES_FAM_LINE] = "line",
    [ES_FAM_INTERNAL] = "internal",
};

const char *const es_gc_num_names[ES_NUMS] = {
    "heap_size", "heap_block_size", "old_heap_size", "stack_size", "mbuf_size", "bin_vheap_size",
};

int es_kind_by_name(const char *name)
{
    for (int kind = 0; kind < ES_KIND_MAX; kind++)
        if (es_kind_table[kind].family != ES_FAM_INTERNAL && strcmp(es_kind_table[kind].name, name) == 0)
            return kind;
    return -1;
}

static uint64_t word_at(const uint8_t **at)
{
    uint64_t word;
    memcpy(&word, *at, sizeof word);
    *at += sizeof word;
    return word;
}

/* One word, 0 where the kind has none. */
static inline uint64_t word_if(unsigned has, const uint8_t **at) { return has ? word_at(at) : 0; }

static inline const uint8_t *read_words(const uint8_t *at, unsigned fields, struct es_record_view *view)
{
    view->peer = word_if(fields & ES_F_PEER, &at);
    view->module = word_if(fields & ES_F_FUN, &at);
    view->function = word_if(fields & ES_F_FUN, &at);
    view->hash = word_if(fields & ES_F_HASH, &at);
    view->corr = word_if(fields & ES_F_CORR, &at);
    for (int i = 0; i < ES_NUMS; i++)
        view->num[i] = word_if(fields & ES_F_NUM, &at);
    view->site = word_if(fields & ES_F_SITE, &at);
    return at;
}

int es_record_read(const uint8_t *bytes, size_t len, struct es_record_view *ret_view)
{
    struct es_record record; /* a copy: what another process can still change is read once */
    if (len < sizeof record)
        return -EBADMSG;
    memcpy(&record, bytes, sizeof record);
    if (record.size < sizeof record || record.size > len || record.size > ES_RECORD_MAX || record.size % 8 != 0)
        return -EBADMSG;
    if (record.kind == ES_K_NONE || record.kind >= ES_KIND_MAX)
        return -EBADMSG;

    const struct es_kind_info *info = &es_kind_table[record.kind];
    size_t fixed = sizeof record + 8 * (size_t)info->words;
    size_t pad = record.flags & ES_R_PAD_MASK;
    if (record.size < fixed || record.size - fixed < pad)
        return -EBADMSG;
    size_t payload_len = record.size - fixed - pad;
    if (record.kind == ES_K_PAD)
        payload_len = 0; /* its bytes mean nothing */
    else if (!(info->fields & ES_F_PAYLOAD) && record.size != fixed)
        return -EBADMSG;

    /* field by field: clearing the whole first takes longer than this */
    ret_view->kind = record.kind;
    ret_view->flags = record.flags;
    ret_view->arity = record.arity;
    ret_view->size = record.size;
    ret_view->payload_len = (uint32_t)payload_len;
    ret_view->stamp = record.stamp;
    ret_view->pid = record.pid;
    ret_view->payload = read_words(bytes + sizeof record, info->fields, ret_view);
    return 0;
}
