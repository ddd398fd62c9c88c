//! Stopping: finish what runs, give the rest back untouched, let go of the store.

use std::{mem, sync::PoisonError, time::Duration};

use super::{Kairo, Shared, signals::Signals};
use crate::{engine::dispatch::scope::refuse_in_handler, error::Result};

/// How long handlers that run may take to finish.
const FINISH_MAX: Duration = Duration::from_secs(20);

/// How long it may take to give back what has not finished by then.
const GIVE_BACK_MAX: Duration = Duration::from_secs(3);

impl Kairo {
    /// Stops: nothing new begins, handlers that run get 20 s to finish, their outcomes are written
    /// down, and the store is let go. What had not begun is untouched and begins after a restart.
    /// So does what has not finished by then: its handler is dropped where it waits, and the
    /// attempt does not count.
    ///
    /// Dropping the future leaves the bus stopping; [`stop_at_once`](Self::stop_at_once) ends it.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) when the store cannot be closed cleanly;
    /// [`Error::Misuse`](crate::Error::Misuse) inside a handler, which would wait for itself.
    pub async fn shutdown(&self) -> Result {
        refuse_in_handler()?;
        let shared = &self.shared;
        shared.engine.stop.send_replace(true);
        let subscriptions = shared.running_all();
        let unfinished = shared.finish_within(FINISH_MAX).await;
        if 0 < unfinished {
            tracing::warn!(unfinished, "subscriptions have handlers that do not finish in time");
            shared.engine.giving_back.begin_all();
            shared.finish_within(GIVE_BACK_MAX).await;
        }
        shared.stop_at_once();
        shared.engine.leave().await;
        shared.engine.backend.close().await?;
        tracing::info!(subscriptions = subscriptions.len(), unfinished, "the bus has shut down");
        Ok(())
    }

    /// Ends everything now. What was being handled is handled again after the next start.
    pub fn stop_at_once(&self) {
        self.shared.stop_at_once();
    }

    /// Runs until the process is asked to end (SIGINT or, on Unix, SIGTERM), then
    /// [shuts down](Self::shutdown). A second signal ends everything at once.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) when signals cannot be received, or as `shutdown`.
    pub async fn run_until_signal(&self) -> Result {
        let mut signals = Signals::install()?;
        signals.next().await;
        tokio::select! {
            done = self.shutdown() => done,
            () = signals.next() => {
                self.stop_at_once();
                Ok(())
            }
        }
    }
}

impl Shared {
    /// Waits for all subscriptions, so long at most; how many have not finished.
    async fn finish_within(&self, limit: Duration) -> usize {
        tokio::select! {
            biased;
            () = self.finished() => {}
            () = self.engine.clock.sleep(limit) => {}
        }
        self.running_all().iter().filter(|running| !running.has_ended()).count()
    }

    async fn finished(&self) {
        for running in self.running_all().iter() {
            running.commands.closed().await;
        }
    }

    pub(super) fn stop_at_once(&self) {
        self.engine.stop.send_replace(true);
        for running in self.running_all().iter() {
            running.loops.abort();
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in mem::take(&mut *tasks) {
            task.abort();
        }
    }
}
