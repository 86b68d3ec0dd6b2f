#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The NIF in a real VM: what it writes is read back by ring_dump. ES_SOURCE, ELIXIRSCOPE_BUILD: source and build.
# Usage: nif.sh [TEST], e.g. nif.sh 'nif_tests:secrets_test_'
set -euo pipefail
source_dir=${ES_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${ELIXIRSCOPE_BUILD:-$source_dir/build}
export NIF_WORK NIF_LIBRARY=${NIF_LIBRARY:-$build/priv/elixirscope_nif.so}
NIF_WORK=$(mktemp -d /dev/shm/elixirscope-nif.XXXXXX) # arenas live in memory
trap 'rm -rf "$NIF_WORK"' EXIT
${CC:-cc} -std=gnu11 -O1 -D_GNU_SOURCE -I"$source_dir/c_src" -o "$NIF_WORK/ring_dump" "$source_dir"/test/beam/ring_dump.c "$source_dir"/c_src/wire/*.c
erlc -Werror +debug_info -o "$NIF_WORK" "$source_dir"/test/beam/nif_*.erl "$source_dir"/src/elixirscope_{nif,probe,probes}.erl
test=${1:-[nif_tests, nif_hard_tests, nif_probe_tests]}
eunit() {
  # shellcheck disable=SC2086
  env ${NIF_PRELOAD:+LD_PRELOAD=$NIF_PRELOAD} erl -noshell ${NIF_ERL_FLAGS:-} -pa "$NIF_WORK" -eval "
    R = eunit:test($1, [verbose]), init:stop(case R of ok -> 0; _ -> 1 end)." </dev/null
}
case $test in *:*) test="{generator, fun ${test%%(*}/0}" ;; esac
eunit "$test"
[ $# -gt 0 ] && exit

# The same as on an emulator whose terms do not lie in memory as is assumed (heap.h): all is asked.
include=$(erl -noshell -eval 'io:format("~ts", [filename:join(code:root_dir(), "usr/include")]), halt().')
mkdir "$NIF_WORK/asking"
NIF_LIBRARY=$NIF_WORK/asking/elixirscope_nif.so
${CC:-cc} -std=gnu11 -O1 -D_GNU_SOURCE -DES_ASK -fPIC -fvisibility=hidden -shared -I"$source_dir/c_src" -I"$include" -o "$NIF_LIBRARY" "$source_dir"/c_src/{capture,wire}/*.c
NIF_TERMS=asked eunit '[nif_tests, nif_probe_tests, {generator, fun nif_hard_tests:secrets_test_/0}, {generator, fun nif_hard_tests:hash_test_/0}]'
