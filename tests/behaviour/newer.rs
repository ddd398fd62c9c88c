//! Events that only a newer binary can read: they wait, with their key, and are handled by it.

use std::sync::Arc;

use kairo::{
    EventName, StreamName, backend,
    clock::Clock,
    delivery::Backend,
    event::record::{EventData, Metadata},
    prelude::*,
    store::{Append, Unit},
};
use kairo_tests::support::{Journal, Place, eventually, letters, on_each_store, sample, soon};

/// The shape that today's binary knows.
#[event("parcel.sent", local)]
struct ParcelV1 {
    #[key]
    parcel: String,
}

/// The shape that tomorrow's binary knows.
mod tomorrow {
    use super::*;

    #[event("parcel.sent", version = 2, from(ParcelV1), local)]
    pub(super) struct Parcel {
        #[key]
        pub(super) parcel: String,
        pub(super) grams: u32,
    }

    impl Upcast<ParcelV1> for Parcel {
        fn upcast(old: ParcelV1) -> Self {
            Self { parcel: old.parcel, grams: 0 }
        }
    }
}

fn record(schema: u32, parcel: &str, json: &str) -> Append {
    let clock = Clock::system();
    let id = clock.new_id();
    Append::one(EventData {
        id,
        derived: false,
        name: EventName::new("parcel.sent").unwrap(),
        schema,
        stream: StreamName::new(format!("parcel-{parcel}")).unwrap(),
        time: clock.now(),
        correlation: id,
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: json.to_owned().into(),
    })
}

async fn open(place: &Place) -> (Kairo, Arc<dyn Backend>) {
    let store = backend::open(place.url(), &Clock::system()).await.unwrap();
    let kairo = place.bare().backend(Arc::clone(&store)).start().await.unwrap();
    (kairo, store)
}

#[tokio::test]
async fn a_newer_event_waits_with_its_key_for_the_binary_that_knows_it() {
    on_each_store(async |place| {
        let (kairo, store) = open(&place).await;
        let seen = Journal::new();
        let note = seen.clone();
        let subscribe = kairo.subscribe::<ParcelV1>("parcels");
        let handled = subscribe.handle(move |event| {
            note.note((event.parcel.clone(), 0));
            async {}
        });
        handled.await.unwrap();
        let appends = vec![
            record(2, "a", r#"{"parcel":"a","grams":7}"#),
            record(1, "a", r#"{"parcel":"a"}"#),
            record(1, "b", r#"{"parcel":"b"}"#),
        ];
        store.commit(Unit::of_appends(appends)).await.unwrap();
        assert_eq!(seen.at_least(1).await, [("b".to_owned(), 0)]);
        let behind = kairo.publish(ParcelV1 { parcel: "a".into() }).await.unwrap();
        eventually(async || {
            let health = kairo.health().await.unwrap();
            let parcels = health.subscriptions.iter().find(|it| it.name == "parcels").unwrap();
            (parcels.newer, parcels.parked) == (1, 3) && !health.is_good()
        })
        .await;
        assert!(letters(&kairo).await.is_empty());
        assert_eq!(seen.all().len(), 1);
        drop(behind);
        kairo.stop_at_once();

        let kairo = place.bare().backend(store).start().await.unwrap();
        let note = seen.clone();
        let subscribe = kairo.subscribe::<tomorrow::Parcel>("parcels");
        let handled = subscribe.handle(move |event| {
            note.note((event.parcel.clone(), event.grams));
            async {}
        });
        handled.await.unwrap();
        let of_a = |grams| ("a".to_owned(), grams);
        let seen = seen.until(|seen| 3 <= seen.iter().filter(|it| it.0 == "a").count()).await;
        let seen: Vec<_> = seen.into_iter().filter(|it| it.0 == "a").collect();
        assert_eq!(seen, [of_a(7), of_a(0), of_a(0)]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[events]
enum Closed {
    Sample(kairo_tests::support::Sample),
}

#[handler(pattern = "sample.*", name = "closed-set")]
async fn closed_set(event: Closed, seen: State<Journal<u64>>) {
    let Closed::Sample(sample) = event;
    seen.note(sample.number);
}

#[tokio::test]
async fn an_event_that_a_closed_enum_lacks_waits_and_others_go_on() {
    on_each_store(async |place| {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let seen = Journal::<u64>::new();
        let builder = Kairo::builder().backend(Arc::clone(&store)).state(seen.clone());
        let kairo = builder.only(closed_set).start().await.unwrap();
        let mut unknown = record(1, "a", "{}");
        unknown.events[0].name = EventName::new("sample.lost").unwrap();
        let committed = store.commit(Unit::of_appends(vec![unknown])).await.unwrap();
        assert_eq!(committed.placed.len(), 1);
        let next = kairo.publish(sample("b", 2)).await.unwrap();
        assert!(soon(next.settled()).await.unwrap().all_done());
        assert_eq!(seen.all(), [2]);
        let health = kairo.health().await.unwrap();
        assert_eq!(health.subscriptions[0].newer, 1);
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}
