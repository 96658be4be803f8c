//! tokio's current-thread runtime: all tasks on one thread. They are in ../rust: tokio_mt runs the
//! same.

use tokio::runtime::Builder;

fn main() -> std::io::Result<()> {
    peer::serve(&mut Builder::new_current_thread())
}
