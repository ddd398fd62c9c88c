//! Handlers in a crate of their own, under lints that forgive nothing.
#![deny(warnings, missing_docs, unused_qualifications, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use apart_events::{Greeted, Joined};
use backbone::prelude::*;
use tokio::sync::watch;

backbone::export!();

/// What has happened, for the application to print.
#[derive(Debug, Default)]
pub struct Diary {
    lines: watch::Sender<Vec<String>>,
}

impl Diary {
    /// Writes a line.
    pub fn note(&self, line: impl Into<String>) {
        self.lines.send_modify(|lines| lines.push(line.into()));
    }

    /// The lines, sorted, once there are so many.
    pub async fn lines(&self, count: usize) -> Vec<String> {
        let mut watch = self.lines.subscribe();
        // The sender is in `self`, so the wait ends only with the lines.
        let _ = watch.wait_for(|lines| count <= lines.len()).await.is_ok();
        let mut lines = watch.borrow().clone();
        lines.sort();
        lines
    }
}

/// Why a greeting fails.
#[derive(Debug, thiserror::Error, Classify)]
pub enum GreetingError {
    /// It may work later.
    #[error("the line is busy")]
    Busy,
    /// It never will.
    #[permanent]
    #[error("nobody lives there")]
    Nobody,
}

#[handler(event = "customer.joined", retry(max = 2, backoff = "1ms"))]
async fn greet(
    joined: &Joined,
    attempt: Attempt,
    diary: State<Arc<Diary>>,
) -> Result<Greeted, GreetingError> {
    if joined.customer.is_nil() {
        return Err(GreetingError::Nobody);
    }
    if attempt.get() == 1 {
        return Err(GreetingError::Busy);
    }
    diary.note(format!("greeting at attempt {}", attempt.get()));
    Ok(Greeted { customer: joined.customer })
}

#[on_dead_letter]
async fn alert(letter: &DeadLetter, diary: State<Arc<Diary>>) {
    diary.note(format!("{} is dead: {}", letter.event().name(), letter.error()));
}

/// Counts what it hears of.
#[derive(Debug, Default)]
pub struct Counter {
    /// How many events there were.
    pub events: AtomicU32,
}

#[handlers]
impl Counter {
    #[handler(pattern = "customer.*")]
    async fn count(&self, _event: &AnyEvent) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}
