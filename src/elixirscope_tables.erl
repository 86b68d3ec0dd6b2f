%% SPDX-License-Identifier: MIT
%% Funs that tables and persistent terms hold. A purge does not see them: where the code is purged that they are of, they
%% fail when they are called. What cannot be looked into is said, and counts as if it held some.
-module(elixirscope_tables).
-export([scan/0, holds/3]).
-export_type([found/0]).

%% Code that funs are of, and where one is; what was not looked into.
-type found() :: #{funs := #{{module(), Md5 :: binary()} => binary()}, unknown := [binary()]}.

-define(OBJECTS, 200000).   % a table with more …
-define(WORDS, 16777216).   % … or larger is not looked into
-define(TERMS, 5000000).    % in all tables together
-define(AT_ONCE, 64).

%% Looks into all of them; for the price of a copy of each, so not often.
-spec scan() -> found().
scan() ->
    Tables = lists:foldl(fun table/2, {#{}, [], ?TERMS}, ets:all()),
    {Funs, Unknown, _} = persistent(Tables),
    #{funs => Funs, unknown => Unknown}.

%% Where a fun of this module may be that is of other code than Current; none.
-spec holds(module(), Current :: binary(), found()) -> none | binary().
holds(Module, Current, #{funs := Funs, unknown := Unknown}) ->
    case [Place || {{M, Md5}, Place} <- maps:to_list(Funs), M =:= Module, Md5 =/= Current] ++ Unknown of
        [] -> none;
        [Place | _] -> Place
    end.

table(Table, {Funs, Unknown, Left} = Sum) ->
    try {ets:info(Table, protection), ets:info(Table, size), ets:info(Table, memory)} of
        {undefined, _, _} -> Sum;
        {private, 0, _} -> Sum;
        {private, _, _} -> private(Table, ets:info(Table, owner), Sum);
        {_, Size, Words} when Size > ?OBJECTS; Words > ?WORDS; Left =< 0 ->
            {Funs, [text(["the table ", name(Table), " is too large to be looked into"]) | Unknown], Left};
        _ ->
            objects(ets:select(Table, [{'_', [], ['$_']}], ?AT_ONCE), text(["the table ", name(Table)]), Sum)
    catch
        error:badarg -> Sum % it is gone
    end.

objects('$end_of_table', _, Sum) ->
    Sum;
objects({Objects, More}, Place, {Funs0, Unknown, Left0}) ->
    {Funs, Left} = look(Objects, Place, {Funs0, Left0}),
    objects(ets:select(More), Place, {Funs, Unknown, Left}).

%% Only its owner can read it. OTP's and Elixir's own keep no funs of applications there.
private(Table, Owner, {Funs, Unknown, Left} = Sum) ->
    Module =
        case is_pid(Owner) andalso elixirscope_census:initial_call(Owner) of
            {M, _, _} -> M;
            _ -> undefined
        end,
    case elixirscope_vm:origin(Module) of
        user ->
            Text = ["the private table ", name(Table), " of ", pid_to_list(Owner), " cannot be looked into"],
            {Funs, [text(Text) | Unknown], Left};
        _ ->
            Sum
    end.

persistent({Funs0, Unknown, Left0}) ->
    {Funs, Left} = look(persistent_term:get(), <<"a persistent term">>, {Funs0, Left0}),
    case Left of
        _ when Left > 0 -> {Funs, Unknown, Left};
        _ -> {Funs, [<<"there is too much in tables and persistent terms to be looked into">> | Unknown], Left}
    end.

%% A term, its parts counted.
look(_, _, {_, Left} = Sum) when Left =< 0 ->
    Sum;
look([Head | Tail], Place, Sum) ->
    look(Tail, Place, look(Head, Place, Sum));
look(Term, Place, Sum) when is_tuple(Term) ->
    look(tuple_to_list(Term), Place, Sum);
look(Term, Place, Sum) when is_map(Term) ->
    maps:fold(fun(Key, Value, S) -> look(Value, Place, look(Key, Place, S)) end, Sum, Term);
look(Term, Place, {Funs, Left}) when is_function(Term) ->
    case maps:from_list([erlang:fun_info(Term, Item) || Item <- [type, module, new_uniq, env]]) of
        #{type := local, module := Module, new_uniq := Md5, env := Env} when is_binary(Md5) ->
            look(Env, Place, {maps:merge(#{{Module, Md5} => Place}, Funs), Left - 1});
        _ ->
            {Funs, Left - 1}
    end;
look(_, _, {Funs, Left}) ->
    {Funs, Left - 1}.

name(Table) -> io_lib:format("~0tp", [Table]).
text(Text) -> unicode:characters_to_binary(Text).
