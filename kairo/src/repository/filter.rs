//! Which entities a query finds.

use std::{fmt, marker::PhantomData, ops};

use crate::{documents::Condition, error::Result};

/// Which entities are wanted: what the methods of a [`Field`](super::Field) return, combined by
/// [`and`](Self::and), [`or`](Self::or) and [`not`](Self::not), or by `&`, `|` and `!`.
#[must_use = "a filter does nothing until it is handed to `find` or `count`"]
pub struct Filter<T> {
    /// What is wrong with it is said where it is used.
    pub(super) condition: Result<Condition>,
    of: PhantomData<fn() -> T>,
}

impl<T> Filter<T> {
    /// Every entity.
    pub const fn all() -> Self {
        Self { condition: Ok(Condition::All), of: PhantomData }
    }

    pub(super) const fn of(condition: Result<Condition>) -> Self {
        Self { condition, of: PhantomData }
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        Self::of(self.with(other, |one, other| match one {
            Condition::And(mut all) => {
                all.push(other);
                Condition::And(all)
            }
            one => Condition::And(vec![one, other]),
        }))
    }

    /// One of the two holds, or both.
    pub fn or(self, other: Self) -> Self {
        Self::of(self.with(other, |one, other| match one {
            Condition::Or(mut any) => {
                any.push(other);
                Condition::Or(any)
            }
            one => Condition::Or(vec![one, other]),
        }))
    }

    /// It does not hold.
    #[expect(clippy::should_implement_trait, reason = "it does, and reads better in a chain")]
    pub fn not(self) -> Self {
        Self::of(self.condition.map(|condition| Condition::Not(Box::new(condition))))
    }

    fn with(
        self,
        other: Self,
        join: impl FnOnce(Condition, Condition) -> Condition,
    ) -> Result<Condition> {
        Ok(join(self.condition?, other.condition?))
    }
}

impl<T> ops::BitAnd for Filter<T> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl<T> ops::BitOr for Filter<T> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl<T> ops::Not for Filter<T> {
    type Output = Self;

    fn not(self) -> Self {
        Self::not(self)
    }
}

impl<T> fmt::Debug for Filter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.condition).finish()
    }
}
