//! Subscriptions: their claims, places and parked events.

use redis::Value;
use serde::{Deserialize, Serialize};

use super::{
    RedisStore,
    failure::Malformed,
    letters::read_letters,
    requests::Turn,
    rows::{Read, bytes, list, number, parts, text},
    scripts,
};
use crate::{
    backend::plan::check_claims,
    clock::micros,
    delivery::{
        Checkpoint, Claim, Claimed, Deliveries, FailedAttempt, Parked, ParkedState, SubscriptionRow,
    },
    error::Result,
    handler::entry::StartAt,
    store::{BoxFuture, Position},
};

/// Finished positions as text.
pub(super) fn pack_finished(finished: &[Position]) -> String {
    let finished: Vec<_> = finished.iter().map(ToString::to_string).collect();
    finished.join(" ")
}

/// What a parked event's row has as JSON, under its position.
#[derive(Serialize, Deserialize)]
struct Row {
    key: String,
    state: State,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailedAttempt>,
}

/// What a parked event waits for, with times in microseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Retry(i64),
    Behind,
    Newer,
    Alone(u32),
}

pub(super) fn pack_parked(parked: &Parked) -> Vec<u8> {
    let row = Row {
        key: parked.key.clone(),
        state: match parked.state {
            ParkedState::Retry { due } => State::Retry(due.as_microsecond()),
            ParkedState::Behind => State::Behind,
            ParkedState::Newer => State::Newer,
            ParkedState::Alone { crashes } => State::Alone(crashes),
        },
        attempts: parked.attempts,
        failures: parked.failures.clone(),
    };
    // Numbers, words and strings are always JSON.
    serde_json::to_vec(&row).unwrap_or_default()
}

fn unpack_parked(position: Position, packed: &[u8]) -> Read<Parked> {
    let row: Row = serde_json::from_slice(packed).map_err(|_| Malformed("a parked event"))?;
    Ok(Parked {
        position,
        key: row.key,
        state: match row.state {
            State::Retry(due) => ParkedState::Retry { due: micros(due) },
            State::Behind => ParkedState::Behind,
            State::Newer => ParkedState::Newer,
            State::Alone(crashes) => ParkedState::Alone { crashes },
        },
        attempts: row.attempts,
        failures: row.failures,
    })
}

impl Deliveries for RedisStore {
    fn claim(&self, claims: Vec<Claim>) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            check_claims(&claims)?;
            let mut turn = self.requests.turn().await?;
            loop {
                turn.begin();
                let claimed = self.try_claim(&claims, &turn).await?;
                // Where the answer was lost, they are claimed once more.
                if !matches!(claimed, Value::Array(_)) {
                    continue;
                }
                let claimed = list(claimed);
                return self.understood(
                    claimed.and_then(|all| all.into_iter().map(read_claimed).collect()),
                );
            }
        })
    }

    fn release(&self, subscription: String, epoch: u64) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            self.write("releasing a subscription of", &scripts::RELEASE, &turn, |command| {
                command.arg(&subscription).arg(epoch);
            })
            .await
            .map(drop)
        })
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(async {
            let rows = self.read(&scripts::SUBSCRIPTIONS, |_| {}).await?;
            let rows = list(rows).and_then(|rows| rows.into_iter().map(read_row).collect());
            let mut rows: Vec<SubscriptionRow> = self.understood(rows)?;
            rows.sort_unstable_by(|a, b| a.subscription.cmp(&b.subscription));
            Ok(rows)
        })
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            let removed = self
                .write("removing a subscription of", &scripts::REMOVE, &turn, |command| {
                    command.arg(&subscription);
                })
                .await?;
            self.understood(text(removed).map(|removed| removed == "removed"))
        })
    }
}

impl RedisStore {
    async fn try_claim(&self, claims: &[Claim], turn: &Turn<'_>) -> Result<Value> {
        let revision = self.clock.new_id();
        self.write("claiming subscriptions of", &scripts::CLAIM, turn, |command| {
            command.arg(revision.as_bytes()).arg(claims.len());
            for claim in claims {
                let start = match claim.start {
                    StartAt::Now => "now",
                    StartAt::Beginning => "beginning",
                };
                let old = claim.renamed_from.as_deref().unwrap_or_default();
                command.arg(&claim.subscription).arg(start).arg(old);
            }
        })
        .await
    }
}

fn read_claimed(claimed: Value) -> Read<Claimed> {
    let [epoch, generation, clean, low_water, finished, parked, letters] = parts(claimed)?;
    let finished = text(finished)?;
    let finished: Result<Vec<Position>, _> =
        finished.split(' ').filter(|word| !word.is_empty()).map(str::parse).collect();
    Ok(Claimed {
        epoch: number(epoch)?,
        generation: number(generation)?,
        unclean: text(clean)? != "1",
        checkpoint: Checkpoint {
            low_water: number(low_water)?,
            finished: finished.map_err(|_| Malformed("a checkpoint"))?,
        },
        parked: read_parked(parked)?,
        letters: read_letters(letters)?,
    })
}

/// Reads positions and rows in turns.
fn read_parked(found: Value) -> Read<Vec<Parked>> {
    let mut found = list(found)?.into_iter();
    let mut parked = Vec::with_capacity(found.len() / 2);
    while let (Some(position), Some(packed)) = (found.next(), found.next()) {
        parked.push(unpack_parked(number(position)?, &bytes(packed)?)?);
    }
    parked.sort_unstable_by_key(|row| row.position);
    Ok(parked)
}

fn read_row(row: Value) -> Read<SubscriptionRow> {
    let [subscription, generation, low_water, parked, letters] = parts(row)?;
    Ok(SubscriptionRow {
        subscription: text(subscription)?,
        generation: number(generation)?,
        low_water: number(low_water)?,
        parked: number(parked)?,
        letters: number(letters)?,
    })
}
