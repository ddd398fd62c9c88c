//! Planning how dead letters change, on what was read of them.
//!
//! The rules are in the words, not in the scripts. So letters are read, their change is planned,
//! and the commit takes effect only while they are as they were read.

use uuid::Uuid;

use super::{
    RedisStore,
    commit::WRITING,
    inbox::event_of,
    letters::{pack_letter, unpack_letter},
    rows::{Read, bytes_if_any, list},
    scripts,
};
use crate::{
    backend::plan::{check_claims_hold, check_marks, claims_of, plan_letters},
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
    /// Whether each claim that the unit comes from holds, and then whether each of its marks is set.
    facts: Vec<bool>,
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
        let mut facts = seen.facts.iter();
        check_claims_hold(unit, |_, _| Ok(facts.next() == Some(&true)))?;
        check_marks(unit, |_| Ok(facts.next() == Some(&true)))?;
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
        let claims: Vec<_> = claims_of(unit).collect();
        let found = self
            .read(&scripts::PLANNED, |command| {
                command.arg(claims.len());
                for (subscription, epoch) in &claims {
                    command.arg(subscription).arg(epoch);
                }
                command.arg(unit.marks.len());
                for mark in &unit.marks {
                    command.arg(&mark.key.subscription).arg(event_of(&mark.key));
                }
                command.arg(ids.len());
                for id in &ids {
                    command.arg(id.as_bytes());
                }
            })
            .await?;
        let found = list(found)
            .and_then(|found| found.into_iter().map(bytes_if_any).collect::<Read<Vec<_>>>());
        let (mut found, facts) = (self.understood(found)?, claims.len() + unit.marks.len());
        if found.len() != facts + ids.len() {
            return Err(self.link.failing.of(WRITING, "the answer is not one of the script's"));
        }
        let letters = found.split_off(facts);
        let facts = found.iter().map(|fact| fact.as_deref() == Some(b"1")).collect();
        Ok(Seen { facts, ids, letters })
    }
}

fn ids(unit: &Unit) -> Vec<Uuid> {
    let buried = unit.progress.iter().flat_map(|progress| &progress.bury).map(|letter| letter.id);
    let mut ids: Vec<_> = buried.chain(unit.letters.iter().map(LetterChange::id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
