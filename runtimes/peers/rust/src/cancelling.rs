//! The cancel workload. To drop a `JoinSet` aborts its tasks without waiting for them; `shutdown` waits
//! as well, so that the one who spawned them can say when all have ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{yield_now, JoinSet};
use tokio::time::{sleep, Instant};

use crate::log::Log;
use crate::request::Cancel;

const LONG: Duration = Duration::from_secs(3600);

/// What became of the tasks of a run.
#[derive(Default)]
struct Sleepers {
    begun: AtomicU64,
    cleaned_up: AtomicU64,
    woken: AtomicU64,
}

/// What each of them holds: dropped with it, however it ends.
struct CleanUp(Arc<Sleepers>);

impl Drop for CleanUp {
    fn drop(&mut self) {
        self.0.cleaned_up.fetch_add(1, Ordering::Relaxed);
    }
}

struct Cancelled;

/// How many tasks cleaned up and woke, whether who joined them was told, and the nanoseconds that took.
pub async fn cancel(case: Arc<Cancel>, _seed: u32, log: Log) -> Vec<u64> {
    let all = Arc::new(Sleepers::default());
    let (canceller, cancelled) = oneshot::channel();
    let background = tokio::spawn(gather(case.tasks, all.clone(), cancelled, log));
    while all.begun.load(Ordering::Relaxed) < case.tasks as u64 {
        yield_now().await;
    }
    let start = Instant::now();
    canceller
        .send(())
        .expect("the background task waits for it");
    let told = matches!(background.await, Ok(Err(Cancelled)));
    let took = start.elapsed().as_nanos() as u64;
    let seen = [&all.cleaned_up, &all.woken].map(|count| count.load(Ordering::Relaxed));
    vec![seen[0], seen[1], u64::from(told), took]
}

async fn gather(
    tasks: usize,
    all: Arc<Sleepers>,
    cancelled: oneshot::Receiver<()>,
    log: Log,
) -> Result<(), Cancelled> {
    let mut sleepers = JoinSet::new();
    for _ in 0..tasks {
        log.spawn_into(&mut sleepers, sleep_until_cancelled(all.clone()));
    }
    let all_ended = async { while sleepers.join_next().await.is_some() {} };
    tokio::select! {
        () = all_ended => return Ok(()),
        _ = cancelled => {}
    }
    sleepers.shutdown().await;
    Err(Cancelled)
}

async fn sleep_until_cancelled(all: Arc<Sleepers>) {
    let all = CleanUp(all);
    all.0.begun.fetch_add(1, Ordering::Relaxed);
    sleep(LONG).await;
    all.0.woken.fetch_add(1, Ordering::Relaxed);
}
