//! What is wrong with a value beyond its shape, and who says so.

#[cfg(feature = "garde")]
mod garde;

use std::{borrow::Cow, fmt};

/// Says what is wrong with a value beyond its shape: of an event with `#[event(.., validate)]` when it
/// is published, of a pipeline's input before the first stage.
///
/// With the feature `garde`, every type with `#[derive(garde::Validate)]` has it, if the type of its
/// context has a default. For others:
///
/// ```
/// use kairo::{Event, Validate, event, validation::Violations};
///
/// #[event("order.placed", validate)]
/// struct OrderPlaced { cents: u64 }
///
/// impl Validate for OrderPlaced {
///     fn validate(&self) -> Result<(), Violations> {
///         if self.cents == 0 {
///             return Err("an order must cost something".into());
///         }
///         Ok(())
///     }
/// }
///
/// assert!(Event::validate(&OrderPlaced { cents: 0 }).is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when it is valid",
    label = "`validate` asks for `impl kairo::Validate`",
    note = "derive `garde::Validate` for it and turn on the feature `garde` of kairo; or write `impl kairo::Validate for {Self} {{ fn validate(&self) -> Result<(), Violations> {{ .. }} }}`; or remove `validate`"
)]
pub trait Validate {
    /// Checks the value.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn validate(&self) -> Result<(), Violations>;
}

/// What is wrong with a value: one violation or more.
///
/// It is written as `email: not a valid email; items[2].quantity: lower than 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations {
    list: Vec<Violation>,
}

/// One rule that a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The field, such as `items[2].quantity`; empty where it is the value as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Violations {
    /// One field that is wrong.
    #[must_use]
    pub fn of(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { list: Vec::new() }.and(field, message)
    }

    /// Another field that is wrong.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.list.push(Violation { field: field.into(), message: message.into() });
        self
    }

    /// All of them, in the order in which they were found.
    #[must_use]
    pub fn list(&self) -> &[Violation] {
        &self.list
    }

    /// What is wrong with one field.
    pub fn field(&self, field: &str) -> impl Iterator<Item = &str> {
        let of_field = self.list.iter().filter(move |violation| violation.field == field);
        of_field.map(|violation| violation.message.as_str())
    }
}

impl From<String> for Violations {
    fn from(message: String) -> Self {
        Self::of("", message)
    }
}

impl From<&str> for Violations {
    fn from(message: &str) -> Self {
        Self::of("", message)
    }
}

impl From<Cow<'_, str>> for Violations {
    fn from(message: Cow<'_, str>) -> Self {
        Self::of("", message)
    }
}

/// As an error's text wants it.
impl From<Violations> for String {
    fn from(violations: Violations) -> Self {
        violations.to_string()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.list.iter().enumerate() {
            if 0 < index {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

impl std::error::Error for Violations {}

/// A value that is checked if its type has rules: `(&Ruled(&value)).check()` finds the first of the two
/// traits below that the value has.
#[doc(hidden)]
#[derive(Debug)]
pub struct Ruled<'a, T>(pub &'a T);

/// A value with rules.
#[doc(hidden)]
pub trait CheckedByRules {
    /// Checks it.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn check(&self) -> Result<(), Violations>;
}

impl<T: Validate> CheckedByRules for Ruled<'_, T> {
    fn check(&self) -> Result<(), Violations> {
        self.0.validate()
    }
}

/// A value without.
#[doc(hidden)]
pub trait Unruled {
    /// Finds nothing.
    ///
    /// # Errors
    /// None: it has the form of every check.
    fn check(&self) -> Result<(), Violations>;
}

impl<T> Unruled for &Ruled<'_, T> {
    fn check(&self) -> Result<(), Violations> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_written_with_their_fields() {
        let wrong = Violations::of("email", "not an address").and("", "too much of it");
        assert_eq!(wrong.to_string(), "email: not an address; too much of it");
        assert_eq!(wrong.field("email").collect::<Vec<_>>(), ["not an address"]);
    }
}
