/* SPDX-License-Identifier: MIT */
/* What the agent sets in the arena's head and reads from it. All answer badarg for wrong arguments and {error, closed} without a session. */
#ifndef ES_CAPTURE_SETTINGS_H
#define ES_CAPTURE_SETTINGS_H

#include <erl_nif.h>

ERL_NIF_TERM es_exclude_nif(ErlNifEnv *env, int argc,
                            const ERL_NIF_TERM argv[]); /* exclude([Pid]) -> ok | {error, enospc} */
ERL_NIF_TERM es_enable_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]); /* enable(boolean()) -> ok */
ERL_NIF_TERM es_limits_nif(ErlNifEnv *env, int argc,
                           const ERL_NIF_TERM argv[]); /* limits(#{payload_bytes => 1024, ...}) -> ok */
ERL_NIF_TERM es_stats_nif(ErlNifEnv *env, int argc,
                          const ERL_NIF_TERM argv[]); /* stats() -> #{events, lost, nanos, threads, full} */
ERL_NIF_TERM es_beat_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]); /* beat() -> milliseconds | undefined */
ERL_NIF_TERM es_done_nif(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]); /* done() -> ok */

#endif
