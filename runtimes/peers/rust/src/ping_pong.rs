//! The ping_pong workload: tokio's own channels, since each has one consumer.

use std::sync::Arc;

use tokio::sync::mpsc::{channel, Receiver, Sender};

use crate::log::Log;
use crate::request::PingPong;
use crate::tasks::joined;
use crate::work::{leaf_state, leaf_value};

pub async fn ping_pong(case: Arc<PingPong>, seed: u32, log: Log) -> Vec<u64> {
    let start = |pair| log.spawn(play_pair(leaf_state(seed, pair), case.rounds, log.clone()));
    let tasks = (0..case.pairs).map(start).collect();
    joined(tasks).await
}

async fn play_pair(state: u32, rounds: u32, log: Log) -> u64 {
    let (to_other, from_server) = channel(1);
    let (to_server, from_other) = channel(1);
    let server = log.spawn(serve(state, from_other, to_other, rounds));
    let other = log.spawn(answer(from_server, to_server, rounds));
    joined(vec![server, other]).await[0]
}

fn stepped(state: u32) -> u32 {
    leaf_value(state, 1) as u32
}

/// Has the ball first and last.
async fn serve(mut state: u32, mut from: Receiver<u32>, to: Sender<u32>, rounds: u32) -> u64 {
    for _ in 0..rounds {
        to.send(stepped(state)).await.expect("the other plays on");
        state = from.recv().await.expect("the other plays on");
    }
    u64::from(state)
}

async fn answer(mut from: Receiver<u32>, to: Sender<u32>, rounds: u32) -> u64 {
    for _ in 0..rounds {
        let state = from.recv().await.expect("who serves plays on");
        to.send(stepped(state)).await.expect("who serves plays on");
    }
    0
}
