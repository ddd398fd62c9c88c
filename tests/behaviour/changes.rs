//! Changes of aggregates: decided on the state, appended at its version, decided again on a conflict.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use kairo::{
    Error, StreamName, backend,
    clock::Clock,
    prelude::*,
    store::{Removal, Unit},
};
use kairo_tests::support::{Journal, Sample, logged, on_each_store, sample, soon};
use tokio::{runtime::Handle, task};

#[event("tank.filled")]
struct Filled {
    #[key]
    tank: String,
    litres: u64,
}

#[event("tank.drained")]
struct Drained {
    #[key]
    tank: String,
    litres: u64,
}

/// It names no stream of its own.
#[event("tank.inspected")]
struct Inspected {
    by: String,
}

#[derive(Debug, Default)]
struct Tank {
    litres: u64,
    inspections: u64,
}

#[aggregate("tank")]
impl Tank {
    #[apply]
    fn filled(&mut self, event: &Filled) {
        self.litres += event.litres;
    }

    #[apply]
    fn drained(&mut self, event: &Drained) {
        self.litres -= event.litres;
    }

    #[apply]
    fn inspected(&mut self, _event: &Inspected) {
        self.inspections += 1;
    }

    fn drain(&self, litres: u64) -> Result<Drained, String> {
        if self.litres < litres {
            return Err(format!("there are {} litres", self.litres));
        }
        Ok(Drained { tank: "a".into(), litres })
    }
}

fn fill(litres: u64) -> Filled {
    Filled { tank: "a".into(), litres }
}

/// A tank that has to be built before it can be filled.
struct Built {
    litres: u64,
}

#[aggregate("tank")]
impl Built {
    #[apply(init)]
    fn inspected(_event: &Inspected) -> Self {
        Self { litres: 0 }
    }

    #[apply]
    fn filled(&mut self, event: &Filled) {
        self.litres += event.litres;
    }
}

#[tokio::test]
async fn a_change_is_appended_and_is_in_the_state_that_it_returns() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let changed = tank.change(|_| fill(5)).await.unwrap();
        assert_eq!((changed.version(), changed.litres), (1, 5));
        let changed = tank.change(|it| vec![fill(it.litres), fill(1)]).await.unwrap();
        assert_eq!((changed.version(), changed.litres), (3, 11));
        assert_eq!(changed.published().unwrap().version(), Some(3));
        let loaded = tank.load().await.unwrap();
        assert_eq!((loaded.version(), loaded.litres), (3, 11));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_change_can_have_events_of_several_types() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let changed = tank.change(|it| -> Result<Vec<TankEvent>, String> {
            let drained = Drained { tank: "a".into(), litres: it.litres + 2 };
            Ok(vec![fill(5).into(), drained.into(), Inspected { by: "ada".into() }.into()])
        });
        let changed = changed.await.unwrap().unwrap();
        assert_eq!((changed.version(), changed.litres, changed.inspections), (3, 3, 1));
        assert_eq!(logged(&kairo, "tank.drained").await[0].version(), 2);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_was_deleted_begins_anew() {
    on_each_store(async |place| {
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let kairo = place.start_with(|bare| bare.backend(Arc::clone(&store))).await;
        let tank = kairo.aggregate::<Tank>("a");
        let _ = tank.change(|_| vec![fill(5), fill(6)]).await.unwrap();
        let removal = Removal {
            stream: StreamName::new("tank-a").unwrap(),
            expected: Version::At(2),
            tombstone: false,
        };
        let unit = Unit { removals: vec![removal], ..Unit::default() };
        let _ = store.commit(unit).await.unwrap();
        assert!(tank.find().await.unwrap().is_none());
        let changed = tank.change(|it| fill(it.litres + 1)).await.unwrap();
        assert_eq!((changed.version(), changed.litres), (3, 1));
        assert_eq!(tank.load().await.unwrap().litres, 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_change_that_comes_to_nothing_appends_nothing() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let changed = tank.change(|_| ()).await.unwrap();
        assert_eq!((changed.version(), changed.published().is_none()), (0, true));
        let _ = tank.change(|_| None::<Filled>).await.unwrap();
        let changed = tank.change(|_| Vec::<Filled>::new()).await.unwrap();
        assert_eq!(changed.handled().await.unwrap().outcomes().count(), 0);
        assert!(!tank.exists().await.unwrap());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_the_outcome_and_appends_nothing() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let _ = tank.change(|_| fill(5)).await.unwrap();
        let refused = tank.change(|it| it.drain(6)).await.unwrap();
        assert_eq!(refused.err().as_deref(), Some("there are 5 litres"));
        let drained = tank.change(|it| it.drain(4).map(Some)).await.unwrap();
        assert_eq!(drained.map(|it| (it.version(), it.litres)), Ok((2, 1)));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_without_a_stream_goes_to_that_of_the_instance() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let changed = tank.change(|_| Inspected { by: "ada".into() }).await.unwrap();
        assert_eq!((changed.inspections, changed.version()), (1, 1));
        assert_eq!(logged(&kairo, "tank.inspected").await[0].stream().as_str(), "tank-a");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_of_another_stream_is_refused() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let error = kairo.aggregate::<Tank>("b").change(|_| fill(5)).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }));
        let expected = "stream `tank-a` is not valid: it is that of an event `tank.filled` in a \
                        change of `tank-b`";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(logged(&kairo, "tank.filled").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_instance_is_created_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let built = kairo.aggregate::<Built>("a");
        let error = built.change(|_| fill(5)).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        let error = built.create(()).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Misuse(_)), "{error}");
        let created = built.create(Inspected { by: "ada".into() }).await.unwrap();
        assert_eq!((created.version(), created.litres), (1, 0));
        assert_eq!(built.change(|it| fill(it.litres + 3)).await.unwrap().litres, 3);
        let error = built.create(Inspected { by: "bob".into() }).await.map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "stream `tank-a` is at version 2, expected no stream");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn whoever_meets_a_conflict_decides_again_on_what_others_have_appended() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let writers = (0..6).map(|_| async {
            for _ in 0..3 {
                let _ = tank.change(|it| fill(it.litres + 1)).await.unwrap();
            }
        });
        futures_util::future::join_all(writers).await;
        // Each of them has doubled what it saw, so nobody has missed anybody.
        let loaded = tank.load().await.unwrap();
        assert_eq!((loaded.version(), loaded.litres), (18, (1 << 18) - 1));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_does_not_end_is_given_up_and_names_both_versions() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let tank = kairo.aggregate::<Tank>("a");
        let mut runs = 0;
        let outcome = tank.change(|_| {
            runs += 1;
            let rival = async { drop(kairo.publish(fill(1)).await.unwrap()) };
            task::block_in_place(|| Handle::current().block_on(rival));
            fill(100)
        });
        let error = outcome.await.map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "stream `tank-a` is at version 11, expected 10");
        assert_eq!((runs, tank.load().await.unwrap().litres), (11, 11));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_handler_changes_has_its_event_as_cause_and_is_in_the_log_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (bus, attempts) = (kairo.clone(), Journal::new());
        let seen = attempts.clone();
        let policy = RetryPolicy::new(2).backoff(std::time::Duration::from_millis(1));
        let subscribe = kairo.subscribe::<Sample>("filler").retry(policy);
        let handling = subscribe.handle(move |event| {
            let (bus, seen) = (bus.clone(), seen.clone());
            async move {
                let changed = bus.aggregate::<Tank>("a").change(|_| fill(event.number)).await?;
                seen.note((changed.version(), changed.litres));
                if seen.all().len() < 3 { Err(Failure::retryable("again")) } else { Ok(()) }
            }
        });
        let _ = handling.await.unwrap();
        let published = kairo.publish(sample("a", 7)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(attempts.all(), [(1, 7); 3]);
        let filled = logged(&kairo, "tank.filled").await;
        assert_eq!(filled.len(), 1);
        assert_eq!(filled[0].causation(), Some(published.id()));
        assert_eq!(filled[0].correlation(), published.id());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_repeats_a_change_sees_what_came_behind_it() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (bus, runs, last) = (kairo.clone(), Arc::new(AtomicU64::new(0)), Journal::new());
        let seen = last.clone();
        let policy = RetryPolicy::new(1).backoff(std::time::Duration::from_millis(1));
        let subscribe = kairo.subscribe::<Sample>("filler").retry(policy);
        let handling = subscribe.handle(move |event: Envelope<Sample>| {
            let (bus, seen, runs) = (bus.clone(), seen.clone(), Arc::clone(&runs));
            async move {
                let tank = bus.aggregate::<Tank>("a");
                let changed = tank.change(|_| fill(event.number)).await?;
                seen.note((changed.version(), changed.litres));
                let changed = tank.change(|_| fill(event.number)).await?;
                seen.note((changed.version(), changed.litres));
                match runs.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(Failure::retryable("again")),
                    _ => Ok(()),
                }
            }
        });
        let _ = handling.await.unwrap();
        let published = kairo.publish(sample("a", 7)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(last.all(), [(1, 7), (2, 14), (2, 14), (2, 14)]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
