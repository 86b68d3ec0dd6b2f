%% SPDX-License-Identifier: MIT
%% Sites, names, and the calls of probes: the small parts from which woven code is built. Everything made here is marked as generated,
%% and its variables have names that no source can have.
-module(elixirscope_weave_site).

-export([new/4, fresh/1, in_fun/2, back/2, depth/1, module/1, locals/1]).
-export([enter/3, return/3, tail/2, line/3, try_/2, caught/5, taken/3]).
-export([line_of/1, begins/1, is_generated/1, bound/1, name/1, pattern_vars/1]).

-export_type([st/0, depth/0]).

-type depth() :: calls | lines | values.

-record(st, {
    module :: module(),
    outer :: {atom(), arity()},      % the function in the source
    function :: {atom(), arity()},   % it, or a fun in it
    anno :: erl_anno:anno(),         % where that begins
    depth :: depth(),
    locals :: #{{atom(), arity()} => true}, % calls of these names are not calls of built-in functions
    vars = 0 :: non_neg_integer(),
    funs = 0 :: non_neg_integer()
}).

-opaque st() :: #st{}.

%% What is needed while one function is woven.
-spec new(module(), depth(), map(), {atom(), arity(), erl_anno:anno()}) -> st().
new(Module, Depth, Locals, {Name, Arity, Anno}) ->
    #st{module = Module, outer = {Name, Arity}, function = {Name, Arity}, anno = Anno, depth = Depth, locals = Locals}.

depth(#st{depth = Depth}) -> Depth.
module(#st{module = Module}) -> Module.
locals(#st{locals = Locals}) -> Locals.

%% A variable that is used nowhere else in the function: neither Erlang nor Elixir gives a variable a name without a capital or an
%% underscore in front.
-spec fresh(st()) -> {erl_parse:abstract_expr(), st()}.
fresh(#st{vars = N} = St) ->
    {{var, anno(St#st.anno), list_to_atom("es@" ++ integer_to_list(N))}, St#st{vars = N + 1}}.

%% Into a fun, whose name is made as the compiler makes it but numbered in the order of the source, and back.
-spec in_fun({arity(), erl_anno:anno()}, st()) -> st().
in_fun({Arity, Anno}, #st{outer = {Name, Of}, funs = N} = St) ->
    Text = "-" ++ atom_to_list(Name) ++ "/" ++ integer_to_list(Of) ++ "-fun-" ++ integer_to_list(N) ++ "-",
    St#st{function = {list_to_atom(Text), Arity}, anno = Anno, funs = N + 1}.

-spec back(st(), st()) -> st().
back(#st{vars = Vars, funs = Funs}, Before) -> Before#st{vars = Vars, funs = Funs}.

%% ---- probes: calls of elixirscope_probe as abstract code ----

enter(Anno, Args, St) -> counted(enter, enter_list, Anno, site(enter, St#st.anno, 0, [], St), Args).
return(Anno, Value, St) -> probe(return, Anno, [site(return, St#st.anno, 0, [], St), Value]).
tail(Anno, St) -> probe(tail, Anno, [site(tail, St#st.anno, 0, [], St)]).
try_(Anno, St) -> probe(try_, Anno, [site(try_, Anno, 0, [], St)]).
taken(Anno, Message, St) -> probe(taken, Anno, [site(taken, Anno, 0, [], St), Message]).

%% The site of a try is the one of its catch clauses too: they differ in what they say, not in where they are.
caught(TryAnno, Token, Class, Reason, St) ->
    probe(caught, TryAnno, [site(caught, TryAnno, 0, [], St), Token, Class, Reason]).

%% A line is reached, as the begin of the n-th clause (0: of none), and these variables have just been bound.
line({Anno, Clause}, [], St) -> probe(line, Anno, [site(line, Anno, Clause, [], St)]);
line({Anno, Clause}, Vars, St) ->
    {Names, Values} = lists:unzip(Vars),
    counted(values, values_list, Anno, site(values, Anno, Clause, Names, St), Values).

counted(Few, Many, Anno, Site, Args) ->
    case length(Args) =< 6 of
        true -> probe(Few, Anno, [Site | Args]);
        false -> probe(Many, Anno, [Site, lists:foldr(fun(A, T) -> {cons, anno(Anno), A, T} end, {nil, anno(Anno)}, Args)])
    end.

probe(Name, Anno0, Args) ->
    Anno = anno(Anno0),
    {call, Anno, {remote, Anno, {atom, Anno, elixirscope_probe}, {atom, Anno, Name}}, Args}.

site(Kind, At, Clause, Names, #st{module = Module, function = {Name, Arity}}) ->
    Rest = {Module, Name, Arity, line_of(At), Clause, Names},
    <<Key:56, _/binary>> = erlang:md5(term_to_binary({Kind, Rest}, [{minor_version, 2}])),
    erl_parse:abstract(list_to_tuple([es_site, Key | tuple_to_list(Rest)]), [{location, line_of(At)}]).

anno(Anno) -> erl_anno:set_generated(true, Anno).

%% ---- places and names ----

line_of(Anno) -> erl_anno:line(Anno).

%% The annotation of the place where an expression begins, which is left of an operator's.
-spec begins(tuple()) -> erl_anno:anno().
begins({op, _, _, Left, _}) -> begins(Left);
begins({match, Anno, Pattern, _}) ->
    case line_of(element(2, Pattern)) of
        0 -> Anno;
        _ -> begins(Pattern)
    end;
begins(Expr) -> element(2, Expr).

-spec is_generated(erl_anno:anno()) -> boolean().
is_generated(Anno) -> erl_anno:generated(Anno) orelse line_of(Anno) =:= 0.

%% The variables of patterns that have names in the source, with these, in the order of the source; of equal names the last.
-spec bound([tuple()]) -> [{atom(), tuple()}].
bound(Patterns) ->
    Named = [{Name, Var} || {var, Anno, V} = Var <- pattern_vars(Patterns), not erl_anno:generated(Anno), Name <- name(V)],
    last_of_each(Named).

last_of_each([{Name, _} = One | More]) ->
    case lists:keymember(Name, 1, More) of
        true -> last_of_each(More);
        false -> [One | last_of_each(More)]
    end;
last_of_each([]) -> [].

%% The source's name of a variable, none where the compiler made it: Elixir's total is _total@1, _total@2 where it is bound again.
-spec name(atom()) -> [atom()].
name('_') -> [];
name(Var) ->
    case atom_to_list(Var) of
        [$_ | Text] = Whole ->
            case string:split(Text, "@", trailing) of
                [Name, Number] -> [list_to_atom(Name) || is_number_text(Number), Name =/= "", Name =/= "_"];
                [_] -> [list_to_atom(Whole)]
            end;
        [C | _] when C >= $a, C =< $z -> [];
        Text -> [Var || not lists:member($@, Text)]
    end.

is_number_text(Text) -> Text =/= [] andalso lists:all(fun(C) -> C >= $0 andalso C =< $9 end, Text).

%% The variables in patterns, each at its last place.
-spec pattern_vars([tuple()]) -> [tuple()].
pattern_vars(Patterns) ->
    All = lists:reverse(vars(Patterns, [])),
    [V || {V, {var, _, Name}} <- lists:zip(All, All), Name =/= '_'].

vars({var, _, _} = Var, Acc) -> [Var | lists:keydelete(element(3, Var), 3, Acc)];
vars([H | T], Acc) -> vars(T, vars(H, Acc));
vars(Node, Acc) when is_tuple(Node), tuple_size(Node) > 2 -> vars(tl(tl(tuple_to_list(Node))), Acc);
vars(_, Acc) -> Acc.
