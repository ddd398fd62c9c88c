//! What must be true in the end, whatever happened.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;
use kairo::{Position, prelude::*};
use kairo_tests::support::Folder;

use crate::shop::{HANDLERS, Step, Trace};

async fn log(kairo: &Kairo) -> Vec<AnyEvent> {
    kairo.store().log(Position::START).try_collect().await.unwrap()
}

/// What was accepted and is not in the log.
fn missing(folder: &Folder, log: &[AnyEvent]) -> Vec<String> {
    let known: HashSet<String> = log.iter().map(|event| event.id().to_string()).collect();
    folder.lines("acks").into_iter().filter(|id| !known.contains(id)).collect()
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

/// What a handler says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Did {
    Begin,
    /// It has succeeded, and the handler returns.
    End,
    /// It has failed for good. A process that ends now has not written that down, and then the
    /// event is handled again, as one that has succeeded is.
    Dead,
}

/// What handlers did, in the order in which they did it.
struct Ledger {
    /// Subscription, event, and what became of it.
    lines: Vec<(String, Uuid, Did)>,
    /// What has ever been dead, and was therefore overtaken.
    dead: HashSet<(String, Uuid)>,
}

impl Ledger {
    fn read(folder: &Folder, log: &[AnyEvent]) -> Self {
        let parse = |line: String| {
            let mut words = line.split(' ');
            let (handler, id) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            let did = match words.next()? {
                "begin" => Did::Begin,
                "end" => Did::End,
                _ => Did::Dead,
            };
            Some((handler, id, did))
        };
        let letters = log.iter().filter_map(|event| event.decode::<DeadLetter>().ok());
        Self {
            lines: folder.lines("ledger").into_iter().filter_map(parse).collect(),
            dead: letters
                .map(|letter| (letter.subscription.clone(), letter.event().id()))
                .collect(),
        }
    }

    fn of<'a>(&'a self, handler: &'a str) -> impl Iterator<Item = (Uuid, Did)> + 'a {
        let own = self.lines.iter().filter(move |(name, ..)| name == handler);
        own.map(|(_, id, did)| (*id, *did))
    }

    /// The events that a handler has never ended well.
    fn unhandled<'a>(&self, handler: &str, log: &'a [AnyEvent], name: &str) -> Vec<&'a AnyEvent> {
        let ended: HashSet<Uuid> =
            self.of(handler).filter(|(_, did)| *did == Did::End).map(|(id, _)| id).collect();
        let wanted = log.iter().filter(|event| event.name() == name);
        wanted.filter(|event| !ended.contains(&event.id())).collect()
    }

    /// No event began before all earlier ones of its stream had their outcome, leaving the dead aside.
    fn assert_order(&self, handler: &str, log: &[AnyEvent], name: &str) {
        let mut places = HashMap::new();
        let mut waiting: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for event in log.iter().filter(|event| event.name() == name) {
            if !self.dead.contains(&(handler.to_owned(), event.id())) {
                places.insert(event.id(), (event.stream().as_str(), event.version()));
                waiting.entry(event.stream().as_str()).or_default().insert(event.version());
            }
        }
        for (line, (id, did)) in self.of(handler).enumerate() {
            let Some((stream, version)) = places.get(&id) else { continue };
            let first = waiting.get(stream).and_then(BTreeSet::first);
            if let Some(first) = first.filter(|first| *first < version) {
                let history = self.history(handler, stream, [*first, *version], &places);
                panic!(
                    "line {line}: `{handler}` has begun {stream} version {version} before {first} had ended: {history:?}"
                );
            }
            if did != Did::Begin
                && let Some(left) = waiting.get_mut(stream)
            {
                left.remove(version);
            }
        }
    }

    /// The lines about two versions of a stream.
    fn history(
        &self,
        handler: &str,
        stream: &str,
        versions: [u64; 2],
        places: &HashMap<Uuid, (&str, u64)>,
    ) -> Vec<(usize, u64, Did)> {
        let lines = self.of(handler).enumerate();
        let of_both = lines.filter_map(|(line, (id, did))| {
            let (its, version) = places.get(&id)?;
            (*its == stream && versions.contains(version)).then_some((line, *version, did))
        });
        of_both.collect()
    }
}

/// Asserts that SQLite finds nothing wrong with the file.
pub(crate) fn integrity(folder: &Folder) {
    let connection = rusqlite::Connection::open(folder.file("shop.db")).unwrap();
    let found: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}
