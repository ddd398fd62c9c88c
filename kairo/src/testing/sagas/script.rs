//! A saga's code that fails, and ends, where a script says so.

use std::{
    collections::HashSet,
    fmt,
    pin::{Pin, pin},
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use tokio::sync::watch;

use crate::{
    blueprint::{Blueprint, Given, OnUnknown, StepError, Stored, Takes, Undo},
    engine::sagas::code::{Bound, Code, Part, Plan},
    handler::Failure,
    store::BoxFuture,
};

/// What fails in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The step says no, for good.
    Refuse {
        step: String,
        stubborn: bool,
    },
    /// The step happens each time, and its answer is lost.
    Lose {
        step: String,
    },
}

impl Fault {
    /// Everything that can fail of a saga in a way that it must survive.
    pub(super) fn all<S>(blueprint: &Blueprint<S>) -> Vec<Self> {
        let mut all = vec![Self::None];
        for step in &blueprint.steps {
            let name = || step.name.to_owned();
            all.push(Self::Refuse { step: name(), stubborn: false });
            all.push(Self::Refuse { step: name(), stubborn: true });
            let needs_output = matches!(step.undo, Undo::By { takes: Takes::Output, .. });
            // These have said that people must decide then.
            if !needs_output && step.on_unknown != Some(OnUnknown::Park) {
                all.push(Self::Lose { step: name() });
            }
        }
        all
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Refuse { step, stubborn: false } => write!(f, "{step}:refused"),
            Self::Refuse { step, stubborn: true } => write!(f, "{step}:refused-stubborn"),
            Self::Lose { step } => write!(f, "{step}:lost"),
        }
    }
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(fault: &str) -> Result<Self, ()> {
        if fault == "none" {
            return Ok(Self::None);
        }
        let (step, what) = fault.split_once(':').ok_or(())?;
        let step = step.to_owned();
        match what {
            "refused" => Ok(Self::Refuse { step, stubborn: false }),
            "refused-stubborn" => Ok(Self::Refuse { step, stubborn: true }),
            "lost" => Ok(Self::Lose { step }),
            _ => Err(()),
        }
    }
}

/// What happens in a run, and has happened by now.
#[derive(Debug)]
pub(super) struct Script {
    fault: Fault,
    polls: AtomicU64,
    end: AtomicU64,
    dead: watch::Sender<bool>,
    busy: AtomicU64,
    /// Compensations that have failed once.
    tried: Mutex<HashSet<Part>>,
    revived: AtomicBool,
}

impl Script {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            polls: AtomicU64::new(0),
            end: AtomicU64::new(0),
            dead: watch::Sender::new(false),
            busy: AtomicU64::new(0),
            tried: Mutex::default(),
            revived: AtomicBool::new(false),
        }
    }

    /// Lets the process end when a step or a compensation would go on for the `nth` time.
    pub(super) fn die_at(&self, nth: u64) {
        self.end.store(nth, Ordering::SeqCst);
    }

    pub(super) async fn died(&self) {
        // The sender is in `self`, so the wait ends only with the death.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// Another process goes on, which does not end.
    pub(super) fn revive(&self) {
        self.revived.store(true, Ordering::SeqCst);
        self.busy.store(0, Ordering::SeqCst);
        self.dead.send_replace(false);
    }

    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Ordering::SeqCst)
    }

    /// Whether a step or a compensation is waiting for something.
    pub(super) fn is_busy(&self) -> bool {
        0 < self.busy.load(Ordering::SeqCst)
    }

    /// Whether the process ends now.
    fn ends_now(&self) -> bool {
        if self.revived.load(Ordering::SeqCst) {
            return false;
        }
        let poll = self.polls.fetch_add(1, Ordering::SeqCst) + 1;
        if poll == self.end.load(Ordering::SeqCst) {
            self.dead.send_replace(true);
        }
        *self.dead.borrow()
    }

    /// What a part fails with before it runs.
    fn refusal(&self, plan: &Plan, part: Part) -> Option<Failure> {
        match (&self.fault, part) {
            (Fault::Refuse { step, .. }, Part::Step(index)) if plan.steps[index].name == step => {
                Some(Failure::permanent("refused by the test"))
            }
            (Fault::Refuse { stubborn: true, .. }, Part::Undo(_)) => {
                let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
                tried.insert(part).then(|| Failure::retryable("failed once by the test"))
            }
            _ => None,
        }
    }

    /// Whether the answer of a part is lost.
    fn loses(&self, plan: &Plan, part: Part) -> bool {
        matches!((&self.fault, part), (Fault::Lose { step }, Part::Step(index))
            if plan.steps[index].name == step)
    }
}

/// Code under a script.
pub(super) struct Scripted<S> {
    bound: Bound<S>,
    script: Arc<Script>,
}

impl<S> Scripted<S> {
    pub(super) const fn new(bound: Bound<S>, script: Arc<Script>) -> Self {
        Self { bound, script }
    }
}

impl<S: Send + Sync> Code for Scripted<S> {
    fn plan(&self) -> &Plan {
        self.bound.plan()
    }

    fn test(&self, step: usize, given: Given<'_>) -> Result<bool, StepError> {
        self.bound.test(step, given)
    }

    fn run<'a>(&'a self, part: Part, given: Given<'a>) -> BoxFuture<'a, Result<Stored, StepError>> {
        Box::pin(async move {
            if let Some(failure) = self.script.refusal(self.plan(), part) {
                return Err(failure.into());
            }
            let _busy = Busy::new(&self.script);
            let mut run = pin!(self.bound.run(part, given));
            let ended = std::future::poll_fn(|context| {
                if self.script.ends_now() {
                    return Poll::Pending;
                }
                Pin::new(&mut run).poll(context)
            });
            let ended = ended.await;
            // Between its end and whatever is written of it, the process can end as well.
            std::future::poll_fn(|_| {
                if self.script.ends_now() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            if ended.is_ok() && self.script.loses(self.plan(), part) {
                return Err(Failure::retryable("the answer was lost by the test").into());
            }
            ended
        })
    }

    fn migrate(
        &self,
        from: u64,
        state: serde_json::Value,
    ) -> Option<Result<serde_json::Value, StepError>> {
        self.bound.migrate(from, state)
    }
}

/// A part that runs.
struct Busy<'a>(&'a Script);

impl<'a> Busy<'a> {
    fn new(script: &'a Script) -> Self {
        script.busy.fetch_add(1, Ordering::SeqCst);
        Self(script)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // A process that has ended counts as not busy from then on.
        let busy = &self.0.busy;
        let _ = busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |busy| busy.checked_sub(1));
    }
}
