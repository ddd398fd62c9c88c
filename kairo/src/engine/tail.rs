//! The end of the log in memory: read once by the process, shared by all its subscriptions.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{Engine, stopped, trouble::Trouble};
use crate::{
    event::record::Recorded,
    store::{Position, Selection},
};

/// How many payload bytes the tail keeps.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What an event costs beside its payload, roughly.
const BYTES_EACH: usize = 512;

/// How many events are read from the store at once.
const PAGE: usize = 512;

/// How often the log is looked at without a signal.
const POLL: Duration = Duration::from_secs(1);

/// The pause after a failed read.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// The newest events, without a gap.
#[derive(Debug)]
pub(crate) struct Tail {
    ring: Mutex<Ring>,
    /// Where the ring ends; it rises when events have come in.
    end: watch::Sender<Position>,
    /// What reading the log's end fails with.
    pub(crate) trouble: Trouble,
}

#[derive(Debug)]
struct Ring {
    /// Every event behind this place, up to the end, is in the ring.
    start: Position,
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

impl Tail {
    /// An empty tail at the end of the log.
    pub(crate) fn new(head: Position) -> Self {
        let ring = Ring { start: head, events: VecDeque::new(), bytes: 0 };
        let (ring, end) = (Mutex::new(ring), watch::Sender::new(head));
        Self { ring, end, trouble: Trouble::default() }
    }

    /// Tells when events have come in.
    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.end.subscribe()
    }

    /// Up to `limit` events behind `after`, and how far that goes; `None` when `after` lies before
    /// the tail, so that the store must be read.
    pub(crate) fn read(
        &self,
        after: Position,
        limit: usize,
    ) -> Option<(Vec<Arc<Recorded>>, Position)> {
        let ring = self.lock();
        if after < ring.start {
            return None;
        }
        let first = ring.events.partition_point(|event| event.position <= after);
        let events: Vec<_> = ring.events.range(first..).take(limit).cloned().collect();
        let end = events.last().map_or(after, |event| event.position);
        Some((events, end))
    }

    fn push(&self, events: Vec<Recorded>, end: Position) {
        let mut ring = self.lock();
        for event in events.into_iter().map(Arc::new) {
            ring.bytes += weight(&event);
            ring.events.push_back(event);
            while BYTES_MAX < ring.bytes
                && let Some(oldest) = ring.events.pop_front()
            {
                ring.bytes -= weight(&oldest);
                ring.start = oldest.position;
            }
        }
        drop(ring);
        self.end.send_replace(end);
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(event: &Recorded) -> usize {
    event.event.payload.len() + BYTES_EACH
}

/// Reads the log into the tail until the bus stops.
pub(crate) async fn follow(engine: Arc<Engine>) {
    let mut signal = engine.backend.watch();
    let mut stop = engine.stopping();
    let mut end = *engine.tail.end.borrow();
    loop {
        signal.mark_unchanged();
        let read = engine.backend.read_log(end, &Selection::All, PAGE).await;
        engine.tail.trouble.note_result(&read);
        match read {
            Ok(page) => {
                if end < page.end {
                    end = page.end;
                    engine.tail.push(page.events, end);
                }
                if !page.complete {
                    continue;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the end of the log cannot be read");
                engine.clock.sleep(PAUSE_AFTER_ERROR).await;
            }
        }
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            changed = signal.changed() => if changed.is_err() { return },
            () = engine.clock.sleep(POLL) => {}
        }
    }
}
