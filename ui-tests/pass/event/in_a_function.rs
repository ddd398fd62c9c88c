#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Events and handlers can be declared inside a function.

fn main() {
    use kairo::prelude::*;

    #[event("local.happened")]
    struct Happened;

    #[handler]
    async fn react(_event: &Happened) {}

    assert_eq!(Happened::NAME, "local.happened");
}
