//! Conditions as SQL, with every value bound.
//!
//! The terms are those of the indexes, so that these are used. `json_extract` makes numbers of
//! booleans and texts of lists and objects, so a term asks for the kind as well where one could be
//! taken for the other.

use rusqlite::types::Value as Bound;
use serde_json::{Number, Value};

use crate::{
    documents::{
        Condition,
        query::{Part, parts},
    },
    error::{Error, Result},
};

/// The longest form that SQLite accepts, in bytes.
const FORM_MAX: usize = 50_000;

/// What comes before all other numbers, which come before all texts. Only NULL comes before it.
pub(super) const LOWEST: &str = "-9e999";

/// The text that comes before all others.
const LOWEST_TEXT: &str = "''";

/// What comes behind all texts: a blob.
const BEHIND_TEXTS: &str = "x''";

/// The value of a field, as its index has it.
///
/// # Errors
/// [`Error::Invalid`] for what cannot be the name of a field.
pub(super) fn value_of(field: &str) -> Result<String> {
    check_field(field)?;
    Ok(format!("json_extract(body, '$.{field}')"))
}

/// Refuses what cannot be the name of a field: it becomes a part of a statement.
pub(super) fn check_field(field: &str) -> Result {
    let mut bytes = field.bytes();
    let begins = bytes.next().is_some_and(|first| first == b'_' || first.is_ascii_alphabetic());
    if begins && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let allowed = "letters, digits and `_`, and no digit in front";
    Err(Error::invalid("field", field, allowed))
}

/// A value as SQLite compares it with that of a field.
pub(super) fn bound(value: &Value) -> Bound {
    match value {
        Value::Null => Bound::Null,
        Value::Bool(value) => Bound::Integer(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Bound::Integer(whole),
            (None, Some(float)) => Bound::Real(float),
            (None, None) => Bound::Null,
        },
        Value::String(text) => Bound::Text(text.clone()),
        list @ (Value::Array(_) | Value::Object(_)) => Bound::Text(list.to_string()),
    }
}

/// A part of a statement, and the values of its parameters.
#[derive(Debug, Default)]
pub(super) struct Clause {
    pub(super) sql: String,
    pub(super) values: Vec<Bound>,
}

impl Clause {
    /// What a condition asks of a row.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the name of a field, or a form, that cannot be.
    pub(super) fn of(condition: &Condition) -> Result<Self> {
        let mut clause = Self::default();
        clause.put(condition)?;
        Ok(clause)
    }

    pub(super) fn put(&mut self, condition: &Condition) -> Result {
        match condition {
            Condition::All => self.add("TRUE"),
            Condition::Eq(field, value) => return self.put_equal(field, value),
            Condition::Ne(field, value) => {
                self.add("(");
                self.put_equal(field, value)?;
                self.add(") IS NOT TRUE");
            }
            Condition::Lt(field, value) => return self.put_range(field, Range::Lt, value),
            Condition::Le(field, value) => return self.put_range(field, Range::Le, value),
            Condition::Gt(field, value) => return self.put_range(field, Range::Gt, value),
            Condition::Ge(field, value) => return self.put_range(field, Range::Ge, value),
            Condition::In(field, values) => return self.put_one_of(field, values),
            Condition::Like(field, form) => return self.put_like(field, form),
            Condition::IsNull(field) => self.add(&format!("{} IS NULL", value_of(field)?)),
            Condition::And(all) => return self.put_joined(all, "AND", "TRUE"),
            Condition::Or(any) => return self.put_joined(any, "OR", "FALSE"),
            Condition::Not(condition) => {
                self.add("(");
                self.put(condition)?;
                self.add(") IS NOT TRUE");
            }
        }
        Ok(())
    }

    fn put_joined(&mut self, conditions: &[Condition], word: &str, of_none: &str) -> Result {
        if conditions.is_empty() {
            self.add(of_none);
        }
        for (index, condition) in conditions.iter().enumerate() {
            if 0 < index {
                self.add(&format!(" {word} "));
            }
            self.add("(");
            self.put(condition)?;
            self.add(")");
        }
        Ok(())
    }

    fn put_equal(&mut self, field: &str, value: &Value) -> Result {
        let left = value_of(field)?;
        if let Value::Null = value {
            self.add("FALSE");
            return Ok(());
        }
        if let Value::Array(_) | Value::Object(_) = value {
            self.put_same(field, value);
            return Ok(());
        }
        self.add(&format!("{left} = "));
        self.bind(value);
        if is_ambiguous(value) {
            self.put_kind(field, value);
        }
        Ok(())
    }

    /// Lists and objects are the same when all that is in them is, at the same places.
    fn put_same(&mut self, field: &str, value: &Value) {
        let own = format!("SELECT fullkey, type, atom FROM json_tree(body -> '$.{field}')");
        let other = "SELECT fullkey, type, atom FROM json_tree(?)";
        self.add(&format!(
            "NOT EXISTS ({own} EXCEPT {other}) AND NOT EXISTS ({other} EXCEPT {own})"
        ));
        let text = value.to_string();
        self.values.extend([Bound::Text(text.clone()), Bound::Text(text)]);
        self.put_kind(field, value);
    }

    fn put_range(&mut self, field: &str, range: Range, value: &Value) -> Result {
        let left = value_of(field)?;
        match value {
            Value::Array(_) | Value::Object(_) if range.is_inclusive() => {
                self.put_same(field, value);
            }
            Value::Null | Value::Array(_) | Value::Object(_) => self.add("FALSE"),
            _ => {
                self.add(&format!("{left} {} ", range.sign()));
                self.bind(value);
                // With both ends, SQLite expects few and uses the index.
                let other_end = match (value.is_string(), range.is_upwards()) {
                    (false, false) => format!(">= {LOWEST}"),
                    (false, true) => format!("< {LOWEST_TEXT}"),
                    (true, false) => format!(">= {LOWEST_TEXT}"),
                    (true, true) => format!("< {BEHIND_TEXTS}"),
                };
                self.add(&format!(" AND {left} {other_end}"));
                let is_clear = matches!(value, Value::Number(number) if !range.has_bool(number));
                if !is_clear {
                    self.put_kind(field, value);
                }
            }
        }
        Ok(())
    }

    /// One list for texts and numbers, so that there is one statement whatever their count.
    fn put_one_of(&mut self, field: &str, values: &[Value]) -> Result {
        let left = value_of(field)?;
        let is_plain = |value: &Value| matches!(value, Value::Number(_) | Value::String(_));
        let (plain, others): (Vec<Value>, Vec<Value>) = values.iter().cloned().partition(is_plain);
        let mut is_first = true;
        if !plain.is_empty() {
            self.add(&format!("({left} IN (SELECT value FROM json_each(?))"));
            let is_clear = !plain.iter().any(is_ambiguous);
            self.values.push(Bound::Text(Value::Array(plain).to_string()));
            if !is_clear {
                self.add(&format!(
                    " AND json_type(body, '$.{field}') IN ('integer', 'real', 'text')"
                ));
            }
            self.add(")");
            is_first = false;
        }
        for value in others {
            self.add(if is_first { "(" } else { " OR (" });
            self.put_equal(field, &value)?;
            self.add(")");
            is_first = false;
        }
        if is_first {
            self.add("FALSE");
        }
        Ok(())
    }

    /// `GLOB` keeps to the case of letters, which `LIKE` does not.
    fn put_like(&mut self, field: &str, form: &str) -> Result {
        let left = value_of(field)?;
        let parts = parts(form);
        let glob = glob(&parts);
        if FORM_MAX < glob.len() {
            let allowed = format!("it has at most {FORM_MAX} bytes");
            return Err(Error::invalid("form", form, allowed));
        }
        self.add(&format!("{left} GLOB "));
        self.bind(&Value::String(glob));
        let prefix = prefix(&parts);
        if !prefix.is_empty() {
            self.add(&format!(" AND {left} >= "));
            if let Some(end) = text_behind(&prefix) {
                self.bind(&Value::String(prefix));
                self.add(&format!(" AND {left} < "));
                self.bind(&Value::String(end));
            } else {
                self.bind(&Value::String(prefix));
            }
        }
        self.add(&format!(" AND json_type(body, '$.{field}') = 'text'"));
        Ok(())
    }

    /// That a field is of the kind of a value.
    fn put_kind(&mut self, field: &str, value: &Value) {
        let kinds = match value {
            Value::Null => "IN ('null')",
            Value::Bool(_) => "IN ('true', 'false')",
            Value::Number(_) => "IN ('integer', 'real')",
            Value::String(_) => "= 'text'",
            Value::Array(_) => "= 'array'",
            Value::Object(_) => "= 'object'",
        };
        self.add(&format!(" AND json_type(body, '$.{field}') {kinds}"));
    }

    /// A float goes the same way as those of documents do, for SQLite's way from text to a float is
    /// not that of others.
    pub(super) fn bind(&mut self, value: &Value) {
        match value {
            Value::Number(number) if !number.is_i64() => {
                self.add("json_extract(?, '$')");
                self.values.push(Bound::Text(number.to_string()));
            }
            value => {
                self.add("?");
                self.values.push(bound(value));
            }
        }
    }

    pub(super) fn add(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }
}

/// Whether a field of another kind can look the same.
fn is_ambiguous(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
        Value::Number(number) => number.as_f64().is_none_or(|float| (0.0..=1.0).contains(&float)),
        Value::String(text) => text.starts_with(['[', '{']),
    }
}

#[derive(Clone, Copy)]
enum Range {
    Lt,
    Le,
    Gt,
    Ge,
}

impl Range {
    const fn sign(self) -> &'static str {
        match self {
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    const fn is_inclusive(self) -> bool {
        matches!(self, Self::Le | Self::Ge)
    }

    const fn is_upwards(self) -> bool {
        matches!(self, Self::Gt | Self::Ge)
    }

    /// Whether 0 or 1 lie in it, which booleans look like.
    fn has_bool(self, end: &Number) -> bool {
        let end = end.as_f64().unwrap_or(f64::NAN);
        match self {
            Self::Lt | Self::Le => 0.0 <= end,
            Self::Gt | Self::Ge => end <= 1.0,
        }
    }
}

/// A form in the signs of `GLOB`.
fn glob(parts: &[Part]) -> String {
    let mut glob = String::new();
    for part in parts {
        match part {
            Part::Any => glob.push('*'),
            Part::One => glob.push('?'),
            Part::Just(sign @ ('*' | '?' | '[')) => glob.extend(['[', *sign, ']']),
            Part::Just(character) => glob.push(*character),
        }
    }
    glob
}

/// What every text of a form begins with.
fn prefix(parts: &[Part]) -> String {
    let characters = parts.iter().map_while(|part| match part {
        Part::Just(character) => Some(*character),
        Part::Any | Part::One => None,
    });
    characters.collect()
}

/// The first text behind all that begin with `prefix`; `None` when there is none.
fn text_behind(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}
