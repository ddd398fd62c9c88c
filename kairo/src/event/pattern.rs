//! Which events a subscription wants: one name, a pattern over names, or a regular expression.

use std::{borrow::Cow, fmt};

use regex_lite::Regex;

use super::name::{check_segment, check_segments};
use crate::error::{Error, Result};

/// Whether `pattern` matches `name`: `*` stands for one segment, `**` (last) for any number.
///
/// Both are taken to be well formed. A `const fn`, so that the compiler can compare a handler's
/// pattern with its typed event enum.
#[must_use]
pub const fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    loop {
        if p == pattern.len() {
            return n == name.len();
        }
        if pattern[p] == b'*' {
            if p + 1 < pattern.len() && pattern[p + 1] == b'*' {
                return true;
            }
            if n == name.len() || name[n] == b'.' {
                return false;
            }
            while n < name.len() && name[n] != b'.' {
                n += 1;
            }
            p += 1;
        } else if n < name.len() && pattern[p] == name[n] {
            p += 1;
            n += 1;
        } else {
            // `user.**` also matches `user`: any number of segments includes none.
            return n == name.len()
                && pattern.len() == p + 3
                && pattern[p] == b'.'
                && pattern[p + 1] == b'*'
                && pattern[p + 2] == b'*';
        }
    }
}

/// What a subscription listens to.
#[derive(Clone, Debug)]
pub enum Interest {
    /// One event by its name.
    Name(&'static str),
    /// Several events by their names.
    Names(&'static [&'static str]),
    /// Every event whose name matches a pattern of `*` (one segment) and `**` (any number, last).
    Pattern(Cow<'static, str>),
    /// Every event whose whole name matches a regular expression.
    Regex(NameRegex),
}

impl Interest {
    /// Whether an event of this name is wanted.
    ///
    /// Kairo's own `kairo.*` events are wanted only where the interest spells that segment out.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => *wanted == name,
            Self::Names(wanted) => wanted.contains(&name),
            Self::Pattern(pattern) => {
                (!name.starts_with("kairo.") || pattern.starts_with("kairo."))
                    && matches(pattern, name)
            }
            Self::Regex(regex) => {
                (!name.starts_with("kairo.") || regex.source.contains("kairo"))
                    && regex.regex.is_match(name)
            }
        }
    }
}

impl fmt::Display for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Pattern(pattern) => f.write_str(pattern),
            Self::Names(names) => f.write_str(&names.join(", ")),
            Self::Regex(regex) => write!(f, "/{}/", regex.source),
        }
    }
}

/// A regular expression over whole event names.
#[derive(Clone, Debug)]
pub struct NameRegex {
    source: String,
    regex: Regex,
}

impl NameRegex {
    /// Compiles an expression; it is anchored at both ends.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not a regular expression.
    pub fn new(source: &str) -> Result<Self> {
        Regex::new(&format!("^(?:{source})$"))
            .map(|regex| Self { source: source.to_owned(), regex })
            .map_err(|error| Error::invalid("regular expression", source, error.to_string()))
    }
}

/// Checks the form of a pattern.
///
/// # Errors
/// [`Error::Invalid`] when a segment is empty, mixes `*` with text, or follows `**`.
pub fn check_pattern(pattern: &str) -> Result<()> {
    const WHAT: &str = "event pattern";
    let mut open = false;
    check_segments(WHAT, pattern, |segment| {
        if open {
            let allowed = "`**` must be the last segment: it stands for all the remaining ones";
            return Err(Error::invalid(WHAT, pattern, allowed));
        }
        match segment {
            "*" => Ok(()),
            "**" => {
                open = true;
                Ok(())
            }
            mixed if mixed.contains('*') => {
                let allowed = format!(
                    "the segment `{mixed}` mixes `*` with text; `*` stands for one whole segment \
                     and `**` for all the remaining ones"
                );
                Err(Error::invalid(WHAT, pattern, allowed))
            }
            plain => check_segment(WHAT, pattern, plain),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &'static str, name: &str, expected: bool) {
        assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_any_number() {
        check("user.*", "user.created", true);
        check("user.*", "user.name.changed", false);
        check("user.*", "user", false);
        check("*.created", "user.created", true);
        check("user.**", "user.name.changed", true);
        check("user.**", "user", true);
        check("user.**", "users", false);
        check("**", "anything.at.all", true);
        check("user.created", "user.created", true);
        check("user.created", "user.createdx", false);
    }

    #[test]
    fn own_events_are_wanted_only_by_name() {
        assert!(!Interest::Pattern("**".into()).wants("kairo.dead-letter.created"));
        assert!(Interest::Pattern("kairo.**".into()).wants("kairo.dead-letter.created"));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in ["", "user..", "**.x", "us*", "User.*", ".a"] {
            assert!(check_pattern(bad).is_err(), "{bad}");
        }
        for good in ["*", "**", "user.*", "*.created", "a.*.b", "a.**"] {
            assert!(check_pattern(good).is_ok(), "{good}");
        }
    }
}
