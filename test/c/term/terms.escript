#!/usr/bin/env escript
%% -*- coding: utf-8 -*-
%%! +pc unicode
%% SPDX-License-Identifier: MIT
%% Ground truth for the printer: a line a term, "ETF in hexadecimal, tab, what io_lib says". With "decode" it reads such hexadecimal lines
%% and prints what each decodes to.
-mode(compile).

main(["print"]) ->
    io:setopts([{encoding, unicode}]),
    [io:format("~ts\t~ts~n", [hex(term_to_binary(T)), io_lib:format("~0tp", [T])]) || T <- terms() ++ floats() ++ integers()];
main(["decode"]) ->
    io:setopts([{encoding, unicode}]),
    decode(io:get_line("")).

decode(eof) -> ok;
decode(Line) ->
    Term = binary_to_term(unhex(string:trim(Line))),
    io:format("~ts\t~ts~n", [hex(term_to_binary(Term)), io_lib:format("~0tp", [Term])]),
    decode(io:get_line("")).

hex(Bytes) -> [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes].
unhex(Hex) -> list_to_binary([list_to_integer([A, B], 16) || [A, B] <- pairs(Hex)]).
pairs([A, B | Rest]) -> [[A, B] | pairs(Rest)];
pairs([]) -> [].

terms() ->
    [foo, 'Foo', 'foo bar', 'end', 'é', 'éa', 'É', 'żó', 'a@b', 'a\nb', '', '\'', 'a"b', 'maybe', 'when', 'cond', 'let', 'begin', 'a-b', 'ß',
     'ÿ', '÷', 'a÷', 'aÀ', '\e', '\d', 'a\x{1F600}', '$gen_call', 'Elixir.Foo', '_a', 'aB_1@x', 'tab\t', [], "", "abc", "a\"b\\c",
     "a\n\r\t\v\b\f\e", "\d", "a\x{0}", "żółw", "é", [16#1F600], [16#200b], [16#a0], [16#9f], [16#FFFD], [16#FFFE], [16#e000],
     [16#d7ff, 16#10ffff], [0], [1, 2, 3], [97, b], [300], [-1], "#{x}", "tilde~p", <<>>, <<"abc">>, <<"a\n\"\\">>, <<"żó"/utf8>>, <<"é"/utf8>>,
     <<1, 2, 3>>, <<0:1>>, <<"abc", 1:1>>, <<5:3>>, <<255, 5:7>>, <<127>>, <<"\x{1F600}"/utf8>>, <<0>>, [1 | 2], [a | b],
     [97 | b], [a, b | {c}], [[a] | <<"x">>], {}, {a}, {a, b, c}, {{}, {{}}}, [{a, 1}, {b, [{c, 2}]}], [[]], [[], [[]]], #{}, #{a => 1},
     #{1 => 2, a => []}, #{#{} => #{a => {}}}, #{<<"k">> => "v", [1] => {x}}, #{'__struct__' => 'Elixir.Foo', a => 1},
     list_to_tuple(lists:seq(1, 300)), lists:seq(1, 300), lists:duplicate(300, $x), list_to_pid("<0.1.2>"), self(), fun erlang:node/0,
     fun 'A':'b c'/2, fun lists:map/2, true, false, undefined, {ok, [{name, <<"Ann">>}, {age, 33}]}, [$a, $b, 1.5], [atom, "str", <<"bin">>],
     deep(200, []), binary_to_atom(binary:copy(<<"x">>, 255)), make_ref(), erlang:alias(), hd(erlang:ports())].

deep(0, T) -> T;
deep(N, T) -> deep(N - 1, {N, [T]}).

floats() ->
    rand:seed(exsss, {7, 8, 9}),
    [1.0, -1.0, 0.0, -0.0, 1.0e5, 123456.0, 0.1, 0.0001, 0.00001, 1.0e-6, 123456789012345678.0, 1.2e21, 5.0e-324, 1.7976931348623157e308,
     2.2250738585072014e-308, 9007199254740991.0, 9007199254740992.0, 9007199254740994.0, 100.0, 1000.0, 12000.0, 1234567.0, 1.5e300,
     0.3, 2 / 3, 1.0e22, 1.0e23, 4.35, 0.001234, 299792458.0, 6.02214076e23]
        ++ [math:pow(2, E) || E <- lists:seq(-1074, 1023)]
        ++ [F || _ <- lists:seq(1, 3000), {ok, F} <- [any_float(<<(rand:uniform(16#10000000000000000) - 1):64>>)]]
        ++ [rand:uniform(1000000) / 1000 || _ <- lists:seq(1, 500)]
        ++ [rand:uniform() * math:pow(10, rand:uniform(40) - 20) || _ <- lists:seq(1, 500)].

any_float(<<F/float>>) -> {ok, F};
any_float(_) -> none.

integers() ->
    [I * S || I <- [0, 1, 255, 256, 65536, 16#7fffffff, 16#80000000, 16#ffffffff, 1 bsl 59, 1 bsl 60, (1 bsl 63) - 1, 1 bsl 63, (1 bsl 64) - 1,
                    1 bsl 64, 1 bsl 128, 999999999, 1000000000, 1000000000000000000000, 1 bsl 8000, (1 bsl 8192) - 1,
                    31415926535897932384626433832795028841971693993751], S <- [1, -1]].
