//! Durable names: a place in the log belongs to a name, and is neither lost nor kept by accident.

use kairo::{Error, prelude::*};
use kairo_tests::support::{Gate, Journal, Place, Sample, on_each_store, sample, soon};

#[handler(event = "sample.taken")]
async fn count(_sample: &Sample) {}

#[tokio::test]
async fn a_handler_that_was_moved_does_not_lose_its_place_unnoticed() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    // The name that the handler had in an older binary, when it stood elsewhere.
    let before = "behaviour::before::count";
    kairo.subscribe::<Sample>(before).handle(async |_| {}).await.unwrap();
    kairo.shutdown().await.unwrap();
    drop(kairo);
    let moved = || place.bare().only(count);
    let error = moved().start().await.unwrap_err();
    assert!(matches!(error, Error::Wiring(_)), "{error}");
    let mistake = error.to_string();
    assert!(mistake.contains("`behaviour::before::count`"), "{mistake}");
    assert!(mistake.contains("renamed_from"), "{mistake}");
    let kairo = moved().forget(before).start().await.unwrap();
    assert!(kairo.health().await.unwrap().orphans.is_empty());
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_name_that_no_handler_has_is_shown_as_an_orphan() {
    let place = Place::sqlite();
    let kairo = place.start().await;
    kairo.subscribe::<Sample>("closure").handle(async |_| {}).await.unwrap();
    kairo.shutdown().await.unwrap();
    drop(kairo);
    let kairo = place.start().await;
    assert_eq!(kairo.health().await.unwrap().orphans, ["closure"]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_error_shows_the_beginning_of_a_long_value() {
    let kairo = Place::memory().start().await;
    let long = "x".repeat(100_000);
    let refused = [
        kairo::EventName::new(&*long).unwrap_err(),
        kairo::StreamName::new(&*long).unwrap_err(),
        long.parse::<kairo::Position>().unwrap_err(),
        AnyEvent::from_json(&long, "null").unwrap_err(),
        kairo.subscribe::<Sample>(&*long).handle(async |_| {}).await.unwrap_err(),
        kairo.subscribe_any("any", long.clone()).handle(async |_| {}).await.unwrap_err(),
        kairo.subscribe_regex("regex", &format!("{long}(")).handle(async |_| {}).await.unwrap_err(),
        Place::memory().bare().store(&*long).start().await.unwrap_err(),
        Place::memory().bare().store(format!("memory:?{long}=1")).start().await.unwrap_err(),
    ];
    for error in refused {
        let error = error.to_string();
        assert!(error.contains(&"x".repeat(100)) && error.contains("…`"), "{error}");
        assert!(error.len() < 500, "{} bytes", error.len());
    }
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_subscription_that_ends_hears_of_it() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (runs, gate) = (Journal::new(), Gate::shut());
        let (note, pass) = (runs.clone(), gate.clone());
        let subscribe = kairo.subscribe::<Sample>("leaves").concurrency(1);
        let handled = subscribe.handle(move |event| {
            note.note(event.number);
            let pass = pass.clone();
            async move { pass.pass().await }
        });
        let leaves = handled.await.unwrap();
        let first = kairo.publish(sample("a", 1)).await.unwrap();
        let second = kairo.publish(sample("a", 2)).await.unwrap();
        runs.at_least(1).await;
        let waits = tokio::spawn(async move { (first.settled().await, second.settled().await) });
        let ends = tokio::spawn(leaves.unsubscribe());
        tokio::task::yield_now().await;
        gate.open();
        soon(ends).await.unwrap().unwrap();
        let (first, second) = soon(waits).await.unwrap();
        assert!(first.unwrap().all_done());
        assert_eq!(second.unwrap().outcome("leaves"), Some(Outcome::Stopped));
        assert_eq!(runs.all(), [1]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
