/* SPDX-License-Identifier: MIT */
/* The library as the emulator sees it: its functions, and how it is loaded, upgraded and unloaded. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "capture/atoms.h"
#include "capture/emit.h"
#include "capture/heap.h"
#include "capture/probe.h"
#include "capture/session.h"
#include "capture/settings.h"
#include "capture/tracer.h"
#include "capture/type.h"

/* ---- open and close ------------------------------------------------------------------------------------------------ */

static ERL_NIF_TERM error(ErlNifEnv *env, int rc)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {EALREADY, "already"}, {EBUSY, "busy"},    {ENOENT, "enoent"},   {EPERM, "eperm"},
        {EACCES, "eacces"},    {ELOOP, "eloop"},   {EBADMSG, "ebadmsg"}, {ENOMEM, "enomem"},
        {ENOTSUP, "enotsup"},  {EINVAL, "einval"}, {ENOSPC, "enospc"},
    };
    const char *name = "einval";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == -rc)
            name = names[i].name;
    return enif_make_tuple2(env, es_am.error, enif_make_atom(env, name));
}

static ERL_NIF_TERM open_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    ErlNifBinary binary;
    char path[4096];
    if (!enif_inspect_binary(env, argv[0], &binary) || binary.size >= sizeof path ||
        memchr(binary.data, 0, binary.size))
        return enif_make_badarg(env);
    memcpy(path, binary.data, binary.size);
    path[binary.size] = '\0';
    int rc = es_session_open(env, path);
    return rc < 0 ? error(env, rc) : es_am.ok;
}

static ERL_NIF_TERM close_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    int rc = es_session_close();
    return rc < 0 && rc != -ENOENT ? error(env, rc) : es_am.ok;
}

/* ---- loading ------------------------------------------------------------------------------------------------------- */

/* What one version of this library leaves for the next. */
struct es_library {
    char magic[16];
    _Atomic(struct es_session *) *session;
};
static struct es_library this_library = {.magic = "elixirscope_nif", .session = &es_session};

/* The emulator closes a library while other threads may still be in it (a trace call, a thread's end): ours holds itself, and lets go
 * only where no session is open and nobody is inside. */
static void *held;
static bool leaving;

static bool hold(void)
{
    Dl_info info;
    leaving = false;
    if (!held && dladdr(&this_library, &info))
        held = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    return held != NULL;
}

static void let_go(void)
{
    if (!es_thread_fence_all() || es_thread_any_inside())
        return;
    leaving = true;
    dlclose(held);
    held = NULL;
}

/* Run when the library is unmapped; also when the VM exits, with threads still at work: then nothing may be taken from them. */
__attribute__((destructor)) static void unmapped(void)
{
    if (leaving)
        es_thread_forget_all();
}

static atomic_uint modules; /* versions of the module that have this library */

static int load(ErlNifEnv *env, void **priv_data, ERL_NIF_TERM load_info)
{
    (void)load_info;
    if (!hold())
        return 1;
    if (atomic_fetch_add(&modules, 1) == 0) {
        es_atoms_load(env);
        es_type_load(env);
        es_heap_load(env);
        es_tracer_load(env);
        es_emit_load(env);
    }
    *priv_data = &this_library;
    return 0;
}

/* The same library under a new version of the module: all state is in the library, both share it. Another library may take over only
 * where the old one has no session: its threads and rings would be unknown here. */
static int upgrade(ErlNifEnv *env, void **priv_data, void **old_priv_data, ERL_NIF_TERM load_info)
{
    const struct es_library *old = *old_priv_data;
    if (old != &this_library &&
        (memcmp(old->magic, this_library.magic, sizeof old->magic) != 0 || atomic_load(old->session)))
        return 1;
    return load(env, priv_data, load_info);
}

/* Nobody can close a session any more whose module is gone. Where a thread is still inside, it is left as it is. */
static void unload(ErlNifEnv *env, void *priv_data)
{
    (void)env, (void)priv_data;
    if (atomic_fetch_sub(&modules, 1) != 1)
        return;
    int rc = es_session_close();
    if (rc == 0 || rc == -ENOENT)
        let_go();
}

static ErlNifFunc functions[] = {
    {"enabled", 3, es_tracer_enabled, 0},
    {"trace", 5, es_tracer_trace, 0},
    {"open_arena", 1, open_nif, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"close_arena", 0, close_nif, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"clock", 0, es_clock_nif, 0},
    {"emit", 3, es_emit_nif, 0},
    {"module", 2, es_module_nif, 0},
    {"source", 2, es_source_nif, 0},
    {"exclude", 1, es_exclude_nif, 0},
    {"enable", 1, es_enable_nif, 0},
    {"limits", 1, es_limits_nif, 0},
    {"stats", 0, es_stats_nif, 0},
    {"beat", 0, es_beat_nif, 0},
    {"done", 0, es_done_nif, 0},
    {"probe_enter", 1, es_probe_enter, 0},
    {"probe_enter", 2, es_probe_enter, 0},
    {"probe_enter", 3, es_probe_enter, 0},
    {"probe_enter", 4, es_probe_enter, 0},
    {"probe_enter", 5, es_probe_enter, 0},
    {"probe_enter", 6, es_probe_enter, 0},
    {"probe_enter", 7, es_probe_enter, 0},
    {"probe_enter_list", 2, es_probe_enter_list, 0},
    {"probe_return", 2, es_probe_return, 0},
    {"probe_tail", 1, es_probe_tail, 0},
    {"probe_line", 1, es_probe_line, 0},
    {"probe_values", 2, es_probe_values, 0},
    {"probe_values", 3, es_probe_values, 0},
    {"probe_values", 4, es_probe_values, 0},
    {"probe_values", 5, es_probe_values, 0},
    {"probe_values", 6, es_probe_values, 0},
    {"probe_values", 7, es_probe_values, 0},
    {"probe_values_list", 2, es_probe_values_list, 0},
    {"probe_try", 1, es_probe_try, 0},
    {"probe_caught", 4, es_probe_caught, 0},
    {"probe_taken", 2, es_probe_taken, 0},
};

/* No function newer than interface 2.16 (OTP 24) is used. Said so, a library built with a newer OTP's header loads on older ones too. */
#if ERL_NIF_MAJOR_VERSION == 2 && ERL_NIF_MINOR_VERSION > 16
#undef ERL_NIF_MINOR_VERSION
#define ERL_NIF_MINOR_VERSION 16
#undef ERL_NIF_MIN_ERTS_VERSION
#define ERL_NIF_MIN_ERTS_VERSION "erts-12.0"
#endif
ERL_NIF_INIT(elixirscope_nif, functions, load, NULL, upgrade, unload)
