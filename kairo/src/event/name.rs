//! Names of events and streams: what is allowed, and one cheap type for each.

use std::{borrow::Borrow, fmt, sync::Arc};

use super::registered;
use crate::error::{Error, Result};

/// The longest name of an event or pattern, in bytes.
pub const EVENT_NAME_MAX: usize = 200;

/// The longest name of a stream, in bytes.
pub const STREAM_NAME_MAX: usize = 255;

/// A string that is either in the binary or shared: cloning it never allocates.
#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// A stable, dotted name such as `user.created`.
///
/// Segments of lower-case letters, digits, `-` and `_` are joined by single dots; at most
/// [`EVENT_NAME_MAX`] bytes.
///
/// ```
/// use kairo::EventName;
/// assert_eq!(EventName::new("order.payment-failed")?.as_str(), "order.payment-failed");
/// assert_eq!(
///     EventName::new("User Created").unwrap_err().to_string(),
///     "event name `User Created` is not valid: it contains 'U'; use lower-case letters, digits, \
///      `-` and `_` between single dots"
/// );
/// # Ok::<(), kairo::Error>(())
/// ```
#[derive(Clone)]
pub struct EventName(Text);

impl EventName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the name does not have the form above.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        check_segments("event name", name, |segment| check_segment("event name", name, segment))?;
        Ok(Self(Text::Shared(name.into())))
    }

    /// A name that a macro has checked at compile time.
    #[must_use]
    pub(crate) const fn checked(name: &'static str) -> Self {
        Self(Text::Static(name))
    }

    /// A name that comes out of a store, where only checked names go in. Where an event of this binary
    /// has it, it is that one's text, whose copies nobody counts.
    #[must_use]
    pub(crate) fn stored(name: &str) -> Self {
        match registered(name) {
            Some(entry) => Self::checked(entry.name),
            None => Self(Text::Shared(name.into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What stands before the first dot: `user` in `user.created`.
    #[must_use]
    pub fn first_segment(&self) -> &str {
        first_segment(self.as_str())
    }
}

/// What stands before the first dot.
pub(crate) fn first_segment(name: &str) -> &str {
    name.split_once('.').map_or(name, |(first, _)| first)
}

/// Splits at dots and checks each segment.
pub(crate) fn check_segments(
    what: &'static str,
    name: &str,
    mut check: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    if name.is_empty() || EVENT_NAME_MAX < name.len() {
        let allowed = format!("it has {} bytes; use 1 to {EVENT_NAME_MAX}", name.len());
        return Err(Error::invalid(what, name, allowed));
    }
    name.split('.').try_for_each(&mut check)
}

/// A segment must have something in it, and only the allowed characters.
pub(crate) fn check_segment(what: &'static str, name: &str, segment: &str) -> Result<()> {
    const ALLOWED: &str = "use lower-case letters, digits, `-` and `_` between single dots";
    if segment.is_empty() {
        return Err(Error::invalid(what, name, format!("it has an empty segment; {ALLOWED}")));
    }
    let odd = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    match segment.chars().find(odd) {
        Some(c) => Err(Error::invalid(what, name, format!("it contains {c:?}; {ALLOWED}"))),
        None => Ok(()),
    }
}

/// The name of a stream, such as `user-123`: any text of 1 to [`STREAM_NAME_MAX`] bytes without
/// control characters.
#[derive(Clone)]
pub struct StreamName(Text);

impl StreamName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is empty, too long, or has control characters.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || STREAM_NAME_MAX < name.len() {
            let allowed = format!("it has {} bytes; use 1 to {STREAM_NAME_MAX}", name.len());
            return Err(Error::invalid("stream name", &*name, allowed));
        }
        if let Some(c) = name.chars().find(|c| c.is_control()) {
            let allowed = format!("it contains the control character {c:?}");
            return Err(Error::invalid("stream name", name.escape_debug().to_string(), allowed));
        }
        Ok(Self(Text::Shared(name)))
    }

    /// A name that comes out of a store, where only checked names go in.
    #[must_use]
    pub(crate) fn stored(name: &str) -> Self {
        Self(Text::Shared(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

text!(EventName);
text!(StreamName);
