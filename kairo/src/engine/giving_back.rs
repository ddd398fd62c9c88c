//! What handlers that take too long give back: their events, as if they had not begun.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::watch;

/// Whose handlers are to stop where they wait, so that their events can run elsewhere or later.
#[derive(Debug, Default)]
pub(crate) struct GivingBack(watch::Sender<Who>);

#[derive(Debug, Default)]
struct Who {
    /// All, because the time of the bus is up.
    all: bool,
    /// Those of subscriptions that have been draining for too long.
    subscriptions: HashSet<Arc<str>>,
}

impl GivingBack {
    /// Ends every handler that runs.
    pub(crate) fn begin_all(&self) {
        self.0.send_modify(|who| who.all = true);
    }

    /// Ends every handler of a subscription that runs, until its loop has [ended](Self::end).
    pub(crate) fn begin(&self, subscription: &Arc<str>) {
        self.0.send_modify(|who| {
            who.subscriptions.insert(Arc::clone(subscription));
        });
    }

    /// The next loop of a subscription may run handlers again.
    pub(crate) fn end(&self, subscription: &str) {
        // Nobody waits for that.
        self.0.send_if_modified(|who| {
            who.subscriptions.remove(subscription);
            false
        });
    }

    /// Returns once the handlers of a subscription are to stop.
    pub(crate) async fn wait(&self, subscription: &str) {
        let is_meant = |who: &Who| who.all || who.subscriptions.contains(subscription);
        // A closed channel means that the bus is gone, which is a stop as well.
        let _ = self.0.subscribe().wait_for(is_meant).await;
    }
}
