//! Runs that go no further: what their error says, and what stays.

use kairo::{
    Validate, Violations,
    pipeline::{ErrorKind, PipelineFailed},
    prelude::*,
};
use kairo_tests::support::{logged, on_each_store};

use super::trade::{Mishap, PriceError, World, trade, trading};

#[tokio::test]
async fn an_input_that_breaks_a_rule_reaches_no_stage() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        let error = trading(&kairo, &world).execute(trade("", 0)).await.unwrap_err();
        let ErrorKind::Invalid(violations) = error.kind() else { panic!("{error}") };
        let mut fields: Vec<_> = violations.list().iter().map(|it| &*it.field).collect();
        fields.sort_unstable();
        assert_eq!(
            (error.pipeline(), error.stage(), fields),
            ("trading", None, vec!["number", "share"])
        );
        assert_eq!(world.seen.all().len(), 1, "only the hook has run");
        assert!(logged(&kairo, "pipeline.started").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_filter_refuses_goes_no_further() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        let error = trading(&kairo, &world).execute(trade("closed", 1)).await.unwrap_err();
        assert!(error.is_rejected());
        assert_eq!(
            error.to_string(),
            "pipeline `trading`: stage `is_open` rejected what came to it"
        );
        assert_eq!(world.seen.all(), ["is_open".to_owned(), format!("badly: {error}")]);
        assert!(logged(&kairo, "trade.checked").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_error_names_the_stage_and_holds_what_the_stage_said() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        world.mishaps([Mishap::No]);
        let error = trading(&kairo, &world).execute(trade("rust", 1)).await.unwrap_err();
        assert_eq!(error.to_string(), "pipeline `trading` failed at stage `price`: no such share");
        assert!(matches!(error.find(), Some(PriceError::Unknown)));
        assert_eq!(error.class(), kairo::handler::Class::Permanent);
        assert_eq!(logged(&kairo, "trade.checked").await.len(), 1, "what was emitted stays");
        assert!(logged(&kairo, "trade.priced").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn retries_are_used_up() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        world.mishaps([Mishap::Silent, Mishap::Silent, Mishap::Silent]);
        let error = trading(&kairo, &world).execute(trade("rust", 1)).await.unwrap_err();
        assert!(matches!(error.find(), Some(PriceError::Silent)));
        assert_eq!(world.seen.all().iter().filter(|it| it.starts_with("price")).count(), 3);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_panic_is_an_error_like_others() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        world.mishaps([Mishap::Panic, Mishap::Panic, Mishap::Panic]);
        let error = trading(&kairo, &world).execute(trade("rust", 1)).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Panicked(text) if text == "the price is nonsense")
        );
        assert_eq!(error.stage(), Some("price"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_run_that_failed_is_told() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        world.mishaps([Mishap::No]);
        let error = trading(&kairo, &world).execute(trade("rust", 1)).await.unwrap_err();
        let [failed] = logged(&kairo, "pipeline.failed").await.try_into().unwrap();
        let expected = PipelineFailed {
            id: error.run(),
            pipeline: "trading".to_owned(),
            stage: Some("price".to_owned()),
            kind: "failed".to_owned(),
            errors: vec!["no such share".to_owned()],
        };
        assert_eq!(failed.decode::<PipelineFailed>().unwrap(), expected);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[event("offer.made", validate)]
struct OfferMade(u64);

impl Validate for OfferMade {
    fn validate(&self) -> Result<(), Violations> {
        if self.0 == 0 { Err(Violations::of("cents", "too low")) } else { Ok(()) }
    }
}

struct Offering;

#[pipeline("offering")]
impl Offering {
    #[map]
    #[emit(OfferMade)]
    fn halve(&self, cents: u64) -> u64 {
        cents / 2
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_published_fails_its_stage() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let offering = kairo.pipeline(Offering);
        assert_eq!(offering.execute(4).await.unwrap(), 2);
        let error = offering.execute(1).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unpublished(_)), "{error}");
        let text = error.to_string();
        for part in ["offering", "halve", "offer.made", "cents: too low"] {
            assert!(text.contains(part), "{text}");
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nothing_runs_with_notes_that_are_too_long() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        let run = trading(&kairo, &world).metadata("note", "x".repeat(65 * 1024));
        let error = run.execute(trade("rust", 1)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misused(_)), "{error}");
        assert!(world.seen.all().is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handle_whose_bus_has_gone_says_so() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let publisher = kairo.publisher();
        assert_eq!(publisher.pipeline(Offering).execute(4).await.unwrap(), 2);
        kairo.shutdown().await.unwrap();
        drop(kairo);
        let error = publisher.pipeline(Offering).execute(4).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misused(kairo::Error::Closed)), "{error}");
    })
    .await;
}
