//! Tells the tests whether the compiler is the one whose messages were recorded.

use std::{env, fs, process::Command};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pinned)");
    println!("cargo::rerun-if-changed=../rust-toolchain.toml");
    println!("cargo::rerun-if-changed=build.rs");
    if let (Some(pinned), Some(found)) = (pinned(), found())
        && pinned == found
    {
        println!("cargo::rustc-cfg=pinned");
    }
}

/// The version in rust-toolchain.toml.
fn pinned() -> Option<String> {
    let toolchain = fs::read_to_string("../rust-toolchain.toml").ok()?;
    let line = toolchain.lines().find_map(|line| line.strip_prefix("channel = "))?;
    Some(line.trim_matches('"').to_owned())
}

/// The version of the compiler: `1.95.0` of `rustc 1.95.0 (..)`.
fn found() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.split_whitespace().nth(1).map(str::to_owned)
}
