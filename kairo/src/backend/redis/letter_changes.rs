//! Planning how dead letters change, on what was read of them.
//!
//! The rules are in the words, not in the scripts. So letters are read, their change is planned,
//! and the commit takes effect only while they are as they were read.

use uuid::Uuid;

use super::{
    RedisStore,
    commit::WRITING,
    letters::{pack_letter, unpack_letter},
    rows::{Read, bytes_if_any, list},
    scripts,
};
use crate::{
    backend::plan::{check_claims_hold, plan_letters},
    delivery::{DeadLetter, LetterChange},
    error::Result,
    store::Unit,
};

/// The bytes at the front of a letter's value that change with it.
const REVISION: usize = 16;

/// A letter as it will be, and what it must still be for that.
#[derive(Debug)]
pub(super) struct LetterPlan {
    pub(super) id: Uuid,
    /// The revision that was seen; empty where there was no letter.
    pub(super) seen: Vec<u8>,
    /// The new value; empty to remove the letter.
    pub(super) packed: Vec<u8>,
}

/// What the plan of a unit needs to know.
struct Seen {
    /// Whether the claim of each progress holds.
    claims: Vec<bool>,
    /// The ids of all letters that the unit names, sorted.
    ids: Vec<Uuid>,
    /// Their values.
    letters: Vec<Option<Vec<u8>>>,
}

impl Seen {
    fn value(&self, id: Uuid) -> Option<&[u8]> {
        self.letters.get(self.ids.binary_search(&id).ok()?)?.as_deref()
    }

    fn revision(&self, id: Uuid) -> &[u8] {
        self.value(id).and_then(|value| value.get(..REVISION)).unwrap_or_default()
    }
}

impl RedisStore {
    /// How letters end up that are new or change. Most units have none, and need no look at the
    /// store.
    pub(super) async fn plan_letters(&self, unit: &Unit) -> Result<Vec<LetterPlan>> {
        let ids = ids(unit);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let seen = self.look_at_letters(unit, ids).await?;
        let mut claims = seen.claims.iter();
        check_claims_hold(unit, |_, _| Ok(claims.next() == Some(&true)))?;
        let planned = plan_letters(unit, |id| -> Result<Option<DeadLetter>> {
            let letter = seen.value(id).map(|value| unpack_letter(id, value));
            self.understood(letter.transpose())
        })?;
        let plan = |(id, letter): (Uuid, Option<DeadLetter>)| {
            let packed = letter.map(|letter| pack_letter(&letter, self.clock.new_id()));
            let seen = seen.revision(id).to_vec();
            LetterPlan { id, seen, packed: packed.unwrap_or_default() }
        };
        Ok(planned.into_iter().map(plan).collect())
    }

    async fn look_at_letters(&self, unit: &Unit, ids: Vec<Uuid>) -> Result<Seen> {
        let found = self
            .read(&scripts::PLANNED, |command| {
                command.arg(unit.progress.len());
                for progress in &unit.progress {
                    command.arg(&progress.subscription).arg(progress.epoch);
                }
                command.arg(ids.len());
                for id in &ids {
                    command.arg(id.as_bytes());
                }
            })
            .await?;
        let found = list(found)
            .and_then(|found| found.into_iter().map(bytes_if_any).collect::<Read<Vec<_>>>());
        let mut claims = self.understood(found)?;
        if claims.len() != unit.progress.len() + ids.len() {
            return Err(self.link.failing.of(WRITING, "the answer is not one of the script's"));
        }
        let letters = claims.split_off(unit.progress.len());
        let claims = claims.iter().map(|holds| holds.as_deref() == Some(b"1")).collect();
        Ok(Seen { claims, ids, letters })
    }
}

fn ids(unit: &Unit) -> Vec<Uuid> {
    let buried = unit.progress.iter().flat_map(|progress| &progress.bury).map(|letter| letter.id);
    let mut ids: Vec<_> = buried.chain(unit.letters.iter().map(LetterChange::id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
