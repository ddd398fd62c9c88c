//! A place in which a bus can be started, stopped and started again.

use kairo::{Error, bus::Builder, prelude::*};
use tempfile::TempDir;

use crate::note;

/// A store, by its URL.
#[derive(Debug)]
pub struct Place {
    url: String,
    /// Removed with the place.
    _folder: Option<TempDir>,
}

impl Place {
    /// A store in memory, which ends with the bus.
    #[must_use]
    pub fn memory() -> Self {
        Self { url: "memory:".to_owned(), _folder: None }
    }

    /// A SQLite file of its own, which survives the bus. It waits for no disk, as nobody pulls
    /// the plug in a test.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("there is room for a temporary folder");
        let url = format!("sqlite://{}/test.db?synchronous=normal", folder.path().display());
        Self { url, _folder: Some(folder) }
    }

    /// The store's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether what happens here waits for no disk.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.url == "memory:"
    }

    /// A bus here, with every handler that is linked or named.
    pub fn linked(&self) -> Builder {
        Kairo::builder().store(&self.url)
    }

    /// A bus here for closures: the one handler that runs hears of nothing.
    pub fn bare(&self) -> Builder {
        self.linked().only(note)
    }

    /// Starts a bus without handlers. A bus that was dropped may still be letting go of the store.
    pub async fn start(&self) -> Kairo {
        self.start_with(|bare| bare).await
    }

    /// As [`start`](Self::start), with options.
    pub async fn start_with(&self, options: impl Fn(Builder) -> Builder) -> Kairo {
        super::soon(async {
            loop {
                match options(self.bare()).start().await {
                    Err(Error::InUse { .. }) => tokio::task::yield_now().await,
                    started => return started.expect("the bus starts"),
                }
            }
        })
        .await
    }
}

/// Keeps a promise on every embedded store.
pub async fn on_each_store<F: Future<Output = ()>>(promise: impl Fn(Place) -> F) {
    promise(Place::memory()).await;
    promise(Place::sqlite()).await;
}
