//! Claiming a subscription, and starting its loop where the last one stopped.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, stream::FuturesUnordered};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use super::{
    buffer::Buffer,
    circuit::Circuit,
    deliver::panic_text,
    lanes::Lanes,
    ledger::Ledger,
    parking::Parking,
    replays::Replays,
    runner::{Command, Runner},
    spec::Spec,
    suspects::Suspects,
    waiters::Waiters,
};
use crate::{
    clock::Timestamp,
    delivery::{Claim, Claimed, LetterState, Parked, ParkedState, partition::PARTITIONS_MAX},
    engine::{Engine, trouble::Trouble},
    error::Result,
    observe,
    store::Position,
};

/// How many commands wait before whoever gives one waits too.
const COMMANDS_MAX: usize = 1_024;

/// A subscription that runs in this process.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) spec: Arc<Spec>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) task: JoinHandle<()>,
}

/// A subscription that is ours, and does not run yet. It is in a box, because it is large and passes
/// through several hands.
pub(crate) struct Ready(Box<Runner>);

impl Ready {
    /// Lets it run.
    pub(crate) fn run(self) -> Running {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let spec = Arc::clone(&self.0.spec);
        let task = tokio::spawn(watched(Arc::clone(&spec), self.0.run(receiver)));
        Running { spec, commands, task }
    }
}

/// Claims subscriptions in one commit.
pub(crate) async fn claim(engine: &Arc<Engine>, specs: Vec<Spec>) -> Result<Vec<Ready>> {
    let claims = specs.iter().map(request).collect();
    let claimed = engine.backend.claim(Uuid::nil(), claims).await?.into_iter().flatten();
    let log_end = engine.backend.head().await?;
    let ready = specs
        .into_iter()
        .zip(claimed)
        .map(|(spec, claimed)| Ready(resume(Arc::clone(engine), Arc::new(spec), claimed, log_end)));
    Ok(ready.collect())
}

/// Says so when a subscription's loop panics; the claim then stays unclean.
async fn watched(spec: Arc<Spec>, run: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
        let panic = panic_text(&*panic);
        tracing::error!(subscription = %spec.name, panic, "the subscription stops");
    }
}

fn request(spec: &Spec) -> Claim {
    Claim {
        subscription: spec.name.to_string(),
        start: spec.start,
        renamed_from: spec.renamed_from.map(str::to_owned),
        partitions_max: PARTITIONS_MAX,
    }
}

fn resume(
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    claimed: Claimed,
    log_end: Position,
) -> Box<Runner> {
    let recorded = claimed.checkpoint.low_water;
    let mut runner = Box::new(Runner {
        epoch: claimed.epoch,
        generation: claimed.generation,
        ledger: Ledger::resume(claimed.checkpoint),
        lanes: Lanes::new(spec.ordered),
        parking: Parking::new(spec.ordered),
        replays: Replays::default(),
        circuit: Circuit::new(spec.circuit_breaker),
        suspects: if claimed.unclean {
            Suspects::after_unclean_stop(log_end)
        } else {
            Suspects::none()
        },
        waiters: Waiters::default(),
        running: FuturesUnordered::new(),
        unsettled: 0,
        buffer: Buffer::default(),
        recording: None,
        recorded,
        scanned_since: None,
        ahead: None,
        fetching: None,
        reading: Trouble::default(),
        writing: Trouble::default(),
        rows: VecDeque::new(),
        processed: metrics::counter!(observe::PROCESSED, "subscription" => spec.name.to_string()),
        paused: claimed.paused,
        stopping: false,
        engine,
        spec,
    });
    let mut letters = claimed.letters;
    // Letters of a key are replayed in the order of the log.
    letters.sort_by_key(|letter| letter.position);
    for letter in letters {
        if letter.holds_key {
            runner.parking.hold(&letter.key(), letter.id);
        }
        if matches!(letter.state, LetterState::Replaying { .. }) {
            runner.replays.offer(letter);
        }
    }
    claimed.parked.into_iter().for_each(|row| runner.load(row));
    runner
}

impl Runner {
    /// Takes in a row that an earlier owner has left.
    fn load(&mut self, row: Parked) {
        let position = row.position;
        match row.state {
            ParkedState::Retry { .. } | ParkedState::Behind => {
                self.parking.park(row);
                self.parking.wake_first(position);
            }
            // This binary may be the newer one that it waits for.
            ParkedState::Newer => {
                self.parking.park(row);
                self.parking.hurry(position);
            }
            ParkedState::Alone { crashes } => {
                self.suspects.count(position, crashes + 1);
                // One that came from the log, or from a letter, is met there again.
                let again = self.ledger.covers(position) && !self.replays.holds(position);
                if again {
                    let state = ParkedState::Retry { due: Timestamp::MIN };
                    self.parking.park(Parked { state, ..row });
                }
            }
        }
    }
}
