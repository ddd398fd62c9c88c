//! Kairo at work: see `examples/`, and run one with `cargo run -p examples --example shop`.
