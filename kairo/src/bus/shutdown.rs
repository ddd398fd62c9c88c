//! Stopping: finish what runs, give the rest back untouched, let go of the store.

use std::{mem, sync::PoisonError, time::Duration};

use super::{Kairo, Shared};
use crate::{engine::dispatch::scope::refuse_in_handler, error::Result};

/// How long handlers that run may take to finish.
const FINISH_MAX: Duration = Duration::from_secs(20);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(5);

impl Kairo {
    /// Stops: nothing new begins, handlers that run get 20 s to finish, their outcomes are written
    /// down, and the store is let go. What had not begun is untouched and begins after a restart.
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
        let deadline = shared.engine.clock.sleep(FINISH_MAX);
        tokio::select! {
            biased;
            () = shared.finished() => {}
            () = deadline => {}
        }
        let abandoned = subscriptions.iter().filter(|running| !running.task.is_finished()).count();
        shared.stop_at_once();
        if 0 < abandoned {
            tracing::warn!(abandoned, "subscriptions had handlers that did not finish in time");
        }
        shared.engine.leave().await;
        shared.engine.backend.close().await?;
        tracing::info!(subscriptions = subscriptions.len(), abandoned, "the bus has shut down");
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
        asked_to_end().await?;
        tokio::select! {
            done = self.shutdown() => done,
            asked = asked_to_end() => {
                self.stop_at_once();
                asked
            }
        }
    }
}

impl Shared {
    async fn finished(&self) {
        for running in self.running_all().iter() {
            while !running.task.is_finished() {
                tokio::select! {
                    () = running.commands.closed() => {}
                    () = self.engine.clock.sleep(LOOK) => {}
                }
                tokio::task::yield_now().await;
            }
        }
    }

    pub(super) fn stop_at_once(&self) {
        self.engine.stop.send_replace(true);
        for running in self.running_all().iter() {
            running.task.abort();
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in mem::take(&mut *tasks) {
            task.abort();
        }
    }
}

#[cfg(unix)]
async fn asked_to_end() -> Result {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map_err(no_signals),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> Result {
    tokio::signal::ctrl_c().await.map_err(no_signals)
}

fn no_signals(error: std::io::Error) -> crate::Error {
    crate::Error::Store { action: "waiting for signals".to_owned(), source: error.into() }
}
