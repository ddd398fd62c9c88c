//! One task for each bus on a shared store: it renews the lease, and sees to fair shares.
//!
//! It looks at each beat, and soon after something has changed elsewhere. What it finds becomes
//! commands for the subscriptions of this process, which claim for themselves.

use std::{env, pin::Pin, process, sync::Arc, time::Duration};

use tokio::sync::watch;
use uuid::Uuid;

use super::{Lease, letters, listing, shares};
use crate::{
    clock::after,
    delivery::SubscriptionRow,
    engine::{
        Engine,
        dispatch::{Command, Running, View},
        stopped,
    },
    error::{Error, Result},
    lease::{Member, RENEWAL},
};

/// The shortest time between two looks, however much changes.
const GAP: Duration = Duration::from_millis(500);

/// How long a look may take; the lease must be renewed meanwhile.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// The pause after a renewal or a look that failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// A stretch of time, by the machine's own clock.
type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Coordinator {
    engine: Arc<Engine>,
    member: Member,
    /// Whether the lease runs, as far as we know.
    has_joined: bool,
    /// Ends with the lease: counted from before the last renewal that succeeded.
    over: Pause,
    /// Ends when it is time to renew.
    beat: Pause,
    /// Ends when it may look again.
    gap: Pause,
    is_leaving: bool,
}

impl Coordinator {
    /// Joins the processes that share the store; `names` are the subscriptions that this one can
    /// run.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn join(engine: &Arc<Engine>, mut names: Vec<String>) -> Result<Self> {
        names.sort_unstable();
        let mut coordinator = Self {
            member: Member { subscriptions: names, ..stranger(engine) },
            has_joined: false,
            over: never(),
            beat: beat(engine),
            gap: pause(engine, GAP),
            is_leaving: false,
            engine: Arc::clone(engine),
        };
        coordinator.renew().await?;
        Ok(coordinator)
    }

    /// Renews and looks until the task is ended; once the bus stops, it only renews.
    pub(crate) async fn run(mut self) {
        let mut others = self.engine.backend.watch_others();
        loop {
            let is_over = tokio::select! {
                biased;
                () = &mut self.over => true,
                () = woken(&self.engine, &mut others, &mut self.beat, &mut self.gap, self.is_leaving) => false,
            };
            if is_over {
                self.lose();
            }
            others.mark_unchanged();
            self.is_leaving = *self.engine.stop.borrow();
            self.beat = beat(&self.engine);
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "this process cannot see to its share of the work");
                self.beat = pause(&self.engine, PAUSE_AFTER_ERROR);
            }
            self.gap = pause(&self.engine, GAP);
        }
    }

    async fn look(&mut self) -> Result {
        self.member.subscriptions =
            if self.is_leaving { Vec::new() } else { self.engine.roster.names() };
        match self.renew().await {
            Err(Error::LeaseLost) => {
                self.lose();
                self.renew().await?;
            }
            renewed => renewed?,
        }
        if self.is_leaving {
            return Ok(());
        }
        let engine = Arc::clone(&self.engine);
        let seen: Vec<_> = {
            let running = engine.roster.running();
            let able = running.iter().filter(|it| !it.has_ended());
            able.map(|it| (Arc::clone(it), *it.view.borrow())).collect()
        };
        let owner = self.member.id;
        tokio::select! {
            biased;
            () = &mut self.over => {
                self.lose();
                return Err(Error::LeaseLost);
            }
            () = engine.clock.sleep(LOOK_MAX) => return Err(no_answer("looking at shares", LOOK_MAX)),
            shared = share(&engine, owner, &seen) => shared?,
        }
        engine.planned.notify_one();
        Ok(())
    }

    /// Renews the lease, or joins under a new id where there is none.
    async fn renew(&mut self) -> Result {
        let engine = Arc::clone(&self.engine);
        let lease = engine.lease_length;
        let until = after(engine.clock.now(), lease);
        let mut over = pause(&engine, lease);
        let call = if self.has_joined {
            engine.backend.renew(&self.member, lease)
        } else {
            engine.backend.join(&self.member, lease)
        };
        let members = tokio::select! {
            biased;
            () = &mut over => return Err(no_answer("renewing the lease", lease)),
            () = &mut self.over => return Err(Error::LeaseLost),
            members = call => members?,
        };
        (self.over, self.has_joined) = (over, true);
        engine.roster.set_members(members);
        engine.lease.send_replace(Lease { member: self.member.id, until });
        Ok(())
    }

    /// Takes note that the lease has run out: what runs stops at once and records nothing, and the
    /// process goes on as another.
    fn lose(&mut self) {
        tracing::error!(member = %self.member.id, "the lease ran out: what ran here is given up");
        self.engine.lease.send_replace(Lease::NONE);
        self.has_joined = false;
        self.over = never();
        self.member = stranger(&self.engine);
        self.member.subscriptions = self.engine.roster.names();
    }
}

/// Tells each subscription what to do by what is in the store, unless it has changed meanwhile.
async fn share(engine: &Engine, owner: Uuid, seen: &[(Arc<Running>, View)]) -> Result {
    let rows = engine.backend.subscriptions().await?;
    let members = engine.roster.members();
    for (running, view) in seen {
        if running.view.borrow().has_changed_since(*view) {
            engine.look.notify_one();
            continue;
        }
        let name = &*running.spec.name;
        let command = match rows.iter().find(|row| row.subscription == name) {
            // Somebody has removed it.
            None => Some(Command::Stop),
            // Somebody has moved it, or taken it over.
            Some(row) if view.held.is_some_and(|(_, epoch)| !shares::has(row, epoch)) => {
                Some(Command::Fenced)
            }
            Some(row) => {
                follow_pause(running, row, *view);
                shares::wanted(row, &listing(&members, name, owner), owner).map(Command::Claim)
            }
        };
        // One whose commands pile up, or that has just stopped, is looked at again.
        if command.is_some_and(|command| running.commands.try_send(command).is_err()) {
            engine.look.notify_one();
        }
    }
    letters::tell(engine, &rows, seen).await
}

/// Pauses or resumes what another process has paused or resumed.
fn follow_pause(running: &Running, row: &SubscriptionRow, view: View) {
    let command = match (view.paused, row.paused) {
        (false, true) => Command::Pause(None),
        (true, false) => Command::Resume,
        _ => return,
    };
    // It is compared again at the next look.
    let _ = running.commands.try_send(command);
}

/// Returns when it is time to look.
async fn woken(
    engine: &Engine,
    others: &mut watch::Receiver<u64>,
    beat: &mut Pause,
    gap: &mut Pause,
    is_leaving: bool,
) {
    let mut stop = engine.stopping();
    let something = async {
        tokio::select! {
            _ = others.changed() => {}
            () = engine.look.notified() => {}
        }
        gap.await;
    };
    tokio::select! {
        biased;
        () = stopped(&mut stop), if !is_leaving => {}
        () = beat => {}
        () = something, if !is_leaving => {}
    }
}

/// This process under an id that nobody has had.
fn stranger(engine: &Engine) -> Member {
    let process = process::id();
    let name = match env::var("HOSTNAME") {
        Ok(host) => format!("{host}:{process}"),
        Err(_) => format!("process {process}"),
    };
    Member { id: engine.clock.new_id(), name, subscriptions: Vec::new() }
}

fn pause(engine: &Arc<Engine>, length: Duration) -> Pause {
    let engine = Arc::clone(engine);
    Box::pin(async move { engine.clock.sleep(length).await })
}

/// A renewal, or the loss of two of them, fits into a lease of whatever length.
fn beat(engine: &Arc<Engine>) -> Pause {
    pause(engine, RENEWAL.min(engine.lease_length / 3))
}

fn never() -> Pause {
    Box::pin(std::future::pending())
}

fn no_answer(action: &str, waited: Duration) -> Error {
    let source = format!("there was no answer for {waited:?}");
    Error::Store { action: action.to_owned(), source: source.into() }
}
