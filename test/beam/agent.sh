# The agent in real VMs, with the real NIF and a recorder that only listens. ES_SOURCE, ELIXIRSCOPE_BUILD: source and build.
set -euo pipefail
source_dir=${ES_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${ELIXIRSCOPE_BUILD:-$source_dir/build}
export AGENT_EBIN=$build/ebin AGENT_NIF=$build/priv/elixirscope_nif.so AGENT_WORK
AGENT_WORK=$(mktemp -d /dev/shm/elixirscope-agent.XXXXXX) # arenas live in memory
trap 'rm -rf "$AGENT_WORK"' EXIT
export RING_DUMP=${RING_DUMP:-$AGENT_WORK/ring_dump}
[ -x "$RING_DUMP" ] ||
  ${CC:-cc} -std=gnu11 -O1 -D_GNU_SOURCE -I"$source_dir/c_src" -o "$RING_DUMP" "$source_dir"/test/beam/ring_dump.c "$source_dir"/c_src/wire/*.c
erlc -Werror +debug_info -o "$AGENT_WORK" "$source_dir"/test/beam/agent_*.erl
tests=${1:-agent_tests}
erl -noshell -pa "$AGENT_WORK" -pa "$build/ebin" -eval "
  R = eunit:test([$tests], [verbose]), init:stop(case R of ok -> 0; _ -> 1 end)." </dev/null
