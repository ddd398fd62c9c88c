//! Claiming subscriptions: all that are asked for, in one transaction.

use std::collections::HashSet;

use foldhash::HashMap;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    deliveries::{checkpoint, parked_rows},
    letters,
    rows::{Common, Count, Json, Place, text},
    streams::newest,
};
use crate::{
    delivery::{Checkpoint, Claim, Claimed, Partitions},
    handler::entry::StartAt,
    store::Position,
};

/// The most subscriptions that are found one by one when they are claimed.
const FOUND_MAX: usize = 32;

/// The epoch of a subscription's claim: that of its row, or of the last claim of all subscriptions
/// that there were, which writes no rows. To write each of many would be most of a start.
macro_rules! epoch {
    () => {
        "max(epoch, (SELECT value FROM kairo_value WHERE name = 'claimed'))"
    };
}
pub(super) use epoch;

/// Where subscriptions are, as [`claimed`] reads it.
macro_rules! columns {
    () => {
        concat!(
            "SELECT name, generation, clean AND epoch = ",
            epoch!(),
            ", low_water, finished, paused FROM kairo_subscription"
        )
    };
}

/// Takes subscriptions over, as if one after the other, all of them under one new epoch.
pub(super) fn claim_all(
    connection: &Connection,
    claims: &[Claim],
) -> rusqlite::Result<Vec<Claimed>> {
    let epoch = next_epoch(connection)?;
    let head = concat!("SELECT ", newest!());
    let Count(head) = connection.query_row(head, [], |row| row.get(0))?;
    let taking = Taking {
        connection,
        epoch,
        head: Position::at_sequence(head),
        burdened: burdened(connection)?,
    };
    let mut claimed = Vec::with_capacity(claims.len());
    // A rename may concern any other one, so it is claimed alone.
    let alike =
        |one: &Claim, next: &Claim| one.renamed_from.is_none() && next.renamed_from.is_none();
    for together in claims.chunk_by(alike) {
        claimed.extend(taking.take(together)?);
    }
    Ok(claimed)
}

/// A claim of many subscriptions under way.
struct Taking<'a> {
    connection: &'a Connection,
    epoch: u64,
    /// Where those begin that are new and want only what is to come.
    head: Position,
    burdened: HashSet<String>,
}

impl Taking<'_> {
    /// Takes subscriptions over with a statement or two for all of them: a row by itself would cost
    /// more than what is in it.
    fn take(&self, claims: &[Claim]) -> rusqlite::Result<Vec<Claimed>> {
        for claim in claims {
            rename_if_new(self.connection, claim)?;
        }
        let Known { mut places, are_all } = Known::read(self.connection, claims, self.epoch)?;
        if are_all {
            let update = "UPDATE kairo_value SET value = ?1 WHERE name = 'claimed'";
            self.connection.prepare_cached(update)?.execute([Count(self.epoch)])?;
        } else {
            for start in [StartAt::Now, StartAt::Beginning] {
                self.own(claims.iter().filter(|claim| claim.start == start), start)?;
            }
        }
        let claimed = claims.iter().zip(&mut places).map(|(claim, known)| {
            let mut claimed = known.take().unwrap_or_else(|| self.fresh(claim.start));
            let name = &claim.subscription;
            if claim.renamed_from.is_some() || self.burdened.contains(name) {
                claimed.parked = parked_rows(self.connection, name)?;
                claimed.letters = letters::pending(self.connection, name, &mut Common::default())?;
            }
            Ok(claimed)
        });
        claimed.collect()
    }

    /// Makes subscriptions ours, and adds those that are new.
    fn own<'c>(
        &self,
        claims: impl Iterator<Item = &'c Claim>,
        start: StartAt,
    ) -> rusqlite::Result<()> {
        let names: Vec<&str> = claims.map(|claim| claim.subscription.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let upsert = "INSERT INTO kairo_subscription \
             (name, generation, epoch, clean, low_water, finished) \
             SELECT value, ?2, ?3, 0, ?4, x'' FROM json_each(?1) WHERE true \
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, clean = 0";
        let (generation, low_water) = (generation(self.epoch), self.begin(start));
        let values = params![Json(&names), generation, Count(self.epoch), Place(low_water)];
        self.connection.prepare_cached(upsert)?.execute(values).map(drop)
    }

    const fn begin(&self, start: StartAt) -> Position {
        match start {
            StartAt::Now => self.head,
            StartAt::Beginning => Position::START,
        }
    }

    /// What is claimed of a subscription that nobody has had.
    fn fresh(&self, start: StartAt) -> Claimed {
        Claimed {
            partitions: Partitions::WHOLE,
            epoch: self.epoch,
            generation: generation(self.epoch),
            unclean: false,
            paused: false,
            checkpoint: Checkpoint::at(self.begin(start)),
            parked: Vec::new(),
            letters: Vec::new(),
        }
    }
}

/// What there is of the subscriptions that are claimed.
struct Known {
    /// In the order of the claims; `None` for those that are new.
    places: Vec<Option<Claimed>>,
    /// Whether these are all subscriptions of the store, and none of them is new.
    are_all: bool,
}

impl Known {
    fn read(connection: &Connection, claims: &[Claim], epoch: u64) -> rusqlite::Result<Self> {
        let names = claims.iter().map(|claim| claim.subscription.as_str());
        // To read all rows is quicker than to find each of many.
        let (select, asked) = if claims.len() <= FOUND_MAX {
            let some = concat!(columns!(), " WHERE name IN (SELECT value FROM json_each(?1))");
            (some, Some(Json(names.clone().collect::<Vec<_>>())))
        } else {
            (columns!(), None)
        };
        let mut select = connection.prepare_cached(select)?;
        let mut rows = match &asked {
            Some(Json(names)) => select.query([Json(names)])?,
            None => select.query([])?,
        };
        let indices: HashMap<&str, usize> = names.zip(0..).collect();
        let mut places: Vec<Option<Claimed>> = claims.iter().map(|_| None).collect();
        let mut others = 0;
        while let Some(row) = rows.next()? {
            match indices.get(&*text(row, 0)?) {
                Some(index) => places[*index] = Some(claimed(row, epoch)?),
                None => others += 1,
            }
        }
        let are_all = asked.is_none() && others == 0 && places.iter().all(Option::is_some);
        Ok(Self { places, are_all })
    }
}

/// An epoch that no claim has had.
pub(super) fn next_epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let next = "UPDATE kairo_value SET value = value + 1 WHERE name = 'epoch' RETURNING value";
    connection.query_row(next, [], |row| row.get(0)).map(|Count(epoch)| epoch)
}

/// The generation that begins with an epoch, which no earlier one of its name had: what that one
/// has published is not taken for what this one publishes.
pub(super) fn generation(epoch: u64) -> u32 {
    u32::try_from(epoch).unwrap_or(u32::MAX)
}

fn rename_if_new(connection: &Connection, claim: &Claim) -> rusqlite::Result<()> {
    match &claim.renamed_from {
        Some(old) if !exists(connection, &claim.subscription)? => {
            rename(connection, old, &claim.subscription)
        }
        _ => Ok(()),
    }
}

/// The subscriptions that have parked events, or letters that concern their claim.
fn burdened(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let select = "SELECT subscription FROM kairo_parked UNION \
         SELECT subscription FROM kairo_dead_letter WHERE due IS NOT NULL OR holds_key = 1";
    let mut select = connection.prepare(select)?;
    let names = select.query_map([], |row| Ok(text(row, 0)?.into_owned()))?;
    names.collect()
}

/// What a row says to its new owner.
fn claimed(row: &Row<'_>, epoch: u64) -> rusqlite::Result<Claimed> {
    Ok(Claimed {
        partitions: Partitions::WHOLE,
        epoch,
        generation: row.get(1)?,
        unclean: !row.get::<_, bool>(2)?,
        paused: row.get(5)?,
        checkpoint: checkpoint(row, 3)?,
        parked: Vec::new(),
        letters: Vec::new(),
    })
}

fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM kairo_subscription WHERE name = ?1";
    connection.query_row(select, [name], |_| Ok(())).optional().map(|row| row.is_some())
}

/// Moves a subscription, its letters and its marks to another name.
fn rename(connection: &Connection, old: &str, new: &str) -> rusqlite::Result<()> {
    if !exists(connection, old)? {
        return Ok(());
    }
    for update in [
        "UPDATE kairo_subscription SET name = ?2 WHERE name = ?1",
        "UPDATE kairo_parked SET subscription = ?2 WHERE subscription = ?1",
        "UPDATE kairo_dead_letter SET subscription = ?2 WHERE subscription = ?1",
        "UPDATE OR REPLACE kairo_mark SET subscription = ?2 WHERE subscription = ?1",
    ] {
        connection.execute(update, [old, new])?;
    }
    Ok(())
}
