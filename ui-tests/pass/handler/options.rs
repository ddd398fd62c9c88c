#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Every option.

use kairo::prelude::*;

#[event("user.created")]
struct UserCreated {
    user_id: u64,
}

#[event("cursor.moved", ephemeral)]
struct CursorMoved;

#[events]
enum UserEvent {
    Created(UserCreated),
}

#[handler(
    event = "user.created",
    name = "welcome",
    retry(max = 5, backoff = "2s", exponential, jitter, pause_max = "1m"),
    timeout = "30s",
    concurrency = 256,
    start = "beginning",
    dead_letter = true,
    on_dead = "hold-key",
    renamed_from = "greet",
    filter = is_even
)]
async fn welcome(_user: &UserCreated) {}

fn is_even(user: &UserCreated) -> bool {
    user.user_id % 2 == 0
}

#[handler(unordered, start = "now", on_dead = "release-key", dead_letter = false, retry(max = 0))]
async fn unordered(_user: &UserCreated) {}

#[handler(pattern = "user.*", filter = is_created)]
async fn filtered_set(_user: UserEvent) {}

fn is_created(event: &UserEvent) -> bool {
    let UserEvent::Created(user) = event;
    user.user_id != 0
}

#[handler(pattern = "user.*", filter = is_first)]
async fn filtered_by_event(_user: UserEvent) {}

#[handler(pattern = "**", filter = is_first)]
async fn filtered_any(_event: AnyEvent) {}

fn is_first(event: &AnyEvent) -> bool {
    event.version() == 1
}

#[handler]
async fn ephemeral_by_itself(_cursor: &CursorMoved) {}

#[handler(ephemeral, timeout = "100ms")]
async fn ephemeral(_cursor: &CursorMoved) {}

#[handler(pattern = "cursor.*", ephemeral)]
async fn ephemeral_any(_event: &AnyEvent) {}

#[handler]
#[cfg(any())]
async fn not_here(_event: &Nobody) {}

fn main() {}
