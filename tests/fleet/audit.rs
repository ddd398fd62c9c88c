//! What must be true of a fleet's work in the end, whatever happened.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;
use kairo::{EventStore, Position, prelude::*};
use kairo_tests::support::Folder;

use crate::{
    until,
    worker::{Echo, SUBSCRIPTIONS, Tick},
};

/// The log in order.
pub(crate) async fn log(store: &EventStore) -> kairo::Result<Vec<AnyEvent>> {
    store.log(Position::START).try_collect().await
}

/// Waits until everything that was accepted has been handled by everybody, and asserts that it has
/// been handled in order; tells how much that was.
pub(crate) async fn audit(folder: &Folder, url: &str) -> String {
    let store = EventStore::open(url).await.unwrap();
    let is_done = async || {
        let log = log(&store).await.unwrap();
        let ledger = Ledger::read(folder);
        SUBSCRIPTIONS.iter().all(|name| ledger.unhandled(name, &log).is_empty())
            && echoes(&log).len() == ticks(&log).count()
    };
    until(is_done).await;
    let log = log(&store).await.unwrap();
    let ledger = Ledger::read(folder);
    let known: HashSet<String> = log.iter().map(|event| event.id().to_string()).collect();
    let acknowledged = folder.lines("acks");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !known.contains(*id)).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    assert_eq!(known.len(), log.len(), "an event is in the log twice");
    assert_no_gaps(&log);
    for name in SUBSCRIPTIONS {
        ledger.assert_order(name, &log);
    }
    store.close().await.unwrap();
    let refused = folder.lines("refused").len();
    let (ticks, runs) = (ticks(&log).count(), ledger.runs());
    assert!(!acknowledged.is_empty() && acknowledged.len() <= ticks);
    format!("{ticks} events, {} acknowledged, {refused} refused; {runs}", acknowledged.len())
}

fn ticks(log: &[AnyEvent]) -> impl Iterator<Item = &AnyEvent> {
    log.iter().filter(|event| event.name() == Tick::NAME)
}

/// The ticks that have echoes; none has two.
fn echoes(log: &[AnyEvent]) -> HashSet<Uuid> {
    let mut seen = HashSet::new();
    for echo in log.iter().filter_map(|event| event.decode::<Echo>().ok()) {
        assert!(seen.insert(echo.of), "tick {} has two echoes", echo.of);
    }
    seen
}

/// Log order is stream order, and no version is missing.
pub(crate) fn assert_no_gaps(log: &[AnyEvent]) {
    let mut streams: HashMap<&str, u64> = HashMap::new();
    for event in log {
        let version = streams.entry(event.stream().as_str()).or_default();
        *version += 1;
        assert_eq!(event.version(), *version, "stream {}", event.stream());
    }
    assert!(log.is_sorted_by(|one, other| one.position() < other.position()));
}

/// A line of what handlers did.
pub(crate) struct Line {
    pub(crate) subscription: String,
    pub(crate) event: Uuid,
    pub(crate) what: String,
    pub(crate) process: u32,
}

/// What handlers did, in the order in which they did it.
pub(crate) struct Ledger {
    pub(crate) lines: Vec<Line>,
}

impl Ledger {
    pub(crate) fn read(folder: &Folder) -> Self {
        let parse = |line: String| {
            let mut words = line.split(' ');
            Some(Line {
                subscription: words.next()?.to_owned(),
                event: words.next()?.parse().ok()?,
                what: words.next()?.to_owned(),
                process: words.next()?.parse().ok()?,
            })
        };
        Self { lines: folder.lines("ledger").into_iter().filter_map(parse).collect() }
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.subscription == name)
    }

    /// The ticks that a subscription has never handled to the end.
    pub(crate) fn unhandled<'a>(&self, name: &str, log: &'a [AnyEvent]) -> Vec<&'a AnyEvent> {
        let ended: HashSet<Uuid> =
            self.of(name).filter(|line| line.what == "end").map(|line| line.event).collect();
        ticks(log).filter(|event| !ended.contains(&event.id())).collect()
    }

    /// No tick began before all earlier ones of its key had been handled.
    fn assert_order(&self, name: &str, log: &[AnyEvent]) {
        let (mut places, mut waiting) = (HashMap::new(), HashMap::<&str, BTreeSet<u64>>::new());
        for event in ticks(log) {
            places.insert(event.id(), (event.stream().as_str(), event.version()));
            waiting.entry(event.stream().as_str()).or_default().insert(event.version());
        }
        for line in self.of(name) {
            let (stream, version) = places[&line.event];
            let left = waiting.get_mut(stream).unwrap();
            if line.what == "end" {
                left.remove(&version);
            }
            let first = left.first().copied().unwrap_or(version);
            assert!(
                version <= first || line.what == "end",
                "`{name}` has begun {stream} version {version} before {first} had ended"
            );
        }
    }

    fn runs(&self) -> String {
        let ends = self.lines.iter().filter(|line| line.what == "end");
        let once: HashSet<_> = ends.clone().map(|line| (&line.subscription, line.event)).collect();
        let again = ends.count() - once.len();
        let processes: HashSet<u32> = self.lines.iter().map(|line| line.process).collect();
        format!("{} runs in {} processes, {again} of them again", once.len(), processes.len())
    }
}
