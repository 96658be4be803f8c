//! tokio's multi-thread runtime, which steals work; by default it has a worker for each core that
//! the program may run on. The tasks are in ../rust: tokio runs the same.

use tokio::runtime::Builder;

fn main() -> std::io::Result<()> {
    peer::serve(&mut Builder::new_multi_thread())
}
