//! Whatever happens to sagas, they end as those in memory do: a part of the tests of back ends.

use std::time::Duration;

use kairo::{
    Uuid, backend,
    clock::{Clock, Timestamp},
    delivery::Backend,
    journal::{Phase, SagaChange, SagaFilter, SagaRow, SagaWrite},
    lease::Member,
    store::Unit,
};
use proptest::{prelude::*, test_runner::TestCaseError};

/// What can happen to sagas alone.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Change(Vec<SagaChange>),
    Call(Call),
    Join(Uuid),
    Leave(Uuid),
}

/// A call that changes sagas beside units.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Claim { owner: Uuid, now: Timestamp, limit: usize },
    Release(Uuid),
    Prune { before: Timestamp, limit: usize },
}

fn time(seconds: u8) -> Timestamp {
    Timestamp::from_second(i64::from(seconds)).unwrap()
}

/// Ids of processes.
fn owner() -> impl Strategy<Value = Uuid> {
    (1..4_u128).prop_map(Uuid::from_u128)
}

fn id() -> impl Strategy<Value = Uuid> {
    (11..15_u128).prop_map(Uuid::from_u128)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["order", "refund"]).prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec!["o-1", "o-2"]).prop_map(str::to_owned))
}

/// Most are still going on.
fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![3 => Just(Phase::Running), 2 => prop::sample::select(Phase::ALL.to_vec())]
}

fn starts() -> impl Strategy<Value = SagaRow> {
    let times = (0..4_u8, 0..4_u8);
    (id(), name(), key(), phase(), prop::option::of(owner()), times).prop_map(
        |(id, saga, key, phase, owner, (due, started))| SagaRow {
            id,
            saga,
            key,
            shape: u64::MAX - u64::from(due),
            phase,
            due: time(due),
            cancelled: false,
            owner,
            epoch: 1,
            revision: 1,
            correlation: id,
            causation: owner,
            depth: u32::from(due),
            started: time(started),
            changed: time(started),
            state: "{}".into(),
        },
    )
}

fn writes() -> impl Strategy<Value = SagaWrite> {
    let times = (0..4_u8, 0..4_u8);
    (id(), 1..4_u64, 1..5_u64, phase(), times, any::<bool>()).prop_map(
        |(id, epoch, revision, phase, (due, changed), keep)| SagaWrite {
            id,
            epoch,
            revision,
            shape: revision,
            phase,
            due: time(due),
            changed: time(changed),
            state: format!(r#"{{"revision":{revision}}}"#).into(),
            keep,
        },
    )
}

pub(crate) fn changes() -> impl Strategy<Value = SagaChange> {
    prop_oneof![
        2 => starts().prop_map(SagaChange::Start),
        4 => writes().prop_map(SagaChange::Write),
        1 => (id(), 0..4_u8).prop_map(|(id, now)| SagaChange::Cancel { id, now: time(now) }),
    ]
}

pub(crate) fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (owner(), 0..4_u8, 0..4_usize)
            .prop_map(|(owner, now, limit)| Call::Claim { owner, now: time(now), limit }),
        1 => owner().prop_map(Call::Release),
        1 => (0..5_u8, 0..3_usize)
            .prop_map(|(before, limit)| Call::Prune { before: time(before), limit }),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(changes(), 1..3).prop_map(Step::Change),
        4 => calls().prop_map(Step::Call),
        1 => owner().prop_map(Step::Join),
        1 => owner().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..40)
}

fn names() -> [String; 2] {
    ["order", "refund"].map(str::to_owned)
}

/// Makes a call; what comes of it, as text.
pub(crate) async fn make(store: &dyn Backend, call: Call) -> String {
    match call {
        Call::Claim { owner, now, limit } => {
            format!("{:?}", store.claim_sagas(owner, &names(), now, limit).await)
        }
        Call::Release(owner) => format!("{:?}", store.release_sagas(owner).await),
        Call::Prune { before, limit } => format!("{:?}", store.prune_sagas(before, limit).await),
    }
}

/// All that a store shows of sagas, as text.
pub(crate) async fn dump(store: &dyn Backend) -> String {
    let all = store.sagas(SagaFilter::default()).await.unwrap();
    let mut lines = vec![format!("{all:#?}")];
    for name in names() {
        let next = store.next_saga(std::slice::from_ref(&name)).await.unwrap();
        let (saga, key) = (Some(name), Some("o-1".to_owned()));
        let of_key = store.sagas(SagaFilter { saga, key, ..SagaFilter::default() }).await.unwrap();
        lines.push(format!("{next:?} {of_key:?}"));
    }
    lines.join("\n")
}

/// So long that no test sees its end.
const LEASE: Duration = Duration::from_hours(1);

async fn take(store: &dyn Backend, step: Step) -> String {
    match step {
        Step::Change(sagas) => {
            format!("{:?}", store.commit(Unit { sagas, ..Unit::default() }).await)
        }
        Step::Call(call) => make(store, call).await,
        Step::Join(id) => {
            let member = Member { id, name: id.to_string(), subscriptions: Vec::new() };
            format!("{:?}", store.join(&member, LEASE).await)
        }
        Step::Leave(id) => format!("{:?}", store.leave(id).await),
    }
}

/// Takes the same steps in the store in memory that `url` names and in another one, and compares
/// what comes of them.
pub(crate) async fn check(
    url: &str,
    store: &dyn Backend,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let memory = backend::open(url, &Clock::system()).await.unwrap();
    for step in steps {
        let expected = take(&*memory, step.clone()).await;
        prop_assert_eq!(take(store, step.clone()).await, expected, "{:?}", step);
    }
    prop_assert_eq!(dump(store).await, dump(&*memory).await);
    Ok(())
}

/// Runs a test that waits for a store.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}
