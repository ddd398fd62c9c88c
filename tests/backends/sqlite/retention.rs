//! Deleting whole streams, and what is old, while everybody writes and reads.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kairo::{
    Position, StreamName, Uuid, Version,
    clock::{Clock, Timestamp},
    delivery::{Backend, Checkpoint, Claim, Progress},
    handler::entry::StartAt,
    store::{Append, Placed, Removal, Selection, Unit},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::{PATIENCE, Place, event};

/// How many tasks write, each to a stream that stays and to one that is deleted again and again.
const WRITERS: u64 = 6;

/// How many events each of them appends to each of its streams.
const ROUNDS: u64 = 120;

/// How many events are pruned at once.
const PRUNED: usize = 50;

/// A task that goes on until it is told to stop, and what it has counted by then.
struct Chore(JoinHandle<u64>, Arc<AtomicBool>);

impl Chore {
    fn begin<F: Future<Output = u64> + Send>(
        chore: impl Fn(u64) -> F + Send + Sync + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut sum = 0;
            for round in 0.. {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                sum += chore(round).await;
            }
            sum
        });
        Self(task, stop)
    }

    async fn end(self) -> u64 {
        self.1.store(true, Ordering::SeqCst);
        self.0.await.unwrap()
    }
}

/// Appends one event to each of a writer's two streams.
async fn append_both(store: &Arc<dyn Backend>, writer: u64) -> [Placed; 2] {
    let streams = ["kept", "gone"].map(|kind| format!("{kind}-{writer}"));
    let events = streams.map(|stream| event(Clock::system().new_id(), &stream));
    let unit = Unit::of_appends(events.map(Append::one).into());
    store.commit(unit).await.unwrap().placed.try_into().unwrap()
}

fn write(store: &Arc<dyn Backend>) -> Vec<JoinHandle<Vec<[Placed; 2]>>> {
    let write = |writer| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut placed = Vec::new();
            for _ in 0..ROUNDS {
                placed.push(append_both(&store, writer).await);
            }
            placed
        })
    };
    (0..WRITERS).map(write).collect()
}

fn remove(store: &Arc<dyn Backend>) -> Chore {
    let store = Arc::clone(store);
    Chore::begin(move |round| {
        let store = Arc::clone(&store);
        async move {
            let stream = StreamName::new(format!("gone-{}", round % WRITERS)).unwrap();
            let removal = Removal { stream, expected: Version::Any, tombstone: false };
            let unit = Unit { removals: vec![removal], ..Unit::default() };
            store.commit(unit).await.unwrap();
            1
        }
    })
}

async fn prune_some(store: &Arc<dyn Backend>, limit: usize) -> u64 {
    store.prune(Timestamp::MAX, &Selection::All, limit).await.unwrap()
}

fn prune(store: &Arc<dyn Backend>) -> Chore {
    let store = Arc::clone(store);
    Chore::begin(move |_| {
        let store = Arc::clone(&store);
        async move { prune_some(&store, PRUNED).await }
    })
}

/// Claims a subscription that keeps all from being pruned that it has not read.
async fn claim(store: &Arc<dyn Backend>) -> u64 {
    let claim = Claim {
        subscription: "follower".to_owned(),
        start: StartAt::Beginning,
        renamed_from: None,
        partitions_max: 1,
    };
    store.claim(Uuid::nil(), vec![claim]).await.unwrap().remove(0).unwrap().epoch
}

/// Follows the log as a subscription does, until `last` is told and reached; the ids of what it
/// has read, in order.
async fn follow(
    store: Arc<dyn Backend>,
    epoch: u64,
    mut last: watch::Receiver<Option<Position>>,
) -> Vec<Uuid> {
    let (mut at, mut seen) = (Position::START, Vec::new());
    let mut commits = store.watch();
    while last.borrow_and_update().is_none_or(|last| at < last) {
        let page = store.read_log(at, &Selection::All, 40).await.unwrap();
        let mut before = at;
        for event in &page.events {
            assert!(before < event.position, "the log is in order");
            before = event.position;
            seen.push(event.event.id);
        }
        if page.end == at {
            tokio::select! {
                _ = commits.changed() => {}
                _ = last.changed() => {}
            }
            continue;
        }
        at = page.end;
        let progress = Progress {
            subscription: "follower".to_owned(),
            epoch,
            checkpoint: Checkpoint::at(at),
            park: Vec::new(),
            unpark: Vec::new(),
            bury: Vec::new(),
            failure: None,
        };
        store.commit(Unit::of_progress(progress)).await.unwrap();
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_deleted_under_load_is_all_that_is_missing() {
    let place = Place::new();
    let store = place.relaxed().await.unwrap();
    let (tell, last) = watch::channel(None);
    let epoch = claim(&store).await;
    let follower = tokio::spawn(follow(Arc::clone(&store), epoch, last));
    let (remover, cutter) = (remove(&store), prune(&store));
    let mut written = Vec::new();
    for writer in write(&store) {
        written.push(timeout(PATIENCE, writer).await.expect("writers get on").unwrap());
    }
    assert!(0 < remover.end().await);
    tell.send_replace(Some(store.head().await.unwrap()));
    let seen = timeout(PATIENCE, follower).await.expect("the follower gets on").unwrap();
    let pruned = cutter.end().await + prune_some(&store, usize::MAX >> 1).await;

    assert_positions_are_new(&written);
    assert_kept_were_seen(&written, &seen);
    assert!(WRITERS * ROUNDS <= pruned, "{pruned} were pruned");
    let page = store.read_log(Position::START, &Selection::All, 10).await.unwrap();
    assert!(page.events.is_empty() && page.complete, "everything has been deleted");
    drop(store);
    goes_on(&place, &written).await;
}

/// No position and no version is given out twice, whatever was deleted in between.
fn assert_positions_are_new(written: &[Vec<[Placed; 2]>]) {
    let all = written.iter().flatten().flatten();
    let positions: HashSet<_> = all.clone().map(|placed| placed.position).collect();
    assert_eq!(positions.len(), all.count());
    for writer in written {
        for (round, both) in (1..).zip(writer) {
            assert_eq!(both.map(|placed| placed.version), [round; 2]);
        }
    }
}

/// The follower has read every event that only pruning could have deleted, once and in order.
fn assert_kept_were_seen(written: &[Vec<[Placed; 2]>], seen: &[Uuid]) {
    let kept: BTreeMap<_, _> =
        written.iter().flatten().map(|[kept, _]| (kept.position, kept.id)).collect();
    let ours: HashSet<_> = kept.values().copied().collect();
    let seen: Vec<_> = seen.iter().copied().filter(|id| ours.contains(id)).collect();
    let kept: Vec<_> = kept.into_values().collect();
    assert_eq!(seen.len(), kept.len());
    assert!(seen == kept, "the order is that of the log");
}

/// After a restart, nothing of what was deleted shows, and everything goes on behind it.
async fn goes_on(place: &Place, written: &[Vec<[Placed; 2]>]) {
    let store = place.relaxed().await.unwrap();
    let last = written.iter().flatten().flatten().map(|placed| placed.position).max().unwrap();
    assert!(last <= store.head().await.unwrap());
    for writer in 0..WRITERS {
        let next = append_both(&store, writer).await;
        assert_eq!(next.map(|placed| placed.version), [ROUNDS + 1; 2]);
        assert!(next.iter().all(|placed| last < placed.position));
        let stream = StreamName::new(format!("kept-{writer}")).unwrap();
        let stats = store.stream_stats(&stream).await.unwrap().unwrap();
        assert_eq!((stats.events, stats.version), (1, ROUNDS + 1));
    }
}
