//! Connections that read beside the writer; none of them blocks it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{failure::Failing, open, rows::Common};
use crate::error::{Error, Result};

/// The most connections that read at one time.
const READERS_MAX: u32 = 4;

/// A pool of connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    failing: Failing,
    idle: Mutex<Vec<Reader>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, failing: Failing) -> Self {
        let permits = Arc::new(Semaphore::new(READERS_MAX as usize));
        Self { path, failing, idle: Mutex::default(), permits }
    }

    /// Waits for the right to use a connection.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)
    }

    /// Runs `read` on a connection, under a permit.
    ///
    /// # Errors
    /// [`Error::Store`] when a connection cannot be opened or `read` fails.
    pub(super) fn read<T>(
        &self,
        permit: OwnedSemaphorePermit,
        read: impl FnOnce(&mut Reader) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => self.open()?,
        };
        let result = read(&mut reader).map_err(|error| self.failing.of("reading", error));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        drop(permit);
        result
    }

    /// Waits for all readers, and closes the connections.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(READERS_MAX).await;
        self.permits.close();
        drop(all);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn open(&self) -> Result<Reader> {
        let connection = open::reading(&self.path).map_err(|error| self.failing.opening(error))?;
        Ok(Reader { connection, common: Common::default() })
    }
}

/// A connection that only reads.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) common: Common,
}
