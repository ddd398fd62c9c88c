//! Where a page of a query ended, as a text that can be handed out.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    documents::{Collection, Cursor, Order},
    error::{Error, Result},
    store::Direction,
};

/// The longest text of a cursor, in bytes.
const TEXT_MAX: usize = 64 * 1024;

/// Where a page ended, for the page behind it: `Display` writes it as a text of digits and letters,
/// `FromStr` and serde read that again. It holds the values of the fields that order the query, which
/// is no secret to whoever is given it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PageCursor {
    /// Which query it belongs to.
    query: String,
    values: Vec<Value>,
    id: String,
}

/// The parts of a cursor, as they are written.
type Parts = (String, Vec<Value>, String);

impl PageCursor {
    /// Where a query goes on behind the document with this id and these fields.
    pub(super) fn behind(
        collection: &Collection,
        order: &[Order],
        id: String,
        fields: &Value,
    ) -> Self {
        let values = order.iter().map(|order| fields[order.field].clone()).collect();
        Self { query: name_of(collection, order), values, id }
    }

    /// The place in a query, if it is a place in this one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it comes from a query of another order or collection.
    pub(super) fn place_in(self, collection: &Collection, order: &[Order]) -> Result<Cursor> {
        if self.query == name_of(collection, order) && self.values.len() == order.len() {
            return Ok(Cursor { values: self.values, id: self.id });
        }
        let allowed =
            "it comes from a query of another order; use one of this query, or begin anew";
        Err(Error::invalid("cursor", self.to_string(), allowed))
    }
}

/// What tells queries apart whose cursors do not fit each other.
fn name_of(collection: &Collection, order: &[Order]) -> String {
    let mut name = collection.name.to_owned();
    for Order { field, direction } in order {
        let sign = match direction {
            Direction::Forwards => '+',
            Direction::Backwards => '-',
        };
        name.push(sign);
        name.push_str(field);
    }
    name
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = serde_json::to_vec(&(&self.query, &self.values, &self.id));
        parts.map_err(|_| fmt::Error)?.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PageCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("cursor", text, "use one that a page has returned");
        if TEXT_MAX < text.len() || !text.is_ascii() {
            return Err(wrong());
        }
        let digits = text.as_bytes().chunks(2).map(|pair| {
            let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Option<Vec<u8>> = digits.collect();
        let parts: Option<Parts> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (query, values, id) = parts.ok_or_else(wrong)?;
        Ok(Self { query, values, id })
    }
}

impl From<PageCursor> for String {
    fn from(cursor: PageCursor) -> Self {
        cursor.to_string()
    }
}

impl TryFrom<String> for PageCursor {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USERS: Collection = Collection { name: "users", table: "users", indexes: &[] };
    const BY_AGE: &[Order] = &[Order { field: "age", direction: Direction::Backwards }];

    fn cursor() -> PageCursor {
        PageCursor::behind(&USERS, BY_AGE, "ada".to_owned(), &json!({ "age": 36 }))
    }

    #[test]
    fn a_cursor_is_a_text_and_comes_back_from_it() {
        assert_eq!(cursor().to_string().parse::<PageCursor>().unwrap(), cursor());
        let json = serde_json::to_string(&cursor()).unwrap();
        assert_eq!(serde_json::from_str::<PageCursor>(&json).unwrap(), cursor());
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused() {
        for text in ["", "7", "zz", "5b5d", "+1", "ü"] {
            let error = text.parse::<PageCursor>().unwrap_err();
            assert!(error.to_string().starts_with("cursor `"), "{text}: {error}");
        }
    }

    #[test]
    fn a_cursor_fits_queries_of_its_order_only() {
        assert_eq!(cursor().place_in(&USERS, BY_AGE).unwrap().values, [json!(36)]);
        assert!(cursor().place_in(&USERS, &[]).is_err());
        let others = Collection { name: "others", ..USERS };
        assert!(cursor().place_in(&others, BY_AGE).is_err());
    }
}
