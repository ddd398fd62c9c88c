//! Giving claims back: many in one call of the store, when many subscriptions stop at once.

use std::sync::{Mutex, PoisonError};

use crate::{delivery::Backend, error::Result};

/// Claims on their way back to the store.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    /// What the next call takes along; there is one claim for each subscription at most.
    waiting: Mutex<Vec<(String, u64)>>,
    /// Held during a call, so that those who come meanwhile share the next one.
    calling: tokio::sync::Mutex<()>,
}

impl Releases {
    /// Gives a claim back, with those of all who wait to do so; returns once that is done.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) to the one who made the call for all of them.
    pub(super) async fn give_back(&self, backend: &dyn Backend, claim: (String, u64)) -> Result {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
        let _call = self.calling.lock().await;
        let claims =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        // Without any, somebody else's call has taken this claim along.
        if claims.is_empty() { Ok(()) } else { backend.release(claims).await }
    }
}
