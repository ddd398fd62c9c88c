//! What a participant offers.

use anyhow::{Result, bail};
use uuid::Uuid;

use crate::{Balance, Deposited, Handled, Task};

/// What came of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is durable.
    Stored,
    /// The stream was at another version; nothing has changed.
    Refused,
}

impl Appended {
    /// `Stored`, or `Refused` where it is not.
    #[must_use]
    pub const fn when(stored: bool) -> Self {
        if stored { Self::Stored } else { Self::Refused }
    }
}

/// A store of streams of events, with optimistic concurrency.
pub trait Store: Sized + Send + Sync + 'static {
    /// Opens the store of a task, making its tables where they are missing.
    fn open(task: &Task) -> impl Future<Output = Result<Self>> + Send;

    /// Appends deposits to a stream that is at `version`; 0 is a stream that does not exist.
    fn append(
        &self,
        stream: Uuid,
        version: u64,
        deposits: &[Deposited],
    ) -> impl Future<Output = Result<Appended>> + Send;

    /// Reads a stream, decodes each of its events and adds them up.
    fn load(&self, stream: Uuid) -> impl Future<Output = Result<Balance>> + Send;

    /// Lets a handler decode and count, from now on and for the rest of the process, what is appended.
    fn handle(&self, handled: Handled) -> impl Future<Output = Result<()>> + Send {
        async move { bail!("this participant has no handlers that could count to {handled:?}") }
    }

    /// Goes through the whole log, decodes each event and adds them up.
    fn catch_up(&self, events: u64) -> impl Future<Output = Result<Balance>> + Send {
        async move { bail!("this participant cannot go through a log of {events} events") }
    }
}
