//! A pipeline that runs on an event.

use kairo::{Reason, bus::Builder, prelude::*};
use kairo_tests::support::{Journal, Place, letters, logged, on_each_store};

#[event("cargo.landed")]
#[derive(garde::Validate)]
struct CargoLanded {
    #[key]
    #[garde(skip)]
    ship: u64,
    #[garde(range(min = 1))]
    tons: u64,
}

#[event("cargo.weighed")]
struct CargoWeighed(CargoLanded);

#[event("cargo.stored")]
struct CargoStored {
    #[key]
    ship: u64,
}

#[derive(Clone, Default)]
struct Landing {
    runs: Journal<u64>,
}

#[pipeline("landing", on = "cargo.landed", events = "run")]
impl Landing {
    #[filter]
    #[emit(CargoWeighed)]
    fn is_ours(&self, cargo: &CargoLanded) -> bool {
        cargo.ship != 13
    }

    #[map]
    async fn store(&self, cargo: CargoLanded, store: State<Store>) -> Result<u64, Failure> {
        self.runs.note(cargo.ship);
        match self.runs.all().len() {
            1 => Err(Failure::retryable(format!("{} is not open yet", store.name))),
            _ => Ok(cargo.ship),
        }
    }

    #[emit]
    fn stored(&self, ship: &u64) -> CargoStored {
        CargoStored { ship: *ship }
    }
}

struct Store {
    name: &'static str,
}

async fn port(place: &Place, landing: &Landing) -> Kairo {
    let options = |bare: Builder| {
        let store = Store { name: "shed" };
        bare.pipeline(landing.clone()).state(store).only_module(module_path!())
    };
    place.start_with(options).await
}

async fn land(kairo: &Kairo, ship: u64, tons: u64) -> Uuid {
    let landed = kairo.publish(CargoLanded { ship, tons }).await.unwrap();
    let id = landed.id();
    landed.settled().await.unwrap();
    id
}

#[tokio::test]
async fn an_event_runs_it_and_what_it_emits_is_in_the_log_once() {
    on_each_store(async |place| {
        let landing = Landing::default();
        let kairo = port(&place, &landing).await;
        let id = land(&kairo, 7, 5).await;
        assert_eq!(landing.runs.all(), [7, 7], "a failure lets it begin anew");
        for name in ["cargo.weighed", "cargo.stored", "pipeline.started", "pipeline.completed"] {
            let [event] = logged(&kairo, name).await.try_into().unwrap();
            assert_eq!((event.causation(), event.correlation()), (Some(id), id), "{name}");
        }
        assert!(letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_filter_refuses_is_handled() {
    on_each_store(async |place| {
        let landing = Landing::default();
        let kairo = port(&place, &landing).await;
        land(&kairo, 13, 5).await;
        assert!(landing.runs.all().is_empty() && letters(&kairo).await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_that_breaks_a_rule_is_a_dead_letter_at_once() {
    on_each_store(async |place| {
        let landing = Landing::default();
        let kairo = port(&place, &landing).await;
        land(&kairo, 7, 0).await;
        let [letter] = letters(&kairo).await.try_into().unwrap();
        assert_eq!((letter.reason, letter.attempts), (Reason::Permanent, 1));
        assert_eq!(letter.subscription, "pipeline:landing");
        assert!(letter.error().contains("tons: "), "{}", letter.error());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_of_the_builder_is_run_by_hand_as_well() {
    on_each_store(async |place| {
        let landing = Landing::default();
        landing.runs.note(0);
        let kairo = port(&place, &landing).await;
        let by_hand = kairo.pipeline_of::<Landing>().unwrap();
        assert_eq!(by_hand.execute(CargoLanded { ship: 3, tons: 1 }).await.unwrap(), 3);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_that_was_not_given_is_not_found() {
    let kairo = Place::memory().start().await;
    let error = kairo.pipeline_of::<Landing>().unwrap_err();
    assert!(error.to_string().contains("Landing"), "{error}");
    kairo.shutdown().await.unwrap();
}

#[track_caller]
fn check(builder: Builder, parts: &[&str]) {
    let error = builder.only_module(module_path!()).check().unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn one_that_an_event_should_run_must_be_given() {
    let bare = Place::memory().bare();
    check(bare, &["`Landing`", "on.rs", "runs the pipeline", ".pipeline(..)"]);
}

#[test]
fn what_its_stages_take_must_be_given() {
    let bare = Place::memory().bare().pipeline(Landing::default());
    check(bare, &["pipeline `landing`", "on.rs", "State<", "Store", ".state(..)"]);
}

#[test]
fn pipelines_are_counted() {
    let builder = Place::memory().bare().pipeline(Landing::default()).state(Store { name: "shed" });
    let wiring = builder.only_module(module_path!()).check().unwrap();
    let own = wiring.crates().iter().find(|found| found.name == "behaviour").unwrap();
    assert!(4 <= own.pipelines, "{own}");
    assert!(wiring.to_string().contains("pipelines"), "{wiring}");
    assert!(wiring.handlers().iter().any(|handler| handler.name == "pipeline:landing"));
}
