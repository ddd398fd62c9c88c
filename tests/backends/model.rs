//! Whatever happens to a store, it ends as the one in memory does: a part of the tests of back ends.

use std::{sync::Arc, time::Duration};

use kairo::{
    LetterFilter, Position, Reason, StreamName, Uuid, Version, backend,
    clock::{Clock, Timestamp},
    delivery::{
        Backend, Checkpoint, Claim, DeadLetter, FailedAttempt, LetterChange, Parked, ParkedState,
        Progress, Scheduled, Steer,
    },
    event::record::EventData,
    handler::entry::StartAt,
    lease::Member,
    store::{Append, Direction, Removal, Selection, Snapshot, StreamRange, Unit},
};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::json;

use super::{Place, event, sagas};

#[path = "marks.rs"]
mod marks;

/// What can happen.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit(Unit),
    Claim(Uuid, Claim),
    Release { subscription: String, epoch: u64 },
    Remove(String),
    Steer { subscription: String, steer: Steer },
    Prune { before: Timestamp, selection: Selection, limit: usize },
    PruneMarks { before: Timestamp },
    Join(Uuid),
    Renew(Uuid),
    Leave(Uuid),
    Sagas(sagas::Call),
}

fn time(seconds: u8) -> Timestamp {
    Timestamp::from_second(i64::from(seconds)).unwrap()
}

fn id() -> impl Strategy<Value = Uuid> {
    (1..6_u128).prop_map(Uuid::from_u128)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["mail", "stock", "audit"]).prop_map(str::to_owned)
}

fn events() -> impl Strategy<Value = EventData> {
    (id(), any::<bool>(), 0..3_u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..4))
        .prop_map(|(id, derived, stream, noted, payload)| EventData {
            derived,
            time: time(stream),
            metadata: noted.then(|| ("who".to_owned(), "Ada".to_owned())).into_iter().collect(),
            payload: payload.into(),
            ..event(id, &format!("user-{stream}"))
        })
}

fn expected() -> impl Strategy<Value = Version> {
    prop_oneof![
        4 => Just(Version::Any),
        1 => Just(Version::NoStream),
        1 => Just(Version::Exists),
        2 => (0..6_u64).prop_map(Version::At),
    ]
}

fn stream() -> impl Strategy<Value = StreamName> {
    (0..3_u8).prop_map(|stream| StreamName::new(format!("user-{stream}")).unwrap())
}

fn appends() -> impl Strategy<Value = Append> {
    (prop::collection::vec(events(), 1..3), expected()).prop_map(|(mut events, expected)| {
        let stream: StreamName = events[0].stream.clone();
        for event in &mut events {
            event.stream = stream.clone();
        }
        Append { stream, expected, events }
    })
}

fn removals() -> impl Strategy<Value = Removal> {
    let tombstone = prop::bool::weighted(0.1);
    (stream(), expected(), tombstone).prop_map(|(stream, expected, tombstone)| Removal {
        stream,
        expected,
        tombstone,
    })
}

fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    let snapshot = (name(), 0..6_u64, any::<u64>(), prop::collection::vec(any::<u8>(), 0..4));
    prop::collection::btree_map(stream(), snapshot, 0..2).prop_map(|snapshots| {
        let snapshot = |(stream, (name, version, schema, payload)): (_, (_, _, _, Vec<u8>))| {
            Snapshot { stream, name, version, schema, time: time(1), payload: payload.into() }
        };
        snapshots.into_iter().map(snapshot).collect()
    })
}

fn selections() -> impl Strategy<Value = Selection> {
    let names = || vec![event(Uuid::nil(), "user-1").name];
    prop_oneof![
        Just(Selection::All),
        Just(Selection::Names(Vec::new())),
        Just(Selection::Names(names())),
        (0..4_u8, 0..4_u8, any::<bool>()).prop_map(move |(from, until, named)| {
            let names = if named { names() } else { Vec::new() };
            Selection::Between { names, from: time(from), until: time(until) }
        }),
    ]
}

fn steers() -> impl Strategy<Value = Steer> {
    prop_oneof![
        Just(Steer::Pause),
        Just(Steer::Resume),
        (0..20_u64).prop_map(|to| Steer::Move { to: Position::at_sequence(to) }),
        (0..20_u64).prop_map(|place| Steer::Skip { position: Position::at_sequence(place) }),
    ]
}

fn failures() -> impl Strategy<Value = Vec<FailedAttempt>> {
    let failure = (1..5_u32, "[a-z]{0,3}").prop_map(|(attempt, error)| FailedAttempt {
        attempt,
        time: time(9),
        errors: vec![error],
    });
    prop::collection::vec(failure, 0..3)
}

fn parked() -> impl Strategy<Value = Parked> {
    let state = prop_oneof![
        (0..9_u8).prop_map(|due| ParkedState::Retry { due: time(due) }),
        Just(ParkedState::Behind),
        Just(ParkedState::Newer),
        (0..5_u32).prop_map(|crashes| ParkedState::Alone { crashes }),
    ];
    (1..9_u64, state, 0..5_u32, failures()).prop_map(|(position, state, attempts, failures)| {
        Parked {
            position: Position::at_sequence(position),
            key: "user-1".to_owned(),
            state,
            attempts,
            failures,
        }
    })
}

fn letters() -> impl Strategy<Value = DeadLetter> {
    (id(), name(), 0..9_u8, any::<bool>()).prop_map(|(id, subscription, died, holds_key)| {
        let original = serde_json::to_value(event(id, "user-1")).unwrap();
        let letter = json!({
            "id": id, "subscription": subscription, "position": "0-0-3", "version": 1,
            "original": original, "edited": null, "reason": "exhausted", "attempts": 3,
            "failures": [], "first_failed": time(0), "last_failed": time(died), "replays": 0,
            "holds_key": holds_key, "state": "dead",
        });
        serde_json::from_value(letter).unwrap()
    })
}

fn changes() -> impl Strategy<Value = LetterChange> {
    prop_oneof![
        (id(), any::<bool>(), 0..9_u8).prop_map(|(id, edited, due)| LetterChange::Replay {
            id,
            edited: edited.then(|| json!({"edited": true})),
            due: time(due),
        }),
        (id(), failures()).prop_map(|(id, failures)| LetterChange::Retry {
            id,
            attempts: 1,
            failures,
            due: time(5),
        }),
        (id(), failures(), 0..9_u8).prop_map(|(id, failures, died)| LetterChange::Return {
            id,
            reason: Reason::Panic,
            attempts: 2,
            failures,
            time: time(died),
        }),
        id().prop_map(|id| LetterChange::Remove { id }),
    ]
}

fn progress() -> impl Strategy<Value = Progress> {
    let places = (0..4_u64, prop::collection::btree_set(5..400_u64, 0..5));
    let positions = (1..9_u64).prop_map(Position::at_sequence);
    let parked = prop::collection::vec(parked(), 0..3);
    let bury = prop::collection::vec(letters(), 0..2);
    let unpark = prop::collection::vec(positions, 0..3);
    (name(), 1..6_u64, places, parked, unpark, bury).prop_map(
        |(subscription, epoch, (low, finished), park, unpark, bury)| Progress {
            subscription,
            epoch,
            checkpoint: Checkpoint {
                finished: finished.into_iter().map(Position::at_sequence).collect(),
                ..Checkpoint::at(Position::at_sequence(low))
            },
            park,
            unpark,
            bury,
            failure: None,
        },
    )
}

fn units() -> impl Strategy<Value = Unit> {
    let scheduled =
        (0..9_u8, events()).prop_map(|(due, event)| Scheduled { due: time(due), event });
    (
        prop::collection::vec(progress(), 0..2),
        prop::collection::vec(marks::marks(), 0..2),
        prop::collection::vec(changes(), 0..2),
        prop::collection::vec(id(), 0..2),
        prop::collection::vec(scheduled, 0..2),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(removals(), 1..3)],
        prop::collection::vec(appends(), 0..3),
        snapshots(),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(sagas::changes(), 1..3)],
    )
        .prop_map(
            |(
                progress,
                marks,
                letters,
                unscheduled,
                scheduled,
                removals,
                appends,
                snapshots,
                sagas,
            )| {
                Unit {
                    progress,
                    marks,
                    letters,
                    unscheduled,
                    scheduled,
                    removals,
                    appends,
                    snapshots,
                    sagas,
                    documents: Vec::new(),
                }
            },
        )
}

/// Units of the kind that sagas commit: a change of one, and events.
fn saga_units() -> impl Strategy<Value = Unit> {
    (sagas::changes(), prop::collection::vec(appends(), 0..2)).prop_map(|(change, appends)| Unit {
        appends,
        sagas: vec![change],
        ..Unit::default()
    })
}

fn claims() -> impl Strategy<Value = Claim> {
    let most = prop_oneof![Just(1_u32), Just(20), Just(64)];
    (name(), any::<bool>(), prop::option::of(name()), most).prop_map(
        |(subscription, beginning, renamed_from, partitions_max)| {
            let start = if beginning { StartAt::Beginning } else { StartAt::Now };
            Claim { subscription, start, renamed_from, partitions_max }
        },
    )
}

/// Ids of processes.
fn owner() -> impl Strategy<Value = Uuid> {
    (1..4_u128).prop_map(Uuid::from_u128)
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => units().prop_map(Step::Commit),
        6 => saga_units().prop_map(Step::Commit),
        4 => sagas::calls().prop_map(Step::Sagas),
        3 => (owner(), claims()).prop_map(|(owner, claim)| Step::Claim(owner, claim)),
        1 => (name(), 1..6_u64)
            .prop_map(|(subscription, epoch)| Step::Release { subscription, epoch }),
        1 => name().prop_map(Step::Remove),
        2 => (name(), steers()).prop_map(|(subscription, steer)| Step::Steer { subscription, steer }),
        2 => (0..4_u8, selections(), 0..5_usize).prop_map(|(before, selection, limit)| {
            Step::Prune { before: time(before), selection, limit }
        }),
        1 => (0..4_u8).prop_map(|before| Step::PruneMarks { before: time(before) }),
        1 => owner().prop_map(Step::Join),
        1 => owner().prop_map(Step::Renew),
        1 => owner().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..30)
}

/// So long that no test sees its end.
const LEASE: Duration = Duration::from_hours(1);

fn member(id: Uuid) -> Member {
    Member { id, name: id.to_string(), subscriptions: vec!["mail".to_owned()] }
}

/// Takes a step; what comes of it, as text.
async fn take(store: &dyn Backend, step: Step) -> String {
    match step {
        Step::Commit(unit) => format!("{:?}", store.commit(unit).await),
        Step::Claim(owner, claim) => format!("{:#?}", store.claim(owner, vec![claim]).await),
        Step::Release { subscription, epoch } => {
            format!("{:?}", store.release(vec![(subscription, epoch)]).await)
        }
        Step::Remove(subscription) => {
            format!("{:?}", store.remove_subscription(subscription).await)
        }
        Step::Steer { subscription, steer } => {
            format!("{:?}", store.steer(subscription, steer).await)
        }
        Step::Prune { before, selection, limit } => {
            format!("{:?}", store.prune(before, &selection, limit).await)
        }
        Step::PruneMarks { before } => format!("{:?}", store.prune_marks(before, 1_000).await),
        Step::Join(id) => format!("{:?}", store.join(&member(id), LEASE).await),
        Step::Renew(id) => format!("{:?}", store.renew(&member(id), LEASE).await),
        Step::Leave(id) => format!("{:?}", store.leave(id).await),
        Step::Sagas(call) => sagas::make(store, call).await,
    }
}

/// All that a store shows, as text.
async fn dump(store: &dyn Backend) -> String {
    let page = store.read_log(Position::START, &Selection::All, 1_000).await.unwrap();
    let letters = store.letters(LetterFilter::default()).await.unwrap();
    let due = store.due(Timestamp::MAX, 1_000).await.unwrap();
    let rows = store.subscriptions().await.unwrap();
    let count = store.count(Position::at_sequence(3), &Selection::All, 1_000).await.unwrap();
    let next_due = store.next_due().await;
    let (streams, fates) = (dump_streams(store).await, dump_fates(store).await);
    let (sagas, marks) = (sagas::dump(store).await, marks::dump(store).await);
    format!(
        "{page:#?}\n{letters:#?}\n{due:#?}\n{rows:#?}\n{count}\n{next_due:?}\n{streams}\n{fates}\n\
         {sagas}\n{marks}"
    )
}

async fn dump_streams(store: &dyn Backend) -> String {
    let mut lines = Vec::new();
    for stream in ["user-0", "user-1", "user-2"] {
        let stream = StreamName::new(stream).unwrap();
        let range = StreamRange { from: 2, to: 4, direction: Direction::Backwards };
        let events = store.read_stream(&stream, range, 2).await.unwrap();
        let stats = store.stream_stats(&stream).await.unwrap();
        lines.push(format!("{events:#?}\n{stats:#?}"));
        for name in ["mail", "stock", "audit"] {
            lines.push(format!("{:?}", store.snapshot(&stream, name).await.unwrap()));
        }
    }
    lines.join("\n")
}

async fn dump_fates(store: &dyn Backend) -> String {
    let (stream, mut lines) = (StreamName::new("user-1").unwrap(), Vec::new());
    for name in ["mail", "stock", "audit"] {
        for place in 0..10 {
            let fate = store.fate(name, &stream, Position::at_sequence(place)).await;
            lines.push(format!("{:?}", fate.unwrap()));
        }
    }
    lines.join("\n")
}

/// Takes the same steps in the store in memory that `url` names and in a place, where the store is
/// opened anew from time to time, and compares what comes of them.
pub(crate) fn check(url: &str, place: &Place, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let memory = backend::open(url, &Clock::system()).await.unwrap();
        let mut store: Arc<dyn Backend> = place.store().await.unwrap();
        for (number, step) in steps.into_iter().enumerate() {
            let expected = take(&*memory, step.clone()).await;
            prop_assert_eq!(take(&*store, step.clone()).await, expected, "{:?}", step);
            if number % 10 == 9 {
                drop(store);
                store = place.store().await.unwrap();
            }
        }
        prop_assert_eq!(dump(&*store).await, dump(&*memory).await);
        Ok(())
    })
}
