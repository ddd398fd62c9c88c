//! A pipeline that a handler runs.

use kairo::prelude::*;
use kairo_tests::support::{Journal, logged, on_each_store};

use super::trade::{World, trade, trading};

#[event("bell.rung")]
struct BellRung {
    #[key]
    bell: u64,
}

#[event("bell.heard")]
struct BellHeard(u64);

#[derive(Clone)]
struct Hearing {
    keys: Journal<Uuid>,
}

#[pipeline("hearing")]
impl Hearing {
    #[map]
    #[emit(BellHeard)]
    async fn hear(&self, bell: u64, key: IdempotencyKey) -> u64 {
        self.keys.note(key.id());
        bell
    }
}

#[tokio::test]
async fn what_it_emits_has_the_event_as_its_cause_and_is_in_the_log_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let hearing = Hearing { keys: Journal::new() };
        let (runs, publisher) = (hearing.keys.clone(), kairo.publisher());
        let handle = kairo.subscribe::<BellRung>("hear-bells").handle(move |rung| {
            let (hearing, publisher) = (hearing.clone(), publisher.clone());
            async move {
                // Twice for one event: two runs, whose events are two.
                for bell in [rung.bell, rung.bell + 1] {
                    publisher.pipeline(hearing.clone()).execute(bell).await?;
                }
                match hearing.keys.all().len() {
                    2 => Err(Failure::retryable("once more")),
                    _ => Ok(()),
                }
            }
        });
        let _ = handle.await.unwrap();
        let sent = kairo.publish(BellRung { bell: 7 }).await.unwrap();
        let id = sent.id();
        sent.settled().await.unwrap();
        let heard = logged(&kairo, "bell.heard").await;
        let bells: Vec<_> = heard.iter().map(|it| it.decode::<BellHeard>().unwrap().0).collect();
        assert_eq!(bells, [7, 8]);
        assert!(heard.iter().all(|it| it.causation() == Some(id) && it.correlation() == id));
        let keys = runs.all();
        assert_eq!((keys.len(), &keys[..2]), (4, &keys[2..]), "each run has its key again");
        assert_ne!(keys[0], keys[1]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_no_handler_runs_may_wait_for_handlers() {
    on_each_store(async |place| {
        let (kairo, world) = (place.start().await, World::default());
        let inner = kairo.clone();
        let waiting = kairo::pipeline("waiting").input::<u64>().map("ring", move |bell| {
            let kairo = inner.clone();
            async move { Ok(kairo.publish(BellRung { bell }).await?.handled().await?) }
        });
        assert!(kairo.pipeline(waiting).execute(1).await.is_ok());
        assert!(trading(&kairo, &world).execute(trade("rust", 1)).await.is_ok());
        kairo.shutdown().await.unwrap();
    })
    .await;
}
