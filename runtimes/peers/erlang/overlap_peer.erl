%% The workloads on Erlang's processes. This file is the protocol of ../README.md; what tasks do is
%% in workloads.erl, and how they are started and traced in gather.erl.
-module(overlap_peer).
-export([start/0]).

%% Serves in a process with its messages off its heap, as the documentation advises where very many
%% may come. Tasks are linked to it: when one fails, so does everything.
start() ->
    {_, Monitor} = spawn_opt(fun serve/0, [monitor, {message_queue_data, off_heap}]),
    receive
        {'DOWN', Monitor, process, _, normal} ->
            halt(0);
        {'DOWN', Monitor, process, _, Reason} ->
            say(#{error => iolist_to_binary(io_lib:format("~0p", [Reason]))}),
            halt(1)
    end.

serve() ->
    ok = io:setopts([binary]),
    Version = list_to_binary("Erlang/OTP " ++ erlang:system_info(otp_release)),
    say(#{hello => #{version => Version, task_limit => null}}),
    answer(io:get_line(""), {[], [], none}).

say(Answer) ->
    io:put_chars([jiffy:encode(Answer), $\n]).

%% What the last run came to, its sums, its results and its log, waits here until it is asked for: to make a
%% list of a million flights takes longer than many a run, and an answer tells the time of the run.
answer(eof, _) ->
    ok;
answer(Line, {Sums, Results, Log} = Last) ->
    case jiffy:decode(Line, [return_maps]) of
        #{<<"request">> := <<"run">>} = Request ->
            gather:delete_log(Log),
            case run(Request) of
                no_workload ->
                    say(#{no_workload => true}),
                    answer(io:get_line(""), {[], [], none});
                {Wall, NewSums, NewResults, NewLog} ->
                    say(#{wall_s => Wall}),
                    answer(io:get_line(""), {NewSums, NewResults, NewLog})
            end;
        #{<<"results">> := ResultsPath, <<"sums">> := SumsPath, <<"flights">> := FlightsPath} ->
            write(ResultsPath, Results),
            SumsPath =:= <<>> orelse write(SumsPath, Sums),
            FlightsPath =:= <<>> orelse write(FlightsPath, gather:flights(Log)),
            say(#{written => true}),
            answer(io:get_line(""), Last)
    end.

run(#{<<"workload">> := Name, <<"case">> := Case, <<"trace">> := Trace}) when
    Name =:= <<"echo">>; Name =:= <<"echo_with_deadlines">>
->
    {ok, Listener} = workloads:listen(Case),
    {ok, Port} = inet:port(Listener),
    say(#{port => Port}),
    Log = gather:new_log(Trace),
    {Wall, [], Results} = timed([0], fun(_) -> workloads:echo(Listener, Case, Log) end),
    ok = gen_tcp:close(Listener),
    {Wall, [], Results, Log};
run(#{<<"workload">> := Name, <<"case">> := Case, <<"trace">> := Trace} = Request) ->
    case workloads:named(Name) of
        no_workload ->
            no_workload;
        Workload ->
            Log = gather:new_log(Trace),
            #{<<"seed">> := Seed, <<"repeat">> := Repeat} = Request,
            Leaves = workloads:leaves(Case),
            Seeds = [Seed + Leaves * Repetition || Repetition <- lists:seq(0, Repeat - 1)],
            {Wall, Sums, Results} = timed(Seeds, fun(From) -> Workload(Case, From, Log) end),
            {Wall, Sums, Results, Log}
    end.

%% The seconds that all repetitions take, what the results of each but the last add up to, and what the
%% last one returned.
timed(Seeds, Root) ->
    Start = erlang:monotonic_time(),
    {Sums, Results} = repeat(Seeds, Root, []),
    Taken = erlang:monotonic_time() - Start,
    {Taken / erlang:convert_time_unit(1, second, native), lists:reverse(Sums), Results}.

repeat([Seed], Root, Sums) -> {Sums, Root(Seed)};
repeat([Seed | Seeds], Root, Sums) -> repeat(Seeds, Root, [computing:sum(Root(Seed)) | Sums]).

write(Path, Numbers) ->
    ok = file:write_file(Path, <<<<Number:64/little>> || Number <- Numbers>>).
