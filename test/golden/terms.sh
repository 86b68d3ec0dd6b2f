# Terms of every type come back as they were, through export --to etf, decoded by a real VM.
. "$(dirname "$0")/lib.sh"
"$scope" record --overwrite -o "$work/terms.scope" --level messages_only -- erl -noshell -pa "$work" -s truth terms "$work/terms" >"$work/recorder.log" 2>&1 || fail "record"
"$scope" export --to etf --kind send -o "$work/terms.etf" "$work/terms.scope" || fail "export"
cat >"$work/check.erl" <<'ERL'
-module(check).
-export([main/1]).
main([Truth, Etf]) ->
    {ok, B} = file:read_file(Truth), Terms = binary_to_term(B),
    {ok, E} = file:read_file(Etf),
    Got = maps:from_list([{I, T} || #{payload := {term, I, T}} <- frames(E)]),
    Bad = [{I, T, maps:get(I, Got, missing)} || {I, T} <- lists:zip(lists:seq(0, length(Terms) - 1), Terms), maps:get(I, Got, missing) =/= T],
    [io:format("term ~b: ~tp came back as ~tp~n", tuple_to_list(X)) || X <- Bad],
    io:format("~b terms compared~n", [length(Terms)]),
    halt(case Bad of [] -> 0; _ -> 1 end).
frames(B) -> frames(B, []).
frames(B, Acc) when byte_size(B) < 4 -> lists:reverse(Acc);
frames(B, Acc) ->
    {H, R} = split_binary(B, 4), N = binary:decode_unsigned(H), {T, R2} = split_binary(R, N),
    frames(R2, [binary_to_term(T) | Acc]).
ERL
erlc -o "$work" "$work/check.erl" || fail "check.erl"
erl -noshell -pa "$work" -eval "check:main([\"$work/terms\", \"$work/terms.etf\"])." || fail "terms differ"
pass
