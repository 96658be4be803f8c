%% The arithmetic of bench/README.md. Whole numbers have no width here, so each shift to the left is
%% cut to its bits again.
-module(computing).
-export([leaf_value/2, sum/1, delays_ns/1]).

-define(MASK_32, 16#FFFFFFFF).
-define(MASK_64, 16#FFFFFFFFFFFFFFFF).

%% Where so many steps of xorshift32 lead from the state of a leaf, modulo 2^32.
leaf_value(State, Steps) -> xorshift32(State band ?MASK_32, Steps).

xorshift32(State, 0) ->
    State;
xorshift32(State, Steps) ->
    A = State bxor ((State bsl 13) band ?MASK_32),
    B = A bxor (A bsr 17),
    xorshift32(B bxor ((B bsl 5) band ?MASK_32), Steps - 1).

%% Modulo 2^64.
sum(Values) -> lists:sum(Values) band ?MASK_64.

splitmix64(Seed) ->
    A = (Seed + 16#9E3779B97F4A7C15) band ?MASK_64,
    B = ((A bxor (A bsr 30)) * 16#BF58476D1CE4E5B9) band ?MASK_64,
    C = ((B bxor (B bsr 27)) * 16#94D049BB133111EB) band ?MASK_64,
    C bxor (C bsr 31).

%% A function that says how long the task of an index sleeps.
delays_ns(#{<<"listed_ns">> := [_ | _] = Listed}) ->
    Delays = list_to_tuple(Listed),
    fun(Index) -> element(Index + 1, Delays) end;
delays_ns(#{<<"shortest_ns">> := Delay, <<"longest_ns">> := Delay}) ->
    fun(_) -> Delay end;
delays_ns(#{<<"shortest_ns">> := Shortest, <<"longest_ns">> := Longest, <<"seed">> := Text}) ->
    Seed = binary_to_integer(Text),
    fun(Index) -> Shortest + splitmix64(Seed + Index) rem (Longest - Shortest + 1) end.
