//! The engine: what moves events from the log through handlers, and delayed events into the log.

pub(crate) mod registry;
pub(crate) mod dispatch;
pub(crate) mod giving_back;
pub(crate) mod ownership;
pub(crate) mod sagas;
pub(crate) mod tail;
pub(crate) mod timetable;
pub(crate) mod trouble;
pub(crate) mod tx;
pub(crate) mod upkeep;

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, Semaphore, watch};

use self::{
    dispatch::Releases,
    giving_back::GivingBack,
    ownership::{Lease, Roster},
    sagas::Sagas,
    tail::Tail,
    trouble::Trouble,
};
use crate::{clock::Clock, delivery::Backend, handler::context::States};

/// What all subscriptions of a process share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Clock,
    pub(crate) states: Arc<States>,
    pub(crate) tail: Tail,
    /// Whether processes share the store's subscriptions.
    pub(crate) is_shared: bool,
    /// What this process has claimed holds while this does.
    pub(crate) lease: watch::Sender<Lease>,
    /// How long the lease is when it is renewed.
    pub(crate) lease_length: Duration,
    pub(crate) roster: Roster,
    /// Rings when it should be looked who has what.
    pub(crate) look: Notify,
    /// Rings when an event was delayed.
    pub(crate) planned: Notify,
    /// Claims on their way back to the store.
    pub(crate) released: Releases,
    /// After an unclean stop, what may have caused it runs alone: one event in the whole process.
    pub(crate) alone: Semaphore,
    /// Whether the bus is stopping: nothing new begins.
    pub(crate) stop: watch::Sender<bool>,
    /// Whose handlers that still run are to stop: their time is up.
    pub(crate) giving_back: GivingBack,
    /// The sagas that it carries on.
    pub(crate) sagas: Sagas,
    /// What the timetable fails with.
    pub(crate) timetable: Trouble,
}

impl Engine {
    /// Tells when the bus stops claiming.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// Returns once the bus stops claiming.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A closed channel means that the bus is gone, which is a stop as well.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
