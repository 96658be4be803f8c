(* The peers' end of the protocol of ../README.md. Whole numbers are OCaml's own, of 63 bits: no sum of the
   suite's cases needs more. *)

open Lwt.Infix
module J = Yojson.Safe.Util

(* A case, the state of its first leaf, and what tasks are wrapped in. *)
type run = { case : Yojson.Safe.t; seed : int; follow : 'a. (unit -> 'a Lwt.t) -> 'a Lwt.t }

let now () = Int64.to_int (Mtime_clock.now_ns ())
let number run key = J.(to_int (member key run.case))
let say answer = print_endline (Yojson.Safe.to_string (`Assoc answer))
let sum = List.fold_left ( + ) 0

(* Notes when a task starts and ends. *)
let noted flights task =
  let start = now () in
  Lwt.finalize task (fun () ->
      flights := start :: now () :: !flights;
      Lwt.return_unit)

(* As many times as the request says, each with a seed that is so many leaves further. *)
let rec repeated gather run leaves left sums =
  gather run >>= fun results ->
  if left = 1 then Lwt.return (List.rev sums, results)
  else repeated gather { run with seed = run.seed + leaves } leaves (left - 1) (sum results :: sums)

let write path numbers =
  if path <> "" then (
    let bytes = Bytes.create (8 * List.length numbers) in
    List.iteri (fun i number -> Bytes.set_int64_le bytes (8 * i) (Int64.of_int number)) numbers;
    let file = open_out_bin path in
    output_bytes file bytes;
    close_out file)

(* [workload_of name] prepares a gather and says by how many leaves the next one is further. *)
let answer workload_of last request =
  let text key = J.(to_string (member key request)) in
  if text "request" = "write" then (
    let results, sums, flights = !last in
    write (text "results") results;
    write (text "sums") sums;
    write (text "flights") flights;
    say [ ("written", `Bool true) ])
  else
    match workload_of (text "workload") with
    | None -> say [ ("no_workload", `Bool true) ]
    | Some (prepare, leaves_of) ->
        let flights = ref [] in
        let follow task = if J.(to_bool (member "trace" request)) then noted flights task else task () in
        let seed = J.(to_int (member "seed" request)) in
        let run = { case = J.member "case" request; seed; follow } in
        let gather = prepare run in
        let start = now () in
        let sums, results =
          Lwt_main.run (repeated gather run (leaves_of run) J.(to_int (member "repeat" request)) [])
        in
        let wall = now () - start in
        last := (results, sums, !flights);
        say [ ("wall_s", `Float (float wall *. 1e-9)) ]

let serve version workload_of =
  say [ ("hello", `Assoc [ ("version", `String version); ("task_limit", `Null) ]) ];
  let last = ref ([], [], []) in
  try
    while true do
      answer workload_of last (Yojson.Safe.from_string (input_line stdin))
    done
  with
  | End_of_file -> ()
  | error ->
      say [ ("error", `String (Printexc.to_string error)) ];
      exit 1
