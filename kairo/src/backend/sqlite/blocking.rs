//! Where SQLite's calls run: they block, and a runtime's workers should not.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Error, Result};

/// Whether the caller's thread may be used, because other threads take over its other tasks.
#[derive(Debug, Default)]
pub(super) struct Blocking {
    /// A `LocalSet` does not let go of its thread, and cannot be recognised beforehand.
    refused: AtomicBool,
}

impl Blocking {
    /// Whether [`in_place`](Self::in_place) is worth a try.
    pub(super) fn may_be_in_place(&self) -> bool {
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.runtime_flavor() != RuntimeFlavor::CurrentThread
                    && !self.refused.load(Ordering::Relaxed)
            }
            // Whoever polls without a runtime has nobody else to disturb.
            Err(_) => true,
        }
    }

    /// Runs `job` on this thread, or gives it back where this thread cannot be spared.
    pub(super) fn in_place<T, F: FnOnce() -> T>(&self, job: F) -> Result<T, F> {
        let mut job = Some(job);
        let run = || tokio::task::block_in_place(|| job.take().map(|job| job()));
        match (catch_unwind(AssertUnwindSafe(run)), job) {
            (Ok(Some(value)), _) => Ok(value),
            (Err(_) | Ok(None), Some(job)) => {
                self.refused.store(true, Ordering::Relaxed);
                Err(job)
            }
            (Err(panic), None) => resume_unwind(panic),
            (Ok(None), None) => unreachable!("a job that was taken returns a value"),
        }
    }

    /// Runs `job` here where that is possible, or on a thread for blocking work.
    ///
    /// A job that has begun ends, even when this future is dropped.
    ///
    /// # Errors
    /// Those of the job; [`Error::Closed`] when the runtime is shutting down.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let job = if self.may_be_in_place() {
            match self.in_place(job) {
                Ok(result) => return result,
                Err(job) => job,
            }
        } else {
            job
        };
        beside(job).await
    }

    /// Runs `job` on a thread for blocking work, so that the caller need not wait for it; here
    /// where there is no runtime.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) async fn run_beside<T: Send + 'static>(
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match Handle::try_current() {
            Ok(_) => beside(job).await,
            Err(_) => job(),
        }
    }
}

async fn beside<T: Send + 'static>(job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(Error::Closed),
        },
    }
}
