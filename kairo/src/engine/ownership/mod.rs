//! Ownership: which processes share the store's subscriptions, and what of each this one runs.
//!
//! In a store that is not shared nothing of this runs: the one process has it all.

mod coordinator;
mod letters;
mod roster;
mod shares;

use std::sync::Arc;

use uuid::Uuid;

use self::coordinator::Coordinator;
pub(crate) use self::roster::Roster;
use super::{
    Engine,
    dispatch::{Ready, claim, spec::Spec},
};
use crate::{
    clock::Timestamp,
    delivery::partition::PARTITIONS_MAX,
    error::{Error, Result},
    lease::Member,
};

/// The lease of this process, as what it runs sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Under which id this process has joined; nil while it has not, and where nobody shares.
    pub(crate) member: Uuid,
    /// When it ends unless it is renewed.
    pub(crate) until: Timestamp,
}

impl Lease {
    /// Where nobody shares.
    const ENDLESS: Self = Self { member: Uuid::nil(), until: Timestamp::MAX };

    /// Nothing may be claimed under it.
    const NONE: Self = Self { member: Uuid::nil(), until: Timestamp::MIN };

    /// The lease before joining.
    pub(crate) const fn first(is_shared: bool) -> Self {
        if is_shared { Self::NONE } else { Self::ENDLESS }
    }
}

/// Claims everything in one commit, as a member where processes share the store.
pub(crate) async fn begin(
    engine: &Arc<Engine>,
    specs: Vec<Spec>,
) -> Result<(Option<Coordinator>, Vec<Ready>)> {
    let coordinator = if engine.is_shared {
        let names = specs.iter().map(|spec| spec.name.to_string()).collect();
        Some(Coordinator::join(engine, names).await?)
    } else {
        None
    };
    match claim(engine, specs).await {
        Ok(ready) => Ok((coordinator, ready)),
        Err(error) => {
            engine.leave().await;
            Err(error)
        }
    }
}

impl Engine {
    /// The id under which something can be claimed now; where processes share the store, that
    /// waits for a lease.
    ///
    /// # Errors
    /// [`Error::Closed`] when the bus stops first.
    pub(crate) async fn owner(&self) -> Result<Uuid> {
        let (mut lease, mut stop) = (self.lease.subscribe(), self.stopping());
        tokio::select! {
            biased;
            lease = lease.wait_for(|lease| *lease != Lease::NONE) => {
                lease.map(|lease| lease.member).map_err(|_| Error::Closed)
            }
            () = super::stopped(&mut stop) => Err(Error::Closed),
        }
    }

    /// How many partitions of each subscription this process should have.
    pub(crate) async fn goals(&self, owner: Uuid, specs: &[Spec]) -> Result<Vec<u32>> {
        if !self.is_shared {
            return Ok(vec![PARTITIONS_MAX; specs.len()]);
        }
        let rows = self.backend.subscriptions().await?;
        let members = self.roster.members();
        let goal = |spec: &Spec| {
            let row = rows.iter().find(|row| *row.subscription == *spec.name);
            let count = row.and_then(shares::count).unwrap_or_else(|| self.backend.partitions());
            shares::goal(&spec.name, count, &listing(&members, &spec.name, owner), owner)
        };
        Ok(specs.iter().map(goal).collect())
    }

    /// Leaves the others at the end of a bus, so that they need not wait for the lease.
    pub(crate) async fn leave(&self) {
        let member = self.lease.borrow().member;
        if member.is_nil() {
            return;
        }
        if let Err(error) = self.backend.leave(member).await {
            tracing::warn!(%error, "this process cannot leave: others wait for its lease to end");
        }
    }
}

/// The ids of the members that can run a subscription, `owner` among them, ascending.
fn listing(members: &[Member], subscription: &str, owner: Uuid) -> Vec<Uuid> {
    let can_run = |member: &&Member| {
        member.id != owner && member.subscriptions.iter().any(|name| name == subscription)
    };
    let mut ids: Vec<_> = members.iter().filter(can_run).map(|member| member.id).collect();
    ids.push(owner);
    ids.sort_unstable();
    ids
}
