//! Tells the program which tokio it is built with: tokio itself does not say, but Cargo has just
//! written it down.

use std::fs;

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo writes a lock before it builds");
    let (_, from_version) = lock
        .split_once("name = \"tokio\"\nversion = \"")
        .expect("the lock has the version of tokio");
    let version = from_version.split('"').next().unwrap_or_default();
    println!("cargo:rustc-env=TOKIO_VERSION={version}");
}
