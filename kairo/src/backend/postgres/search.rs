//! What is looked for among documents, in SQL.
//!
//! A field is `nullif(body->'field', 'null'::jsonb)` wherever it is named, in indexes too, so that
//! `null` and what is not there are NULL. It is compared as `jsonb`: numbers by value, and texts as
//! the database's collation orders them.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    changes::{NO_NUL, has_nul},
    tables::Statement,
};
use crate::{
    documents::{
        Condition, Cursor, FOUND_MAX, Order, Query,
        query::{Part, parts},
    },
    error::{Error, Result},
    store::Direction,
};

/// A value that a statement is given.
#[derive(Debug, PartialEq)]
enum Given {
    Text(String),
    Texts(Vec<String>),
    Count(i64),
}

/// What stands behind a statement's `FROM`, and the values in it.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) text: String,
    values: Vec<Given>,
}

impl Search {
    /// The documents that a query finds.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that the server does not have.
    pub(super) fn of_query(query: &Query) -> Result<Self> {
        let mut search = Self::of_condition(&query.condition)?;
        if let Some(after) = &query.after {
            search.push(" AND (");
            search.behind(query, after);
            search.push(")");
        }
        search.push(" ORDER BY ");
        for order in &query.order {
            search.push(&field(order.field));
            search.push(match order.direction {
                Direction::Forwards => " NULLS FIRST, ",
                Direction::Backwards => " DESC NULLS LAST, ",
            });
        }
        search.push("id LIMIT ");
        let limit = i64::try_from(query.limit.min(FOUND_MAX)).unwrap_or_default();
        search.give(Given::Count(limit), "");
        search.checked()
    }

    /// The documents that match.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that the server does not have.
    pub(super) fn of_condition(condition: &Condition) -> Result<Self> {
        let mut search = Self::default();
        search.push(" WHERE ");
        search.condition(condition);
        search.checked()
    }

    fn checked(self) -> Result<Self> {
        let has_nul = |text: &String| {
            text.contains('\0')
                || text.contains(r"\u0000")
                    && serde_json::from_str(text).is_ok_and(|value| has_nul(&value))
        };
        let is_refused = |value: &Given| match value {
            Given::Text(text) => has_nul(text),
            Given::Texts(texts) => texts.iter().any(has_nul),
            Given::Count(_) => false,
        };
        if self.text.contains('\0') || self.values.iter().any(is_refused) {
            return Err(Error::invalid("condition", "\\0", NO_NUL));
        }
        Ok(self)
    }

    /// Binds the values.
    pub(super) fn bind(&self, statement: Statement) -> Statement {
        self.values.iter().fold(statement, |statement, value| match value {
            Given::Text(text) => statement.bind(text.clone()),
            Given::Texts(texts) => statement.bind(texts.clone()),
            Given::Count(count) => statement.bind(*count),
        })
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn give(&mut self, value: Given, cast: &str) {
        self.values.push(value);
        // Writing to a text cannot fail.
        let _ = write!(self.text, "${}{cast}", self.values.len());
    }

    fn give_json(&mut self, value: &Value) {
        self.give(Given::Text(value.to_string()), "::text::jsonb");
    }

    fn condition(&mut self, condition: &Condition) {
        self.push("(");
        match condition {
            Condition::All | Condition::Ne(_, Value::Null) => self.push("true"),
            Condition::Eq(name, value) => self.compare(name, " = ", value),
            Condition::Ne(name, value) => {
                self.push(&field(name));
                self.push(" IS DISTINCT FROM ");
                self.give_json(value);
            }
            Condition::Lt(name, value) => self.range(name, " < ", value),
            Condition::Le(name, value) => self.range(name, " <= ", value),
            Condition::Gt(name, value) => self.range(name, " > ", value),
            Condition::Ge(name, value) => self.range(name, " >= ", value),
            Condition::In(name, values) => self.one_of(name, values),
            Condition::Like(name, form) => {
                let literal = literal(name);
                let _ = write!(
                    self.text,
                    "jsonb_typeof(body->{literal}) = 'string' AND body->>{literal} LIKE "
                );
                self.give(Given::Text(like(form)), "::text");
            }
            Condition::IsNull(name) => {
                self.push(&field(name));
                self.push(" IS NULL");
            }
            Condition::And(all) => self.list(all, " AND ", "true"),
            Condition::Or(any) => self.list(any, " OR ", "false"),
            Condition::Not(condition) => {
                self.condition(condition);
                self.push(" IS NOT TRUE");
            }
        }
        self.push(")");
    }

    fn list(&mut self, conditions: &[Condition], between: &str, of_none: &str) {
        for (index, condition) in conditions.iter().enumerate() {
            if 0 < index {
                self.push(between);
            }
            self.condition(condition);
        }
        if conditions.is_empty() {
            self.push(of_none);
        }
    }

    fn compare(&mut self, name: &str, operator: &str, value: &Value) {
        if value.is_null() {
            return self.push("false");
        }
        self.push(&field(name));
        self.push(operator);
        self.give_json(value);
    }

    /// Of one value an index knows the order by id as well.
    fn one_of(&mut self, name: &str, values: &[Value]) {
        if let [value] = values {
            return self.compare(name, " = ", value);
        }
        let texts = values.iter().filter(|value| !value.is_null()).map(Value::to_string);
        self.push(&field(name));
        self.push(" = ANY (");
        self.give(Given::Texts(texts.collect()), "::text[]::jsonb[])");
    }

    /// Kinds follow each other in the order of `jsonb`, so a range must be kept to one of them.
    fn range(&mut self, name: &str, operator: &str, value: &Value) {
        self.compare(name, operator, value);
        if !value.is_null() {
            let (literal, kind) = (literal(name), kind(value));
            let _ = write!(self.text, " AND jsonb_typeof(body->{literal}) = '{kind}'");
        }
    }

    /// What lies behind a cursor: behind it by the first field, or like it there and behind it by the
    /// next one, and at last by id.
    fn behind(&mut self, query: &Query, after: &Cursor) {
        let places: Vec<_> = query.order.iter().zip(&after.values).collect();
        // An index can begin here.
        if let Some((order, value)) = places.first()
            && order.direction == Direction::Forwards
            && !value.is_null()
        {
            self.compare(order.field, " >= ", value);
            self.push(" AND (");
        } else {
            self.push("(");
        }
        for (index, (order, value)) in places.iter().enumerate() {
            self.like_there(&places[..index]);
            self.further(order.field, order.direction, value);
            self.push(" OR ");
        }
        self.like_there(&places);
        self.push("id > ");
        self.give(Given::Text(after.id.clone()), "::text");
        self.push(")");
    }

    fn like_there(&mut self, places: &[(&Order, &Value)]) {
        for (order, value) in places {
            if value.is_null() {
                self.push(&field(order.field));
                self.push(" IS NULL AND ");
            } else {
                self.compare(order.field, " = ", value);
                self.push(" AND ");
            }
        }
    }

    fn further(&mut self, name: &str, direction: Direction, value: &Value) {
        match (direction, value.is_null()) {
            (Direction::Forwards, true) => {
                self.push(&field(name));
                self.push(" IS NOT NULL");
            }
            (Direction::Forwards, false) => self.compare(name, " > ", value),
            (Direction::Backwards, true) => self.push("false"),
            (Direction::Backwards, false) => {
                self.push("(");
                self.compare(name, " < ", value);
                self.push(" OR ");
                self.push(&field(name));
                self.push(" IS NULL)");
            }
        }
    }
}

/// The value of a field.
pub(super) fn field(name: &str) -> String {
    format!("nullif(body->{}, 'null'::jsonb)", literal(name))
}

/// A text as SQL has it, whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        return format!("E'{}'", quoted.replace('\\', "\\\\"));
    }
    format!("'{quoted}'")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The same form with a `\` before a character only that needs it: the server takes none at the end.
fn like(form: &str) -> String {
    let mut text = String::with_capacity(form.len());
    for part in parts(form) {
        match part {
            Part::Any => text.push('%'),
            Part::One => text.push('_'),
            Part::Just(character) => {
                if matches!(character, '%' | '_' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(condition: &Condition, expected: &str) {
        assert_eq!(Search::of_condition(condition).unwrap().text, format!(" WHERE {expected}"));
    }

    #[test]
    fn names_of_fields_are_quoted() {
        check(&Condition::IsNull("it's"), "(nullif(body->'it''s', 'null'::jsonb) IS NULL)");
        check(&Condition::IsNull("a\\'"), "(nullif(body->E'a\\\\''', 'null'::jsonb) IS NULL)");
    }

    #[test]
    fn what_is_unknown_does_not_hold() {
        check(
            &Condition::Not(Box::new(Condition::Eq("a", json!(1)))),
            "((nullif(body->'a', 'null'::jsonb) = $1::text::jsonb) IS NOT TRUE)",
        );
        check(&Condition::Eq("a", Value::Null), "(false)");
        check(&Condition::In("a", vec![Value::Null]), "(false)");
        check(&Condition::Ne("a", Value::Null), "(true)");
        check(&Condition::And(Vec::new()), "(true)");
        check(&Condition::Or(Vec::new()), "(false)");
    }

    #[test]
    fn a_text_that_the_server_does_not_have_is_refused() {
        for condition in [Condition::Eq("a", json!("\0")), Condition::Like("a", "\0".into())] {
            assert!(matches!(Search::of_condition(&condition), Err(Error::Invalid { .. })));
        }
        assert!(Search::of_condition(&Condition::Eq("a", json!("\\u0000"))).is_ok());
    }

    #[test]
    fn a_form_ends_with_no_escape() {
        assert_eq!(like("a\\"), "a\\\\");
        assert_eq!(like("\\%\\a%_"), "\\%a%_");
    }

    #[test]
    fn a_page_begins_where_an_index_can() {
        let order = vec![Order { field: "a", direction: Direction::Forwards }];
        let after = Some(Cursor { values: vec![json!(1)], id: "x".into() });
        let query = Query { condition: Condition::All, order, limit: 7, after };
        assert_eq!(
            Search::of_query(&query).unwrap().text,
            " WHERE (true) AND (nullif(body->'a', 'null'::jsonb) >= $1::text::jsonb AND \
             (nullif(body->'a', 'null'::jsonb) > $2::text::jsonb OR \
             nullif(body->'a', 'null'::jsonb) = $3::text::jsonb AND id > $4::text)) \
             ORDER BY nullif(body->'a', 'null'::jsonb) NULLS FIRST, id LIMIT $5"
        );
    }
}
