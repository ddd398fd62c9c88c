//! The processes that share the store, under leases on the server's clock.

use std::time::Duration;

use redis::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    RedisStore,
    failure::Malformed,
    rows::{Read, bytes, pairs, parts, text},
    scripts,
};
use crate::{
    error::{Error, Result},
    lease::{Member, Members},
    store::BoxFuture,
};

/// What a member's row has as JSON, under its id.
#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    subscriptions: Vec<String>,
}

impl Members for RedisStore {
    fn join<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(self.lend(member, lease, true))
    }

    fn renew<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(self.lend(member, lease, false))
    }

    fn leave(&self, id: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            self.write("leaving", &scripts::LEAVE, &turn, |command| {
                command.arg(id.simple().to_string());
            })
            .await?;
            self.signal.raise_others();
            Ok(())
        })
    }
}

impl RedisStore {
    async fn lend(&self, member: &Member, lease: Duration, is_new: bool) -> Result<Vec<Member>> {
        let row = Row { name: member.name.clone(), subscriptions: member.subscriptions.clone() };
        // Strings are always JSON.
        let about = serde_json::to_vec(&row).unwrap_or_default();
        let lease = lease.as_millis();
        let mut turn = self.requests.turn().await?;
        loop {
            turn.begin();
            let answer = self
                .write("renewing the lease on", &scripts::JOIN, &turn, |command| {
                    command.arg(member.id.simple().to_string()).arg(&about[..]);
                    command.arg(lease.to_string()).arg(u8::from(is_new));
                })
                .await?;
            if let Value::Array(_) = answer {
                let (has_changed, members) = self.understood(read_members(answer))?;
                if has_changed {
                    self.signal.raise_others();
                }
                return Ok(members);
            }
            // Otherwise only the answer was lost.
            if self.understood(text(answer))? == "lost" {
                return Err(Error::LeaseLost);
            }
        }
    }
}

fn read_members(answer: Value) -> Read<(bool, Vec<Member>)> {
    const WHAT: Malformed = Malformed("a member");
    let [known, rows] = parts(answer)?;
    let mut members = Vec::new();
    for (id, row) in pairs(rows)? {
        let Row { name, subscriptions } = serde_json::from_slice(&bytes(row)?).map_err(|_| WHAT)?;
        members.push(Member { id: Uuid::parse_str(&id).map_err(|_| WHAT)?, name, subscriptions });
    }
    members.sort_unstable_by_key(|member| member.id);
    Ok((text(known)? != "same", members))
}
