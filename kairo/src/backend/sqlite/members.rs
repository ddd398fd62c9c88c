//! The one process that has the file: its lock is its lease.

use std::time::Duration;

use uuid::Uuid;

use super::SqliteStore;
use crate::{
    error::Result,
    lease::{Member, Members},
    store::BoxFuture,
};

impl Members for SqliteStore {
    fn join<'a>(
        &'a self,
        member: &'a Member,
        _lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(async {
            self.shared.slot.check_open()?;
            Ok(vec![member.clone()])
        })
    }

    fn renew<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        self.join(member, lease)
    }

    fn leave(&self, _id: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async { self.shared.slot.check_open() })
    }
}
