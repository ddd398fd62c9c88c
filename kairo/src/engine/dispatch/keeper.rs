//! One task for each subscription of a process: it claims, runs what it has got, gives it back, and
//! claims again, until the bus stops.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::{
    circuit::Circuit,
    claim::{Resumed, request, resume},
    command::{Command, Status},
    spec::Spec,
    waiters::Waiters,
};
use crate::{
    delivery::{Claimed, Partitions},
    engine::{Engine, stopped},
    error::{Error, Result},
    store::Position,
};

/// The pause after a claim that failed, or that somebody has taken away where nobody shares.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// What a process has of a subscription at this moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    /// The partitions, and the epoch of their claim.
    pub(crate) held: Option<(Partitions, u64)>,
    /// Whether it is paused.
    pub(crate) paused: bool,
    /// Whether it knows of letters that are being reprocessed, or that hold their key.
    pub(crate) has_letters: bool,
}

impl View {
    /// Whether something was claimed, lost, paused or resumed since an earlier view.
    pub(crate) fn has_changed_since(self, earlier: Self) -> bool {
        (self.held, self.paused) != (earlier.held, earlier.paused)
    }
}

/// Holds a subscription still: it gives its claim back, and claims again when this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    _end: oneshot::Sender<()>,
}

/// The subscription's side of a [`Hold`].
#[derive(Debug)]
pub(crate) struct Held {
    still: oneshot::Sender<()>,
    end: oneshot::Receiver<()>,
}

impl Hold {
    /// Returns once the subscription is still; at once when it does not run any more.
    pub(crate) async fn of(commands: &mpsc::Sender<Command>) -> Self {
        let ((still, is_still), (sender, end)) = (oneshot::channel(), oneshot::channel());
        if commands.send(Command::Hold(Held { still, end })).await.is_ok() {
            // Where it has stopped instead, it is still as well.
            let _ = is_still.await;
        }
        Self { _end: sender }
    }
}

/// What follows when a subscription has been drained.
#[derive(Debug, Default)]
pub(super) struct Parting {
    /// It is not to go on.
    pub(super) is_last: bool,
    /// Its claim is lost.
    pub(super) is_fenced: bool,
    /// The most partitions to claim from now on.
    pub(super) partitions_max: Option<u32>,
    /// Who wants it to be still for a while.
    pub(super) held: Vec<Held>,
}

/// What a subscription does next.
enum Next {
    Claim,
    /// Whoever sees to shares will say when there is something to claim.
    Wait,
    End,
}

pub(super) struct Keeper {
    pub(super) engine: Arc<Engine>,
    pub(super) spec: Arc<Spec>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) view: watch::Sender<View>,
    /// The most partitions to claim.
    pub(super) partitions_max: u32,
    /// What one claim has learnt and the next should know.
    pub(super) learnt: Option<(Circuit, Waiters)>,
}

/// A claim with what is needed to go on from it.
pub(super) struct Found {
    pub(super) owner: Uuid,
    pub(super) claimed: Claimed,
    /// Where the log ended then.
    pub(super) log_end: Position,
}

impl Keeper {
    /// Keeps the subscription running until the bus stops, or it is told to stop.
    pub(super) async fn keep(mut self, mut found: Option<Found>) {
        loop {
            let next = match found.take() {
                Some(found) => self.run(found).await,
                None => self.wait().await,
            };
            match next {
                Next::Claim => match self.claim().await {
                    Ok(claimed) => found = claimed,
                    Err(_) => return,
                },
                Next::Wait => {}
                Next::End => return,
            }
        }
    }

    /// Runs what was claimed until it is drained or lost.
    async fn run(&mut self, found: Found) -> Next {
        let (owner, epoch) = (found.owner, found.claimed.epoch);
        let learnt = self.learnt.take();
        let (engine, spec, view) = (&self.engine, &self.spec, self.view.clone());
        let resumed = Resumed { engine: Arc::clone(engine), spec: Arc::clone(spec), view, learnt };
        let mut runner = resume(resumed, found.claimed, found.log_end);
        let mut lease = self.engine.lease.subscribe();
        let ended = tokio::select! {
            biased;
            _ = lease.wait_for(|lease| lease.member != owner), if self.engine.is_shared => {
                Err(Error::LeaseLost)
            }
            ended = runner.run(&mut self.commands) => ended,
        };
        let (parting, circuit, waiters) = runner.end();
        self.learnt = Some((circuit, waiters));
        self.view.send_modify(|view| (view.held, view.has_letters) = (None, false));
        match ended {
            Ok(()) => self.release(epoch).await,
            Err(error) => return self.lost(error, parting).await,
        }
        self.part(parting).await
    }

    async fn release(&self, epoch: u64) {
        let (backend, claim) = (&*self.engine.backend, (self.spec.name.to_string(), epoch));
        if let Err(error) = self.engine.released.give_back(backend, claim).await {
            tracing::warn!(subscription = %self.spec.name, %error, "the claim is not given back");
        }
    }

    /// The claim is not ours any more: nothing is recorded, and nothing given back.
    async fn lost(&mut self, error: Error, parting: Parting) -> Next {
        match error {
            Error::LeaseLost | Error::Fenced { .. } if self.engine.is_shared => {
                tracing::warn!(subscription = %self.spec.name, %error, "its work is given up");
                self.engine.look.notify_one();
                match self.part(parting).await {
                    Next::Claim => Next::Wait,
                    next => next,
                }
            }
            Error::Fenced { .. } => {
                tracing::warn!(subscription = %self.spec.name, %error, "it is claimed again");
                self.claim_unless_removed().await
            }
            error => {
                tracing::error!(subscription = %self.spec.name, %error, "the subscription stops");
                Next::End
            }
        }
    }

    /// Where nobody shares, whoever has fenced it was an operator, or another bus by mistake, with
    /// which it must not fight over every event.
    async fn claim_unless_removed(&self) -> Next {
        if self.pause().await.is_err() {
            return Next::End;
        }
        match self.engine.backend.subscriptions().await {
            Ok(rows) if !rows.iter().any(|row| *row.subscription == *self.spec.name) => Next::End,
            Ok(_) | Err(_) => Next::Claim,
        }
    }

    async fn part(&mut self, parting: Parting) -> Next {
        let Parting { is_last, partitions_max, held, is_fenced: _ } = parting;
        self.partitions_max = partitions_max.unwrap_or(self.partitions_max);
        if is_last || *self.engine.stop.borrow() {
            return Next::End;
        }
        for held in held {
            self.be_still(held).await;
        }
        Next::Claim
    }

    async fn be_still(&self, held: Held) {
        let mut stop = self.engine.stopping();
        // Whoever asked may have gone; then the wait is over at once.
        let _ = held.still.send(());
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {}
            // It is over when the other side is dropped, so no value ever comes.
            _ = held.end => {}
        }
    }

    /// Answers until there is something to do.
    async fn wait(&mut self) -> Next {
        let mut stop = self.engine.stopping();
        loop {
            let command = tokio::select! {
                biased;
                () = stopped(&mut stop) => return Next::End,
                command = self.commands.recv() => command,
            };
            let Some(command) = command else { return Next::End };
            if let Some(next) = self.obey(command).await {
                return next;
            }
        }
    }

    /// Does what can be done without a claim. What the store says as well is found there when there
    /// is one again; and who waits for an outcome looks there too, when nobody answers here.
    async fn obey(&mut self, command: Command) -> Option<Next> {
        match command {
            Command::Watch(_) | Command::Replay(_) | Command::LetterGone(_) | Command::Fenced => {
                None
            }
            Command::Pause(reply) => {
                self.view.send_modify(|view| view.paused = true);
                // Whoever asked may have gone.
                let _ = reply.map(|reply| reply.send(()));
                None
            }
            Command::Resume => {
                self.view.send_modify(|view| view.paused = false);
                None
            }
            Command::Letters(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(Vec::new());
                None
            }
            Command::Status(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(Status::elsewhere(self.view.borrow().paused));
                None
            }
            Command::Stop => Some(Next::End),
            Command::Claim(partitions_max) => {
                self.partitions_max = partitions_max;
                Some(Next::Claim)
            }
            Command::Hold(held) => {
                self.be_still(held).await;
                Some(Next::Claim)
            }
        }
    }

    /// Claims, however long the store is away.
    ///
    /// # Errors
    /// [`Error::Closed`] when the bus stops or the store is closed.
    async fn claim(&self) -> Result<Option<Found>> {
        loop {
            match self.try_claim().await {
                Err(Error::Closed) => return Err(Error::Closed),
                Err(error) => {
                    tracing::warn!(subscription = %self.spec.name, %error, "it cannot be claimed");
                    self.pause().await?;
                }
                found => return found,
            }
        }
    }

    async fn try_claim(&self) -> Result<Option<Found>> {
        if self.partitions_max == 0 {
            return Ok(None);
        }
        let owner = self.engine.owner().await?;
        let claims = vec![request(&self.spec, self.partitions_max)];
        let claimed = self.engine.backend.claim(owner, claims).await?.pop().flatten();
        let log_end = self.engine.backend.head().await?;
        Ok(claimed.map(|claimed| Found { owner, claimed, log_end }))
    }

    async fn pause(&self) -> Result {
        let mut stop = self.engine.stopping();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => Err(Error::Closed),
            () = self.engine.clock.sleep(PAUSE_AFTER_ERROR) => Ok(()),
        }
    }
}
