//! What the runner tells a participant, and what the participant answers.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The most connections that a participant's pool holds.
const CONNECTIONS_MAX: usize = 64;

/// One run of one participant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Where its events go: a `postgres:` URL, or the path of a SQLite file; empty where there is no store.
    pub url: String,
    /// Which of its ways the participant shall go, where it has several.
    pub variant: String,
    /// How long it is measured, in seconds.
    pub seconds: f64,
    /// What it shall do.
    pub work: Work,
}

/// What a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Says which wrong appends it refuses, and whether it loads what it has stored.
    Check,
    /// Appends, at the expected version.
    Append {
        /// How many tasks append side by side, each to streams of its own.
        writers: usize,
        /// How many events an append has.
        per: usize,
    },
    /// Appends, and handles what was appended through the durable log.
    Handle {
        /// How many tasks append side by side, one event each time.
        writers: usize,
    },
    /// Loads streams, one after the other.
    Load {
        /// How long each stream is.
        events: u64,
    },
    /// Appends so many events, and nothing more.
    Fill {
        /// How many.
        events: u64,
    },
    /// Goes through a log that [`Work::Fill`] has made.
    CatchUp {
        /// How many events the log has.
        events: u64,
    },
    /// Publishes to handlers in the same process.
    Publish {
        /// How many handlers the event has.
        handlers: usize,
    },
}

impl Task {
    /// The task in the command line.
    ///
    /// # Errors
    /// When there is none, or it is malformed.
    pub fn from_arguments() -> Result<Self> {
        let text = std::env::args().nth(1).context("give a task as JSON")?;
        serde_json::from_str(&text).with_context(|| format!("`{text}` is no task"))
    }

    /// How many connections a pool should have for it.
    #[must_use]
    pub fn connections(&self) -> usize {
        match self.work {
            Work::Append { writers, .. } | Work::Handle { writers } => {
                writers.clamp(1, CONNECTIONS_MAX)
            }
            Work::Fill { .. } => 32,
            _ => 1,
        }
    }
}

/// What came of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// What was done per second, or how long one piece took, as the kind of work has it.
    Measured {
        /// The figure.
        figure: f64,
        /// How long single pieces took, where they were timed.
        latency: Option<Latency>,
        /// Appends that were refused though nobody else wrote to their stream, and were tried again.
        conflicts: u64,
    },
    /// What was checked, and whether it was as it should be.
    Checked(Vec<(String, bool)>),
    /// It was done, and there is nothing to say about it.
    Done,
}

/// How long single pieces of work took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took at most so long.
    pub median: u32,
    /// 99 of 100 took at most so long.
    pub p99: u32,
}

impl Latency {
    /// The quantiles of what was timed; `None` of nothing.
    #[must_use]
    pub fn of(mut micros: Vec<u32>) -> Option<Self> {
        micros.sort_unstable();
        let at = |percent: usize| micros.get(micros.len() * percent / 100).copied();
        Some(Self { median: at(50)?, p99: at(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let latency = Latency::of((0..1_000).rev().collect()).unwrap();
        assert_eq!((latency.median, latency.p99), (500, 990));
        assert!(Latency::of(Vec::new()).is_none());
    }
}
