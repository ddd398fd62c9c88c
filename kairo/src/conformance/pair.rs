//! Two processes on one store, as two handles of it in this one.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{Harness, case::Case};
use crate::{
    error::{Error, Result},
    lease::Member,
    store::Version,
};

/// A lease that does not run out while a law runs.
pub(super) const LONG: Duration = Duration::from_mins(10);

/// Two handles of one store.
pub(super) struct Pair {
    pub(super) left: Case,
    pub(super) right: Case,
}

impl Pair {
    /// Opens a store twice. One that is not shared must refuse that, or be another store the
    /// second time; then there is no pair, and nothing more to check.
    pub(super) async fn open(harness: &Arc<dyn Harness>) -> Result<Option<Self>> {
        let first = harness.open().await?;
        let left = Case::new(&first, 0);
        if harness.features().shared {
            let right = left.within(&harness.open_beside(&first).await?);
            return Ok(Some(Self { left, right }));
        }
        left.append_at("one", Version::NoStream).await?;
        match harness.open_beside(&first).await {
            Err(error) => assert!(matches!(error, Error::InUse { .. }), "{error}"),
            Ok(second) => {
                assert_eq!(left.within(&second).version_of("one").await?, 0);
                second.close().await?;
            }
        }
        first.close().await?;
        Ok(None)
    }

    /// Closes both handles.
    pub(super) async fn close(self) -> Result {
        self.right.store.close().await?;
        self.left.store.close().await
    }
}

impl Case {
    /// Somebody who runs the subscription `mail`.
    pub(super) fn member(&self, name: &str) -> Member {
        let subscriptions = vec![self.subscription("mail")];
        Member { id: self.new_id(), name: name.to_owned(), subscriptions }
    }

    /// Joins for long, and claims as this member from now on.
    pub(super) async fn joined(&self, name: &str) -> Result<Self> {
        self.joined_as(&self.member(name)).await
    }

    /// The same as this member.
    pub(super) async fn joined_as(&self, member: &Member) -> Result<Self> {
        self.store.join(member, LONG).await?;
        Ok(self.owned_by(member.id))
    }

    /// The members that the store knows, by whoever asks under a name of their own.
    pub(super) async fn members(&self) -> Result<Vec<Uuid>> {
        let asking = self.member("asking");
        let members = self.store.join(&asking, LONG).await?;
        self.store.leave(asking.id).await?;
        let ids = members.into_iter().map(|member| member.id);
        Ok(ids.filter(|id| *id != asking.id).collect())
    }
}
