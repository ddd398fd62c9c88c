//! What must be true in the end, whatever happened.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;
use kairo::{Position, prelude::*};

use crate::{
    parent::Folder,
    shop::{HANDLERS, Step, Trace},
};

async fn log(kairo: &Kairo) -> Vec<AnyEvent> {
    kairo.store().log(Position::START).try_collect().await.unwrap()
}

fn lines(folder: &Folder, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.file(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What was accepted and is not in the log.
fn missing(folder: &Folder, log: &[AnyEvent]) -> Vec<String> {
    let known: HashSet<String> = log.iter().map(|event| event.id().to_string()).collect();
    lines(folder, "acks").into_iter().filter(|id| !known.contains(id)).collect()
}

/// Whether everything that was accepted is in the log, and everything there has been handled.
pub(crate) async fn is_all_handled(folder: &Folder, kairo: &Kairo) -> bool {
    let log = log(kairo).await;
    let ledger = Ledger::read(folder, &log);
    let handled =
        |(handler, event): (&str, &str)| ledger.unhandled(handler, &log, event).is_empty();
    missing(folder, &log).is_empty() && HANDLERS.into_iter().all(handled)
}

/// Asserts everything, and tells how much that was.
pub(crate) async fn audit(folder: &Folder, kairo: &Kairo) -> String {
    let log = log(kairo).await;
    let ledger = Ledger::read(folder, &log);
    assert_eq!(missing(folder, &log), [""; 0], "accepted and lost");
    assert_no_gaps(&log);
    assert_derived_once(&log);
    for (handler, event) in HANDLERS {
        let lost = ledger.unhandled(handler, &log, event);
        assert!(lost.is_empty(), "`{handler}` has never handled {lost:?}");
        ledger.assert_order(handler, &log, event);
    }
    let repeated = ledger.lines.len() - ledger.lines.iter().collect::<HashSet<_>>().len();
    let dead = log.iter().filter(|event| event.name() == DeadLetter::NAME).count();
    format!(
        "{} events, {} deaths, {} runs begun or ended, {repeated} of them again",
        log.len(),
        dead,
        ledger.lines.len()
    )
}

fn assert_no_gaps(log: &[AnyEvent]) {
    let mut streams: HashMap<&str, u64> = HashMap::new();
    for event in log {
        let version = streams.entry(event.stream().as_str()).or_default();
        *version += 1;
        assert_eq!(event.version(), *version, "stream {}", event.stream());
    }
}

/// Every step has left one trace that was published and one that was returned.
fn assert_derived_once(log: &[AnyEvent]) {
    let mut traces: HashMap<Uuid, Vec<bool>> = HashMap::new();
    for trace in log.iter().filter_map(|event| event.decode::<Trace>().ok()) {
        traces.entry(trace.step).or_default().push(trace.returned);
    }
    for step in log.iter().filter(|event| event.name() == Step::NAME) {
        let left = traces.remove(&step.id()).unwrap_or_default();
        assert!(left == [false, true], "step {} has left {left:?}", step.id());
    }
    assert!(traces.is_empty(), "traces of no step: {traces:?}");
}

/// What handlers did, in the order in which they did it.
struct Ledger {
    /// Subscription, event, and whether it ended well or only began.
    lines: Vec<(String, Uuid, bool)>,
    /// What has ever been dead, and was therefore overtaken.
    dead: HashSet<(String, Uuid)>,
}

impl Ledger {
    fn read(folder: &Folder, log: &[AnyEvent]) -> Self {
        let parse = |line: String| {
            let mut words = line.split(' ');
            let (handler, id) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            Some((handler, id, words.next()? == "end"))
        };
        let letters = log.iter().filter_map(|event| event.decode::<DeadLetter>().ok());
        Self {
            lines: lines(folder, "ledger").into_iter().filter_map(parse).collect(),
            dead: letters
                .map(|letter| (letter.subscription.clone(), letter.event().id()))
                .collect(),
        }
    }

    fn of<'a>(&'a self, handler: &'a str) -> impl Iterator<Item = (Uuid, bool)> + 'a {
        let own = self.lines.iter().filter(move |(name, ..)| name == handler);
        own.map(|(_, id, ended)| (*id, *ended))
    }

    /// The events that a handler has never ended well.
    fn unhandled<'a>(&self, handler: &str, log: &'a [AnyEvent], name: &str) -> Vec<&'a AnyEvent> {
        let ended: HashSet<Uuid> =
            self.of(handler).filter(|(_, ended)| *ended).map(|(id, _)| id).collect();
        let wanted = log.iter().filter(|event| event.name() == name);
        wanted.filter(|event| !ended.contains(&event.id())).collect()
    }

    /// No event began before all earlier ones of its stream had ended, leaving the dead aside.
    fn assert_order(&self, handler: &str, log: &[AnyEvent], name: &str) {
        let mut places = HashMap::new();
        let mut waiting: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for event in log.iter().filter(|event| event.name() == name) {
            if !self.dead.contains(&(handler.to_owned(), event.id())) {
                places.insert(event.id(), (event.stream().as_str(), event.version()));
                waiting.entry(event.stream().as_str()).or_default().insert(event.version());
            }
        }
        for (id, ended) in self.of(handler) {
            let Some((stream, version)) = places.get(&id) else { continue };
            let first = waiting.get(stream).and_then(BTreeSet::first);
            assert!(
                first.is_none_or(|first| version <= first),
                "`{handler}` has begun {stream} version {version} before {first:?} had ended"
            );
            if ended && let Some(left) = waiting.get_mut(stream) {
                left.remove(version);
            }
        }
    }
}

/// Asserts that SQLite finds nothing wrong with the file.
pub(crate) fn integrity(folder: &Folder) {
    let connection = rusqlite::Connection::open(folder.file("shop.db")).unwrap();
    let found: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}
