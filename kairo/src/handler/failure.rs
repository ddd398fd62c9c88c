//! How a handler says that it failed, and whether trying again can help.

use std::{any::Any, error::Error as StdError, fmt};

use crate::error::{BoxError, Error};

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The next attempt may succeed.
    Retryable,
    /// No attempt can ever succeed.
    Permanent,
    /// Somebody else wrote first; the next attempt decides on what they wrote.
    Conflict,
}

/// A handler's failure: an error, and whether trying again can help.
///
/// `?` turns every error into a retryable failure, unless its type, or that of one of its causes,
/// says otherwise through `#[derive(Classify)]`. That holds inside an `anyhow::Error` as well.
///
/// ```
/// use kairo::Failure;
/// # fn charge(card: &str) -> Result<(), std::io::Error> { Ok(()) }
/// fn pay(card: &str) -> Result<(), Failure> {
///     if card.is_empty() {
///         return Err(Failure::permanent("no card"));
///     }
///     charge(card)?; // retryable
///     Ok(())
/// }
/// # pay("4242").unwrap();
/// ```
pub struct Failure {
    class: Class,
    error: BoxError,
}

impl Failure {
    /// Trying again cannot help: the event becomes a dead letter at once.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self { class: Class::Permanent, error: error.into() }
    }

    /// Trying again may help.
    pub fn retryable(error: impl Into<BoxError>) -> Self {
        Self { class: Class::Retryable, error: error.into() }
    }

    /// Asks the error, and the errors that caused it, for their class.
    #[must_use]
    pub fn classified(error: BoxError) -> Self {
        let class = class_of(&*error);
        Self { class, error }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The error itself.
    #[must_use]
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.error
    }

    /// The error itself, to keep.
    pub(crate) fn into_error(self) -> BoxError {
        self.error
    }

    /// The error and all that caused it, outermost first.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        let first: &(dyn StdError + 'static) = &*self.error;
        causes(first).map(ToString::to_string).collect()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("class", &self.class).field("error", &self.error).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::classified(error.into())
    }
}

/// What can be the error of a handler: a [`Failure`], or anything that `Box<dyn Error>` accepts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler, a step or a stage",
    label = "`{Self}` is not an error type",
    note = "use `kairo::Failure`, `anyhow::Error`, or a type of your own that implements `std::error::Error`"
)]
pub trait IntoFailure {
    /// Makes a failure of it.
    fn into_failure(self) -> Failure;
}

#[diagnostic::do_not_recommend]
impl IntoFailure for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError> + 'static> IntoFailure for E {
    fn into_failure(self) -> Failure {
        // Once boxed, an `anyhow::Error` no longer shows the types that it holds.
        match (&self as &dyn Any).downcast_ref::<anyhow::Error>().map(classify_anyhow) {
            Some(class) => Failure { class, error: self.into() },
            None => Failure::classified(self.into()),
        }
    }
}

/// An error type that knows its class; `#[derive(Classify)]` implements it.
pub trait Classify: 'static {
    /// The class of this error.
    fn class(&self) -> Class;
}

/// Finds one error type inside a boxed one; `#[derive(Classify)]` registers it.
#[derive(Debug)]
pub struct Classifier {
    /// The class, if the error is of the type that this classifier knows.
    pub class: fn(&(dyn StdError + 'static)) -> Option<Class>,
    /// The class, if a context that was added to the error is of that type.
    pub class_of_context: fn(&anyhow::Error) -> Option<Class>,
}

inventory::collect!(Classifier);

/// An error type that a boxed error can be asked for.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error type, so no handler can fail with it",
    label = "does not implement `std::error::Error`",
    note = "derive `thiserror::Error` for it, or write `impl std::error::Error for {Self} {{}}`; what it holds must be `Send` and `Sync`"
)]
pub trait Classified {
    /// The class, if the error is of this type.
    fn class_of(error: &(dyn StdError + 'static)) -> Option<Class>;

    /// The class, if a context of the error is of this type.
    fn class_of_context(error: &anyhow::Error) -> Option<Class>;
}

#[diagnostic::do_not_recommend]
impl<E: Classify + StdError + Send + Sync> Classified for E {
    fn class_of(error: &(dyn StdError + 'static)) -> Option<Class> {
        error.downcast_ref::<E>().map(Classify::class)
    }

    fn class_of_context(error: &anyhow::Error) -> Option<Class> {
        let found = error.downcast_ref::<E>()?;
        // The chain shows causes by their types, but contexts under a type of anyhow's own.
        let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<E>());
        (!causes.any(|cause| std::ptr::eq(cause, found))).then(|| found.class())
    }
}

/// An error and all that caused it, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}

/// The class of an error, by its type or that of one of its causes.
pub(crate) fn class_of(error: &(dyn StdError + 'static)) -> Class {
    stated(causes(error)).unwrap_or(Class::Retryable)
}

/// The class that the first of these errors to have one states.
fn stated<'a>(mut errors: impl Iterator<Item = &'a (dyn StdError + 'static)>) -> Option<Class> {
    errors.find_map(|error| match error.downcast_ref::<Error>() {
        Some(Error::Conflict { .. } | Error::DocumentMoved { .. }) => Some(Class::Conflict),
        // What was wrong about the call is as wrong the next time.
        Some(
            Error::Misuse(_)
            | Error::Invalid { .. }
            | Error::Encode { .. }
            | Error::PayloadTooLarge { .. }
            | Error::Tombstone { .. }
            | Error::Decode(_),
        ) => Some(Class::Permanent),
        _ => inventory::iter::<Classifier>.into_iter().find_map(|known| (known.class)(error)),
    })
}

/// The class of what `anyhow` holds: of a context that has one, or else of the nearest cause.
fn classify_anyhow(error: &anyhow::Error) -> Class {
    inventory::iter::<Classifier>
        .into_iter()
        .find_map(|known| (known.class_of_context)(error))
        .or_else(|| stated(error.chain()))
        .unwrap_or(Class::Retryable)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error, crate::Classify)]
    enum CardError {
        #[error("the card has expired")]
        #[permanent]
        Expired,
        #[error("the bank is busy")]
        Busy,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no payment")]
    struct PaymentError(#[from] CardError);

    #[track_caller]
    fn check(error: impl IntoFailure, class: Class, chain: &[&str]) {
        let failure = error.into_failure();
        assert_eq!(failure.class(), class);
        assert_eq!(failure.chain(), chain);
    }

    #[test]
    fn an_error_keeps_its_class_inside_anyhow() {
        check(anyhow::Error::new(CardError::Expired), Class::Permanent, &["the card has expired"]);
        check(anyhow::Error::new(CardError::Busy), Class::Retryable, &["the bank is busy"]);
        let cause = anyhow::Error::new(PaymentError(CardError::Expired));
        check(cause, Class::Permanent, &["no payment", "the card has expired"]);
        check(anyhow::anyhow!("unknown"), Class::Retryable, &["unknown"]);
    }

    #[test]
    fn a_context_hides_no_class_and_no_cause() {
        let error = Err::<(), _>(CardError::Expired).context("order 7").context("the shop");
        let texts = ["the shop", "order 7", "the card has expired"];
        check(error.unwrap_err(), Class::Permanent, &texts);
        let misuse = Error::Misuse("not here");
        check(anyhow::Error::new(misuse).context("a"), Class::Permanent, &["a", "not here"]);
    }

    #[test]
    fn a_context_can_state_the_class() {
        let error = anyhow::anyhow!("402").context(CardError::Expired).context("order 7");
        check(error, Class::Permanent, &["order 7", "the card has expired", "402"]);
        let error = anyhow::Error::new(CardError::Busy).context(CardError::Expired);
        check(error, Class::Permanent, &["the card has expired", "the bank is busy"]);
    }

    #[test]
    fn the_boxed_and_the_bare_error_have_the_same_class() {
        check(CardError::Expired, Class::Permanent, &["the card has expired"]);
        check(BoxError::from(CardError::Expired), Class::Permanent, &["the card has expired"]);
    }
}
