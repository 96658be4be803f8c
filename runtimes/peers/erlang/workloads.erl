%% What bench/README.md asks of tasks. Each workload returns the results of one gather, whose leaves
%% begin with a seed. Times are in nanoseconds.
-module(workloads).
-export([named/1, leaves/1, listen/1, echo/3]).

-define(MOST_WAITING, 4096). % Connections that the kernel holds until they are accepted.
-define(NS_PER_MS, 1_000_000).

named(<<"sleeps">>) -> fun sleeps/3;
named(<<"gather">>) -> fun tree/3;
named(<<"heartbeat">>) -> fun heartbeat/3;
named(<<"mix">>) -> fun mix/3;
named(<<"ping_pong">>) -> fun ping_pong/3;
named(<<"cancel">>) -> fun cancelling:cancel/3;
named(_) -> no_workload.

now_ns() -> erlang:monotonic_time(nanosecond).

%% Returns the time. Timers count whole milliseconds; `after 0` would not suspend.
sleep_until(Deadline) ->
    case Deadline - now_ns() of
        Left when Left > 0 -> timer:sleep((Left + ?NS_PER_MS - 1) div ?NS_PER_MS);
        _ -> erlang:yield()
    end,
    case now_ns() of
        Now when Now < Deadline -> sleep_until(Deadline);
        Now -> Now
    end.

sleeps(#{<<"tasks">> := Tasks} = Case, _, Log) ->
    gather:all(Tasks, computing:delays_ns(Case), fun sleep_once/1, Log).

sleep_once(Delay) ->
    Deadline = now_ns() + Delay,
    sleep_until(Deadline) - Deadline.

tree(#{<<"fan_out">> := FanOut, <<"depth">> := Depth} = Case, Seed, Log) ->
    #{<<"work">> := Work, <<"heavy_leaves">> := HeavyLeaves, <<"heavy_work">> := HeavyWork} = Case,
    children(0, FanOut, Depth, {Work, Seed + HeavyLeaves, HeavyWork}, Seed, Log).

%% The steps of the leaf that begins with a state, of which those below some have more.
work_of(State, {_, Heavy, HeavyWork}) when State < Heavy -> HeavyWork;
work_of(_, {Work, _, _}) -> Work.

%% The values of the children of the node at a position of its level, with so many levels below.
children(Position, FanOut, Depth, Work, Seed, Log) ->
    First = Position * FanOut,
    case Depth of
        1 ->
            Leaf = fun(State) ->
                erlang:yield(),
                computing:leaf_value(State, work_of(State, Work))
            end,
            gather:all(FanOut, fun(Index) -> Seed + First + Index end, Leaf, Log);
        _ ->
            Branch = fun(Node) ->
                computing:sum(children(Node, FanOut, Depth - 1, Work, Seed, Log))
            end,
            gather:all(FanOut, fun(Index) -> First + Index end, Branch, Log)
    end.

%% How many leaves a run of a case that is repeated has: only gather is.
leaves(#{<<"fan_out">> := FanOut, <<"depth">> := Depth}) -> leaves(FanOut, Depth, 1);
leaves(_) -> 0.

leaves(_, 0, Count) -> Count;
leaves(FanOut, Depth, Count) -> leaves(FanOut, Depth - 1, Count * FanOut).

heartbeat(#{<<"tasks">> := Tasks} = Case, Seed, Log) ->
    #{
        <<"work">> := Work,
        <<"parts">> := Parts,
        <<"beats">> := Beats,
        <<"interval_ns">> := Interval
    } = Case,
    Task = fun
        (0) -> beat(Beats, Interval);
        (Index) -> [compute_in_parts(Seed + (Index - 1) * Parts, Parts, Work, 0), 0, 0]
    end,
    lists:append(gather:all(Tasks + 1, fun(Index) -> Index end, Task, Log)).

beat(Beats, Interval) ->
    First = now_ns(),
    {Longest, Last} = beat(Beats, Interval, First, 0),
    [0, Longest, (Last - First) div Beats].

beat(0, _, Last, Longest) ->
    {Longest, Last};
beat(Beats, Interval, Last, Longest) ->
    Now = sleep_until(Last + Interval),
    beat(Beats - 1, Interval, Now, max(Longest, Now - Last)).

compute_in_parts(_, 0, _, Value) ->
    computing:sum([Value]);
compute_in_parts(State, Parts, Work, Value) ->
    erlang:yield(),
    compute_in_parts(State + 1, Parts - 1, Work, Value + computing:leaf_value(State, Work)).

mix(#{<<"tasks">> := Tasks, <<"rounds">> := Rounds} = Case, Seed, Log) ->
    #{<<"wait_ns">> := Wait, <<"work">> := Work} = Case,
    Task = fun(First) -> wait_and_compute(First, Rounds, Wait, Work, 0) end,
    gather:all(Tasks, fun(Index) -> Seed + Index * Rounds end, Task, Log).

wait_and_compute(_, 0, _, _, Value) ->
    computing:sum([Value]);
wait_and_compute(State, Rounds, Wait, Work, Value) ->
    sleep_until(now_ns() + Wait),
    Computed = Value + computing:leaf_value(State, Work),
    wait_and_compute(State + 1, Rounds - 1, Wait, Work, Computed).

%% Processes send each other messages, without any channel.
ping_pong(#{<<"pairs">> := Pairs, <<"rounds">> := Rounds}, Seed, Log) ->
    Pair = fun(State) -> play(State, Rounds, Log) end,
    gather:all(Pairs, fun(Index) -> Seed + Index end, Pair, Log).

play(State, Rounds, Log) ->
    Pair = self(),
    Answer = gather:followed(fun(_) -> answer(Rounds) end, Log),
    Serve = gather:followed(fun(Other) -> serve(State, Other, Rounds) end, Log),
    Other = spawn_link(fun() -> Pair ! {answered, Answer(none)} end),
    spawn_link(fun() -> Pair ! {served, Serve(Other)} end),
    receive
        {answered, ok} -> ok
    end,
    receive
        {served, End} -> End
    end.

%% Has the ball first and last.
serve(State, _, 0) ->
    State;
serve(State, Other, Rounds) ->
    Other ! {self(), computing:leaf_value(State, 1)},
    receive
        {Other, New} -> serve(New, Other, Rounds - 1)
    end.

answer(0) ->
    ok;
answer(Rounds) ->
    receive
        {From, State} -> From ! {self(), computing:leaf_value(State, 1)}
    end,
    answer(Rounds - 1).

%% Passive sockets, since a task has nothing else to wait for: recv takes what there is, up to the
%% buffer. gen_tcp leaves TCP_NODELAY to the caller.
listen(#{<<"buffer_bytes">> := Size}) ->
    gen_tcp:listen(0, [
        binary,
        {active, false},
        {ip, loopback},
        {nodelay, true},
        {backlog, ?MOST_WAITING},
        {buffer, Size}
    ]).

%% Accepts in each task: many processes may wait for one listener.
echo(Listener, #{<<"connections">> := Connections} = Case, Log) ->
    Deadline = deadline_ms(Case),
    Task = fun(_) ->
        {ok, Connection} = gen_tcp:accept(Listener),
        echo_connection(Connection, Deadline, 0)
    end,
    gather:all(Connections, fun(Index) -> Index end, Task, Log).

%% Of each read.
deadline_ms(#{<<"deadline_ns">> := Deadline}) -> Deadline div ?NS_PER_MS;
deadline_ms(_) -> infinity.

echo_connection(Connection, Deadline, Echoed) ->
    case gen_tcp:recv(Connection, 0, Deadline) of
        {ok, Data} ->
            ok = gen_tcp:send(Connection, Data),
            echo_connection(Connection, Deadline, Echoed + byte_size(Data));
        {error, closed} ->
            ok = gen_tcp:close(Connection),
            Echoed
    end.
