//! The work that is interrupted: events, handlers that fail, and what they write down.

use std::{path::Path, time::Duration};

use kairo::{
    bus::{Builder, SubscriptionHealth},
    prelude::*,
};
use kairo_tests::support::{Book, Dice, Folder};

#[event("step.taken")]
pub(crate) struct Step {
    #[key]
    pub(crate) walker: u64,
    pub(crate) chance: u64,
}

/// What the handling of each step publishes, and what it returns.
#[event("trace.left")]
pub(crate) struct Trace {
    #[key]
    pub(crate) walker: u64,
    pub(crate) step: Uuid,
    pub(crate) returned: bool,
}

#[event("later.came")]
pub(crate) struct Later {
    #[key]
    pub(crate) walker: u64,
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) book: Book,
    /// Whether what is broken has been mended, so that everything succeeds.
    pub(crate) mended: bool,
}

impl World {
    fn begin(&self, context: &Context) {
        self.note(context, "begin");
    }

    fn end(&self, context: &Context) {
        self.note(context, "end");
    }

    fn note(&self, context: &Context, what: &str) {
        let id = context.event().map(AnyEvent::id).unwrap_or_default();
        self.book.note(&format!("{} {id} {what}", context.subscription()));
    }
}

#[handler(event = "step.taken", name = "plain")]
pub(crate) async fn plain(_step: &Step, world: State<World>, context: Context) {
    world.begin(&context);
    world.end(&context);
}

#[handler(event = "step.taken", name = "traces", retry(max = 3, backoff = "1ms"), concurrency = 4)]
pub(crate) async fn traces(
    step: Envelope<Step>,
    world: State<World>,
    bus: Publisher,
    context: Context,
) -> Result<Trace, Failure> {
    world.begin(&context);
    let trace = |returned| Trace { walker: step.walker, step: step.id(), returned };
    let _ = bus.publish(trace(false)).await?;
    tokio::task::yield_now().await;
    if !world.mended {
        match step.chance % 20 {
            0 => {
                world.note(&context, "dead");
                return Err(Failure::permanent("a stone in the shoe"));
            }
            1..=3 if context.attempt().get() < 3 => return Err(Failure::retryable("stumbled")),
            _ => {}
        }
    }
    world.end(&context);
    Ok(trace(true))
}

#[handler(event = "step.taken", name = "tired", retry(max = 2, backoff = "1100ms"))]
pub(crate) async fn tired(
    step: &Step,
    world: State<World>,
    context: Context,
) -> Result<(), Failure> {
    world.begin(&context);
    kairo::clock::Clock::system().sleep(Duration::from_millis(step.chance % 4)).await;
    if !world.mended && step.chance % 50 == 7 && context.attempt().get() == 1 {
        return Err(Failure::retryable("needs a rest"));
    }
    world.end(&context);
    Ok(())
}

#[handler(event = "trace.left", name = "hunter")]
pub(crate) async fn hunter(_trace: &Trace, world: State<World>, context: Context) {
    world.begin(&context);
    world.end(&context);
}

#[handler(event = "later.came", name = "late")]
pub(crate) async fn late(_later: &Later, world: State<World>, context: Context) {
    world.begin(&context);
    world.end(&context);
}

/// The handlers, with what they listen to.
pub(crate) const HANDLERS: [(&str, &str); 5] = [
    ("plain", "step.taken"),
    ("traces", "step.taken"),
    ("tired", "step.taken"),
    ("hunter", "trace.left"),
    ("late", "later.came"),
];

/// A bus on a folder's store.
pub(crate) fn open(folder: &Path, mended: bool) -> Builder {
    let book = Book::open(&folder.join("ledger"));
    Kairo::builder()
        .store(format!("sqlite://{}/shop.db?synchronous=normal", folder.display()))
        .state(World { book, mended })
        .only(plain)
        .only(traces)
        .only(tired)
        .only(hunter)
        .only(late)
}

/// Publishes for one walker until the process ends, and writes down what was accepted.
pub(crate) async fn walk(kairo: Kairo, acks: Book, walker: u64, mut dice: Dice) {
    loop {
        let step = |dice: &mut Dice| Step { walker, chance: dice.between(0, 1_000) };
        let published = match dice.between(0, 10) {
            0 => {
                let delay = Duration::from_millis(dice.between(0, 300));
                kairo.publish(Later { walker }).delay(delay).await
            }
            1 => kairo.publish_all([step(&mut dice), step(&mut dice)]).await,
            _ => kairo.publish(step(&mut dice)).await,
        };
        // At the end of a clean life the bus accepts nothing more.
        let Ok(published) = published else { return };
        for id in published.ids() {
            acks.note(&id.to_string());
        }
        kairo::clock::Clock::system().sleep(Duration::from_millis(dice.between(1, 15))).await;
    }
}

/// A last life without failures, until nothing is left to do.
pub(crate) async fn settle(folder: &Folder) -> Kairo {
    let kairo = open(folder.path(), true).start().await.unwrap();
    let begun = kairo::clock::Clock::system().now();
    loop {
        kairo.dead_letters().reprocess_all(LetterFilter::default()).await.unwrap();
        if is_settled(&kairo, folder).await {
            return kairo;
        }
        let health = kairo.health().await.unwrap();
        let waited = kairo::clock::Clock::system().now() - begun;
        assert!(waited.get_seconds() < 120, "still not settled: {health:?}");
        kairo::clock::Clock::system().sleep(Duration::from_millis(100)).await;
    }
}

async fn is_settled(kairo: &Kairo, folder: &Folder) -> bool {
    let health = kairo.health().await.unwrap();
    let quiet = |it: &SubscriptionHealth| it.running == 0 && it.parked == 0 && it.letters == 0;
    health.subscriptions.iter().all(quiet) && crate::audit::is_all_handled(folder, kairo).await
}
