/* SPDX-License-Identifier: MIT */
/* Atoms the NIF knows by name. An atom's word is the same for every thread and as long as the VM lives. */
#ifndef ES_CAPTURE_ATOMS_H
#define ES_CAPTURE_ATOMS_H

#include <erl_nif.h>

/* clang-format off */
#define ES_ATOMS(A)                                                                                                         \
    A(trace, "trace") A(discard, "discard") A(remove, "remove") A(trace_status, "trace_status")                             \
    A(ok, "ok") A(error, "error") A(true_, "true") A(undefined, "undefined") A(lost, "lost")                                \
    A(send, "send") A(send_dead, "send_to_non_existing_process") A(receive, "receive") A(call, "call")                      \
    A(return_from, "return_from") A(exception_from, "exception_from") A(spawn, "spawn") A(spawned, "spawned")               \
    A(exit, "exit") A(register_, "register") A(unregister, "unregister") A(link, "link") A(unlink, "unlink")                \
    A(getting_linked, "getting_linked") A(getting_unlinked, "getting_unlinked") A(in, "in") A(out, "out")                   \
    A(in_exiting, "in_exiting") A(out_exiting, "out_exiting") A(out_exited, "out_exited")                                   \
    A(gc_minor_start, "gc_minor_start") A(gc_minor_end, "gc_minor_end") A(gc_major_start, "gc_major_start")                 \
    A(gc_major_end, "gc_major_end") A(extra, "extra") A(match_spec_result, "match_spec_result")                             \
    A(es_callback, "es_callback") A(es_site, "es_site") A(timeout, "timeout") A(clock_service, "clock_service") A(struct_, "__struct__")          \
    A(gen_call, "$gen_call") A(gen_cast, "$gen_cast") A(gen_server, "gen_server") A(erlang, "erlang") A(send_after, "send_after") A(start_timer, "start_timer") A(cast, "cast") A(info, "info") A(notify, "notify") A(sync_notify, "sync_notify") A(system, "system")\
     A(down, "DOWN") A(exit_signal, "EXIT") A(alias, "alias") A(io_request, "io_request") A(io_reply, "io_reply")          \
    A(reply, "reply") A(noreply, "noreply") A(stop, "stop") A(next_state, "next_state") A(keep_state, "keep_state")         \
    A(repeat_state, "repeat_state") A(keep_state_and_data, "keep_state_and_data")                                           \
    A(repeat_state_and_data, "repeat_state_and_data") A(stop_and_reply, "stop_and_reply") A(init, "init")                   \
    A(init_it, "init_it") A(handle_call, "handle_call") A(handle_cast, "handle_cast") A(handle_info, "handle_info")         \
    A(handle_continue, "handle_continue") A(handle_event, "handle_event") A(terminate, "terminate")                         \
    A(code_change, "code_change") A(payload_bytes, "payload_bytes") A(state_bytes, "state_bytes") A(max_depth, "max_depth") \
    A(max_elements, "max_elements") A(work, "work") A(sample, "sample") A(deliver_payload, "deliver_payload")               \
    A(events, "events") A(nanos, "nanos") A(threads, "threads") A(full, "full") A(terms, "terms") A(read, "read") A(asked, "asked")
/* clang-format on */

#define A(name, text) ERL_NIF_TERM name;
struct es_atoms {
    ES_ATOMS(A)
};
#undef A

extern struct es_atoms es_am;

void es_atoms_load(ErlNifEnv *env);

#endif
