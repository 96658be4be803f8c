//! Requests as the harness sends them, a line of JSON each. Keys that are not named here are ignored.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::work::splitmix64;

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Run {
        /// None if this file does not have it.
        #[serde(flatten)]
        workload: Option<Workload>,
        seed: u32,
        repeat: usize,
        trace: bool,
    },
    Write {
        results: PathBuf,
        sums: PathBuf,
        flights: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(tag = "workload", content = "case", rename_all = "snake_case")]
pub enum Workload {
    Sleeps(Sleeps),
    Gather(Gather),
    Echo(Echo),
    EchoWithDeadlines(Echo),
    Heartbeat(Heartbeat),
    Mix(Mix),
    Cancel(Cancel),
    Channel(Channel),
    PingPong(PingPong),
}

#[derive(Deserialize)]
pub struct Sleeps {
    pub tasks: usize,
    shortest_ns: u64,
    longest_ns: u64,
    #[serde(deserialize_with = "number_in_text")]
    seed: u64,
    listed_ns: Vec<u64>,
}

impl Sleeps {
    /// Of the task with this index.
    pub fn delay(&self, index: usize) -> Duration {
        let listed = self.listed_ns.get(index).copied();
        Duration::from_nanos(listed.unwrap_or_else(|| {
            let choices = self.longest_ns - self.shortest_ns + 1;
            self.shortest_ns + splitmix64(self.seed.wrapping_add(index as u64)) % choices
        }))
    }
}

#[derive(Clone, Copy, Deserialize)]
pub struct Gather {
    pub fan_out: usize,
    pub depth: u32,
    pub work: u32,
    pub heavy_leaves: usize,
    pub heavy_work: u32,
}

impl Gather {
    /// Of the leaf with this index.
    pub fn work_of(&self, leaf: usize) -> u32 {
        if leaf < self.heavy_leaves {
            self.heavy_work
        } else {
            self.work
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
pub struct Echo {
    pub connections: usize,
    pub buffer_bytes: usize,
    /// Of each read, from its call.
    pub deadline_ns: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
pub struct Heartbeat {
    pub tasks: usize,
    pub work: u32,
    pub parts: usize,
    pub beats: u32,
    pub interval_ns: u64,
}

#[derive(Clone, Copy, Deserialize)]
pub struct Mix {
    pub tasks: usize,
    pub rounds: usize,
    pub wait_ns: u64,
    pub work: u32,
}

#[derive(Clone, Copy, Deserialize)]
pub struct Cancel {
    pub tasks: usize,
}

#[derive(Clone, Copy, Deserialize)]
pub struct Channel {
    pub producers: usize,
    pub consumers: usize,
    /// Of each producer.
    pub elements: u64,
    pub capacity: usize,
    pub slow_ns: u64,
}

#[derive(Clone, Copy, Deserialize)]
pub struct PingPong {
    pub pairs: usize,
    pub rounds: u32,
}

/// JSON's numbers are exact to 53 bits only, so one of 64 comes as text.
fn number_in_text<'de, D: Deserializer<'de>>(text: D) -> Result<u64, D::Error> {
    String::deserialize(text)?.parse().map_err(D::Error::custom)
}
