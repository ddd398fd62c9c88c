//! Handlers as people write them: what they take, what they return, how they are chosen.

use std::time::Duration;

use kairo::{FromContext, Reason, prelude::*};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, letters, logged, on_each_store, sample, soon,
};

type Seen = Journal<String>;

#[handler(event = "sample.taken")]
async fn takes_a_reference(sample: &Sample, seen: State<Seen>) {
    seen.note(format!("&{}", sample.number));
}

#[handler(event = "sample.taken")]
async fn takes_a_value(sample: Sample, seen: State<Seen>) {
    seen.note(format!("{}", sample.number));
}

#[handler(event = "sample.taken")]
async fn takes_an_envelope(sample: Envelope<Sample>, seen: State<Seen>) {
    seen.note(format!("{} v{}", sample.stream(), sample.version()));
}

#[handler(pattern = "sample.*")]
async fn takes_anything(event: &AnyEvent, seen: State<Seen>) {
    seen.note(event.name().to_owned());
}

#[handler(regex = r"sample\.(taken|lost)")]
async fn takes_what_a_regex_matches(event: AnyEvent, seen: State<Seen>) {
    seen.note(format!("regex {}", event.name()));
}

#[events]
enum Closed {
    Sample(Sample),
    Echo(Echo),
}

#[handler]
async fn takes_one_of_several(event: Closed, seen: State<Seen>) {
    match event {
        Closed::Sample(sample) => seen.note(format!("closed {}", sample.number)),
        Closed::Echo(echo) => seen.note(format!("closed echo {}", echo.number)),
    }
}

#[events]
enum Open {
    Sample(Sample),
    #[other]
    Other(AnyEvent),
}

#[handler(pattern = "**")]
async fn takes_whatever_comes(event: Open, seen: State<Seen>) {
    match event {
        Open::Sample(sample) => seen.note(format!("open {}", sample.number)),
        Open::Other(other) => seen.note(format!("other {}", other.name())),
    }
}

#[tokio::test]
async fn a_handler_takes_its_event_in_every_form() {
    on_each_store(async |place| {
        let seen = Seen::new();
        let builder = place.bare().state(seen.clone()).only(takes_a_reference).only(takes_a_value);
        let builder = builder.only(takes_an_envelope).only(takes_anything);
        let builder = builder.only(takes_what_a_regex_matches).only(takes_one_of_several);
        let kairo = builder.only(takes_whatever_comes).start().await.unwrap();
        let published = kairo.publish(sample("a", 7)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        let echo = kairo.publish(Echo { key: "a".into(), number: 8 }).await.unwrap();
        assert!(soon(echo.settled()).await.unwrap().all_done());
        let mut all = seen.all();
        all.sort_unstable();
        let expected = [
            "&7",
            "7",
            "closed 7",
            "closed echo 8",
            "open 7",
            "other echo.heard",
            "regex sample.taken",
            "sample-a v1",
            "sample.taken",
        ];
        assert_eq!(all, expected);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// An extractor of the application's own.
struct Tenant(String);

impl FromContext for Tenant {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        let tenant = context.event().and_then(|event| event.metadata().get("tenant"));
        tenant.cloned().map(Tenant).ok_or_else(|| Failure::permanent("the event has no tenant"))
    }
}

#[handler(event = "sample.taken", name = "extracts", retry(max = 2, backoff = "1ms"))]
async fn extracts(
    sample: &Sample,
    tenant: Tenant,
    attempt: Attempt,
    context: Context,
    seen: State<Seen>,
) -> Result<(), Busy> {
    seen.note(format!("{} {} {}", tenant.0, attempt.get(), context.idempotency_key()));
    if attempt.get() <= 2 && sample.number == 1 { Err(Busy) } else { Ok(()) }
}

#[tokio::test]
async fn extractors_are_taken_anew_for_each_attempt_under_one_idempotency_key() {
    on_each_store(async |place| {
        let seen = Seen::new();
        let kairo = place.bare().state(seen.clone()).only(extracts).start().await.unwrap();
        let published = kairo.publish(sample("a", 1)).metadata("tenant", "ada").await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        let notes = seen.all();
        let words = |note: &String| note.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let runs: Vec<_> = notes.iter().map(words).collect();
        assert!(runs.iter().map(|run| run[1].as_str()).eq(["1", "2", "3"]), "{runs:?}");
        assert!(runs.iter().all(|run| run[0] == "ada" && run[2] == runs[0][2]), "{runs:?}");
        let other = kairo.publish(sample("a", 2)).await.unwrap();
        soon(other.settled()).await.unwrap();
        let letter = letters(&kairo).await.remove(0);
        assert_eq!((letter.reason, letter.error()), (Reason::Permanent, "the event has no tenant"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[handler(event = "sample.taken", name = "returns-one")]
async fn returns_one(sample: &Sample) -> Echo {
    Echo { number: 1, ..Echo::from(sample) }
}

#[handler(event = "sample.taken", name = "returns-none")]
async fn returns_none(_sample: &Sample) -> Option<Echo> {
    None
}

#[handler(event = "sample.taken", name = "returns-several")]
async fn returns_several(sample: &Sample) -> Vec<Echo> {
    (2..=3).map(|number| Echo { number, ..Echo::from(sample) }).collect()
}

#[handler(event = "sample.taken", name = "returns-a-result")]
async fn returns_a_result(sample: &Sample) -> Result<Option<Echo>, Busy> {
    Ok(Some(Echo { number: 4, ..Echo::from(sample) }))
}

#[tokio::test]
async fn what_a_handler_returns_is_published_once_it_has_succeeded() {
    on_each_store(async |place| {
        let builder = place.bare().only(returns_one).only(returns_none).only(returns_several);
        let kairo = builder.only(returns_a_result).start().await.unwrap();
        let published = kairo.publish(sample("a", 0)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        let echoes = logged(&kairo, "echo.heard").await;
        let mut numbers: Vec<_> =
            echoes.iter().map(|echo| echo.decode::<Echo>().unwrap().number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert!(echoes.iter().all(|echo| echo.causation() == Some(published.id())));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// A service with a state of its own that also publishes.
struct Counter {
    seen: Seen,
    bus: Publisher,
}

#[handlers]
impl Counter {
    #[handler(event = "sample.taken", name = "counter-samples")]
    async fn samples(&self, sample: &Sample) -> Result<(), kairo::Error> {
        self.seen.note("sample".to_owned());
        let _ = self.bus.publish(Echo::from(sample)).await?;
        Ok(())
    }

    #[handler(event = "echo.heard", name = "counter-echoes")]
    async fn echoes(&self, _echo: &Echo) {
        self.seen.note("echo".to_owned());
    }
}

#[tokio::test]
async fn a_service_handles_with_its_own_state_and_publishes() {
    on_each_store(async |place| {
        let seen = Seen::new();
        let own = seen.clone();
        let builder = place.bare().only(Counter::samples).only(Counter::echoes);
        let builder = builder.handlers_with(move |bus| Counter { seen: own, bus });
        let kairo = builder.start().await.unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        soon(published.settled()).await.unwrap();
        assert_eq!(seen.at_least(2).await, ["sample", "echo"]);
        let echo = logged(&kairo, "echo.heard").await.remove(0);
        assert_eq!(echo.causation(), Some(published.id()));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

fn is_even(sample: &Sample) -> bool {
    assert!(sample.number != 5, "five cannot be asked");
    sample.number.is_multiple_of(2)
}

#[handler(event = "sample.taken", name = "even", filter = is_even, retry(max = 0))]
async fn even(sample: &Sample, seen: State<Seen>) {
    seen.note(sample.number.to_string());
}

#[tokio::test]
async fn what_a_filter_leaves_out_counts_as_handled_and_its_panic_as_a_failure() {
    on_each_store(async |place| {
        let seen = Seen::new();
        let kairo = place.bare().state(seen.clone()).only(even).start().await.unwrap();
        for number in [1, 2, 3, 4] {
            let published = kairo.publish(sample("a", number)).await.unwrap();
            assert!(soon(published.settled()).await.unwrap().all_done());
        }
        assert_eq!(seen.all(), ["2", "4"]);
        let five = kairo.publish(sample("a", 5)).await.unwrap();
        soon(five.settled()).await.unwrap();
        assert_eq!(letters(&kairo).await[0].reason, Reason::Panic);
        let six = kairo.publish(sample("a", 6)).await.unwrap();
        assert!(soon(six.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[handler(event = "sample.taken", name = "dies", retry(max = 0))]
async fn dies(_sample: &Sample) -> Result<(), Failure> {
    Err(Failure::permanent("it always does"))
}

#[on_dead_letter]
async fn undertaker(letter: &DeadLetter, seen: State<Seen>) {
    seen.note(format!("{} {}", letter.subscription, letter.error()));
}

#[tokio::test]
async fn an_undertaker_hears_of_every_letter() {
    on_each_store(async |place| {
        let seen = Seen::new();
        let builder = place.bare().state(seen.clone()).only(dies).only(undertaker);
        let kairo = builder.start().await.unwrap();
        let _ = kairo.publish(sample("a", 1)).await.unwrap();
        assert_eq!(seen.at_least(1).await, ["dies it always does"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[handler(event = "sample.taken", name = "from-the-start", start = "beginning")]
async fn from_the_start(sample: &Sample, seen: State<Seen>) {
    seen.note(format!("start {}", sample.number));
}

#[handler(event = "sample.taken", name = "from-now")]
async fn from_now(sample: &Sample, seen: State<Seen>) {
    seen.note(format!("now {}", sample.number));
}

#[tokio::test]
async fn a_new_subscription_begins_where_it_says_and_goes_on_where_it_stopped() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let _ = kairo.publish(sample("a", 1)).await.unwrap();
    kairo.shutdown().await.unwrap();
    drop(kairo);
    let seen = Seen::new();
    for number in [2, 3] {
        let builder = place.bare().state(seen.clone()).only(from_the_start).only(from_now);
        let kairo = builder.start().await.unwrap();
        let published = kairo.publish(sample("a", number)).await.unwrap();
        soon(published.settled()).await.unwrap();
        kairo.shutdown().await.unwrap();
    }
    let mut all = seen.all();
    all.sort_unstable();
    assert_eq!(all, ["now 2", "now 3", "start 1", "start 2", "start 3"]);
}

#[handler(event = "sample.taken", name = "today", renamed_from = "yesterday")]
async fn renamed(sample: &Sample, seen: State<Seen>) {
    seen.note(sample.number.to_string());
}

#[tokio::test]
async fn a_renamed_handler_keeps_its_place_and_its_letters() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    let subscribe = kairo.subscribe::<Sample>("yesterday");
    let handled = subscribe.handle(async |_| Err::<(), _>(Failure::permanent("no")));
    let yesterday = handled.await.unwrap();
    soon(kairo.publish(sample("a", 1)).await.unwrap().settled()).await.unwrap();
    yesterday.pause().await.unwrap();
    let _ = kairo.publish(sample("a", 2)).await.unwrap();
    kairo.shutdown().await.unwrap();
    drop((kairo, yesterday));
    let seen = Seen::new();
    let kairo = place.bare().state(seen.clone()).only(renamed).start().await.unwrap();
    kairo.subscription("today").unwrap().resume().await.unwrap();
    assert_eq!(seen.at_least(1).await, ["2"]);
    let letter = letters(&kairo).await.remove(0);
    assert_eq!(letter.subscription, "today");
    let replayed = kairo.dead_letters().reprocess(letter.id).await.unwrap();
    assert!(soon(replayed.settled()).await.unwrap().all_done());
    assert_eq!(seen.all(), ["2", "1"]);
    kairo.shutdown().await.unwrap();
}

/// Publishes a sample, which must be done after so many attempts.
async fn assert_done_after(kairo: &Kairo, attempts: &Journal<()>, count: usize) {
    let published = kairo.publish(sample("a", 1)).await.unwrap();
    assert!(soon(published.settled()).await.unwrap().all_done());
    assert_eq!(attempts.all().len(), count);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_ended_and_another_follows() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let attempts = Journal::new();
        let note = attempts.clone();
        let policy = RetryPolicy::new(1).backoff(Duration::from_millis(1));
        let subscribe = kairo.subscribe::<Sample>("slow").timeout(Duration::from_millis(5));
        let handled = subscribe.retry(policy).handle(move |_| {
            let is_first = note.is_new(());
            async move {
                if is_first {
                    std::future::pending::<()>().await;
                }
            }
        });
        handled.await.unwrap();
        assert_done_after(&kairo, &attempts, 2).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_panic_is_a_failure_that_is_retried() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let attempts = Journal::new();
        let note = attempts.clone();
        let subscribe = kairo.subscribe::<Sample>("panics");
        let handled = subscribe.handle(move |_| {
            let is_first = note.is_new(());
            async move { assert!(!is_first, "the first time") }
        });
        handled.await.unwrap();
        assert_done_after(&kairo, &attempts, 2).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_subscription_needs_a_name_of_its_own_and_options_that_can_be() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let subscribe = |name: &str| kairo.subscribe::<Sample>(name.to_owned());
        subscribe("one").handle(async |_| {}).await.unwrap();
        let long = "x".repeat(256);
        for name in ["one", "", "line\nbreak", &long] {
            let error = subscribe(name).handle(async |_| {}).await.unwrap_err();
            assert!(matches!(error, kairo::Error::Invalid { .. }), "{error}");
        }
        let error = subscribe("none").concurrency(0).handle(async |_| {}).await.unwrap_err();
        assert!(matches!(error, kairo::Error::Invalid { .. }), "{error}");
        let error = kairo.subscribe_any("bad", "a.**.b").handle(async |_| {}).await.unwrap_err();
        assert!(matches!(error, kairo::Error::Invalid { .. }), "{error}");
        eventually(async || kairo.health().await.unwrap().subscriptions.len() == 2).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}
