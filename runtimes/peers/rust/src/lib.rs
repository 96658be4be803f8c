//! The workloads of bench/README.md on tokio, and the peers' end of the protocol of
//! runtimes/peers/README.md. A peer is a `main` that says which runtime they run on.

mod cancelling;
mod channel;
mod log;
mod ping_pong;
mod request;
mod tasks;
mod work;

use std::fs::File;
use std::future::Future;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use tokio::runtime::{Builder, Runtime};

use log::Log;
use request::{Request, Workload};

const VERSION: &str = concat!("tokio ", env!("TOKIO_VERSION"));

/// What the last run came to, until it is asked for.
#[derive(Default)]
struct Done {
    answers: Answers,
    flights: Vec<[u64; 2]>,
}

#[derive(Default)]
struct Answers {
    /// What the results of each repetition but the last add up to.
    sums: Vec<u64>,
    /// Of the last.
    results: Vec<u64>,
}

/// Says hello, and answers requests until there are no more. The runtime is kept from run to run.
///
/// # Errors
///
/// If the runtime cannot be made or standard input cannot be read. Whatever goes wrong in a run is
/// an answer.
pub fn serve(builder: &mut Builder) -> io::Result<()> {
    let runtime = builder.enable_all().build()?;
    say(&json!({ "hello": { "version": VERSION, "task_limit": null } }));
    let mut done = Done::default();
    for line in io::stdin().lines() {
        let answer = answer(&runtime, &line?, &mut done)
            .unwrap_or_else(|error| json!({ "error": error.to_string() }));
        say(&answer);
    }
    Ok(())
}

/// Standard output is flushed at the end of each line.
fn say(answer: &Value) {
    println!("{answer}");
}

fn answer(runtime: &Runtime, line: &str, done: &mut Done) -> io::Result<Value> {
    match serde_json::from_str(line)? {
        Request::Run { workload: None, .. } => Ok(json!({ "no_workload": true })),
        Request::Run {
            workload: Some(workload),
            seed,
            repeat,
            trace,
        } => {
            *done = Done::default();
            let log = Log::new(trace);
            let seeds = Seeds { seed, repeat };
            let (wall, answers) = runtime.block_on(run(workload, seeds, log.clone()))?;
            *done = Done {
                answers,
                flights: log.take(),
            };
            Ok(json!({ "wall_s": wall.as_secs_f64() }))
        }
        Request::Write {
            results,
            sums,
            flights,
        } => {
            write(&results, &done.answers.results)?;
            if !sums.as_os_str().is_empty() {
                write(&sums, &done.answers.sums)?;
            }
            if !flights.as_os_str().is_empty() {
                write(&flights, done.flights.iter().flatten())?;
            }
            Ok(json!({ "written": true }))
        }
    }
}

/// Of all repetitions of a run, which take their leaves one after another.
#[derive(Clone, Copy)]
struct Seeds {
    seed: u32,
    repeat: usize,
}

async fn run(workload: Workload, seeds: Seeds, log: Log) -> io::Result<(Duration, Answers)> {
    match workload {
        Workload::Sleeps(case) => timed(repeated(seeds, 0, case, log, tasks::sleeps)).await,
        Workload::Gather(case) => {
            let leaves = case.fan_out.pow(case.depth);
            timed(repeated(seeds, leaves, case, log, tasks::gather)).await
        }
        Workload::Heartbeat(case) => timed(repeated(seeds, 0, case, log, tasks::heartbeat)).await,
        Workload::Mix(case) => timed(repeated(seeds, 0, case, log, tasks::mix)).await,
        Workload::Cancel(case) => timed(repeated(seeds, 0, case, log, cancelling::cancel)).await,
        Workload::Channel(case) => timed(repeated(seeds, 0, case, log, channel::channel)).await,
        Workload::PingPong(case) => {
            timed(repeated(seeds, 0, case, log, ping_pong::ping_pong)).await
        }
        Workload::Echo(case) | Workload::EchoWithDeadlines(case) => {
            let listener = tasks::listen()?;
            say(&json!({ "port": listener.local_addr()?.port() }));
            timed(async move {
                let results = tasks::echo(listener, case, log).await?;
                let sums = Vec::new();
                Ok(Answers { sums, results })
            })
            .await
        }
    }
}

/// One gather after another, each `leaves` further than the one before.
async fn repeated<Case, Gather>(
    seeds: Seeds,
    leaves: usize,
    case: Case,
    log: Log,
    gather: impl Fn(Arc<Case>, u32, Log) -> Gather,
) -> io::Result<Answers>
where
    Gather: Future<Output = Vec<u64>>,
{
    let case = Arc::new(case);
    let mut sums = Vec::new();
    let mut results = gather(case.clone(), seeds.seed, log.clone()).await;
    for repetition in 1..seeds.repeat {
        sums.push(tasks::sum_of(results));
        let seed = work::leaf_state(seeds.seed, repetition * leaves);
        results = gather(case.clone(), seed, log.clone()).await;
    }
    Ok(Answers { sums, results })
}

/// The root is spawned, since what `block_on` is given does not run on a worker, and what it awaits
/// "will not perform as fast as those spawned as workers" (documentation of `tokio::main`).
async fn timed<Root>(root: Root) -> io::Result<(Duration, Answers)>
where
    Root: Future<Output = io::Result<Answers>> + Send + 'static,
{
    let start = Instant::now();
    let answers = tokio::spawn(root).await??;
    Ok((start.elapsed(), answers))
}

fn write<'a>(path: &Path, numbers: impl IntoIterator<Item = &'a u64>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in numbers {
        file.write_all(&number.to_le_bytes())?;
    }
    file.flush()
}
