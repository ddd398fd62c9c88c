//! One transaction for all appends that wait.

use std::thread;

use anyhow::{Context, Result};
use peers_core::Appended;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{Append, commit};

/// The most appends that wait.
const WAITING_MAX: usize = 4_096;

/// The most appends that share a transaction.
const BATCH_MAX: usize = 512;

/// The way to the thread that stores.
pub(crate) struct Group(mpsc::Sender<(Append, oneshot::Sender<Appended>)>);

impl Group {
    pub(crate) fn open(connection: Connection) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        thread::spawn(move || store_all(&connection, receiver));
        Self(sender)
    }

    pub(crate) async fn append(&self, append: Append) -> Result<Appended> {
        let (reply, stored) = oneshot::channel();
        self.0.send((append, reply)).await.ok().context("the storing thread has ended")?;
        stored.await.context("the storing thread has failed")
    }
}

fn store_all(
    connection: &Connection,
    mut receiver: mpsc::Receiver<(Append, oneshot::Sender<Appended>)>,
) -> rusqlite::Result<()> {
    while let Some(first) = receiver.blocking_recv() {
        let (mut appends, mut replies): (Vec<_>, Vec<_>) = [first].into_iter().unzip();
        while appends.len() < BATCH_MAX
            && let Ok((append, reply)) = receiver.try_recv()
        {
            appends.push(append);
            replies.push(reply);
        }
        for (reply, stored) in replies.into_iter().zip(commit(connection, &appends)?) {
            // Whoever asked may have gone away.
            let _ = reply.send(Appended::when(stored));
        }
    }
    Ok(())
}
