/* SPDX-License-Identifier: MIT */
/* Bringing the agent's modules into a running node, starting it, taking them out. Whether the node can be recorded: inspect.c. */
#include "control/inject.h"

#include <ei.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "control/etf.h"
#include "control/place.h"

#define BEAM_MAX (4u << 20)
#define SENT_AS "elixirscope" /* the file name our modules have in the node: no path, so they are known again */

struct bytes {
    char *at;
    size_t len;
};

/* One call; `arguments` is freed. */
static int call(struct es_cnode *node, const char *module, const char *function, ei_x_buff *arguments,
                struct es_reader *ret_result)
{
    struct es_call one = {
        .module = module, .function = function, .arguments = arguments->buff, .len = (size_t)arguments->index};
    int rc = es_cnode_call(node, &one, ret_result);
    ei_x_free(arguments);
    return rc;
}

/* A call with the module's name as its only argument. */
static int call_on(struct es_cnode *node, const char *function, const char *module, struct es_reader *ret_result)
{
    ei_x_buff x;
    ei_x_new(&x);
    ei_x_format_wo_ver(&x, "[~a]", module);
    return call(node, "code", function, &x, ret_result);
}

static int read_beam(const char *ebin, const char *module, struct bytes *ret_beam)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s.beam", ebin, module) >= (int)sizeof path)
        return es_fail(-ENAMETOOLONG, "%s is too long a path", ebin);
    FILE *file = fopen(path, "re");
    if (!file)
        return es_fail(-errno, "%s cannot be read: %s", path, strerror(errno));
    struct bytes beam = {.at = malloc(BEAM_MAX)};
    if (beam.at)
        beam.len = fread(beam.at, 1, BEAM_MAX, file);
    bool whole = beam.at && beam.len < BEAM_MAX && !ferror(file);
    fclose(file);
    if (!whole) {
        free(beam.at);
        return es_fail(-EIO, "%s cannot be read", path);
    }
    *ret_beam = beam;
    return 0;
}

/* 1: loaded; 0: the emulator does not take it. */
static int load_binary(struct es_cnode *node, const char *module, const struct bytes *beam)
{
    ei_x_buff x;
    struct es_reader result;
    uint32_t arity;
    ei_x_new(&x);
    ei_x_encode_list_header(&x, 3);
    ei_x_encode_atom(&x, module);
    ei_x_encode_string(&x, SENT_AS);
    ei_x_encode_binary(&x, beam->at, (int)beam->len);
    ei_x_encode_empty_list(&x);
    int rc = call(node, "code", "load_binary", &x, &result);
    if (rc < 0)
        return rc;
    return es_etf_tuple(&result, &arity) && arity == 2 && es_etf_is_atom(&result, "module");
}

static int copy(struct bytes *ret, const void *from, size_t len)
{
    ret->at = malloc(len ? len : 1);
    if (!ret->at)
        return es_fail(-ENOMEM, "out of memory");
    memcpy(ret->at, from, len);
    ret->len = len;
    return 0;
}

/* The forms in {ok, {Module, [{abstract_code, {raw_abstract_v1, Forms}}]}}, encoded. */
static int abstract_code(struct es_cnode *node, const struct bytes *beam, struct bytes *ret_forms)
{
    ei_x_buff x;
    struct es_reader r;
    uint32_t n;
    ei_x_new(&x);
    ei_x_encode_list_header(&x, 2);
    ei_x_encode_binary(&x, beam->at, (int)beam->len);
    ei_x_format_wo_ver(&x, "[abstract_code]");
    ei_x_encode_empty_list(&x);
    int rc = call(node, "beam_lib", "chunks", &x, &r);
    if (rc < 0)
        return rc;
    bool found = es_etf_tuple(&r, &n) && n == 2 && es_etf_is_atom(&r, "ok") && es_etf_tuple(&r, &n) && n == 2 &&
                 es_term_skip(&r) == 0 && es_etf_list(&r, &n) && n == 1 && es_etf_tuple(&r, &n) && n == 2 &&
                 es_etf_is_atom(&r, "abstract_code") && es_etf_tuple(&r, &n) && n == 2 &&
                 es_etf_is_atom(&r, "raw_abstract_v1");
    const uint8_t *forms = r.at;
    if (!found || es_term_skip(&r) < 0)
        return es_fail(-ENOENT, "the module was built without its abstract code");
    return copy(ret_forms, forms, (size_t)(r.at - forms));
}

/* {ok, Module, Binary} of compile:forms/1. */
static int compile_there(struct es_cnode *node, const struct bytes *beam, struct bytes *ret_beam)
{
    struct bytes forms = {0};
    int rc = abstract_code(node, beam, &forms);
    if (rc < 0)
        return rc;
    ei_x_buff x;
    struct es_reader r;
    struct es_token token;
    uint32_t n;
    ei_x_new(&x);
    ei_x_encode_list_header(&x, 1);
    ei_x_append_buf(&x, forms.at, (int)forms.len);
    ei_x_encode_empty_list(&x);
    free(forms.at);
    rc = call(node, "compile", "forms", &x, &r);
    if (rc < 0)
        return rc;
    if (!es_etf_tuple(&r, &n) || n < 3 || !es_etf_is_atom(&r, "ok") || es_term_skip(&r) < 0 ||
        es_token_next(&r, &token) < 0 || token.type != ES_TOK_BINARY)
        return es_fail(-EREMOTEIO, "the module does not compile there");
    return copy(ret_beam, token.bytes, token.len);
}

static int load(struct es_cnode *node, const char *ebin, const char *module)
{
    struct bytes beam = {0}, compiled = {0};
    int rc = read_beam(ebin, module, &beam);
    if (rc < 0)
        return rc;
    rc = load_binary(node, module, &beam);
    if (rc == 0 && (rc = compile_there(node, &beam, &compiled)) == 0) {
        rc = load_binary(node, module, &compiled);
        free(compiled.at);
    }
    free(beam.at);
    if (rc == 0)
        rc = es_fail(-EREMOTEIO, "the emulator there does not take it");
    return rc < 0 ? es_fail(rc, "the module %s cannot be loaded in %s", module, es_cnode_name(node)) : 0;
}

/* 1: loaded from a file of the node's own; 0: not loaded, or by us. */
static int is_theirs(struct es_cnode *node)
{
    struct es_reader r;
    uint32_t arity;
    char file[PATH_MAX];
    int rc = call_on(node, "is_loaded", "elixirscope_agent", &r);
    if (rc < 0)
        return rc;
    if (!es_etf_tuple(&r, &arity) || arity != 2 || !es_etf_is_atom(&r, "file") || !es_etf_text(&r, file, sizeof file))
        return 0;
    return strchr(file, '/') != NULL;
}

int es_inject_load(struct es_cnode *node, const char *ebin)
{
    char modules[ES_MODULES_MAX][ES_MODULE_NAME];
    int rc = is_theirs(node), n;
    if (rc != 0)
        return rc;
    n = es_place_modules(ebin, modules);
    for (int i = 0; rc == 0 && i < n; i++)
        rc = load(node, ebin, modules[i]);
    return n < 0 ? n : rc;
}

static void pair(ei_x_buff *x, const char *key, const char *value)
{
    ei_x_encode_atom(x, key);
    ei_x_encode_binary(x, value, (int)strlen(value));
}

int es_inject_start(struct es_cnode *node, const struct es_inject_start *start)
{
    ei_x_buff x;
    ei_x_new(&x);
    ei_x_encode_list_header(&x, 1);
    ei_x_encode_map_header(&x, 5);
    pair(&x, "socket", start->socket);
    pair(&x, "dir", start->ebin);
    pair(&x, "nif", start->nif);
    ei_x_encode_atom(&x, "start");
    ei_x_encode_atom(&x, "attach");
    ei_x_encode_atom(&x, "wait_ms");
    ei_x_encode_long(&x, start->wait_ms);
    ei_x_encode_empty_list(&x);
    struct es_call one = {
        .module = "elixirscope_agent", .function = "start", .arguments = x.buff, .len = (size_t)x.index};
    int rc = es_cnode_ask(node, &one);
    ei_x_free(&x);
    return rc;
}

int es_inject_started(struct es_reader *result)
{
    uint32_t arity;
    char text[1024];
    if (es_etf_is_atom(result, "ok"))
        return 0;
    if (es_etf_tuple(result, &arity) && arity == 2 && es_etf_is_atom(result, "error") &&
        es_etf_text(result, text, sizeof text))
        return es_fail(-EREMOTEIO, "the agent cannot start: %s", text);
    return es_fail(-EREMOTEIO, "the agent cannot start");
}

/* Old code goes, then the current becomes old and goes too. 1: a process still runs in it. */
static int unload(struct es_cnode *node, const char *module)
{
    static const char *const steps[] = {"soft_purge", "delete", "soft_purge"};
    struct es_reader r;
    bool purged = true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int rc = call_on(node, steps[i], module, &r);
        if (rc < 0)
            return rc;
        if (i != 1)
            purged = es_etf_is_atom(&r, "true");
    }
    return !purged;
}

int es_inject_unload(struct es_cnode *node, const char *ebin)
{
    char modules[ES_MODULES_MAX][ES_MODULE_NAME];
    int left = is_theirs(node), n = es_place_modules(ebin, modules);
    if (left != 0 || n < 0)
        return left < 0 ? left : n < 0 ? n : 0;
    for (int i = n; i-- > 0;) {
        int rc = unload(node, modules[i]);
        if (rc < 0)
            return rc;
        left |= rc;
    }
    return left;
}
