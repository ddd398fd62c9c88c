//! The buses that share a store in memory.

use std::time::Duration;

use uuid::Uuid;

use super::{MemoryStore, State};
use crate::{
    clock::{Timestamp, after},
    error::{Error, Result},
    lease::{Member, Members},
    store::BoxFuture,
};

/// A member's lease.
#[derive(Debug)]
pub(super) struct Lease {
    member: Member,
    until: Timestamp,
}

impl Members for MemoryStore {
    fn join<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(async move { self.lend(member, lease, true).await })
    }

    fn renew<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(async move { self.lend(member, lease, false).await })
    }

    fn leave(&self, id: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.with(|state| {
                state.members.remove(&id);
                Ok(())
            })
            .await?;
            self.tell_others();
            Ok(())
        })
    }
}

impl MemoryStore {
    async fn lend(&self, member: &Member, lease: Duration, is_new: bool) -> Result<Vec<Member>> {
        if !self.shared {
            return self.with(|_| Ok(vec![member.clone()])).await;
        }
        let now = self.clock.now();
        let (members, has_changed) = self
            .with(|state| {
                state.members.retain(|_, lease| now < lease.until);
                let known = state.members.get(&member.id);
                if known.is_none() && !is_new {
                    return Err(Error::LeaseLost);
                }
                let has_changed = known.is_none_or(|known| known.member != *member);
                let lease = Lease { member: member.clone(), until: after(now, lease) };
                state.members.insert(member.id, lease);
                let members = state.members.values().map(|lease| lease.member.clone());
                Ok((members.collect(), has_changed))
            })
            .await?;
        if has_changed {
            self.tell_others();
        }
        Ok(members)
    }
}

impl State {
    /// Whether a member's lease runs.
    pub(super) fn is_alive(&self, id: Uuid, now: Timestamp) -> bool {
        self.members.get(&id).is_some_and(|lease| now < lease.until)
    }
}
