%% The cancel workload: sleeping processes whose parent is told to end. As OTP's supervisors do, the
%% parent tells its children in turn, and ends when all of them have.
-module(cancelling).
-export([cancel/3]).

-define(LONG_MS, 3_600_000).

%% How many cleaned up, how many woke, whether who joined was told, and how many nanoseconds that took.
cancel(#{<<"tasks">> := Tasks}, _, Log) ->
    Counts = counters:new(2, []),
    Joiner = self(),
    {Parent, Monitor} = spawn_monitor(fun() -> gather(Tasks, Counts, Log, Joiner) end),
    receive
        {all_begun, Parent} -> ok
    end,
    Start = erlang:monotonic_time(nanosecond),
    exit(Parent, shutdown),
    Told =
        receive
            {'DOWN', Monitor, process, Parent, shutdown} -> 1;
            {'DOWN', Monitor, process, Parent, _} -> 0
        end,
    Took = erlang:monotonic_time(nanosecond) - Start,
    [counters:get(Counts, 1), counters:get(Counts, 2), Told, Took].

%% Traps exits, so that it is told of its own cancelling and of its children's ends by messages.
gather(Tasks, Counts, Log, Joiner) ->
    process_flag(trap_exit, true),
    Parent = self(),
    Sleep = gather:followed(fun(_) -> sleep(Parent, Counts) end, Log),
    Children = [spawn_link(fun() -> exit(Sleep(none)) end) || _ <- lists:seq(1, Tasks)],
    [
        receive
            begun -> ok
        end
     || _ <- Children
    ],
    Joiner ! {all_begun, self()},
    receive
        {'EXIT', Joiner, shutdown} -> ok
    end,
    [exit(Child, shutdown) || Child <- Children],
    [
        receive
            {'EXIT', Child, _} -> ok
        end
     || Child <- Children
    ],
    exit(shutdown).

%% Returns why it ends, when it has cleaned up.
sleep(Parent, Counts) ->
    process_flag(trap_exit, true),
    Parent ! begun,
    Why =
        receive
            {'EXIT', Parent, shutdown} -> shutdown
        after ?LONG_MS ->
            counters:add(Counts, 2, 1),
            normal
        end,
    counters:add(Counts, 1, 1),
    Why.
