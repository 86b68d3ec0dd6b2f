#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the NIF and an empty one into a temporary directory and prints what probes cost (probes.erl).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d /dev/shm/elixirscope-bench.XXXXXX)
trap 'rm -rf "$dir"' EXIT
include=$(erl -noshell -eval 'io:format("~ts", [filename:join(code:root_dir(), "usr/include")]), halt().')
flags="-std=gnu11 -O2 -g -D_GNU_SOURCE -fPIC -fno-plt -fno-tree-slp-vectorize -I$root/c_src -I$include"
cc="${CC:-cc}"
$cc $flags -shared -o "$dir/noop_tracer.so" "$root/bench/noop_tracer.c"
$cc $flags -fvisibility=hidden -ftls-model=initial-exec -shared -o "$dir/elixirscope_nif.so" "$root"/c_src/capture/*.c "$root"/c_src/wire/*.c
$cc $flags -o "$dir/ring_dump" "$root/test/beam/ring_dump.c" "$root"/c_src/wire/*.c
erlc -o "$dir" "$root"/bench/noop_tracer.erl "$root"/bench/probes.erl "$root"/src/elixirscope_nif.erl "$root"/src/elixirscope_probe.erl "$root"/src/elixirscope_probes.erl
"$dir/ring_dump" create "$dir/arena" 2 4 67108864 4194304 key:password key:token key:secret key:authorization struct:Elixir.Card
mkfifo "$dir/stop"
"$dir/ring_dump" drain "$dir/arena" < "$dir/stop" &
exec 3> "$dir/stop"
ES_BENCH_ARENA="$dir/arena" ES_BENCH_NIF="$dir/elixirscope_nif.so" ES_BENCH_NOOP="$dir/noop_tracer.so" ${PERF:-} erl +S 1 -noshell -pa "$dir" -s probes main
exec 3>&-
wait
