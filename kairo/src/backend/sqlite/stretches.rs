//! A query as statements: its order, and what lies behind a cursor.

use rusqlite::types::Value as Bound;
use serde_json::Value;

use super::query::{Clause, value_of};
use crate::{
    documents::{Cursor, FOUND_MAX, Order, Query},
    error::{Error, Result},
    store::Direction,
};

/// A query as statements: what each of them finds comes behind all that those before it find.
///
/// Behind a cursor lies what has its first values and then a greater one. Asked for one by one, each
/// is a stretch of an index; asked for at once, they would be a walk through all of it.
#[derive(Debug)]
pub(super) struct Stretches {
    /// What each of them asks for; never empty.
    pub(super) clauses: Vec<Clause>,
    /// Their order, as SQL.
    pub(super) order: String,
    /// The most documents that all of them together return.
    pub(super) limit: usize,
}

impl Stretches {
    /// # Errors
    /// [`Error::Invalid`] for the name of a field, a form, or a cursor that cannot be.
    pub(super) fn of(query: &Query) -> Result<Self> {
        let clauses = match &query.after {
            None => vec![Clause::of(&query.condition)?],
            Some(after) => behind(query, after)?,
        };
        let mut order = String::new();
        for Order { field, direction } in &query.order {
            let word = match direction {
                Direction::Forwards => "",
                Direction::Backwards => " DESC",
            };
            order.extend([value_of(field)?.as_str(), word, ", "]);
        }
        order.push_str("id");
        Ok(Self { clauses, order, limit: query.limit.min(FOUND_MAX) })
    }
}

fn behind(query: &Query, after: &Cursor) -> Result<Vec<Clause>> {
    if query.order.len() != after.values.len() {
        let allowed = format!("a value for each of {} fields", query.order.len());
        return Err(Error::invalid("cursor", after.id.as_str(), allowed));
    }
    let mut same_id = stretch(query, after, query.order.len())?;
    same_id.add(" AND id > ?");
    same_id.values.push(Bound::Text(after.id.clone()));
    let mut clauses = vec![same_id];
    for (depth, order) in query.order.iter().enumerate().rev() {
        let (left, value) = (value_of(order.field)?, &after.values[depth]);
        let mut add = |with: &str, value: Option<&Value>| -> Result {
            let mut clause = stretch(query, after, depth)?;
            clause.add(&format!(" AND {left} {with}"));
            if let Some(value) = value {
                clause.bind(value);
            }
            clauses.push(clause);
            Ok(())
        };
        match (order.direction, value) {
            (Direction::Forwards, Value::Null) => add("IS NOT NULL", None)?,
            (Direction::Forwards, value) => add("> ", Some(value))?,
            (Direction::Backwards, Value::Null) => {}
            (Direction::Backwards, value) => {
                add("< ", Some(value))?;
                add("IS NULL", None)?;
            }
        }
    }
    Ok(clauses)
}

/// What matches and has the first `depth` values of the cursor.
fn stretch(query: &Query, after: &Cursor, depth: usize) -> Result<Clause> {
    let mut clause = Clause::default();
    clause.add("(");
    clause.put(&query.condition)?;
    clause.add(")");
    for (order, value) in query.order.iter().zip(&after.values).take(depth) {
        let left = value_of(order.field)?;
        if value.is_null() {
            clause.add(&format!(" AND {left} IS NULL"));
        } else {
            clause.add(&format!(" AND {left} = "));
            clause.bind(value);
        }
    }
    Ok(clause)
}
