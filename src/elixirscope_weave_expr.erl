%% SPDX-License-Identifier: MIT
%% Expressions: where the probes go. Two ways through a body: as a value, which is used by what is around it, and as a tail, whose last
%% expression ends the frame: by a value (it is bound, told, and given on) or by a tail call (what it needs is evaluated, then it is
%% told, then the call is made and stays a tail call). Patterns and guards are never changed but for names given to what they match;
%% an expression of a kind that is not known here is left alone.
-module(elixirscope_weave_expr).

-export([function/2]).

-type st() :: elixirscope_weave_site:st().
-define(S, elixirscope_weave_site).
-define(IS_GENERATOR(Type), (
    Type =:= generate orelse Type =:= b_generate orelse Type =:= m_generate orelse
    Type =:= generate_strict orelse Type =:= b_generate_strict orelse Type =:= m_generate_strict
)).

%% The clauses of a function, woven.
-spec function([tuple()], st()) -> {[tuple()], st()}.
function(Clauses, St) -> numbered(fun entry/3, Clauses, St).

entry({clause, Anno, Head, Guards, Body}, N, St0) ->
    {Head1, Args, St1} = named_all(Head, St0),
    {Body1, St2} = tail_body(Body, clause_begin(Anno, N, Head), vars(Head), St1),
    {{clause, Anno, Head1, Guards, [?S:enter(Anno, Args, St0) | Body1]}, St2}.

numbered(Weave, Clauses, St0) ->
    {Woven, {_, St}} = lists:mapfoldl(
        fun(Clause, {N, St1}) ->
            {Clause1, St2} = Weave(Clause, N, St1),
            {Clause1, {N + 1, St2}}
        end, {1, St0}, Clauses),
    {Woven, St}.

%% ---- bodies ----

%% Begin is {Place, N, Patterns}: the n-th clause begins here and has bound the patterns' variables; or {Line}: the line that was told last.
clause_begin(Anno, N, Patterns) -> {Anno, N, Patterns}.

value_body(Body, Begin, St) -> body(Body, Begin, value, St).
tail_body(Body, Begin, Bound, St) -> body(Body, Begin, {tail, Bound}, St).

body([E | Es], Begin, Position, St0) ->
    {Before, Line} = before(E, Begin, St0),
    {Woven, St1} = body_expr(E, Es =:= [], Position, St0),
    {Rest, St2} = body(Es, {Line}, further(E, Es, Position), St1),
    {Before ++ Woven ++ Rest, St2};
body([], _, _, St) -> {[], St}.

further(_, _, value) -> value;
further(_, [], Position) -> Position;
further(E, _, {tail, Bound}) -> {tail, maps:merge(Bound, vars([E]))}.

body_expr(E, true, {tail, Bound}, St) -> tail(E, Bound, St);
body_expr(E, true, value, St0) ->
    case after_match(E, St0) of
        [] -> listed(expr(E, St0));
        Probes ->
            {E1, St1} = expr(E, St0),
            {Value, St2} = ?S:fresh(St1),
            {[matched(Value, E1) | Probes] ++ [Value], St2}
    end;
body_expr(E, false, _, St0) ->
    {E1, St} = expr(E, St0),
    {[E1 | after_match(E, St0)], St}.

listed({E, St}) -> {[E], St}.

%% The probe before an expression, and the line that was told last then.
before(E, Begin, St) ->
    At = ?S:begins(E),
    Line = ?S:line_of(At),
    case {?S:depth(St), Begin} of
        {calls, _} -> {[], Line};
        {_, {Line}} -> {[], Line};
        {_, {Last}} -> case ?S:is_generated(At) of true -> {[], Last}; false -> {[?S:line({At, 0}, [], St)], Line} end;
        {Depth, {Anno, N, Patterns}} ->
            Vars = [V || Depth =:= values, V <- ?S:bound(Patterns)],
            case {?S:is_generated(At), ?S:is_generated(Anno)} of
                {false, _} -> {[?S:line({At, N}, Vars, St)], Line};
                {true, false} -> {[?S:line({Anno, N}, Vars, St)], ?S:line_of(Anno)};
                {true, true} -> {[], Line}
            end
    end.

%% The values that a match has bound.
after_match({Match, Anno, Pattern, _}, St) when Match =:= match; Match =:= maybe_match ->
    case ?S:depth(St) =:= values andalso not ?S:is_generated(Anno) andalso ?S:bound([Pattern]) of
        [_ | _] = Vars -> [?S:line({Anno, 0}, Vars, St)];
        _ -> []
    end;
after_match(_, _) -> [].

%% ---- the last expression of a frame ----

tail(E, Bound, St) ->
    case may_tail_call(E, St) of
        true -> tail_of(E, Bound, St);
        false -> give_back(E, St)
    end.

give_back(E, St0) ->
    {E1, St1} = expr(E, St0),
    Anno = element(2, E),
    case {is_plain(E1), never_returns(E1, St1)} of
        {_, true} -> {[E1], St1};
        {true, _} -> {[?S:return(Anno, E1, St1), E1], St1};
        {false, _} ->
            {Value, St2} = ?S:fresh(St1),
            {[matched(Value, E1) | after_match(E, St2)] ++ [?S:return(Anno, Value, St2), Value], St2}
    end.

tail_of({call, _, _, _} = Call, _, St) -> tail_call(Call, St);
tail_of({match, _, {var, _, V}, E} = Match, Bound, St) ->
    case is_map_key(V, Bound) of
        true -> give_back(Match, St);
        false -> tail(E, Bound, St) % the variable is not used any more, and the compiler leaves it out too
    end;
tail_of({block, Anno, Body}, Bound, St) -> tail_body(Body, {?S:line_of(Anno)}, Bound, St);
tail_of({'case', Anno, E, Clauses}, Bound0, St0) ->
    {E1, St1} = expr(E, St0),
    {Clauses1, St} = tail_clauses(Clauses, maps:merge(Bound0, vars([E])), St1),
    {[{'case', Anno, E1, Clauses1}], St};
tail_of({'if', Anno, Clauses}, Bound, St0) ->
    {Clauses1, St} = tail_clauses(Clauses, Bound, St0),
    {[{'if', Anno, Clauses1}], St};
tail_of({'receive', Anno, Clauses}, Bound, St0) ->
    {Clauses1, St} = receive_clauses(Clauses, {tail, Bound}, St0),
    {[{'receive', Anno, Clauses1}], St};
tail_of({'receive', Anno, Clauses, Time, After}, Bound0, St0) ->
    {Clauses1, St1} = receive_clauses(Clauses, {tail, Bound0}, St0),
    {Time1, St2} = expr(Time, St1),
    Bound = maps:merge(Bound0, vars([Time])),
    {After1, St} = tail_body(After, clause_begin(Anno, length(Clauses) + 1, []), Bound, St2),
    {[{'receive', Anno, Clauses1, Time1, After1}], St};
tail_of({op, Anno, Op, Left, Right}, Bound0, St0) -> % andalso, orelse
    {Left1, St1} = expr(Left, St0),
    {Right1, St2} = tail(Right, maps:merge(Bound0, vars([Left])), St1),
    {Other, St} = ?S:fresh(St2),
    Short = {atom, Anno, Op =:= 'orelse'},
    {[{'case', Anno, Left1, [
        {clause, Anno, [{atom, Anno, Op =:= 'andalso'}], [], Right1},
        {clause, Anno, [Short], [], [?S:return(Anno, Short, St), Short]},
        {clause, Anno, [Other], [], [{op, Anno, Op, Other, Short}]} % fails as it failed before
    ]}], St};
tail_of({'maybe', Anno, Body}, Bound, St0) ->
    {Other, St1} = ?S:fresh(St0),
    {Body1, St} = maybe_tail_body(Anno, Body, Bound, St1),
    Else = {clause, Anno, [Other], [], [?S:return(Anno, Other, St), Other]},
    {[{'maybe', Anno, Body1, {'else', Anno, [Else]}}], St};
tail_of({'maybe', Anno, Body, {'else', ElseAnno, Clauses}}, Bound, St0) ->
    {Body1, St1} = maybe_tail_body(Anno, Body, Bound, St0),
    {Clauses1, St} = tail_clauses(Clauses, Bound, St1),
    {[{'maybe', Anno, Body1, {'else', ElseAnno, Clauses1}}], St};
tail_of({'try', Anno, Body, Of, Catch, []}, Bound0, St0) ->
    Bound = maps:merge(Bound0, vars(Body)),
    {Body1, St1} = value_body(Body, {?S:line_of(Anno)}, St0),
    {Of1, St2} = tail_of_try(Anno, Of, Bound, St1),
    caught(Anno, {Body1, Of1, Catch, []}, {tail, Bound}, St2).

%% A try without `of` gives the value of its body: it gets an `of` that tells this value.
tail_of_try(Anno, [], _, St0) ->
    {Value, St} = ?S:fresh(St0),
    {[{clause, Anno, [Value], [], [?S:return(Anno, Value, St), Value]}], St};
tail_of_try(_, Clauses, Bound, St) -> tail_clauses(Clauses, Bound, St).

%% A body that ends with ?= gives what was matched.
maybe_tail_body(Anno, Body, Bound, St0) ->
    case lists:last(Body) of
        {maybe_match, MatchAnno, Pattern, E} ->
            {Value, St1} = ?S:fresh(St0),
            Last = [matched(Value, E), {maybe_match, MatchAnno, Pattern, Value}, Value],
            tail_body(lists:droplast(Body) ++ Last, {?S:line_of(Anno)}, Bound, St1);
        _ -> tail_body(Body, {?S:line_of(Anno)}, Bound, St0)
    end.

tail_clauses(Clauses, Bound, St) -> clauses(Clauses, {tail, Bound}, St).

tail_call({call, Anno, Fun, Args}, St0) ->
    {Fun1, Before1, St1} = called(Fun, St0),
    {Args1, Before2, St2} = evaluated_all(Args, St1),
    {Before1 ++ Before2 ++ [?S:tail(Anno, St2), {call, Anno, Fun1, Args1}], St2}.

called({atom, _, _} = Name, St) -> {Name, [], St};
called({remote, Anno, Module, Name}, St0) ->
    {[Module1, Name1], Before, St} = evaluated_all([Module, Name], St0),
    {{remote, Anno, Module1, Name1}, Before, St};
called(Fun, St0) ->
    {[Fun1], Before, St} = evaluated_all([Fun], St0),
    {Fun1, Before, St}.

%% Expressions that are evaluated already, and what evaluates them, in order.
evaluated_all(Es, St0) ->
    {Pairs, St} = lists:mapfoldl(fun evaluated/2, St0, Es),
    {[E || {E, _} <- Pairs], lists:append([Before || {_, Before} <- Pairs]), St}.

evaluated(E, St0) ->
    {E1, St1} = expr(E, St0),
    case is_plain(E1) of
        true -> {{E1, []}, St1};
        false ->
            {Var, St} = ?S:fresh(St1),
            {{Var, [matched(Var, E1)]}, St}
    end.

%% ---- clauses ----

clauses(Clauses, Position, St) ->
    numbered(fun({clause, Anno, Patterns, Guards, Body}, N, St0) ->
        {Body1, St1} = clause_body({Anno, N, Patterns}, Body, Position, St0),
        {{clause, Anno, Patterns, Guards, Body1}, St1}
    end, Clauses, St).

clause_body(Begin, Body, value, St) -> value_body(Body, Begin, St);
clause_body({_, _, Patterns} = Begin, Body, {tail, Bound}, St) ->
    tail_body(Body, Begin, maps:merge(Bound, vars(Patterns)), St).

receive_clauses(Clauses, Position, St) ->
    numbered(fun({clause, Anno, [Pattern], Guards, Body}, N, St0) ->
        {Pattern1, Message, St1} = named(Pattern, St0),
        {Body1, St2} = clause_body({Anno, N, [Pattern]}, Body, Position, St1),
        {{clause, Anno, [Pattern1], Guards, [?S:taken(Anno, Message, St2) | Body1]}, St2}
    end, Clauses, St).

%% A try whose body and `of` are woven: its catch clauses tell which frames are gone by now.
caught(Anno, {Body, Of, [], After}, _, St) -> {[{'try', Anno, Body, Of, [], After}], St};
caught(Anno, {Body, Of, Catch, After}, Position, St0) ->
    {Token, St1} = ?S:fresh(St0),
    {Catch1, St} = numbered(fun(Clause, N, St2) -> catch_clause(Clause, {Anno, Token, Position, N}, St2) end, Catch, St1),
    {[matched(Token, ?S:try_(Anno, St)), {'try', Anno, Body, Of, Catch1, After}], St}.

catch_clause({clause, Anno, [{tuple, At, [Class, Reason, Stack]}], Guards, Body}, {TryAnno, Token, Position, N}, St0) ->
    {Class1, ClassValue, St1} = named(Class, St0),
    {Reason1, ReasonValue, St2} = named(Reason, St1),
    {Body1, St} = clause_body({Anno, N, [Class, Reason]}, Body, Position, St2),
    Probe = ?S:caught(TryAnno, Token, ClassValue, ReasonValue, St),
    {{clause, Anno, [{tuple, At, [Class1, Reason1, Stack]}], Guards, [Probe | Body1]}, St}.

%% ---- an expression whose value is used ----

expr({'case', Anno, E, Clauses}, St0) ->
    {E1, St1} = expr(E, St0),
    {Clauses1, St} = clauses(Clauses, value, St1),
    {{'case', Anno, E1, Clauses1}, St};
expr({'if', Anno, Clauses}, St0) ->
    {Clauses1, St} = clauses(Clauses, value, St0),
    {{'if', Anno, Clauses1}, St};
expr({'receive', Anno, Clauses}, St0) ->
    {Clauses1, St} = receive_clauses(Clauses, value, St0),
    {{'receive', Anno, Clauses1}, St};
expr({'receive', Anno, Clauses, Time, After}, St0) ->
    {Clauses1, St1} = receive_clauses(Clauses, value, St0),
    {Time1, St2} = expr(Time, St1),
    {After1, St} = value_body(After, clause_begin(Anno, length(Clauses) + 1, []), St2),
    {{'receive', Anno, Clauses1, Time1, After1}, St};
expr({'try', Anno, Body, Of, Catch, After}, St0) ->
    {Body1, St1} = value_body(Body, {?S:line_of(Anno)}, St0),
    {Of1, St2} = clauses(Of, value, St1),
    {After1, St3} = value_body(After, {?S:line_of(Anno)}, St2),
    case caught(Anno, {Body1, Of1, Catch, After1}, value, St3) of
        {[Try], St} -> {Try, St};
        {Both, St} -> {{block, Anno, Both}, St}
    end;
expr({block, Anno, Body}, St0) ->
    {Body1, St} = value_body(Body, {?S:line_of(Anno)}, St0),
    {{block, Anno, Body1}, St};
expr({'maybe', Anno, Body}, St0) ->
    {Body1, St} = maybe_value_body(Anno, Body, St0),
    {{'maybe', Anno, Body1}, St};
expr({'maybe', Anno, Body, {'else', ElseAnno, Clauses}}, St0) ->
    {Body1, St1} = maybe_value_body(Anno, Body, St0),
    {Clauses1, St} = clauses(Clauses, value, St1),
    {{'maybe', Anno, Body1, {'else', ElseAnno, Clauses1}}, St};
expr({'fun', Anno, {clauses, Clauses}}, St0) ->
    {Clauses1, St} = fun_clauses(Anno, Clauses, St0),
    {{'fun', Anno, {clauses, Clauses1}}, St};
expr({named_fun, Anno, Name, Clauses}, St0) ->
    {Clauses1, St} = fun_clauses(Anno, Clauses, St0),
    {{named_fun, Anno, Name, Clauses1}, St};
expr({lc, Anno, E, Qualifiers}, St0) ->
    {Qualifiers1, St1} = exprs(Qualifiers, St0),
    Patterns = lists:append([patterns(Q) || Q <- Qualifiers]),
    case value_body([E], clause_begin(Anno, 1, Patterns), St1) of
        {[E1], St} -> {{lc, Anno, E1, Qualifiers1}, St};
        {Body, St} -> {{lc, Anno, {block, element(2, E), Body}, Qualifiers1}, St}
    end;
expr({Comprehension, Anno, E, Qualifiers}, St0) when Comprehension =:= bc; Comprehension =:= mc ->
    {Qualifiers1, St1} = exprs(Qualifiers, St0),
    {E1, St} = expr(E, St1),
    {{Comprehension, Anno, E1, Qualifiers1}, St};
expr({zip, Anno, Generators}, St0) ->
    {Generators1, St} = exprs(Generators, St0),
    {{zip, Anno, Generators1}, St};
expr({Right, Anno, Left, E}, St0) when Right =:= match; Right =:= maybe_match; ?IS_GENERATOR(Right) ->
    {E1, St} = expr(E, St0),
    {{Right, Anno, Left, E1}, St};
expr({call, Anno, {atom, _, record_info} = Fun, Args}, St) -> {{call, Anno, Fun, Args}, St};
expr({call, Anno, Fun, Args}, St0) ->
    {Fun1, St1} = expr(Fun, St0),
    {Args1, St} = exprs(Args, St1),
    {{call, Anno, Fun1, Args1}, St};
expr({Pair, Anno, A, B}, St0) when Pair =:= cons; Pair =:= remote; Pair =:= map_field_assoc; Pair =:= map_field_exact ->
    {[A1, B1], St} = exprs([A, B], St0),
    {{Pair, Anno, A1, B1}, St};
expr({op, Anno, Op, A, B}, St0) ->
    {[A1, B1], St} = exprs([A, B], St0),
    {{op, Anno, Op, A1, B1}, St};
expr({op, Anno, Op, A}, St0) ->
    {A1, St} = expr(A, St0),
    {{op, Anno, Op, A1}, St};
expr({'catch', Anno, E}, St0) ->
    {E1, St} = expr(E, St0),
    {{'catch', Anno, E1}, St};
expr({Several, Anno, Es}, St0) when (Several =:= tuple orelse Several =:= map orelse Several =:= bin), is_list(Es) ->
    {Es1, St} = exprs(Es, St0),
    {{Several, Anno, Es1}, St};
expr({bin_element, Anno, E, Size, Types}, St0) ->
    {E1, St1} = expr(E, St0),
    {Size1, St} = case Size of default -> {default, St1}; _ -> expr(Size, St1) end,
    {{bin_element, Anno, E1, Size1, Types}, St};
expr({map, Anno, E, Fields}, St0) ->
    {E1, St1} = expr(E, St0),
    {Fields1, St} = exprs(Fields, St1),
    {{map, Anno, E1, Fields1}, St};
expr({record, Anno, Name, Fields}, St0) when is_atom(Name) ->
    {Fields1, St} = exprs(Fields, St0),
    {{record, Anno, Name, Fields1}, St};
expr({record, Anno, E, Name, Fields}, St0) ->
    {E1, St1} = expr(E, St0),
    {Fields1, St} = exprs(Fields, St1),
    {{record, Anno, E1, Name, Fields1}, St};
expr({record_field, Anno, E, Name, Field}, St0) ->
    {E1, St} = expr(E, St0),
    {{record_field, Anno, E1, Name, Field}, St};
expr({record_field, Anno, Name, E}, St0) ->
    {E1, St} = expr(E, St0),
    {{record_field, Anno, Name, E1}, St};
expr(Other, St) -> {Other, St}.

exprs(Es, St) -> lists:mapfoldl(fun expr/2, St, Es).

fun_clauses(Anno, [{clause, _, Head, _, _} | _] = Clauses, St0) ->
    Within = ?S:in_fun({length(Head), Anno}, St0),
    {Clauses1, St} = function(Clauses, Within),
    {Clauses1, ?S:back(St, St0)}.

%% As above, a body that ends with ?= must stay one whose value is what was matched.
maybe_value_body(Anno, Body, St0) ->
    case lists:last(Body) of
        {maybe_match, _, _, _} = Last ->
            {Body1, St1} = value_body(lists:droplast(Body), {?S:line_of(Anno)}, St0),
            {Last1, St} = expr(Last, St1),
            {Body1 ++ [Last1], St};
        _ -> value_body(Body, {?S:line_of(Anno)}, St0)
    end.

patterns({zip, _, Generators}) -> lists:append([patterns(G) || G <- Generators]);
patterns({Generate, _, Pattern, _}) when ?IS_GENERATOR(Generate) -> [Pattern];
patterns(_) -> [].

%% ---- what is what ----

%% Names for what patterns match. A variable is a name already.
named_all(Patterns, St0) ->
    {Pairs, St} = lists:mapfoldl(
        fun(P, St1) ->
            {P1, Value, St2} = named(P, St1),
            {{P1, Value}, St2}
        end, St0, Patterns),
    {Patterns1, Values} = lists:unzip(Pairs),
    {Patterns1, Values, St}.

named({var, _, '_'}, St0) ->
    {Var, St} = ?S:fresh(St0),
    {Var, Var, St};
named({var, _, _} = Var, St) -> {Var, Var, St};
named({match, _, {var, _, V} = Var, _} = Pattern, St) when V =/= '_' -> {Pattern, Var, St};
named({match, _, _, {var, _, V} = Var} = Pattern, St) when V =/= '_' -> {Pattern, Var, St};
named(Pattern, St0) ->
    case is_plain(Pattern) of
        true -> {Pattern, Pattern, St0};
        false ->
            {Var, St} = ?S:fresh(St0),
            {{match, element(2, Pattern), Pattern, Var}, Var, St}
    end.

matched(Var, E) -> {match, element(2, Var), Var, E}.

is_plain({var, _, V}) -> V =/= '_';
is_plain({Type, _, _}) -> lists:member(Type, [atom, integer, char]);
is_plain({nil, _}) -> true;
is_plain(_) -> false.

%% Has it a tail call in one of its tail positions?
may_tail_call({call, _, _, _} = Call, St) -> kind_of_call(Call, St) =:= tail;
may_tail_call({match, _, {var, _, _}, E}, St) -> may_tail_call(E, St);
may_tail_call({block, _, Body}, St) -> may_tail_call(lists:last(Body), St);
may_tail_call({'case', _, _, Clauses}, St) -> any_tail_call(Clauses, St);
may_tail_call({'if', _, Clauses}, St) -> any_tail_call(Clauses, St);
may_tail_call({'receive', _, Clauses}, St) -> any_tail_call(Clauses, St);
may_tail_call({'receive', _, Clauses, _, After}, St) -> may_tail_call(lists:last(After), St) orelse any_tail_call(Clauses, St);
may_tail_call({op, _, Op, _, Right}, St) when Op =:= 'andalso'; Op =:= 'orelse' -> may_tail_call(Right, St);
may_tail_call({'maybe', _, Body}, St) -> may_tail_call(lists:last(Body), St);
may_tail_call({'maybe', _, Body, {'else', _, Clauses}}, St) ->
    may_tail_call(lists:last(Body), St) orelse any_tail_call(Clauses, St);
may_tail_call({'try', _, _, Of, Catch, []}, St) -> any_tail_call(Of ++ Catch, St);
may_tail_call(_, _) -> false.

any_tail_call(Clauses, St) -> lists:any(fun({clause, _, _, _, Body}) -> may_tail_call(lists:last(Body), St) end, Clauses).

never_returns({call, _, _, _} = Call, St) -> kind_of_call(Call, St) =:= never;
never_returns(_, _) -> false.

kind_of_call({call, _, {atom, _, Name}, Args}, St) ->
    Arity = length(Args),
    case not is_map_key({Name, Arity}, ?S:locals(St)) andalso (Name =:= record_info orelse erl_internal:bif(Name, Arity)) of
        true -> kind_of_bif(Name, Arity);
        false -> tail
    end;
kind_of_call({call, _, {remote, _, {atom, _, erlang}, {atom, _, Name}}, Args}, _) -> kind_of_bif(Name, length(Args));
kind_of_call(_, _) -> tail.

%% What of the module erlang gives a value, calls on, or does not come back.
kind_of_bif(apply, _) -> tail;
kind_of_bif(hibernate, _) -> tail;
kind_of_bif(error, _) -> never;
kind_of_bif(nif_error, _) -> never;
kind_of_bif(exit, 1) -> never;
kind_of_bif(throw, 1) -> never;
kind_of_bif(raise, 3) -> value; % it gives badarg where it is called wrongly
kind_of_bif(halt, _) -> never;
kind_of_bif(_, _) -> value.

%% The variables of this scope that occur in patterns or expressions, those inside of funs and comprehensions left out.
vars(Nodes) -> vars(Nodes, #{}).

vars({var, _, V}, Acc) -> Acc#{V => true};
vars({Scope, _, _}, Acc) when Scope =:= 'fun' -> Acc;
vars({Scope, _, _, _}, Acc) when Scope =:= named_fun; Scope =:= lc; Scope =:= bc; Scope =:= mc -> Acc;
vars([H | T], Acc) -> vars(T, vars(H, Acc));
vars(Node, Acc) when is_tuple(Node), tuple_size(Node) > 2 -> vars(tl(tl(tuple_to_list(Node))), Acc);
vars(_, Acc) -> Acc.
