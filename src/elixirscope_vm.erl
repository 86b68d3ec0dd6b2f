%% SPDX-License-Identifier: MIT
%% What this VM is and what is safe in it: facts for the recorder, gates by version, whose module a module is.
-module(elixirscope_vm).
-export([otp/0, erts_at_least/1, sessions/0, load_trace/0, keyed_dictionary/0]).
-export([unsafe/1, facts/0, origin/1, text/1, now_ns/0]).

-define(OTP_APPS, [
    asn1, common_test, compiler, crypto, debugger, dialyzer, diameter, edoc, eldap, erl_docgen, erl_interface,
    erts, et, eunit, ftp, inets, jinterface, kernel, megaco, mnesia, observer, odbc, os_mon, parsetools,
    public_key, reltool, runtime_tools, sasl, snmp, ssh, ssl, stdlib, syntax_tools, tftp, tools, wx, xmerl
]).
-define(ELIXIR_APPS, [eex, elixir, ex_unit, hex, iex, logger, mix]).

-spec otp() -> integer().
otp() ->
    list_to_integer(erlang:system_info(otp_release)).

-spec erts_at_least([integer()]) -> boolean().
erts_at_least(Least) ->
    Numbers = [N || {ok, N} <- [number(Part) || Part <- string:lexemes(erlang:system_info(version), ".-")]],
    Numbers >= Least.

number(Text) ->
    try {ok, list_to_integer(Text)} catch error:badarg -> none end.

%% Trace sessions of one's own: OTP 27 and later.
-spec sessions() -> boolean().
sessions() ->
    otp() >= 27 andalso code:ensure_loaded(trace) =:= {module, trace} andalso
        erlang:function_exported(trace, session_create, 3).

%% May erlang:finish_loading/1 be traced? A BIF traced by two sessions crashed emulators with sessions before
%% erts 16.2.
-spec load_trace() -> boolean().
load_trace() ->
    otp() < 27 orelse erts_at_least([16, 2]).

%% Can one key of another process's dictionary be asked for, without a copy of the whole? OTP 26.2 and later.
-spec keyed_dictionary() -> boolean().
keyed_dictionary() ->
    try erlang:process_info(self(), {dictionary, '$initial_call'}) of
        {{dictionary, '$initial_call'}, _} -> true;
        _ -> false
    catch
        error:badarg -> false
    end.

%% Why a trace flag stays off in this emulator, or false.
-spec unsafe(atom()) -> false | binary().
unsafe(running) ->
    case erts_at_least([13, 2]) of
        true ->
            false;
        false ->
            <<"scheduling is not recorded: before erts 13.2 (OTP 25.3) tracing it can crash the emulator when "
              "dirty schedulers are used (GH-5984, GH-6448)">>
    end;
unsafe(garbage_collection) ->
    case otp() >= 27 of
        false ->
            false;
        true ->
            <<"garbage collections are not recorded: on OTP 27 and later the emulator crashes when a second "
              "trace session asks for them too (GH-11624)">>
    end;
unsafe(_) ->
    false.

%% What the recorder is told first, and the recording's metadata.
-spec facts() -> map().
facts() ->
    #{
        os_pid => list_to_integer(os:getpid()),
        node => atom_to_binary(node(), utf8),
        otp => list_to_binary(erlang:system_info(otp_release)),
        erts => list_to_binary(erlang:system_info(version)),
        elixir => elixir(),
        schedulers => erlang:system_info(schedulers),
        dirty_cpu => erlang:system_info(dirty_cpu_schedulers),
        dirty_io => erlang:system_info(dirty_io_schedulers),
        creation => erlang:system_info(creation),
        system => list_to_binary(erlang:system_info(system_architecture)),
        command => command(),
        processes => erlang:system_info(process_count)
    }.

%% Elixir's version, also where nothing of it is loaded yet.
elixir() ->
    case application:get_key(elixir, vsn) of
        {ok, Version} -> text(Version);
        undefined -> elixir_on_disk()
    end.

elixir_on_disk() ->
    case code:where_is_file("elixir.app") of
        non_existing ->
            undefined;
        Path ->
            case file:consult(Path) of
                {ok, [{application, elixir, Keys}]} -> text(proplists:get_value(vsn, Keys, undefined));
                _ -> undefined
            end
    end.

%% The command line as the system knows it, without the cookie, what erl itself puts there, and what we put
%% there.
command() ->
    Words =
        case file:read_file("/proc/self/cmdline") of
            {ok, Line} when Line =/= <<>> -> binary:split(Line, <<0>>, [global, trim]);
            _ -> [text(Word) || Word <- init:get_plain_arguments()]
        end,
    [cut(Word, 1024) || Word <- hide_cookie(plain_words(lists:sublist(Words, 200)))].

plain_words([Flag, _ | Words]) when
    Flag =:= <<"-root">>; Flag =:= <<"-bindir">>; Flag =:= <<"-progname">>; Flag =:= <<"-home">>
->
    plain_words(Words);
plain_words([<<"--">> | Words]) ->
    plain_words(Words);
plain_words([<<"-eval">>, Text | Words]) ->
    case binary:match(Text, <<"ELIXIRSCOPE_SESSION">>) of
        nomatch -> [<<"-eval">>, Text | plain_words(Words)];
        _ -> plain_words(Words)
    end;
plain_words([Word | Words]) ->
    [Word | plain_words(Words)];
plain_words([]) ->
    [].

hide_cookie([Flag, _ | Words]) when Flag =:= <<"-setcookie">>; Flag =:= <<"--cookie">> ->
    [Flag, <<"***">> | hide_cookie(Words)];
hide_cookie([Word | Words]) ->
    [Word | hide_cookie(Words)];
hide_cookie([]) ->
    [].

cut(Bytes, Max) when byte_size(Bytes) > Max -> binary:part(Bytes, 0, Max);
cut(Bytes, _) -> Bytes.

%% Whose module it is, by the application its file lies in: a release keeps OTP and its own applications side
%% by side.
-spec origin(module()) -> otp | elixir | user.
origin(Module) ->
    case code:which(Module) of
        preloaded -> otp;
        Path when is_list(Path), Path =/= [] -> application_origin(application_of(Path));
        _ -> user
    end.

application_of(Path) ->
    Folder = filename:basename(filename:dirname(filename:dirname(Path))),
    hd(string:split(Folder, "-") ++ [""]).

application_origin(Name) ->
    case lists:member(Name, [atom_to_list(App) || App <- ?OTP_APPS]) of
        true ->
            otp;
        false ->
            case lists:member(Name, [atom_to_list(App) || App <- ?ELIXIR_APPS]) of
                true -> elixir;
                false -> user
            end
    end.

%% A term as bounded text.
-spec text(term()) -> binary().
text(Text) when is_binary(Text) ->
    Text;
text(Term) ->
    Chars =
        case io_lib:printable_unicode_list(Term) of
            true when Term =/= [] -> Term;
            _ -> io_lib:format("~0tp", [Term], [{chars_limit, 400}])
        end,
    case unicode:characters_to_binary(Chars) of
        Binary when is_binary(Binary) -> Binary;
        _ -> <<"?">>
    end.

-spec now_ns() -> integer().
now_ns() ->
    erlang:monotonic_time(nanosecond).
