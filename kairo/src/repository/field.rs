//! The fields of an entity, as queries name them.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::filter::Filter;
use crate::{
    documents::{Condition, Order},
    error::{Error, Result},
    event::Data,
    store::Direction,
};

/// A field of type `V` of an entity `T`: `User::fields().email`.
///
/// Texts are ordered by their bytes or as the store's collation does, numbers by value; an enum
/// without data is the text that serde writes. A comparison with a field that has no value does not
/// hold, except [`ne`](Self::ne).
pub struct Field<T, V> {
    name: &'static str,
    of: PhantomData<fn() -> (T, V)>,
}

/// What a field of type `V` can be compared with: a `V`, a reference to one, the value inside of an
/// `Option`, or a `&str` where it is text.
#[diagnostic::on_unimplemented(
    message = "a field of type `{V}` cannot be compared with `{Self}`",
    label = "expected `{V}`"
)]
pub trait Comparable<V> {
    /// The value as JSON.
    ///
    /// # Errors
    /// When serde cannot write it.
    #[doc(hidden)]
    fn value(&self) -> serde_json::Result<Value>;
}

/// A field's type that is text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no text",
    label = "this works for fields of type `String` or `Option<String>`",
    note = "a newtype that serde writes as text can say so: `impl kairo::repository::Textual for {Self} {{}}`"
)]
pub trait Textual {}

impl Textual for String {}
impl Textual for Arc<str> {}
impl Textual for Box<str> {}
impl Textual for Cow<'static, str> {}
impl<V: Textual> Textual for Option<V> {}

/// A field that orders what is found, and whether small values come first.
#[derive(Debug)]
pub struct OrderBy<T> {
    pub(super) order: Order,
    of: PhantomData<fn() -> T>,
}

#[expect(clippy::needless_pass_by_value, reason = "`eq(\"Ada\")` reads better than `eq(&\"Ada\")`")]
impl<T, V> Field<T, V> {
    /// The field with this name in the JSON of its entity.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// Its name, as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// It has this value; `None` is that it has none.
    pub fn eq(self, value: impl Comparable<V>) -> Filter<T> {
        self.compare(&value, |field, value| match value {
            Value::Null => Condition::IsNull(field),
            value => Condition::Eq(field, value),
        })
    }

    /// It has another value, or none; and for `None`, that it has one.
    pub fn ne(self, value: impl Comparable<V>) -> Filter<T> {
        self.compare(&value, |field, value| match value {
            Value::Null => Condition::Not(Box::new(Condition::IsNull(field))),
            value => Condition::Ne(field, value),
        })
    }

    /// It is less than this value.
    pub fn lt(self, value: impl Comparable<V>) -> Filter<T> {
        self.compare(&value, Condition::Lt)
    }

    /// It is this value, or less.
    pub fn le(self, value: impl Comparable<V>) -> Filter<T> {
        self.compare(&value, Condition::Le)
    }

    /// It is more than this value.
    pub fn gt(self, value: impl Comparable<V>) -> Filter<T> {
        self.compare(&value, Condition::Gt)
    }

    /// It is this value, or more.
    pub fn ge(self, value: impl Comparable<V>) -> Filter<T> {
        self.compare(&value, Condition::Ge)
    }

    /// It is one of these values, of which there are at most [`VALUES_MAX`].
    pub fn is_in<C: Comparable<V>>(self, values: impl IntoIterator<Item = C>) -> Filter<T> {
        let values: Result<Vec<_>> =
            values.into_iter().take(VALUES_MAX + 1).map(|value| self.scalar(&value)).collect();
        let values = values.and_then(|values| match values.len() {
            ..=VALUES_MAX => Ok(values),
            _ => Err(self.wrong("many values", format!("use at most {VALUES_MAX}"))),
        });
        Filter::of(values.map(|values| Condition::In(self.name, values)))
    }

    /// In the order of this field, with large values first.
    #[must_use]
    pub fn descending(self) -> OrderBy<T> {
        self.ordered(Direction::Backwards)
    }

    fn ordered(self, direction: Direction) -> OrderBy<T> {
        OrderBy { order: Order { field: self.name, direction }, of: PhantomData }
    }

    fn compare(
        self,
        value: &impl Comparable<V>,
        compared: impl FnOnce(&'static str, Value) -> Condition,
    ) -> Filter<T> {
        Filter::of(self.scalar(value).map(|value| compared(self.name, value)))
    }

    /// A value, if it is one that stores compare.
    fn scalar(self, value: &impl Comparable<V>) -> Result<Value> {
        match value.value() {
            Ok(Value::Array(_) | Value::Object(_)) => {
                Err(self.wrong("a list or an object", "use a text, a number, or `true` or `false`"))
            }
            Ok(value) => Ok(value),
            Err(error) => Err(self.wrong("its value", error.to_string())),
        }
    }

    fn wrong(self, value: &str, allowed: impl Into<String>) -> Error {
        let allowed = format!("`{}` is compared with it: {}", self.name, allowed.into());
        Error::invalid("condition", value, allowed)
    }
}

/// The most values of one [`is_in`](Field::is_in).
pub const VALUES_MAX: usize = 500;

impl<T, V> Field<T, Option<V>> {
    /// It has no value.
    pub fn is_null(self) -> Filter<T> {
        Filter::of(Ok(Condition::IsNull(self.name)))
    }

    /// It has a value.
    pub fn is_not_null(self) -> Filter<T> {
        Filter::of(Ok(Condition::Not(Box::new(Condition::IsNull(self.name)))))
    }
}

impl<T, V: Textual> Field<T, V> {
    /// Its text has this form: `%` is any text, `_` any one character, and `\` takes their meaning from
    /// them. Case counts.
    pub fn like(self, form: impl Into<String>) -> Filter<T> {
        Filter::of(Ok(Condition::Like(self.name, form.into())))
    }

    /// Its text begins with this one. Case counts.
    pub fn starts_with(self, start: &str) -> Filter<T> {
        self.like(format!("{}%", plain(start)))
    }

    /// This is in its text. Case counts.
    pub fn contains(self, part: &str) -> Filter<T> {
        self.like(format!("%{}%", plain(part)))
    }
}

/// A text as a form that matches nothing else.
fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

impl<T, V> Clone for Field<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, V> Copy for Field<T, V> {}

impl<T, V> fmt::Debug for Field<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.name).finish()
    }
}

impl<T, V> From<Field<T, V>> for OrderBy<T> {
    fn from(field: Field<T, V>) -> Self {
        field.ordered(Direction::Forwards)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Data> Comparable<Self> for V {
    fn value(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Data> Comparable<V> for &V {
    fn value(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Data> Comparable<Option<V>> for V {
    fn value(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Data> Comparable<Option<V>> for &V {
    fn value(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Textual + Serialize> Comparable<V> for &str {
    fn value(&self) -> serde_json::Result<Value> {
        Ok(Value::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_is_a_form_of_itself() {
        assert_eq!(plain("50%_\\"), "50\\%\\_\\\\");
    }
}
