//! A test kit for sagas: every point at which the process can end, one run each, in virtual time.
//!
//! A saga is run once to count its points: each call of the store, before and after the store has
//! done it, and each moment at which a step or compensation waits for something. Then it is run once
//! for each of them: the process ends there, another one carries on, and the saga must come to an end
//! that the invariant accepts. The same is done again with each step refusing, with its answer lost,
//! and with compensations that fail at first.

use std::{env, fmt, sync::Arc, time::Duration};

use super::faults::{FaultyStore, When};
use crate::{
    backend,
    bus::{Builder, Kairo},
    clock::{Clock, Timestamp, after},
    delivery::Backend,
    engine::sagas::code::{Bound, Code},
    error::{Error, Result},
    retry::RetryPolicy,
    saga::{Outcome, Saga, SagaRef},
};

mod script;

use self::script::{Fault, Script, Scripted};

/// The environment variable that names the one point to run.
const POINT_VARIABLE: &str = "KAIRO_CRASH_POINT";

/// Under which key the saga is started, so that starting it again finds it.
const KEY: &str = "crash-safe";

/// The most points of one kind that are tried.
const POINTS_MAX: u64 = 5_000;

/// How much virtual time a run may take: compensations are tried for a day, and steps may be slow.
const VIRTUAL_MAX: Duration = Duration::from_hours(24 * 7);

/// How long a step may wait in real time before virtual time goes on all the same.
const REAL_WAIT_MAX: u32 = 500;

/// Runs a saga once for every point at which its process can end, on a store in memory and in
/// virtual time, and checks that it ends completed or fully compensated each time, and that the
/// invariant holds then.
///
/// `saga` makes a saga with a world of its own, such as a payment service in memory; clones share
/// that world, because it goes on when the process ends. `invariant` looks at it, and panics when
/// something is wrong.
///
/// # Panics
/// When a run comes to no end, or to one that is neither; and where the invariant does. A line names
/// the point, and with it in `KAIRO_CRASH_POINT` the next run tries that point alone.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # use kairo::{prelude::*, saga::Outcome, testing::sagas::assert_crash_safe};
/// #[derive(Clone, Default)]
/// struct Transfer { moved: Arc<Mutex<Vec<Uuid>>> }
///
/// #[kairo::saga("transfer")]
/// impl Transfer {
///     #[step]
///     async fn debit(&self, amount: &u64, key: IdempotencyKey) -> Result<u64, Failure> {
///         let mut moved = self.moved.lock().unwrap();
///         if !moved.contains(&key.id()) { moved.push(key.id()); }
///         Ok(*amount)
///     }
///     #[compensate(debit)]
///     async fn give_back(&self, _amount: Option<&u64>) {
///         self.moved.lock().unwrap().clear();
///     }
///     #[step]
///     async fn credit(&self, #[from(debit)] _amount: &u64) {}
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_crash_safe(Transfer::default, || 5, |transfer, outcome| {
///     let moved = transfer.moved.lock().unwrap().len();
///     assert_eq!(moved, usize::from(outcome.is_completed()));
/// })
/// .await;
/// # }
/// ```
pub async fn assert_crash_safe<S: Saga + Clone>(
    saga: impl Fn() -> S + Send + Sync,
    input: impl Fn() -> S::Input + Send + Sync,
    invariant: impl Fn(&S, &Outcome<S>) + Send + Sync,
) {
    CrashTest::new(saga, input).run(invariant).await;
}

/// As [`assert_crash_safe`], with something to say about the bus.
pub struct CrashTest<M, I> {
    saga: M,
    input: I,
    configure: fn(Builder) -> Builder,
}

impl<S, M, I> CrashTest<M, I>
where
    S: Saga + Clone,
    M: Fn() -> S + Send + Sync,
    I: Fn() -> S::Input + Send + Sync,
{
    /// A test of a saga with an input.
    pub fn new(saga: M, input: I) -> Self {
        Self { saga, input, configure: |builder| builder }
    }

    /// What the bus is given beside the saga, such as the values of its extractors.
    #[must_use]
    pub fn configure(mut self, configure: fn(Builder) -> Builder) -> Self {
        self.configure = configure;
        self
    }

    /// Runs the saga once for every point, and says how many there were.
    ///
    /// # Panics
    /// As [`assert_crash_safe`].
    pub async fn run(&self, invariant: impl Fn(&S, &Outcome<S>) + Send + Sync) -> usize {
        let mut runs = 0;
        if let Ok(point) = env::var(POINT_VARIABLE) {
            let point =
                point.parse().unwrap_or_else(|why: String| panic!("{POINT_VARIABLE}: {why}"));
            self.check(&point, &invariant).await;
            return 1;
        }
        for fault in Fault::all(&S::blueprint()) {
            let whole =
                self.check(&Point { fault: fault.clone(), end: End::Never }, &invariant).await;
            runs += 1;
            for end in whole.ends() {
                self.check(&Point { fault: fault.clone(), end }, &invariant).await;
                runs += 1;
            }
        }
        runs
    }

    async fn check(&self, point: &Point, invariant: &impl Fn(&S, &Outcome<S>)) -> Counted {
        let saga = (self.saga)();
        let (outcome, counted) = match self.run_to(point, &saga).await {
            Ok(ran) => ran,
            Err(why) => panic!("{why}\n{}", point.how_to_repeat()),
        };
        let is_end = match &outcome {
            Outcome::Completed(_) | Outcome::Compensated { .. } => true,
            Outcome::Failed { .. } => !S::blueprint().rollback,
            Outcome::Stuck { .. } | Outcome::Parked { .. } => false,
        };
        let repeat = OnPanic(point);
        assert!(
            is_end,
            "the saga ended neither completed nor fully compensated: {}",
            told(outcome)
        );
        invariant(&saga, &outcome);
        drop(repeat);
        counted
    }

    /// Runs the saga with one process that ends at the point, and another one that carries on.
    async fn run_to(&self, point: &Point, saga: &S) -> Result<(Outcome<S>, Counted), String> {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let plain = backend::open("memory:", &clock).await.map_err(|error| error.to_string())?;
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&plain)));
        let script = Arc::new(Script::new(point.fault.clone()));
        match point.end {
            End::Never => {}
            End::Call(number, when) => faulty.crash_nth(number, when),
            End::Poll(number) => script.die_at(number),
        }
        let first = Arc::<FaultyStore>::clone(&faulty);
        let ended = tokio::select! {
            biased;
            ended = self.live(first, &clock, saga, &script) => Some(ended?),
            () = faulty.crashed() => None,
            () = script.died() => None,
        };
        let counted = Counted { calls: faulty.calls(), polls: script.polls() };
        let outcome = if let Some(outcome) = ended {
            outcome
        } else {
            script.revive();
            self.live(plain, &clock, saga, &script).await?
        };
        Ok((outcome, counted))
    }

    /// One life of the process, in which the saga is started and waited for.
    async fn live(
        &self,
        store: Arc<dyn Backend>,
        clock: &Clock,
        saga: &S,
        script: &Arc<Script>,
    ) -> Result<Outcome<S>, String> {
        let code = |retry| -> Arc<dyn Code> {
            let bound = Bound::new(saga.clone(), S::blueprint(), retry);
            Arc::new(Scripted::new(bound, Arc::clone(script)))
        };
        let life = async {
            let bus = (self.configure)(Kairo::builder().without_handlers());
            let kairo = bus.backend(store).clock(clock.clone()).start().await?;
            let code = code(RetryPolicy::DEFAULT);
            kairo.shared().engine.sagas.add(Arc::clone(&code));
            let saga = SagaRef::<S>::new(Arc::clone(kairo.shared()), code).key(KEY);
            let outcome = saga.execute((self.input)()).await;
            kairo.stop_at_once();
            outcome
        };
        let mut life = std::pin::pin!(life);
        let began = clock.now();
        let mut pause = Duration::from_millis(50);
        loop {
            tokio::select! {
                biased;
                ended = &mut life => return ended.map_err(|error: Error| error.to_string()),
                () = quiet(script) => {}
            }
            if after(began, VIRTUAL_MAX) < clock.now() {
                return Err("the saga comes to no end within a week".to_owned());
            }
            clock.advance(pause);
            pause = (pause * 2).min(Duration::from_mins(5));
        }
    }
}

/// Returns once whatever can go on without the clock has gone on.
async fn quiet(script: &Script) {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
    for _ in 0..REAL_WAIT_MAX {
        if !script.is_busy() {
            return;
        }
        // A step that waits for something real needs real time.
        Clock::system().sleep(Duration::from_millis(1)).await;
    }
}

fn told<S: Saga>(outcome: Outcome<S>) -> String {
    outcome.completed().err().map(|error| error.to_string()).unwrap_or_default()
}

/// How many points a run has had.
#[derive(Clone, Copy, Debug)]
struct Counted {
    calls: u64,
    polls: u64,
}

impl Counted {
    fn ends(self) -> impl Iterator<Item = End> {
        let calls = (1..=self.calls.min(POINTS_MAX))
            .flat_map(|number| [When::Before, When::After].map(|when| End::Call(number, when)));
        calls.chain((1..=self.polls.min(POINTS_MAX)).map(End::Poll))
    }
}

/// A point at which a process ends, and what fails until then.
#[derive(Clone, Debug)]
struct Point {
    fault: Fault,
    end: End,
}

/// Where a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Never,
    /// At a call of the store, from 1.
    Call(u64, When),
    /// When a step or a compensation would go on, from 1.
    Poll(u64),
}

impl Point {
    fn how_to_repeat(&self) -> String {
        format!("repeat it with {POINT_VARIABLE}={self}")
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            End::Never => write!(f, "{}/never", self.fault),
            End::Call(number, When::Before) => write!(f, "{}/before-call-{number}", self.fault),
            End::Call(number, When::After) => write!(f, "{}/after-call-{number}", self.fault),
            End::Poll(number) => write!(f, "{}/poll-{number}", self.fault),
        }
    }
}

impl std::str::FromStr for Point {
    type Err = String;

    fn from_str(point: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{point}` is no crash point: it is written as `none/before-call-7`, \
                 `charge_payment:lost/after-call-7`, or `none/poll-3`"
            )
        };
        let (fault, end) = point.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        let end = if end == "never" {
            End::Never
        } else if let Some(call) = end.strip_prefix("before-call-") {
            End::Call(number(call)?, When::Before)
        } else if let Some(call) = end.strip_prefix("after-call-") {
            End::Call(number(call)?, When::After)
        } else if let Some(poll) = end.strip_prefix("poll-") {
            End::Poll(number(poll)?)
        } else {
            return Err(wrong());
        };
        Ok(Self { fault: fault.parse().map_err(|()| wrong())?, end })
    }
}

/// Says how to repeat a run whose check panics.
struct OnPanic<'a>(&'a Point);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.how_to_repeat());
        }
    }
}

impl<M, I> fmt::Debug for CrashTest<M, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashTest").finish_non_exhaustive()
    }
}
