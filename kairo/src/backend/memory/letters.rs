//! Dead letters.

use uuid::Uuid;

use super::{MemoryStore, State};
use crate::{
    delivery::{DeadLetter, DeadLetters, LetterFilter},
    error::Result,
    store::BoxFuture,
};

impl DeadLetters for MemoryStore {
    fn letters(&self, filter: LetterFilter) -> BoxFuture<'_, Result<Vec<DeadLetter>>> {
        Box::pin(async move {
            self.with(|state| {
                let limit = filter.limit.unwrap_or(LetterFilter::LIMIT);
                let passing = state.letters_by_age().filter(|letter| filter.passes(letter));
                Ok(if filter.newest_first {
                    passing.rev().take(limit).cloned().collect()
                } else {
                    passing.take(limit).cloned().collect()
                })
            })
            .await
        })
    }

    fn letter(&self, id: Uuid) -> BoxFuture<'_, Result<Option<DeadLetter>>> {
        Box::pin(async move { self.with(|state| Ok(state.letters.get(&id).cloned())).await })
    }
}

impl State {
    /// All letters in the order in which they are listed.
    pub(super) fn letters_by_age(&self) -> impl DoubleEndedIterator<Item = &DeadLetter> {
        self.letters_by_death.iter().filter_map(|(_, id)| self.letters.get(id))
    }

    /// Puts a letter in its place, or takes it away.
    pub(super) fn set_letter(&mut self, id: Uuid, letter: Option<DeadLetter>) {
        if let Some(old) = self.letters.remove(&id) {
            self.letters_by_death.remove(&(old.last_failed, id));
        }
        if let Some(letter) = letter {
            self.letters_by_death.insert((letter.last_failed, id));
            self.letters.insert(id, letter);
        }
    }
}
