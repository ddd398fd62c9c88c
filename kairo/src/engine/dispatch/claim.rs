//! Claiming a subscription, and starting its loop where the last one stopped.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, stream::FuturesUnordered};
use tokio::sync::{mpsc, watch};

use super::{
    buffer::Buffer,
    circuit::Circuit,
    command::Command,
    deliver::panic_text,
    keeper::{Found, Keeper, Parting, View},
    lanes::Lanes,
    ledger::Ledger,
    loops::Loops,
    parking::Parking,
    replays::Replays,
    runner::Runner,
    spec::Spec,
    suspects::Suspects,
    waiters::Waiters,
};
use crate::{
    clock::Timestamp,
    delivery::{Claim, Claimed, LetterState, Parked, ParkedState},
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
    /// Closed when its loop has ended.
    pub(crate) commands: mpsc::Sender<Command>,
    /// What this process has of it.
    pub(crate) view: watch::Receiver<View>,
    /// Its loop, and those of what was claimed together with it.
    pub(crate) loops: Arc<Loops>,
}

impl Running {
    /// Whether its loop has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.commands.is_closed()
    }
}

/// A subscription that has been claimed, and does not run yet.
pub(crate) struct Ready {
    keeper: Keeper,
    found: Option<Found>,
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<View>,
}

impl Ready {
    fn of(engine: &Arc<Engine>, spec: Spec, partitions_max: u32, found: Option<Found>) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let first = found.as_ref().map(|found| View::of(&found.claimed)).unwrap_or_default();
        let (sender, view) = watch::channel(first);
        let keeper = Keeper {
            engine: Arc::clone(engine),
            spec: Arc::new(spec),
            commands: receiver,
            view: sender,
            partitions_max,
            learnt: None,
        };
        Self { keeper, found, commands, view }
    }
}

/// Lets subscriptions run. Their loops begin one after the other, and nobody waits for that: what
/// they are to handle is in the log behind their claims.
pub(crate) fn run(ready: Vec<Ready>) -> Vec<Arc<Running>> {
    let (keepers, ready): (Vec<_>, Vec<_>) = (ready.into_iter())
        .map(|Ready { keeper, found, commands, view }| {
            let spec = Arc::clone(&keeper.spec);
            ((keeper, found), (spec, commands, view))
        })
        .unzip();
    let loops =
        Loops::begin(keepers.into_iter().map(|(keeper, found): (Keeper, _)| {
            watched(Arc::clone(&keeper.spec), keeper.keep(found))
        }));
    let running = |(spec, commands, view)| {
        Arc::new(Running { spec, commands, view, loops: Arc::clone(&loops) })
    };
    ready.into_iter().map(running).collect()
}

/// Claims subscriptions in one commit.
pub(crate) async fn claim(engine: &Arc<Engine>, specs: Vec<Spec>) -> Result<Vec<Ready>> {
    let owner = engine.owner().await?;
    let goals = engine.goals(owner, &specs).await?;
    let claims = specs.iter().zip(&goals).map(|(spec, goal)| request(spec, *goal)).collect();
    let claimed = engine.backend.claim(owner, claims).await?;
    let log_end = engine.backend.head().await?;
    let ready = specs.into_iter().zip(goals).zip(claimed).map(|((spec, goal), claimed)| {
        let found = claimed.map(|claimed| Found { owner, claimed, log_end });
        Ready::of(engine, spec, goal, found)
    });
    Ok(ready.collect())
}

/// Says so when a subscription's loop panics; the claim then stays unclean.
async fn watched(spec: Arc<Spec>, run: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
        let panic = panic_text(&*panic);
        tracing::error!(subscription = %spec.name, panic, "the subscription stops");
    }
}

pub(super) fn request(spec: &Spec, partitions_max: u32) -> Claim {
    Claim {
        subscription: spec.name.to_string(),
        start: spec.start,
        renamed_from: spec.renamed_from.map(str::to_owned),
        partitions_max,
    }
}

/// What a claim goes on with.
pub(super) struct Resumed {
    pub(super) engine: Arc<Engine>,
    pub(super) spec: Arc<Spec>,
    pub(super) view: watch::Sender<View>,
    /// What an earlier claim has learnt.
    pub(super) learnt: Option<(Circuit, Waiters)>,
}

/// A loop that goes on where a claim stands.
pub(super) fn resume(resumed: Resumed, claimed: Claimed, log_end: Position) -> Box<Runner> {
    let Resumed { engine, spec, view, learnt } = resumed;
    view.send_replace(View::of(&claimed));
    let (circuit, waiters) =
        learnt.unwrap_or_else(|| (Circuit::new(spec.circuit_breaker), Waiters::default()));
    let recorded = claimed.checkpoint.low_water;
    let mut runner = Box::new(Runner {
        epoch: claimed.epoch,
        generation: claimed.generation,
        partitions: claimed.partitions,
        lease: engine.is_shared.then(|| engine.lease.subscribe()),
        ledger: Ledger::resume(claimed.checkpoint),
        lanes: Lanes::new(spec.ordered),
        parking: Parking::new(spec.ordered),
        replays: Replays::default(),
        circuit,
        suspects: if claimed.unclean {
            Suspects::after_unclean_stop(log_end)
        } else {
            Suspects::none()
        },
        waiters,
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
        hand_over_by: None,
        parting: Parting::default(),
        view,
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

impl View {
    fn of(claimed: &Claimed) -> Self {
        let held = Some((claimed.partitions, claimed.epoch));
        Self { held, paused: claimed.paused, has_letters: !claimed.letters.is_empty() }
    }
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
                let is_read =
                    self.ledger.covers(position) || self.ledger.is_ahead(&row.key, position);
                let again = is_read && !self.replays.holds(position);
                if again {
                    let state = ParkedState::Retry { due: Timestamp::MIN };
                    self.parking.park(Parked { state, ..row });
                }
            }
        }
    }
}
