%% Tasks: functions of an argument, each in a process of its own.
-module(gather).
-export([all/4, followed/2, new_log/1, flights/1, delete_log/1]).

%% Runs N tasks and returns their results in order. What the task of an index is called with is
%% worked out here, so that a process is sent no more than it needs. Results are received in
%% whatever order they come and sorted then: to receive them in order would search the queue of
%% messages for each.
all(N, ArgumentOf, Task, Log) ->
    start(0, N, ArgumentOf, followed(Task, Log), self()),
    [Result || {_, Result} <- lists:keysort(1, collect(N, []))].

start(N, N, _, _, _) ->
    ok;
start(Index, N, ArgumentOf, Task, Parent) ->
    Argument = ArgumentOf(Index),
    spawn_link(fun() -> Parent ! {Index, Task(Argument)} end),
    start(Index + 1, N, ArgumentOf, Task, Parent).

collect(0, Results) ->
    Results;
collect(N, Results) ->
    receive
        {Index, _} = Result when is_integer(Index) -> collect(N - 1, [Result | Results])
    end.

%% Where processes note when they began and ended, or none.
new_log(false) -> none;
new_log(true) -> ets:new(flights, [public, duplicate_bag, {write_concurrency, true}]).

%% A task that notes when it is in flight, if that is asked for.
followed(Task, none) ->
    Task;
followed(Task, Log) ->
    fun(Argument) ->
        Start = erlang:monotonic_time(nanosecond),
        Result = Task(Argument),
        ets:insert(Log, {Start, erlang:monotonic_time(nanosecond)}),
        Result
    end.

%% The log's pairs, as one list of numbers.
flights(Log) -> [Time || {Start, End} <- ets:tab2list(Log), Time <- [Start, End]].

delete_log(none) -> true;
delete_log(Log) -> ets:delete(Log).
