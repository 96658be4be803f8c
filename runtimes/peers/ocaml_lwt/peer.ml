(* Promises of Lwt, on one thread and libev's loop.

   * Lwt.pause lets the loop ask for timers and I/O before it goes on.
   * Timers have the clock of the loop, which may be behind: who wakes early sleeps again.
   * There is a one-place channel, Lwt_mvar; of the bounded streams only one producer may wait. *)

open Lwt.Infix
open Protocol

(* Lwt.all would need stack for each of them. *)
let gather run n task = Lwt_list.map_p (fun i -> run.follow (fun () -> task i)) (List.init n Fun.id)

(* Returns the time. *)
let rec sleep_until deadline =
  let left = deadline - now () in
  (if left > 0 then Lwt_unix.sleep (float left *. 1e-9) else Lwt.pause ()) >>= fun () ->
  let current = now () in
  if current < deadline then sleep_until deadline else Lwt.return current

let rec stepped steps state =
  if steps = 0 then state
  else
    let a = state lxor (state lsl 13) land 0xffffffff in
    let b = a lxor (a lsr 17) in
    stepped (steps - 1) (b lxor (b lsl 5) land 0xffffffff)

let leaf_value run index work = stepped work ((run.seed + index) land 0xffffffff)

let splitmix64 seed =
  let open Int64 in
  let mixed z by factor = mul (logxor z (shift_right_logical z by)) factor in
  let z = mixed (mixed (add seed 0x9e3779b97f4a7c15L) 30 0xbf58476d1ce4e5b9L) 27 0x94d049bb133111ebL in
  logxor z (shift_right_logical z 31)

let sleeps run =
  let shortest = number run "shortest_ns" in
  let choices = Int64.of_int (number run "longest_ns" - shortest + 1) in
  let seed = Int64.of_string ("0u" ^ J.(to_string (member "seed" run.case))) in
  let listed = J.(member "listed_ns" run.case |> to_list |> List.map to_int) |> Array.of_list in
  let delay i =
    if listed <> [||] then listed.(i)
    else shortest + Int64.(to_int (unsigned_rem (splitmix64 (add seed (of_int i))) choices))
  in
  gather run (number run "tasks") (fun i ->
      let deadline = now () + delay i in
      sleep_until deadline >|= fun woken -> woken - deadline)

let gather_tree run =
  let fan_out = number run "fan_out" and work = number run "work" in
  let heavy_leaves = number run "heavy_leaves" and heavy_work = number run "heavy_work" in
  let rec children depth position =
    gather run fan_out (fun i ->
        let index = (position * fan_out) + i in
        if depth > 1 then children (depth - 1) index >|= sum
        else
          Lwt.pause () >|= fun () ->
          leaf_value run index (if index < heavy_leaves then heavy_work else work))
  in
  children (number run "depth") 0

let heartbeat run =
  let beats = number run "beats" and interval = number run "interval_ns" in
  let parts = number run "parts" and work = number run "work" in
  let rec beat first last longest left =
    if left = 0 then Lwt.return [ 0; longest; (last - first) / beats ]
    else sleep_until (last + interval) >>= fun woken -> beat first woken (max longest (woken - last)) (left - 1)
  in
  let rec compute task part value =
    if part = parts then Lwt.return [ value; 0; 0 ]
    else Lwt.pause () >>= fun () -> compute task (part + 1) (value + leaf_value run ((task * parts) + part) work)
  in
  gather run (number run "tasks" + 1) (fun i ->
      let start = now () in
      if i = 0 then beat start start 0 beats else compute (i - 1) 0 0)
  >|= List.concat

let mix run =
  let rounds = number run "rounds" and wait = number run "wait_ns" and work = number run "work" in
  let rec turn task round value =
    if round = rounds then Lwt.return value
    else
      sleep_until (now () + wait) >>= fun _ ->
      turn task (round + 1) (value + leaf_value run ((task * rounds) + round) work)
  in
  gather run (number run "tasks") (fun i -> turn i 0 0)

let cancel run =
  let tasks = number run "tasks" in
  let begun = ref 0 and cleaned_up = ref 0 and woken = ref 0 in
  let sleeper () =
    incr begun;
    Lwt.finalize
      (fun () -> Lwt_unix.sleep 3600. >|= fun () -> incr woken)
      (fun () -> Lwt.return (incr cleaned_up))
  in
  (* Lwt.join cancels all that it waits for; Lwt_list.map_p waits for one after another. *)
  let background = Lwt.join (List.init tasks (fun _ -> run.follow sleeper)) >|= fun () -> 0 in
  let rec begin_all () = if !begun < tasks then Lwt.pause () >>= begin_all else Lwt.return_unit in
  begin_all () >>= fun () ->
  let start = now () in
  Lwt.cancel background;
  Lwt.catch (fun () -> background) (function Lwt.Canceled -> Lwt.return 1 | error -> Lwt.fail error)
  >|= fun told -> [ !cleaned_up; !woken; told; now () - start ]

let ping_pong run =
  let rounds = number run "rounds" in
  let rec serve come go state left =
    if left = 0 then Lwt.return state
    else Lwt_mvar.put go (stepped 1 state) >>= fun () -> Lwt_mvar.take come >>= fun got -> serve come go got (left - 1)
  in
  let rec answer come go left =
    if left = 0 then Lwt.return 0
    else Lwt_mvar.take come >>= fun got -> Lwt_mvar.put go (stepped 1 got) >>= fun () -> answer come go (left - 1)
  in
  gather run (number run "pairs") (fun pair ->
      let there = Lwt_mvar.create_empty () and back = Lwt_mvar.create_empty () in
      gather run 2 (fun player ->
          if player = 0 then serve back there ((run.seed + pair) land 0xffffffff) rounds
          else answer there back rounds)
      >|= List.hd)

(* Listens and says where; gives what serves the connections. *)
let echo run =
  let listener = Lwt_unix.socket PF_INET SOCK_STREAM 0 in
  Lwt_main.run (Lwt_unix.bind listener (ADDR_INET (Unix.inet_addr_loopback, 0)));
  Lwt_unix.listen listener 4096;
  (match Lwt_unix.getsockname listener with
  | ADDR_INET (_, port) -> say [ ("port", `Int port) ]
  | ADDR_UNIX _ -> assert false);
  let deadline = J.(member "deadline_ns" run.case |> to_int_option) in
  let in_time read =
    match deadline with None -> read () | Some ns -> Lwt_unix.with_timeout (float ns *. 1e-9) read
  in
  let rec send connection buffer first left =
    Lwt_unix.write connection buffer first left >>= fun size ->
    if size = left then Lwt.return_unit else send connection buffer (first + size) (left - size)
  in
  let rec serve connection buffer echoed =
    in_time (fun () -> Lwt_unix.read connection buffer 0 (Bytes.length buffer)) >>= function
    | 0 -> Lwt_unix.close connection >|= fun () -> echoed
    | size -> send connection buffer 0 size >>= fun () -> serve connection buffer (echoed + size)
  in
  let rec accept_all left tasks =
    if left = 0 then Lwt_unix.close listener >>= fun () -> Lwt.all tasks
    else
      Lwt_unix.accept listener >>= fun (connection, _) ->
      Lwt_unix.setsockopt connection TCP_NODELAY true;
      let buffer = Bytes.create (number run "buffer_bytes") in
      accept_all (left - 1) (run.follow (fun () -> serve connection buffer 0) :: tasks)
  in
  fun run -> accept_all (number run "connections") []

let () =
  let once gather = Some ((fun _ -> gather), fun _ -> 0) in
  let leaves run = int_of_float (float (number run "fan_out") ** float (number run "depth")) in
  serve ("OCaml " ^ Sys.ocaml_version) (function
    | "sleeps" -> once sleeps
    | "gather" -> Some ((fun _ -> gather_tree), leaves)
    | "heartbeat" -> once heartbeat
    | "mix" -> once mix
    | "cancel" -> once cancel
    | "ping_pong" -> once ping_pong
    | "echo" | "echo_with_deadlines" -> Some (echo, fun _ -> 0)
    | _ -> None)
