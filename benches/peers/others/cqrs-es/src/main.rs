//! cqrs-es on PostgreSQL, through postgres-es: its event store, without the load that its commands begin with.

use std::{collections::HashMap, convert::Infallible};

use anyhow::{Result, anyhow};
use cqrs_es::{
    Aggregate, AggregateError, DomainEvent, EventStore,
    event_sink::EventSink,
    persist::{EventStoreAggregateContext, PersistedEventStore},
};
use peers_core::{Appended, Balance, Deposited, Store, Task, serve};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// The table that its documentation asks for.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        aggregate_type text NOT NULL,
        aggregate_id text NOT NULL,
        sequence bigint CHECK (sequence >= 0) NOT NULL,
        event_type text NOT NULL,
        event_version text NOT NULL,
        payload json NOT NULL,
        metadata json NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    )";

#[derive(Default, Serialize, Deserialize)]
struct Account {
    events: u64,
    amount: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    Deposited(Deposited),
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        "Deposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Vec<Deposited>;
    type Event = AccountEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        deposits: Vec<Deposited>,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        for deposit in deposits {
            sink.write(AccountEvent::Deposited(deposit), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, AccountEvent::Deposited(deposit): AccountEvent) {
        self.events += 1;
        self.amount += deposit.amount;
    }
}

struct CqrsEs(PersistedEventStore<PostgresEventRepository, Account>);

impl Store for CqrsEs {
    async fn open(task: &Task) -> Result<Self> {
        let connections = u32::try_from(task.connections())?;
        let pool = PgPoolOptions::new().max_connections(connections).connect(&task.url).await?;
        sqlx::query(SCHEMA).execute(&pool).await?;
        Ok(Self(PersistedEventStore::new_event_store(PostgresEventRepository::new(pool))))
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        let events = deposits.iter().cloned().map(AccountEvent::Deposited).collect();
        // What a load would have given.
        let loaded = EventStoreAggregateContext {
            aggregate_id: stream.to_string(),
            aggregate: Account::default(),
            current_sequence: usize::try_from(version)?,
            current_snapshot: None,
        };
        match self.0.commit(events, loaded, HashMap::new()).await {
            Ok(_) => Ok(Appended::Stored),
            Err(AggregateError::AggregateConflict) => Ok(Appended::Refused),
            Err(error) => Err(anyhow!("{error:?}")),
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        let loaded = self.0.load_aggregate(&stream.to_string()).await;
        let Account { events, amount } = loaded.map_err(|error| anyhow!("{error:?}"))?.aggregate;
        Ok(Balance { events, amount })
    }
}

fn main() -> Result<()> {
    serve::<CqrsEs>()
}
