//! Snapshots of aggregates: they save reading, and nothing depends on them.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use kairo::{
    Aggregate, StreamName, backend,
    clock::{Clock, Timestamp},
    delivery::Backend,
    prelude::*,
    store::{Snapshot, Unit},
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{Place, on_each_store};

#[event("gauge.moved")]
struct Moved {
    #[key]
    gauge: u32,
    by: u64,
}

#[event("gauge.reset")]
struct Reset {
    #[key]
    gauge: u32,
}

#[data]
#[derive(Default)]
struct Gauge {
    value: u64,
}

#[aggregate("gauge", snapshot_every = 10)]
impl Gauge {
    #[apply]
    fn moved(&mut self, event: &Moved) {
        self.value += event.by;
    }
}

/// The same definition a release later: it applies one event more.
#[data]
#[derive(Default)]
struct NewerGauge {
    value: u64,
}

#[aggregate("gauge", snapshot_every = 10)]
impl NewerGauge {
    #[apply]
    fn reset(&mut self, _event: &Reset) {
        self.value = 0;
    }

    #[apply]
    fn moved(&mut self, event: &Moved) {
        self.value += event.by;
    }
}

/// The same events, with another meaning.
#[data]
#[derive(Default)]
struct TurnedGauge {
    value: u64,
}

#[aggregate("gauge", snapshot_every = 10, snapshot_version = 2)]
impl TurnedGauge {
    #[apply]
    fn moved(&mut self, event: &Moved) {
        self.value += 2 * event.by;
    }
}

struct Scene {
    kairo: Kairo,
    store: Arc<dyn Backend>,
}

impl Scene {
    /// A gauge that has moved so many times by one.
    async fn after(place: &Place, moves: u64) -> Self {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let kairo = place.start_with(|bare| bare.backend(Arc::clone(&store))).await;
        let scene = Self { kairo, store };
        for _ in 0..moves {
            scene.step().await;
        }
        scene
    }

    async fn step(&self) {
        let gauge = self.kairo.aggregate::<Gauge>(1);
        let _ = gauge.change(|_| Moved { gauge: 1, by: 1 }).await.unwrap();
    }

    async fn kept(&self) -> Option<Snapshot> {
        let stream = StreamName::new("gauge-1").unwrap();
        self.store.snapshot(&stream, "gauge").await.unwrap()
    }

    /// Puts something else in the place of the snapshot.
    async fn doctor(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = self.kept().await.unwrap();
        change(&mut snapshot);
        let unit = Unit { snapshots: vec![snapshot], ..Unit::default() };
        let _ = self.store.commit(unit).await.unwrap();
    }

    async fn value(&self) -> u64 {
        self.kairo.aggregate::<Gauge>(1).load().await.unwrap().value
    }
}

#[tokio::test]
async fn a_snapshot_is_kept_each_time_that_so_many_events_have_come() {
    on_each_store(async |place| {
        let scene = Scene::after(&place, 9).await;
        assert_eq!(scene.kept().await, None);
        for (moves, version) in [(1, 10), (9, 10), (1, 20), (5, 20)] {
            for _ in 0..moves {
                scene.step().await;
            }
            assert_eq!(scene.kept().await.unwrap().version, version);
        }
        assert_eq!(scene.kept().await.unwrap().payload, r#"{"value":20}"#);
        assert_eq!(scene.value().await, 25);
        scene.kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn loading_keeps_one_when_nobody_else_has() {
    on_each_store(async |place| {
        let scene = Scene::after(&place, 0).await;
        let _ = scene.kairo.publish_all((0..12).map(|by| Moved { gauge: 1, by })).await.unwrap();
        assert_eq!(scene.kept().await, None);
        assert_eq!(scene.value().await, 66);
        assert_eq!(scene.kept().await.unwrap().version, 12);
        scene.kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_stands_for_the_events_before_it() {
    on_each_store(async |place| {
        let scene = Scene::after(&place, 13).await;
        scene.doctor(|snapshot| snapshot.payload = r#"{"value":1000}"#.into()).await;
        let loaded = scene.kairo.aggregate::<Gauge>(1).load().await.unwrap();
        assert_eq!((loaded.version(), loaded.value), (13, 1003));
        scene.kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_read() {
    on_each_store(async |place| {
        for payload in ["{", r#"{"worth":7}"#, "[]"] {
            let scene = Scene::after(&place, 13).await;
            let kept = scene.value().await;
            scene.doctor(|snapshot| snapshot.payload = payload.into()).await;
            assert_eq!(scene.value().await, kept);
            scene.kairo.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_of_another_definition_is_not_read() {
    on_each_store(async |place| {
        let scene = Scene::after(&place, 13).await;
        scene.doctor(|snapshot| snapshot.payload = r#"{"value":1000}"#.into()).await;
        let newer = scene.kairo.aggregate::<NewerGauge>(1).load().await.unwrap();
        assert_eq!(newer.value, 13);
        let turned = scene.kairo.aggregate::<TurnedGauge>(1).load().await.unwrap();
        assert_eq!(turned.value, 26);
        scene.kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_past_is_not_taken_from_what_came_later() {
    on_each_store(async |place| {
        let scene = Scene::after(&place, 13).await;
        scene.doctor(|snapshot| snapshot.payload = r#"{"value":1000}"#.into()).await;
        let gauge = scene.kairo.aggregate::<Gauge>(1);
        let value =
            async |past: kairo::aggregate::Past<'_, Gauge>| past.load().await.unwrap().value;
        assert_eq!(value(gauge.at_version(9)).await, 9);
        assert_eq!(value(gauge.at_version(11)).await, 1001);
        assert_eq!(value(gauge.at_time(Timestamp::MAX)).await, 1003);
        scene.doctor(|snapshot| snapshot.time = Timestamp::MAX).await;
        assert_eq!(value(gauge.at_time(Timestamp::MAX - Duration::from_secs(1))).await, 13);
        scene.kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_has_the_time_of_its_newest_event() {
    on_each_store(async |place| {
        let scene = Scene::after(&place, 13).await;
        let events: Vec<_> = scene.kairo.store().stream("gauge-1").try_collect().await.unwrap();
        let latest = events[..10].iter().map(AnyEvent::time).max();
        assert_eq!(scene.kept().await.map(|snapshot| snapshot.time), latest);
        scene.kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_change_succeeds_though_its_snapshot_cannot_be_kept() {
    on_each_store(async |place| {
        let inner = backend::open(place.url(), &Clock::system()).await.unwrap();
        let faulty = Arc::new(FaultyStore::new(inner));
        let kairo = place.start_with(|bare| bare.backend(Arc::clone(&faulty) as _)).await;
        faulty.fail_where(|_, call| {
            let keeps = matches!(call, Call::Commit(unit) if !unit.snapshots.is_empty());
            keeps.then_some(When::Before)
        });
        let gauge = kairo.aggregate::<Gauge>(1);
        let moves = (0..12).map(|_| Moved { gauge: 1, by: 1 }).collect::<Vec<_>>();
        let changed = gauge.change(|_| moves.clone()).await.unwrap();
        assert_eq!((changed.version(), changed.value), (12, 12));
        assert_eq!(faulty.faults(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn the_order_of_the_methods_does_not_matter_to_snapshots() {
    use kairo::aggregate::fingerprint;

    assert_eq!(Gauge::APPLIED, TurnedGauge::APPLIED);
    let both = fingerprint(1, &["gauge.moved", "gauge.reset"]);
    assert_eq!(both, fingerprint(1, &["gauge.reset", "gauge.moved"]));
    for other in [fingerprint(2, &["gauge.moved", "gauge.reset"]), fingerprint(1, &["gauge.moved"])]
    {
        assert_ne!(both, other);
    }
}
