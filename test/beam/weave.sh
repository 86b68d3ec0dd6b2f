# Woven code means what it meant: Erlang's compiler and what it uses of the standard library are woven, loaded into a VM of their own, and
# what they then make of modules is, byte for byte, what they made before. Usage: test/beam/weave.sh [DEPTH]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${ELIXIRSCOPE_BUILD:-$root/build}
work=$(mktemp -d "${TMPDIR:-/tmp}/elixirscope-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
erlc -o "$work" "$root/test/beam/weave_meaning.erl"
cd "$work"
erl -noshell -pa "$work" -pa "$build/ebin" -eval "
  {Woven, Without, Failed, Different} = weave_meaning:run(${1:-values}, [lists, dict, gb_trees, ets, gen_server, re, string, io_lib_format]),
  io:format(\"~b modules woven, ~b have no debug_info~nfailed: ~0tP~ndifferent: ~0tp~n\", [Woven, Without, Failed, 60, Different]),
  case {Failed, Different} of
    {[], []} when Woven > 50 -> halt(0);
    {[], []} when Without > 50 -> io:format(\"this Erlang has no debug_info~n\"), halt(77);
    _ -> halt(1)
  end."
