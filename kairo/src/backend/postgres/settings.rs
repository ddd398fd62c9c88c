//! What is settled when a store is made, and holds for all processes that use it.

use sqlx::{PgConnection, Row};

use super::{connections::answered, failure::Failing, tables::Tables};
use crate::{
    backend::partitions::{self, checked},
    error::Result,
};

/// How the log is kept in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Append {
    /// By transaction ids. Nobody waits to append; readers wait for transactions that are open.
    #[default]
    Gated,
    /// By a lock that is held until the commit. Appends wait for each other; readers for nobody.
    Locked,
}

/// What a store has been made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) append: Append,
    /// How many partitions a new subscription gets.
    pub(super) partitions: u32,
}

/// What a URL says about that; `None` where any will do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) append: Option<Append>,
    pub(super) partitions: Option<u32>,
}

const READ: &str = "SELECT append, partitions FROM {s}kairo_store";

impl Append {
    /// The modes by the names that they have in URLs and in the table.
    pub(super) const NAMES: [&str; 2] = ["gated", "locked"];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gated => "gated",
            Self::Locked => "locked",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        [Self::Gated, Self::Locked].into_iter().find(|mode| mode.name() == name)
    }
}

impl Wanted {
    /// What a store is made with.
    pub(super) fn or_default(self) -> Settings {
        Settings {
            append: self.append.unwrap_or_default(),
            partitions: self.partitions.unwrap_or(partitions::DEFAULT),
        }
    }
}

impl Settings {
    /// What the store has been made with.
    ///
    /// # Errors
    /// [`Error::Foreign`](crate::Error::Foreign) when that is not what is wanted;
    /// [`Error::Store`](crate::Error::Store).
    pub(super) async fn read(
        connection: &mut PgConnection,
        tables: &Tables,
        wanted: Wanted,
        failing: &Failing,
    ) -> Result<Self> {
        let row = answered(tables.query(READ).fetch_one(connection)).await;
        let read: sqlx::Result<(String, i32)> =
            row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let (append, count) = read.map_err(|error| failing.of("looking at", error))?;
        let unknown = || failing.foreign(format!("it appends in a mode `{append}`"));
        let found = Self {
            append: Append::of_name(&append).ok_or_else(unknown)?,
            partitions: u32::try_from(count).unwrap_or_default(),
        };
        if let Some(wanted) = wanted.append.filter(|wanted| *wanted != found.append) {
            let (found, wanted) = (found.append.name(), wanted.name());
            return Err(failing
                .foreign(format!("its appends are `{found}`, not `{wanted}` as the URL has it")));
        }
        checked(found.partitions, wanted.partitions)
            .map_err(|reason| failing.foreign(reason))
            .map(|()| found)
    }
}
