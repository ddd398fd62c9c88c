//! Aggregates: what is loaded is the fold of the stream, now and at any point of the past.

use std::{sync::Arc, time::Duration};

use kairo::{
    Error, EventName, backend,
    clock::Clock,
    event::record::{EventData, Metadata},
    prelude::*,
    store::{Append, Unit},
};
use kairo_tests::support::{Place, midnight, on_each_store};

#[event("till.opened")]
struct Opened {
    #[key]
    till: u32,
}

#[event("till.paid", version = 2, from(PaidV1))]
struct Paid {
    #[key]
    till: u32,
    cents: u64,
}

#[event("till.paid")]
struct PaidV1 {
    #[key]
    till: u32,
    euros: u64,
}

impl Upcast<PaidV1> for Paid {
    fn upcast(old: PaidV1) -> Self {
        Self { till: old.till, cents: old.euros * 100 }
    }
}

/// An event of the stream that only some aggregates apply.
#[event("till.cleaned")]
struct Cleaned {
    #[key]
    till: u32,
}

#[derive(Debug, Default, PartialEq)]
struct Till {
    open: bool,
    cents: u64,
    paid_at: Vec<u64>,
}

#[aggregate("till")]
impl Till {
    #[apply]
    fn opened(&mut self, _event: &Opened) {
        self.open = true;
    }

    #[apply]
    fn paid(&mut self, event: Envelope<Paid>) {
        self.paid_at.push(event.version());
        self.cents += event.into_payload().cents;
    }
}

/// The same stream, looked at by somebody who wants to know every event.
#[derive(Debug)]
struct StrictTill {
    till: u32,
    payments: u32,
}

#[aggregate("till", strict)]
impl StrictTill {
    #[apply(init)]
    fn opened(event: &Opened) -> Self {
        Self { till: event.till, payments: 0 }
    }

    #[apply]
    fn paid(&mut self, _event: Paid) {
        self.payments += 1;
    }
}

async fn pay(kairo: &Kairo, till: u32, amounts: impl IntoIterator<Item = u64>) {
    for cents in amounts {
        let _ = kairo.publish(Paid { till, cents }).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_loaded_is_the_fold_of_the_stream() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let _ = kairo.publish(Opened { till: 1 }).await.unwrap();
        pay(&kairo, 2, [7]).await;
        pay(&kairo, 1, [100, 20]).await;
        let _ = kairo.publish(Cleaned { till: 1 }).await.unwrap();
        let loaded = kairo.aggregate::<Till>(1).load().await.unwrap();
        assert_eq!(loaded.version(), 4);
        let expected = Till { open: true, cents: 120, paid_at: vec![2, 3] };
        assert_eq!(loaded.into_state(), expected);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_instance_without_events_is_not_there() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let till = kairo.aggregate::<Till>(1);
        assert_eq!(till.find().await.unwrap(), None);
        assert!(!till.exists().await.unwrap());
        let error = till.load().await.unwrap_err();
        assert!(matches!(error, Error::NotFound { what: "till", .. }), "{error}");
        assert_eq!(error.to_string(), "there is no till `1`");
        let _ = kairo.publish(Cleaned { till: 1 }).await.unwrap();
        assert!(till.exists().await.unwrap());
        assert_eq!(till.load().await.unwrap().state(), &Till::default());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_id_that_no_stream_can_have_is_refused() {
    let kairo = Place::memory().start().await;
    let error = kairo.aggregate::<Till>("x".repeat(300)).load().await.unwrap_err();
    assert!(matches!(error, Error::Invalid { what: "stream name", .. }), "{error}");
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_long_stream_is_read_to_its_end() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        for _ in 0..4 {
            let _ = kairo.publish_all((0..500).map(|cents| Paid { till: 1, cents })).await.unwrap();
        }
        let loaded = kairo.aggregate::<Till>(1).load().await.unwrap();
        assert_eq!((loaded.version(), loaded.cents), (2_000, 4 * (0..500).sum::<u64>()));
        assert!(loaded.paid_at.iter().copied().eq(1..=2_000));
        let early = kairo.aggregate::<Till>(1).at_version(777).load().await.unwrap();
        assert_eq!((early.version(), early.paid_at.len()), (777, 777));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_strict_aggregate_names_the_event_that_it_does_not_apply() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let _ = kairo.publish(Opened { till: 1 }).await.unwrap();
        pay(&kairo, 1, [5, 6]).await;
        let till = kairo.aggregate::<StrictTill>(1);
        let loaded = till.load().await.unwrap();
        assert_eq!((loaded.till, loaded.payments), (1, 2));
        let _ = kairo.publish(Cleaned { till: 1 }).await.unwrap();
        let error = till.load().await.unwrap_err().to_string();
        assert!(error.starts_with("version 4 of stream `till-1` cannot be read"), "{error}");
        assert!(error.contains("event `till.cleaned` is not known to"), "{error}");
        assert_eq!(till.at_version(3).load().await.unwrap().payments, 2);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_before_the_one_that_makes_the_state_is_an_error() {
    let kairo = Place::memory().start().await;
    pay(&kairo, 1, [5]).await;
    let error = kairo.aggregate::<StrictTill>(1).load().await.unwrap_err();
    assert!(matches!(error, Error::WrongState(_)));
    let expected = "version 1 of stream `till-1` is `till.paid`, but no event before it makes a";
    assert!(error.to_string().starts_with(expected), "{error}");
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn older_versions_of_an_event_are_upcast_on_the_way() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let _ = kairo.publish(PaidV1 { till: 1, euros: 3 }).await.unwrap();
        pay(&kairo, 1, [5]).await;
        assert_eq!(kairo.aggregate::<Till>(1).load().await.unwrap().cents, 305);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_is_named() {
    on_each_store(async |place| {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let kairo = place.start_with(|bare| bare.backend(Arc::clone(&store))).await;
        pay(&kairo, 1, [5]).await;
        let event = Envelope::of(Opened { till: 1 }).map(AnyEvent::from).unwrap();
        let unit = Unit::of_appends(vec![Append::one(damaged(&event))]);
        let _ = store.commit(unit).await.unwrap();
        let error = kairo.aggregate::<Till>(1).load().await.unwrap_err();
        assert!(matches!(error, Error::Unreadable { version: 2, .. }), "{error}");
        let expected = "version 2 of stream `till-1` cannot be read: event `till.opened` cannot be \
                        decoded: ";
        assert!(error.to_string().starts_with(expected), "{error}");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// An event whose bytes somebody has damaged.
fn damaged(event: &AnyEvent) -> EventData {
    EventData {
        id: event.id(),
        derived: false,
        name: EventName::new(event.name()).unwrap(),
        schema: event.schema(),
        stream: event.stream().clone(),
        time: event.time(),
        correlation: event.correlation(),
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: "{".into(),
    }
}

#[tokio::test]
async fn the_past_is_what_was_there_then() {
    on_each_store(async |place| {
        let clock = Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let till = kairo.aggregate::<Till>(1);
        pay(&kairo, 1, [1]).await;
        clock.advance(Duration::from_secs(60));
        let minute = clock.now();
        pay(&kairo, 1, [10]).await;
        clock.advance(Duration::from_secs(60));
        pay(&kairo, 1, [100]).await;

        let cents = async |past: kairo::aggregate::Past<'_, Till>| {
            past.find().await.unwrap().map(|till| (till.version(), till.cents))
        };
        assert_eq!(cents(till.clone().at_version(0)).await, None);
        assert_eq!(cents(till.clone().at_version(2)).await, Some((2, 11)));
        assert_eq!(cents(till.clone().at_version(9)).await, Some((3, 111)));
        assert_eq!(cents(till.clone().at_time(midnight())).await, Some((1, 1)));
        assert_eq!(cents(till.clone().at_time(minute)).await, Some((2, 11)));
        let before = midnight() - Duration::from_secs(1);
        assert_eq!(cents(till.clone().at_time(before)).await, None);
        assert!(till.at_time(before).load().await.is_err());
        kairo.shutdown().await.unwrap();
    })
    .await;
}
