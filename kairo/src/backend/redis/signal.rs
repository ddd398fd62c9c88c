//! The signal that events may have come in: within the process at once, between processes by
//! pub/sub, outside the scripts that write and at most one message at a time.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::Client;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::link::Link;
use crate::clock::Clock;

/// How long the pause is after which a lost subscription is made again.
const PAUSE: Duration = Duration::from_millis(500);

/// Commits as this process knows of them.
#[derive(Debug)]
pub(super) struct Commits {
    count: watch::Sender<u64>,
    told: Notify,
}

impl Commits {
    fn new() -> Self {
        Self { count: watch::Sender::new(0), told: Notify::new() }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Wakes those who wait here, and those in other processes if it concerns them.
    pub(super) fn raise(&self, elsewhere: bool) {
        self.count.send_modify(|count| *count += 1);
        if elsewhere {
            self.told.notify_one();
        }
    }
}

/// The tasks that pass the signal on; they end with this value.
#[derive(Debug)]
pub(super) struct Signal {
    pub(super) commits: Arc<Commits>,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

impl Signal {
    /// Begins to tell others on `channel`, under the name `own`, and to listen to them.
    pub(super) fn start(link: &Arc<Link>, client: Client, channel: String, own: String) -> Self {
        let commits = Arc::new(Commits::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(Arc::clone(&commits), Arc::clone(link), channel.clone(), own.clone()));
        tasks.spawn(listen(Arc::clone(&commits), client, channel, own));
        Self { commits, tasks: std::sync::Mutex::new(tasks) }
    }

    /// Ends both.
    pub(super) fn stop(&self) {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).abort_all();
    }
}

/// What comes while a message is under way goes into the next one.
async fn tell(commits: Arc<Commits>, link: Arc<Link>, channel: String, own: String) {
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(channel).arg(own);
    loop {
        commits.told.notified().await;
        // Others look by themselves from time to time, so one message may be lost.
        let _ = link.ask("signalling through", &publish).await;
    }
}

async fn listen(commits: Arc<Commits>, client: Client, channel: String, own: String) {
    let clock = Clock::system();
    loop {
        // A subscription that is lost, or cannot be made, is made again.
        let _ = follow(&commits, &client, &channel, &own).await;
        clock.sleep(PAUSE).await;
    }
}

async fn follow(
    commits: &Commits,
    client: &Client,
    channel: &str,
    own: &str,
) -> redis::RedisResult<()> {
    let mut others = client.get_async_pubsub().await?;
    others.subscribe(channel).await?;
    // What was said before is not heard.
    commits.raise(false);
    let mut messages = others.on_message();
    while let Some(message) = messages.next().await {
        if message.get_payload_bytes() != own.as_bytes() {
            commits.raise(false);
        }
    }
    Ok(())
}
