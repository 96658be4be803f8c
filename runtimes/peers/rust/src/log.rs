//! Starts tasks, and notes when they are in flight if that is asked for.

use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::task::{JoinHandle, JoinSet};

#[derive(Clone)]
pub struct Log(Option<Arc<Trace>>);

struct Trace {
    epoch: Instant,
    /// A lock that blocks, as tokio's documentation advises where none is held across an await.
    flights: Mutex<Vec<[u64; 2]>>,
}

impl Log {
    pub fn new(trace: bool) -> Self {
        Self(trace.then(|| {
            Arc::new(Trace {
                epoch: Instant::now(),
                flights: Mutex::default(),
            })
        }))
    }

    /// Without a trace the task is spawned as it is, and reads no clock.
    pub fn spawn<Task>(&self, task: Task) -> JoinHandle<Task::Output>
    where
        Task: Future + Send + 'static,
        Task::Output: Send + 'static,
    {
        match &self.0 {
            None => tokio::spawn(task),
            Some(trace) => tokio::spawn(follow(trace.clone(), task)),
        }
    }

    /// The same into a set of tasks.
    pub fn spawn_into<Task>(&self, tasks: &mut JoinSet<Task::Output>, task: Task)
    where
        Task: Future + Send + 'static,
        Task::Output: Send + 'static,
    {
        match &self.0 {
            None => tasks.spawn(task),
            Some(trace) => tasks.spawn(follow(trace.clone(), task)),
        };
    }

    /// When each task started and when it ended, in ns since this log was made.
    pub fn take(&self) -> Vec<[u64; 2]> {
        let flights = self.0.as_ref().map(|trace| trace.flights.lock().unwrap());
        flights.map_or_else(Vec::new, |mut flights| mem::take(&mut *flights))
    }
}

async fn follow<Task: Future>(trace: Arc<Trace>, task: Task) -> Task::Output {
    let start = trace.now_ns();
    let _landing = Landing { trace, start };
    task.await
}

/// Notes the end of a task when it is dropped: a task that is aborted does not go on to its last line.
struct Landing {
    trace: Arc<Trace>,
    start: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let flight = [self.start, self.trace.now_ns()];
        self.trace.flights.lock().unwrap().push(flight);
    }
}

impl Trace {
    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}
