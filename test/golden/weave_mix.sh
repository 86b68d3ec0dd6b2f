# The Mix compiler: what is woven, what is not, what is woven again, in a project with a protocol, an Erlang module and an umbrella.
. "$(dirname "$0")/lib.sh"
command -v mix >/dev/null || skip "mix is not installed"
cd "$work" || exit 1
export MIX_ENV=dev MIX_HOME=$work/mix HEX_OFFLINE=1
# The package as a dependency would have it, without building the C parts again.
mkdir -p scope/lib && cp -r "$ES_SOURCE/lib" "$ES_SOURCE/src" scope/
cat >scope/mix.exs <<'EOF'
defmodule ElixirScope.MixProject do
  use Mix.Project
  def project, do: [app: :elixir_scope, version: "0.1.0", erlc_options: [:debug_info]]
end
EOF
mkdir -p app/lib app/src
cat >app/mix.exs <<'EOF'
defmodule App.MixProject do
  use Mix.Project
  def project do
    [app: :app, version: "0.1.0", compilers: Mix.compilers() ++ [:elixir_scope], deps: [{:elixir_scope, path: "../scope"}],
     elixir_scope: (if File.exists?("config.term"), do: elem(Code.eval_file("config.term"), 0), else: [])]
  end
end
EOF
cat >app/lib/app.ex <<'EOF'
defprotocol App.Size do
  def size(it)
end
defimpl App.Size, for: Map do
  def size(map), do: map_size(map)
end
defmodule App do
  def run(n) do
    total = Enum.sum(for i <- 1..n, do: App.Two.twice(i))
    App.Size.size(%{total: total}) + :app_three.three() + total
  end
end
EOF
printf 'defmodule App.Two do\n  def twice(n), do: 2 * n\nend\n' >app/lib/two.ex
printf -- '-module(app_three).\n-export([three/0]).\nthree() -> 3.\n' >app/src/app_three.erl
cd app || exit 1
# Modules whose code calls a probe; what the compiler says goes to `out`.
cat >../woven.erl <<'EOF'
-module(woven).
-export([main/1]).
main([Folder]) ->
    Calls = fun(File) ->
        {ok, {Module, [{imports, Imports}]}} = beam_lib:chunks(File, [imports]),
        [Module || lists:keymember(elixirscope_probe, 1, Imports)]
    end,
    io:format("~ts", [lists:join(" ", [atom_to_list(M) || M <- lists:sort(lists:flatmap(Calls, filelib:wildcard(Folder ++ "/*.beam")))])]),
    halt().
EOF
erlc -o .. ../woven.erl || exit 1
woven() { erl -noshell -pa .. -run woven main "_build/$MIX_ENV/lib/app/ebin"; }
compile() { mix compile "$@" >out 2>&1 || fail "mix compile $*: $(cat out)"; }
value() { mix run --no-compile -e 'IO.puts(App.run(10))'; }
all='Elixir.App Elixir.App.Size Elixir.App.Size.Map Elixir.App.Two app_three'

compile
expect "woven at first" "$(woven)" "$all"
grep -q '5 modules are woven' out || fail "it says: $(cat out)"
expect "value" "$(value)" 114
compile
expect "says nothing the second time" "$(cat out)" ""
printf 'defmodule App.Two do\n  def twice(n), do: 2 * n + 1\nend\n' >lib/two.ex
compile
grep -q '1 module is woven' out || fail "after a change it says: $(cat out)"
expect "value after a change" "$(value)" 124
compile --force
expect "woven after --force" "$(woven)" "$all"
echo '[weave: ["App.Two", "app_*"], except: ["app_three"], depth: :values]' >config.term
compile
expect "woven by name" "$(woven)" Elixir.App.Two
expect "value" "$(value)" 124
echo '[weave: ["App"], envs: []]' >config.term
compile
expect "woven nowhere" "$(woven)" ''
expect "value" "$(value)" 124
rm config.term
MIX_ENV=prod compile
expect "woven in prod" "$(MIX_ENV=prod woven)" ''
for wrong in '[dept: :calls]' '[depth: :all]' '[weave: [17]]'; do
  echo "$wrong" >config.term
  mix compile >out 2>&1 && fail "$wrong is taken"
  grep -q 'elixir_scope: ' out || fail "$wrong: $(cat out)"
done
pass
