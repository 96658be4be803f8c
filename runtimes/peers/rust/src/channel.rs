//! The channel workload.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{bounded, Receiver, Sender, TrySendError};
use tokio::time::Instant;

use crate::log::Log;
use crate::request::Channel;
use crate::tasks::{joined, sleep_from};

struct Element {
    producer: usize,
    number: u64,
}

/// Of producers: how many elements, the most that they have seen in the channel, and the longest time in ns for
/// which it was full. Of consumers: how many, their sum, and how many came out of order.
type Traffic = [u64; 3];

/// Written by one task and read by others, in a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Count(AtomicU64);

/// How far producers and consumers are.
struct Board {
    pushed: Vec<Count>,
    popped: Vec<Count>,
}

impl Board {
    fn new(case: &Channel) -> Self {
        let counts = |tasks| (0..tasks).map(|_| Count::default()).collect();
        Self {
            pushed: counts(case.producers),
            popped: counts(case.consumers),
        }
    }

    /// How much is between the ends, or less: what was pushed is read first.
    fn held(&self) -> u64 {
        let sum = |counts: &[Count]| -> u64 {
            counts
                .iter()
                .map(|count| count.0.load(Ordering::Acquire))
                .sum()
        };
        let pushed = sum(&self.pushed);
        pushed.saturating_sub(sum(&self.popped))
    }
}

/// The channel closes when the last producer drops its end.
pub async fn channel(case: Arc<Channel>, seed: u32, log: Log) -> Vec<u64> {
    let (sender, receiver) = bounded(case.capacity);
    let board = Arc::new(Board::new(&case));
    let mut tasks = Vec::with_capacity(case.producers + case.consumers);
    for index in 0..case.producers {
        tasks.push(log.spawn(produce(*case, sender.clone(), board.clone(), index)));
    }
    drop(sender);
    for index in 0..case.consumers {
        tasks.push(log.spawn(consume(*case, seed, receiver.clone(), board.clone(), index)));
    }
    drop(receiver);
    joined(tasks).await.into_iter().flatten().collect()
}

async fn produce(
    case: Channel,
    into: Sender<Element>,
    board: Arc<Board>,
    producer: usize,
) -> Traffic {
    let mut most_held = 0;
    let mut longest = Duration::ZERO;
    for number in 0..case.elements {
        if let Err(TrySendError::Full(next)) = into.try_send(Element { producer, number }) {
            let full = Instant::now();
            most_held = most_held.max(board.held());
            into.send(next).await.expect("consumers stay to the end");
            longest = longest.max(full.elapsed());
        }
        board.pushed[producer]
            .0
            .store(number + 1, Ordering::Release);
    }
    [
        case.elements,
        most_held.max(board.held()),
        longest.as_nanos() as u64,
    ]
}

async fn consume(
    case: Channel,
    seed: u32,
    from: Receiver<Element>,
    board: Arc<Board>,
    consumer: usize,
) -> Traffic {
    let mut expected = vec![0; case.producers];
    let [mut count, mut sum, mut disordered] = [0u64; 3];
    let slow = Duration::from_nanos(if consumer == 0 { case.slow_ns } else { 0 });
    while let Ok(Element { producer, number }) = from.recv().await {
        count += 1;
        board.popped[consumer].0.store(count, Ordering::Release);
        sum = sum.wrapping_add(u64::from(seed) + producer as u64 * case.elements + number);
        disordered += u64::from(number < expected[producer]);
        expected[producer] = number + 1;
        if !slow.is_zero() {
            sleep_from(Instant::now(), slow).await;
        }
    }
    [count, sum, disordered]
}
