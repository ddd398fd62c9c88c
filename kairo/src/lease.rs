//! The contract of leases: which processes share a store's work, on the store's own clock.
//!
//! A process joins as a [`Member`] under an id that it draws at random, and renews its lease; what
//! it has claimed is its own while the lease runs. There is one lease for each process, however
//! much it has claimed. Whoever pauses for longer than its lease comes back as nobody: its claims
//! may have gone to others, whose epochs are higher, so that it can record nothing any more.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    error::Result,
    store::{BoxFuture, Store},
};

/// How long a process keeps its claims without renewing.
pub const LEASE: Duration = Duration::from_secs(30);

/// How often a process renews.
pub const RENEWAL: Duration = Duration::from_secs(10);

/// A process that shares the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Drawn at random for each start, never derived from a host or a process id.
    pub id: Uuid,
    /// What people call it, such as host and process id.
    pub name: String,
    /// The subscriptions that it can run, sorted.
    pub subscriptions: Vec<String>,
}

/// The processes that share a store.
///
/// Where [`Features::shared`](crate::store::Features::shared) is not claimed, there is one process,
/// whose lease never ends: renewing answers with the member itself.
///
/// # Laws
/// - `a_member_is_seen_by_others_until_it_leaves`
/// - `a_lease_runs_out_on_the_store_s_clock`: then nobody sees the member, and renewing fails with
///   [`Error::LeaseLost`](crate::Error::LeaseLost), once and for all: it must join as another.
/// - `what_a_dead_member_has_claimed_is_free`, and so is what a member has claimed that left.
/// - `what_a_living_member_has_claimed_is_not_free`
pub trait Members: Store {
    /// Joins the others; everybody's lease that runs is answered, by id, with one's own.
    fn join<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>>;

    /// Renews the lease, and tells what the member can run by now.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](crate::Error::LeaseLost) when it had run out.
    fn renew<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>>;

    /// Leaves: what is still claimed is free at once. Leaving twice is no error.
    fn leave(&self, id: Uuid) -> BoxFuture<'_, Result>;
}
