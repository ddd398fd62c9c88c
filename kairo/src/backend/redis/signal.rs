//! The signals that something has changed: within the process at once, between processes by
//! pub/sub, outside the scripts that write and never more than one message at a time.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::{Client, RedisResult};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::timeout,
};

use super::link::Link;
use crate::clock::Clock;

/// How long the pause is after which a lost subscription is made again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the pause is between two messages; what comes meanwhile is in the later one.
const MESSAGE_PAUSE: Duration = Duration::from_millis(2);

/// How long listening may take to begin.
const CONNECTING_MAX: Duration = Duration::from_secs(5);

/// Changes as this process knows of them.
#[derive(Debug)]
struct Changes {
    /// Of the log, by anybody.
    commits: watch::Sender<u64>,
    /// Of anything, by other processes.
    others: watch::Sender<u64>,
    /// That others are to be told.
    untold: Notify,
}

/// The signals.
#[derive(Debug)]
pub(super) struct Signal {
    changes: Arc<Changes>,
}

impl Signal {
    /// Begins to tell others on `channel`, under the name `own`, and to listen to them.
    pub(super) fn start(
        tasks: &mut JoinSet<()>,
        link: &Arc<Link>,
        client: Client,
        channel: String,
        own: String,
    ) -> Self {
        let changes = Arc::new(Changes {
            commits: watch::Sender::new(0),
            others: watch::Sender::new(0),
            untold: Notify::new(),
        });
        tasks.spawn(tell(Arc::clone(&changes), Arc::clone(link), channel.clone(), own.clone()));
        tasks.spawn(listen(Arc::clone(&changes), client, channel, own));
        Self { changes }
    }

    /// Rises when events may have come in.
    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.changes.commits.subscribe()
    }

    /// Rises when another process may have changed anything.
    pub(super) fn others(&self) -> watch::Receiver<u64> {
        self.changes.others.subscribe()
    }

    /// A unit was committed here.
    pub(super) fn raise_commits(&self) {
        self.changes.commits.send_modify(|count| *count += 1);
        self.raise_others();
    }

    /// Something beside the log was changed here.
    pub(super) fn raise_others(&self) {
        self.changes.untold.notify_one();
    }
}

/// What comes while a message is under way goes into the next one.
async fn tell(changes: Arc<Changes>, link: Arc<Link>, channel: String, own: String) {
    let clock = Clock::system();
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(channel).arg(own);
    loop {
        changes.untold.notified().await;
        // Others look by themselves from time to time, so one message may be lost.
        let _ = link.ask("signalling through", &publish).await;
        clock.sleep(MESSAGE_PAUSE).await;
    }
}

async fn listen(changes: Arc<Changes>, client: Client, channel: String, own: String) {
    let clock = Clock::system();
    loop {
        // A subscription that is lost, or cannot be made, is made again.
        if let Err(error) = follow(&changes, &client, &channel, &own).await {
            tracing::debug!(%error, "nobody is heard that shares the store");
        }
        clock.sleep(PAUSE).await;
    }
}

async fn follow(changes: &Changes, client: &Client, channel: &str, own: &str) -> RedisResult<()> {
    let subscribe = async {
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(channel).await?;
        RedisResult::Ok(subscription)
    };
    let Ok(subscription) = timeout(CONNECTING_MAX, subscribe).await else { return Ok(()) };
    let mut subscription = subscription?;
    // What was said before is not heard.
    changes.rise();
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        if message.get_payload_bytes() != own.as_bytes() {
            changes.rise();
        }
    }
    Ok(())
}

impl Changes {
    /// Others may have changed something.
    fn rise(&self) {
        self.commits.send_modify(|count| *count += 1);
        self.others.send_modify(|count| *count += 1);
    }
}
