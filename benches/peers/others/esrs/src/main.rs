//! esrs on PostgreSQL: its store of events, persisting from a state at a version.

use std::convert::Infallible;

use anyhow::{Result, anyhow};
use esrs::{
    Aggregate, AggregateState,
    store::{
        EventStore, StoreEvent,
        postgres::{PgStore, PgStoreBuilder, PgStoreError},
    },
};
use peers_core::{Appended, Balance, Deposited, Store, Task, serve};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// What PostgreSQL calls a violated key.
const UNIQUE_VIOLATION: &str = "23505";

struct Account;

#[derive(Default)]
struct AccountState(Balance);

#[derive(Clone, Serialize, Deserialize)]
struct AccountEvent(Deposited);

impl Aggregate for Account {
    const NAME: &'static str = "account";
    type State = AccountState;
    type Command = Vec<Deposited>;
    type Event = AccountEvent;
    type Error = Infallible;

    fn handle_command(
        _: &AccountState,
        deposits: Vec<Deposited>,
    ) -> Result<Vec<AccountEvent>, Infallible> {
        Ok(deposits.into_iter().map(AccountEvent).collect())
    }

    fn apply_event(AccountState(mut balance): AccountState, event: AccountEvent) -> AccountState {
        balance.add(event.0.amount);
        AccountState(balance)
    }
}

struct Esrs(PgStore<Account>);

impl Store for Esrs {
    async fn open(task: &Task) -> Result<Self> {
        let connections = u32::try_from(task.connections())?;
        let pool = PgPoolOptions::new().max_connections(connections).connect(&task.url).await?;
        let store = PgStoreBuilder::new(pool).try_build().await;
        Ok(Self(store.map_err(|error| anyhow!("{error:?}"))?))
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        let mut state = state_at(stream, i32::try_from(version)?);
        let events = deposits.iter().cloned().map(AccountEvent).collect();
        match self.0.persist(&mut state, events).await {
            Ok(_) => Ok(Appended::Stored),
            Err(PgStoreError::Sqlx(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some(UNIQUE_VIOLATION) =>
            {
                Ok(Appended::Refused)
            }
            Err(error) => Err(anyhow!("{error:?}")),
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        let events = self.0.by_aggregate_id(stream).await?;
        let state = AggregateState::<AccountState>::with_id(stream);
        Ok(state.apply_store_events(events, Account::apply_event).into_inner().0)
    }
}

/// What a load would have given: a state knows its version from the last event that was applied.
fn state_at(stream: Uuid, version: i32) -> AggregateState<AccountState> {
    let state = AggregateState::with_id(stream);
    if version == 0 {
        return state;
    }
    let last = StoreEvent {
        id: stream,
        aggregate_id: stream,
        payload: (),
        occurred_on: Default::default(),
        sequence_number: version,
        version: None,
    };
    state.apply_store_events(vec![last], |state, ()| state)
}

fn main() -> Result<()> {
    serve::<Esrs>()
}
