//! The processes that share a store, by leases on the server's clock.

use std::time::Duration;

use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{PostgresStore, rows::int};
use crate::{
    error::{Error, Result},
    lease::{Member, Members},
    store::BoxFuture,
};

/// Whether a lease runs.
macro_rules! is_alive {
    () => {
        "clock_timestamp() < until"
    };
}
pub(super) use is_alive;

/// The end of a lease that begins now and runs for `$4` microseconds.
macro_rules! until {
    () => {
        "clock_timestamp() + $4 * interval '1 microsecond'"
    };
}

/// Who shares the work, with the member `m` as it is from now on. Leases that have run out go.
macro_rules! others {
    ($member:expr) => {
        concat!(
            "WITH k AS (SELECT name = $2 AND subscriptions = $3 AS known FROM {s}kairo_member \
              WHERE id = $1), m AS (",
            $member,
            " RETURNING id, name, subscriptions), \
             x AS (DELETE FROM {s}kairo_member WHERE NOT ",
            is_alive!(),
            " AND id <> $1) \
             SELECT id, name, subscriptions, coalesce((SELECT known FROM k), false) FROM m \
             UNION ALL SELECT o.id, o.name, o.subscriptions, false FROM {s}kairo_member AS o, m \
              WHERE o.id <> $1 AND ",
            is_alive!(),
            " ORDER BY 1"
        )
    };
}

const JOIN: &str = others!(concat!(
    "INSERT INTO {s}kairo_member AS old (id, name, subscriptions, until) VALUES ($1, $2, $3, ",
    until!(),
    ") ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
     subscriptions = excluded.subscriptions, until = excluded.until"
));

const RENEW: &str = others!(concat!(
    "UPDATE {s}kairo_member SET name = $2, subscriptions = $3, until = ",
    until!(),
    " WHERE id = $1 AND ",
    is_alive!()
));

const LEAVE: &str = "DELETE FROM {s}kairo_member WHERE id = $1";

impl Members for PostgresStore {
    fn join<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(self.lend(JOIN, member, lease))
    }

    fn renew<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(async move {
            let members = self.lend(RENEW, member, lease).await?;
            if members.is_empty() { Err(Error::LeaseLost) } else { Ok(members) }
        })
    }

    fn leave(&self, id: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let statement = || self.shared.tables.query(LEAVE).bind(id);
            self.shared.pool.fetch("leaving", statement).await?;
            self.shared.tell_others();
            Ok(())
        })
    }
}

impl PostgresStore {
    async fn lend(
        &self,
        text: &'static str,
        member: &Member,
        lease: Duration,
    ) -> Result<Vec<Member>> {
        let micros = int(u64::try_from(lease.as_micros()).unwrap_or(u64::MAX));
        let statement = || {
            let statement = self.shared.tables.query(text).bind(member.id).bind(&member.name);
            statement.bind(&member.subscriptions).bind(micros)
        };
        let rows = self.shared.pool.fetch("renewing a lease of", statement).await?;
        let members: sqlx::Result<Vec<_>> = rows.iter().map(read).collect();
        let members = members.map_err(|error| self.unreadable(error))?;
        let is_known = members.iter().any(|(other, known)| other.id == member.id && *known);
        if !is_known {
            self.shared.tell_others();
        }
        Ok(members.into_iter().map(|(member, _)| member).collect())
    }
}

/// A member, and whether it was known as it is.
fn read(row: &PgRow) -> sqlx::Result<(Member, bool)> {
    let (id, name, subscriptions) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok((Member { id, name, subscriptions }, row.try_get(3)?))
}
