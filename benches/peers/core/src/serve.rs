//! The whole `main` of a participant.

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio::runtime::{Builder, Runtime};

use crate::{Reply, Store, Task, Work, append, check, fill, handle, load};

/// Does the task in the command line, and prints the reply.
///
/// # Errors
/// When the task is malformed, or the store fails.
pub fn serve<S: Store>() -> Result<()> {
    let task = Task::from_arguments()?;
    let done = runtime()?.block_on(perform::<S>(&task))?;
    reply(&done)
}

/// The runtime of all participants: a thread for each core.
///
/// # Errors
/// When the system has no threads left.
pub fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// Prints a reply.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn reply(reply: &Reply) -> Result<()> {
    println!("{}", serde_json::to_string(reply)?);
    Ok(())
}

async fn perform<S: Store>(task: &Task) -> Result<Reply> {
    let store = Arc::new(S::open(task).await?);
    match task.work {
        Work::Check => check::check(&*store).await,
        Work::Append { writers, per } => append::measure(store, task.seconds, writers, per).await,
        Work::Handle { writers } => handle::measure(store, task.seconds, writers).await,
        // On a thread of the pool, as its work would be: this one here is not of the pool.
        Work::Load { events } => {
            let seconds = task.seconds;
            tokio::spawn(async move { load::measure(&*store, seconds, events).await }).await?
        }
        Work::Fill { events } => {
            fill::log(store, events).await?;
            Ok(Reply::Done)
        }
        Work::CatchUp { events } => {
            tokio::spawn(async move { load::catch_up(&*store, events).await }).await?
        }
        Work::Publish { .. } => bail!("a store has no handlers to publish to"),
    }
}
