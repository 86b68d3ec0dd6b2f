/* SPDX-License-Identifier: MIT */
/* What the agent says, read from hostile bytes: keys and messages that are not known are passed over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/agentlink.h"
#include "control/etf.h"

static void hello_pair(const char *key, struct es_reader *value, void *context)
{
    struct es_hello *hello = context;
    const struct {
        const char *key;
        int64_t *to;
    } numbers[] = {
        {"protocol", &hello->protocol},   {"os_pid", &hello->os_pid},     {"schedulers", &hello->schedulers},
        {"dirty_cpu", &hello->dirty_cpu}, {"dirty_io", &hello->dirty_io}, {"processes", &hello->processes},
    };
    const struct {
        const char *key;
        char *to;
        size_t room;
    } texts[] = {
        {"node", hello->node, sizeof hello->node},       {"otp", hello->otp, sizeof hello->otp},
        {"erts", hello->erts, sizeof hello->erts},       {"elixir", hello->elixir, sizeof hello->elixir},
        {"system", hello->system, sizeof hello->system}, {"start", hello->start, sizeof hello->start},
        {"arena", hello->arena, sizeof hello->arena},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0 && !es_etf_int(value, numbers[i].to))
            *numbers[i].to = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(key, texts[i].key) == 0 && !es_etf_is_atom(value, "undefined"))
            es_etf_text(value, texts[i].to, texts[i].room);
}

/* A place in the list of lines, or NULL where it is full. */
static char *list(struct es_agent_message *message)
{
    if (message->n_listed < ES_SAY_LISTED)
        return message->listed[message->n_listed++];
    message->n_unlisted++;
    return NULL;
}

static void read_texts(struct es_reader *r, struct es_agent_message *message)
{
    uint32_t n;
    if (!es_etf_list(r, &n))
        return;
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        char dropped[256], *to = list(message);
        es_etf_text(r, to ? to : dropped, sizeof dropped);
    }
}

static void read_matched(struct es_reader *r, struct es_agent_message *message)
{
    uint32_t n, arity;
    if (!es_etf_list(r, &n))
        return;
    for (uint32_t i = 0; i < n && i < ES_SAY_LISTED; i++) {
        char spec[sizeof message->matched[0].spec];
        int64_t functions;
        if (!es_etf_tuple(r, &arity) || arity != 2 || !es_etf_text(r, spec, sizeof spec) || !es_etf_int(r, &functions))
            return;
        memcpy(message->matched[message->n_matched].spec, spec, sizeof spec);
        message->matched[message->n_matched++].functions = functions;
    }
}

static void read_refused(struct es_reader *r, struct es_agent_message *message)
{
    uint32_t n, arity;
    if (!es_etf_list(r, &n))
        return;
    for (uint32_t i = 0; i < n; i++) {
        char pid[64], tracer[128];
        if (!es_etf_tuple(r, &arity) || arity != 2 || !es_etf_text(r, pid, sizeof pid) ||
            !es_etf_text(r, tracer, sizeof tracer))
            return;
        char *to = list(message);
        if (to)
            snprintf(to, sizeof message->listed[0], "%s is traced by %s already and is left alone", pid, tracer);
    }
}

static void armed_pair(const char *key, struct es_reader *value, void *context)
{
    struct es_agent_message *message = context;
    if (strcmp(key, "processes") == 0)
        es_etf_int(value, &message->processes);
    else if (strcmp(key, "longest_slice_ns") == 0)
        es_etf_int(value, &message->longest_slice_ns);
    else if (strcmp(key, "p99_slice_ns") == 0)
        es_etf_int(value, &message->p99_slice_ns);
    else if (strcmp(key, "total_ns") == 0)
        es_etf_int(value, &message->total_ns);
    else if (strcmp(key, "matched") == 0)
        read_matched(value, message);
    else if (strcmp(key, "refused") == 0)
        read_refused(value, message);
    else if (strcmp(key, "notices") == 0)
        read_texts(value, message);
}

static void stopped_pair(const char *key, struct es_reader *value, void *context)
{
    struct es_agent_message *message = context;
    if (strcmp(key, "clean") == 0)
        message->clean = es_etf_is_atom(value, "true");
    else if (strcmp(key, "left") == 0)
        read_texts(value, message);
    else if (strcmp(key, "why") == 0)
        es_etf_text(value, message->text, sizeof message->text);
}

static void weaving_pair(const char *key, struct es_reader *value, void *context)
{
    struct es_agent_message *message = context;
    struct es_weaving *weaving = &message->weaving;
    const struct {
        const char *key;
        int64_t *to;
    } numbers[] = {{"answered", &weaving->answered}, {"waiting", &weaving->waiting}, {"woven", &weaving->woven},
                   {"added", &weaving->added},       {"refused", &weaving->refused}, {"held", &weaving->held}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0 && !es_etf_int(value, numbers[i].to))
            *numbers[i].to = 0;
    if (strcmp(key, "lines") == 0)
        read_texts(value, message);
}

static bool read_body(struct es_reader *r, const char *tag, struct es_agent_message *message)
{
    int64_t number;
    if (strcmp(tag, "hello") == 0) {
        message->say = ES_SAY_HELLO;
        return es_etf_map(r, hello_pair, &message->hello);
    }
    if (strcmp(tag, "armed") == 0) {
        message->say = ES_SAY_ARMED;
        return es_etf_map(r, armed_pair, message);
    }
    if (strcmp(tag, "stopped") == 0) {
        message->say = ES_SAY_STOPPED;
        return es_etf_map(r, stopped_pair, message);
    }
    if (strcmp(tag, "weaving") == 0) {
        message->say = ES_SAY_WEAVING;
        return es_etf_map(r, weaving_pair, message);
    }
    if (strcmp(tag, "pong") == 0) {
        message->say = ES_SAY_PONG;
        return es_etf_int(r, &number);
    }
    bool error = strcmp(tag, "error") == 0;
    if (!error && strcmp(tag, "notice") != 0)
        return true;
    message->say = error ? ES_SAY_ERROR : ES_SAY_NOTICE;
    return es_etf_text(r, message->text, sizeof message->text);
}

int es_agent_message_read(const uint8_t *bytes, size_t len, struct es_agent_message *ret_message)
{
    struct es_reader r, whole;
    es_reader_init(&r, bytes, len);
    uint32_t arity;
    char tag[32];
    memset(ret_message, 0, sizeof *ret_message);
    if (!es_etf_version(&r))
        return -EBADMSG;
    whole = r;
    if (es_term_skip(&whole) < 0 || es_reader_left(&whole) > 0)
        return -EBADMSG;
    if (!es_etf_tuple(&r, &arity) || arity < 2 || !es_etf_atom(&r, tag, sizeof tag))
        return -EBADMSG;
    return read_body(&r, tag, ret_message) ? 0 : -EBADMSG;
}
