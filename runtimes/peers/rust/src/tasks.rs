//! The tasks of the workloads, each spawned on the runtime.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{yield_now, JoinHandle};
use tokio::time::{sleep_until, timeout, Instant};

use crate::log::Log;
use crate::request::{Echo, Gather, Heartbeat, Mix, Sleeps};
use crate::work::{leaf_state, leaf_value};

/// The results of tasks in the order in which they were started. A vector of handles, which are
/// awaited one after another, rather than a `JoinSet`: that hands out results in the order in which
/// tasks end, and makes an entry of its own for each.
pub async fn joined<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.expect("no task panics"));
    }
    results
}

/// Sums modulo 2^64.
pub fn sum_of(values: impl IntoIterator<Item = u64>) -> u64 {
    values.into_iter().fold(0, u64::wrapping_add)
}

/// Sleeps from `start` on. No time at all is a yield: a timer would be rounded up to the next whole
/// millisecond.
pub async fn sleep_from(start: Instant, delay: Duration) {
    if delay.is_zero() {
        yield_now().await;
    } else {
        sleep_until(start + delay).await;
    }
}

pub async fn sleeps(case: Arc<Sleeps>, _seed: u32, log: Log) -> Vec<u64> {
    let start = |index| log.spawn(sleep_once(case.delay(index)));
    let tasks = (0..case.tasks).map(start).collect();
    joined(tasks).await
}

/// Returns by how many nanoseconds it woke late, in two's complement: early is negative.
async fn sleep_once(delay: Duration) -> u64 {
    let start = Instant::now();
    sleep_from(start, delay).await;
    let now = Instant::now();
    let deadline = start + delay;
    let late = now.saturating_duration_since(deadline).as_nanos() as u64;
    let early = deadline.saturating_duration_since(now).as_nanos() as u64;
    late.wrapping_sub(early)
}

pub async fn gather(case: Arc<Gather>, seed: u32, log: Log) -> Vec<u64> {
    joined(children(*case, seed, &log, case.depth, 0)).await
}

/// Starts the children of a task that is `depth` levels above the leaves, by its index on its level.
fn children(case: Gather, seed: u32, log: &Log, depth: u32, index: usize) -> Vec<JoinHandle<u64>> {
    let first = index * case.fan_out;
    let indexes = first..first + case.fan_out;
    if depth == 1 {
        indexes
            .map(|child| log.spawn(leaf(leaf_state(seed, child), case.work_of(child))))
            .collect()
    } else {
        let start = |child| log.spawn(branch(case, seed, log.clone(), depth - 1, child));
        indexes.map(start).collect()
    }
}

async fn branch(case: Gather, seed: u32, log: Log, depth: u32, index: usize) -> u64 {
    sum_of(joined(children(case, seed, &log, depth, index)).await)
}

async fn leaf(state: u32, work: u32) -> u64 {
    yield_now().await;
    leaf_value(state, work)
}

/// A `TcpSocket`, since `TcpListener::bind` has a backlog of 1,024.
pub fn listen() -> io::Result<TcpListener> {
    const BACKLOG: u32 = 4096;
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    socket.listen(BACKLOG)
}

pub async fn echo(listener: TcpListener, case: Echo, log: Log) -> io::Result<Vec<u64>> {
    let mut tasks = Vec::with_capacity(case.connections);
    for _ in 0..case.connections {
        let (stream, _) = listener.accept().await?;
        tasks.push(log.spawn(echo_connection(stream, case)));
    }
    joined(tasks).await.into_iter().collect()
}

async fn echo_connection(mut stream: TcpStream, case: Echo) -> io::Result<u64> {
    // tokio leaves this to the caller.
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; case.buffer_bytes];
    let deadline = case.deadline_ns.map(Duration::from_nanos);
    let mut echoed = 0;
    loop {
        let size = match deadline {
            None => stream.read(&mut buffer).await?,
            Some(deadline) => timeout(deadline, stream.read(&mut buffer)).await??,
        };
        if size == 0 {
            return Ok(echoed);
        }
        stream.write_all(&buffer[..size]).await?;
        echoed += size as u64;
    }
}

/// The value, the longest gap and the mean gap in ns.
type Pulse = [u64; 3];

pub async fn heartbeat(case: Arc<Heartbeat>, seed: u32, log: Log) -> Vec<u64> {
    let mut tasks = Vec::with_capacity(case.tasks + 1);
    tasks.push(log.spawn(beat(*case)));
    let start = |index| log.spawn(compute_in_parts(*case, seed, index));
    tasks.extend((0..case.tasks).map(start));
    joined(tasks).await.into_iter().flatten().collect()
}

async fn beat(case: Heartbeat) -> Pulse {
    let interval = Duration::from_nanos(case.interval_ns);
    let first = Instant::now();
    let mut last = first;
    let mut longest = Duration::ZERO;
    for _ in 0..case.beats {
        sleep_from(last, interval).await;
        let now = Instant::now();
        longest = longest.max(now - last);
        last = now;
    }
    let mean = (last - first) / case.beats;
    [0, longest.as_nanos() as u64, mean.as_nanos() as u64]
}

async fn compute_in_parts(case: Heartbeat, seed: u32, index: usize) -> Pulse {
    let mut value = 0u64;
    for part in 0..case.parts {
        yield_now().await;
        let state = leaf_state(seed, index * case.parts + part);
        value = value.wrapping_add(leaf_value(state, case.work));
    }
    [value, 0, 0]
}

pub async fn mix(case: Arc<Mix>, seed: u32, log: Log) -> Vec<u64> {
    let start = |index| log.spawn(wait_and_compute(*case, seed, index));
    let tasks = (0..case.tasks).map(start).collect();
    joined(tasks).await
}

async fn wait_and_compute(case: Mix, seed: u32, index: usize) -> u64 {
    let wait = Duration::from_nanos(case.wait_ns);
    let mut value = 0u64;
    for round in 0..case.rounds {
        sleep_from(Instant::now(), wait).await;
        let state = leaf_state(seed, index * case.rounds + round);
        value = value.wrapping_add(leaf_value(state, case.work));
    }
    value
}
