//! The URLs of stores, `scheme:place?option=value`.

use crate::{
    error::{Error, Result, shortened},
    nearest::nearest,
};

const WHAT: &str = "store URL";

/// A store's URL in its parts; what they mean is the back end's to say.
#[derive(Clone, Debug)]
pub(super) struct StoreUrl {
    scheme: String,
    /// `//` where it is written so.
    slashes: &'static str,
    place: String,
    options: Vec<(String, String)>,
}

impl StoreUrl {
    /// Splits a URL.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it has no scheme, or an option without a value, or one twice.
    pub(super) fn parse(text: &str) -> Result<Self> {
        const FORM: &str = "write a scheme and a place, such as `memory:` or `sqlite://shop.db`";
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| Error::invalid(WHAT, redacted(text), FORM))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (slashes, place) = place.strip_prefix("//").map_or(("", place), |place| ("//", place));
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            slashes,
            place: place.to_owned(),
            options: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            url.add_option(pair)?;
        }
        Ok(url)
    }

    fn add_option(&mut self, pair: &str) -> Result {
        let Some((name, value)) = pair.split_once('=') else {
            let allowed = format!("the option `{pair}` has no value; write `{pair}=..`");
            return Err(self.invalid(allowed));
        };
        if self.options.iter().any(|(known, _)| known == name) {
            return Err(self.invalid(format!("it has the option `{name}` twice")));
        }
        self.options.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// What stands before the first colon, in lower case.
    pub(super) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between the scheme and the options, without leading `//`.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The values of the options `known`; there must be no others.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first unknown option, and the nearest known one.
    pub(super) fn options<const N: usize>(&self, known: [&str; N]) -> Result<[Option<&str>; N]> {
        match self.options.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(known.map(|name| self.option(name))),
            Some((name, _)) => {
                let scheme = &self.scheme;
                let have = match known.as_slice() {
                    [] => format!("`{scheme}:` has no options"),
                    known => format!("`{scheme}:` has {}", quoted(known, "")),
                };
                let (hint, name) = (hint(name, &known), shortened(name.clone()));
                Err(self.invalid(format!("there is no option `{name}`{hint}; {have}")))
            }
        }
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// An error about this URL.
    pub(super) fn invalid(&self, allowed: impl Into<String>) -> Error {
        Error::invalid(WHAT, self.shown(), allowed)
    }

    /// The URL without options and without a user's name and password.
    pub(super) fn shown(&self) -> String {
        redacted(&format!("{}:{}{}", self.scheme, self.slashes, self.place))
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// What may be shown of a URL: it may hold a password, in front of an `@` or among the options.
fn redacted(text: &str) -> String {
    let text = text.split_once('?').map_or(text, |(shown, _)| shown);
    match (text.split_once(':'), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => text.to_owned(),
    }
}

/// A list of values for a message, each followed by `suffix`.
pub(super) fn quoted(values: &[&str], suffix: &str) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("`{value}{suffix}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// `` (did you mean `..`?)`` where a known value is near.
pub(super) fn hint(value: &str, known: &[&str]) -> String {
    let near = nearest(value, known.iter().copied());
    near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, scheme: &str, place: &str) {
        let url = StoreUrl::parse(text).unwrap();
        assert_eq!((url.scheme(), url.place()), (scheme, place));
    }

    #[test]
    fn a_url_is_a_scheme_and_a_place() {
        check("memory:", "memory", "");
        check("sqlite://shop.db", "sqlite", "shop.db");
        check("sqlite:///var/shop.db", "sqlite", "/var/shop.db");
        check("sqlite:shop.db?synchronous=full", "sqlite", "shop.db");
    }

    #[test]
    fn malformed_urls_are_refused() {
        for bad in ["", "shop.db", ":x", "1a:", "/var/a:b", "sqlite:x?y", "sqlite:x?y=1&y=2"] {
            assert!(StoreUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_option_names_the_nearest() {
        let url = StoreUrl::parse("sqlite:x?synchronos=full").unwrap();
        let error = url.options(["synchronous"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `synchronous`?"), "{error}");
    }

    #[test]
    fn a_list_is_one_for_people() {
        let lists = [&["a"][..], &["a", "b"], &["a", "b", "c"]].map(|list| quoted(list, ":"));
        assert_eq!(lists, ["`a:`", "`a:` and `b:`", "`a:`, `b:` and `c:`"]);
    }

    #[test]
    fn a_url_is_shown_as_it_was_written() {
        for url in ["memory:", "sqlite:shop.db", "sqlite:///var/shop.db", "redis://db:1/0"] {
            assert_eq!(StoreUrl::parse(url).unwrap().shown(), url);
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let url = StoreUrl::parse("postgres://ada:secret@db/shop?password=secret").unwrap();
        assert_eq!(url.shown(), "postgres://…@db/shop");
    }
}
