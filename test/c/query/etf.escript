#!/usr/bin/env escript
%% -*- coding: utf-8 -*-
%%! +pc unicode
%% SPDX-License-Identifier: MIT
%% Prints each frame of an ETF export as a list of its pairs.
main([File]) ->
    io:setopts([{encoding, unicode}]),
    {ok, Bytes} = file:read_file(File),
    frames(Bytes).

frames(<<>>) -> ok;
frames(<<N:32, Frame:N/binary, Rest/binary>>) ->
    io:format("~0tp~n", [[{K, flat(K, V)} || {K, V} <- lists:sort(maps:to_list(binary_to_term(Frame)))]]),
    frames(Rest).

flat(numbers, Map) -> lists:sort(maps:to_list(Map));
flat(_, Value) -> Value.
