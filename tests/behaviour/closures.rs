//! Closures that subscribe while the bus runs: what they want, what they return, what is refused.

use kairo::{Error, prelude::*};
use kairo_tests::support::{Echo, Journal, Sample, logged, on_each_store, sample, soon};

/// Publishes a sample and an echo of another one, and waits for their handlers.
async fn publish_both(kairo: &Kairo) {
    let both = kairo.publish_all([sample("a", 1)]).and(Echo::from(&sample("b", 2)));
    soon(both.await.unwrap().settled()).await.unwrap();
}

#[tokio::test]
async fn a_pattern_or_an_expression_can_be_made_at_run_time() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (by_pattern, by_regex) = (Journal::new(), Journal::new());
        let (pattern, regex) = (by_pattern.clone(), by_regex.clone());
        let named = ["sample", "*"].join(".");
        let subscribe = kairo.subscribe_any("pattern", named);
        let _ = subscribe
            .handle(move |event| {
                pattern.note(event.name().to_owned());
                async {}
            })
            .await
            .unwrap();
        let expression = ["echo", "heard|seen"].join(r"\.(") + ")";
        let _ = kairo
            .subscribe_regex("regex", &expression)
            .handle(move |event| {
                regex.note(event.name().to_owned());
                async {}
            })
            .await
            .unwrap();
        publish_both(&kairo).await;
        assert_eq!(
            (by_pattern.all(), by_regex.all()),
            (vec!["sample.taken".into()], vec!["echo.heard".into()])
        );
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_closure_returns_is_published() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let bare = kairo.subscribe::<Sample>("bare");
        let _ = bare.handle(async |event| Echo::from(event.payload())).await.unwrap();
        let many = kairo.subscribe::<Sample>("many");
        let _ = many.handle(async |event| vec![Echo::from(event.payload()); 2]).await.unwrap();
        let fallible = kairo.subscribe::<Sample>("fallible");
        let _ = fallible
            .handle(async |event| Ok::<_, Failure>(Some(Echo::from(event.payload()))))
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(logged(&kairo, "echo.heard").await.len(), 4);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_subscribed_is_refused_at_handle() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        for pattern in ["user..", "**.x", ""] {
            let refused = kairo.subscribe_any("bad", pattern).handle(async |_| ()).await;
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{pattern}");
        }
        let refused = kairo.subscribe_regex("bad", "user(").handle(async |_| ()).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })));
        for (count, allowed) in [(0, false), (1, true), (256, true), (257, false)] {
            let subscribe = kairo.subscribe::<Sample>(format!("of-{count}")).concurrency(count);
            let result = subscribe.handle(async |_| ()).await.map(drop);
            assert_eq!(result.is_ok(), allowed, "{count}");
            let said = result.err().map(|error| error.to_string());
            let expected =
                format!("concurrency `{count}` is not valid: use a number from 1 to 256");
            assert!(said.is_none_or(|said| said == expected));
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}
