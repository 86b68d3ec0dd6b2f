%% SPDX-License-Identifier: MIT
%% What recording may cost: measured each second, and held by taking away the dearest first. Decisions only;
%% the agent carries them out.
-module(elixirscope_budget).
-export([new/2, measure/2, step/1, what/1, limits/2]).
-export_type([budget/0]).

-define(FLOOR_NS, 250). % what the VM spends on an event outside of our code
-define(STEPS, 6).
-define(UP, 2).         % measurements above the target until the next step
-define(DOWN, 5).       % below half of it until the step before

-type budget() :: #{
    target := float(), step := 0..?STEPS, above := integer(), below := integer(), last := undefined | tuple()
}.
-type stats() :: #{events := integer(), nanos := integer(), _ => _}.

%% Target: percent of the CPU time of all schedulers; 0.0 is off.
-spec new(number(), pos_integer()) -> budget().
new(Target, Schedulers) ->
    #{
        target => float(Target), schedulers => Schedulers, step => 0, above => 0, below => 0,
        last => undefined, percent => 0.0
    }.

%% Takes a measurement: {NowNs, Stats of the NIF}. Gives the direction to go, if any, and the percentage
%% measured.
-spec measure({integer(), stats()}, budget()) -> {stay | more | less, float(), budget()}.
measure(Now, #{last := undefined} = Budget) ->
    {stay, 0.0, Budget#{last := Now}};
measure({Time, Stats} = Now, #{last := {Time0, Stats0}, schedulers := Schedulers} = Budget) ->
    #{events := Events, nanos := Nanos} = Stats,
    #{events := Events0, nanos := Nanos0} = Stats0,
    Spent = max(0, Nanos - Nanos0) + max(0, Events - Events0) * ?FLOOR_NS,
    Percent = 100.0 * Spent / (max(1, Time - Time0) * Schedulers),
    {Direction, Next} = decide(Percent, Budget),
    {Direction, Percent, Next#{last := Now, percent := Percent}}.

decide(_, #{target := Target} = Budget) when Target =< 0.0 ->
    {stay, Budget};
decide(Percent, #{target := Target, above := Above, step := Step} = Budget) when Percent > Target ->
    case Above + 1 >= ?UP andalso Step < ?STEPS of
        true -> {less, Budget#{step := Step + 1, above := 0, below := 0}};
        false -> {stay, Budget#{above := Above + 1, below := 0}}
    end;
decide(
    Percent, #{target := Target, below := Below, step := Step} = Budget
) when Percent < Target / 2, Step > 0 ->
    case Below + 1 >= ?DOWN of
        true -> {more, Budget#{step := Step - 1, above := 0, below := 0}};
        false -> {stay, Budget#{above := 0, below := Below + 1}}
    end;
decide(_, Budget) ->
    {stay, Budget#{above := 0, below := 0}}.

-spec step(budget()) -> 0..?STEPS.
step(#{step := Step}) -> Step.

%% What is recorded at a step.
-spec what(0..?STEPS) -> binary().
what(0) -> <<"everything that was asked for">>;
what(1) -> <<"payloads up to 256 bytes">>;
what(2) -> <<"no payloads, states up to 4096 bytes">>;
what(3) -> <<"one message and call in four">>;
what(4) -> <<"one message and call in 32, no states">>;
what(5) -> <<"no calls: and returns: any more">>;
what(6) -> <<"only the life of processes, errors and marks">>.

%% The limits of the writer at a step. Base is what was asked for: no step gives more.
-spec limits(
    0..?STEPS, #{payload_bytes := integer(), state_bytes := integer(), sample := integer()}
) -> map().
limits(Step, #{payload_bytes := Payload, state_bytes := State, sample := Sample}) ->
    #{
        payload_bytes => if Step >= 2 -> 0; Step >= 1 -> min(256, Payload); true -> Payload end,
        state_bytes => if Step >= 4 -> 0; Step >= 2 -> min(4096, State); true -> State end,
        sample => if Step >= 4 -> Sample div 32; Step >= 3 -> Sample div 4; true -> Sample end
    }.
