//! What is looked for among documents, and in which order.
//!
//! A store that has no language for this asks [`Condition::matches`] and [`Query::order_of`].

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::store::Direction;

/// Which documents are wanted. As in SQL, a comparison with a field that is `null` or is not there
/// does not match; only [`IsNull`](Self::IsNull) does, and [`Ne`](Self::Ne). Values of two kinds are
/// never equal, and none of them comes before the other; lists and objects are equal or not. Whole
/// numbers of 64 bits with a sign compare exactly, others as `f64` at least.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them.
    All,
    /// A field has this value; `null` is never equal.
    Eq(&'static str, Value),
    /// A field has another value, or none: it is not [`Eq`](Self::Eq).
    Ne(&'static str, Value),
    /// A field comes before this value, among values of its kind.
    Lt(&'static str, Value),
    /// A field comes before this value, or is it.
    Le(&'static str, Value),
    /// A field comes behind this value, among values of its kind.
    Gt(&'static str, Value),
    /// A field comes behind this value, or is it.
    Ge(&'static str, Value),
    /// A field has one of these values.
    In(&'static str, Vec<Value>),
    /// The text of a field has this form: `%` is any text, `_` any one character, and `\` takes
    /// their meaning from them. Case counts.
    Like(&'static str, String),
    /// A field is `null` or is not there.
    IsNull(&'static str),
    /// All of these hold.
    And(Vec<Self>),
    /// One of these holds.
    Or(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
}

/// A field that orders what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub field: &'static str,
    /// Whether small values come first.
    pub direction: Direction,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which documents.
    pub condition: Condition,
    /// In which order; by id, forwards, where these fields are equal. A store orders numbers by value,
    /// and texts by their bytes or as its collation does. A field that orders has values of one of
    /// these kinds, or `null`; else the order is the store's.
    pub order: Vec<Order>,
    /// The most documents to return.
    pub limit: usize,
    /// Where the last page ended.
    pub after: Option<Cursor>,
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// The values of the fields of the order in the last document.
    pub values: Vec<Value>,
    /// Its id.
    pub id: String,
}

impl Condition {
    /// Whether a document matches.
    #[must_use]
    pub fn matches(&self, document: &Value) -> bool {
        let compared = |field: &str, value: &Value, wanted: fn(Ordering) -> bool| {
            comparable(&document[field], value).is_some_and(wanted)
        };
        match self {
            Self::All => true,
            Self::Eq(field, value) => compared(field, value, Ordering::is_eq),
            Self::Ne(field, value) => !compared(field, value, Ordering::is_eq),
            Self::Lt(field, value) => compared(field, value, Ordering::is_lt),
            Self::Le(field, value) => compared(field, value, Ordering::is_le),
            Self::Gt(field, value) => compared(field, value, Ordering::is_gt),
            Self::Ge(field, value) => compared(field, value, Ordering::is_ge),
            Self::In(field, values) => {
                values.iter().any(|value| compared(field, value, Ordering::is_eq))
            }
            Self::Like(field, form) => {
                document[field].as_str().is_some_and(|text| is_like(text, form))
            }
            Self::IsNull(field) => document[field].is_null(),
            Self::And(all) => all.iter().all(|condition| condition.matches(document)),
            Self::Or(any) => any.iter().any(|condition| condition.matches(document)),
            Self::Not(condition) => !condition.matches(document),
        }
    }
}

impl Query {
    /// How two documents with these ids follow each other.
    #[must_use]
    pub fn order_of(&self, one: (&Value, &str), other: (&Value, &str)) -> Ordering {
        let values = |document: &Value| -> Vec<Value> {
            self.order.iter().map(|order| document[order.field].clone()).collect()
        };
        self.order_of_values((&values(one.0), one.1), (&values(other.0), other.1))
    }

    /// Whether a document lies behind the page before.
    #[must_use]
    pub fn is_behind(&self, document: &Value, id: &str) -> bool {
        let Some(after) = &self.after else { return true };
        let values = self.order.iter().map(|order| document[order.field].clone()).collect();
        let place = Cursor { values, id: id.to_owned() };
        self.order_of_values((&place.values, &place.id), (&after.values, &after.id)).is_gt()
    }

    fn order_of_values(&self, one: (&[Value], &str), other: (&[Value], &str)) -> Ordering {
        let fields = self.order.iter().zip(one.0.iter().zip(other.0));
        let by_fields = fields.map(|(order, (one, other))| match order.direction {
            Direction::Forwards => ordering(one, other),
            Direction::Backwards => ordering(other, one),
        });
        { by_fields }.find(|ordering| ordering.is_ne()).unwrap_or_else(|| one.1.cmp(other.1))
    }
}

/// How two values compare that are of one kind and no `null`.
fn comparable(one: &Value, other: &Value) -> Option<Ordering> {
    if let Value::Array(_) | Value::Object(_) = one {
        return (one == other).then_some(Ordering::Equal);
    }
    let is_alike = rank(one) == rank(other) && !one.is_null();
    is_alike.then(|| ordering(one, other))
}

/// All values in one order: `null`, `false`, `true`, numbers, texts, and then all else.
fn ordering(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => number_ordering(one, other),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        _ if rank(one) == rank(other) => one.to_string().cmp(&other.to_string()),
        _ => rank(one).cmp(&rank(other)),
    }
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Whole numbers exactly, others as `f64`.
fn number_ordering(one: &Number, other: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i128();
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return one.cmp(&other);
    }
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    float(one).partial_cmp(&float(other)).unwrap_or(Ordering::Equal)
}

/// One part of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Any text.
    Any,
    /// Any one character.
    One,
    /// This character.
    Just(char),
}

/// The parts of a form as [`Condition::Like`] has it.
pub(crate) fn parts(form: &str) -> Vec<Part> {
    let (mut parts, mut characters) = (Vec::new(), form.chars());
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Just(characters.next().unwrap_or('\\')),
            other => Part::Just(other),
        });
    }
    parts
}

/// Goes back to the last `%` only, which is enough: an earlier one cannot make up for what a later one
/// could not match. So it takes time in proportion to the text times the form, at most.
fn is_like(text: &str, form: &str) -> bool {
    let (text, form): (Vec<char>, _) = (text.chars().collect(), parts(form));
    let (mut at, mut part) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while at < text.len() {
        match form.get(part) {
            Some(Part::Any) => {
                last_any = Some((part, at));
                part += 1;
            }
            Some(Part::One) => (at, part) = (at + 1, part + 1),
            Some(Part::Just(character)) if *character == text[at] => {
                (at, part) = (at + 1, part + 1);
            }
            _ => match last_any {
                Some((any, from)) => {
                    last_any = Some((any, from + 1));
                    (at, part) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    form[part..].iter().all(|part| *part == Part::Any)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(condition: &Condition, document: &Value, expected: bool) {
        assert_eq!(condition.matches(document), expected, "{condition:?} {document}");
    }

    #[test]
    fn nothing_compares_with_null() {
        let null = json!({ "age": null });
        for condition in [
            Condition::Eq("age", Value::Null),
            Condition::Eq("age", json!(1)),
            Condition::Lt("age", json!(1)),
            Condition::In("age", vec![Value::Null]),
        ] {
            check(&condition, &null, false);
            check(&condition, &json!({}), false);
        }
        check(&Condition::Ne("age", json!(1)), &null, true);
        check(&Condition::IsNull("age"), &null, true);
        check(&Condition::IsNull("age"), &json!({}), true);
    }

    #[test]
    fn numbers_compare_by_value() {
        check(&Condition::Lt("age", json!(10)), &json!({ "age": 9 }), true);
        check(&Condition::Eq("age", json!(1.0)), &json!({ "age": 1 }), true);
        let most = json!(u64::MAX);
        check(&Condition::Lt("age", most), &json!({ "age": u64::MAX - 1 }), true);
    }

    #[test]
    fn a_form_matches_whole_texts() {
        let like = |form: &str, text: &str| {
            Condition::Like("name", form.into()).matches(&json!({ "name": text }))
        };
        assert!(like("A%a", "Ada") && like("%", "") && like("_d_", "Ada") && like("%d%d%", "dd"));
        assert!(!like("A%a", "Adam") && !like("_", "") && !like("ada", "Ada"));
        assert!(like("50\\%", "50%") && !like("50\\%", "500") && like("%ab", "aab"));
    }

    #[test]
    fn null_comes_first_and_ids_decide_last() {
        let query = Query {
            condition: Condition::All,
            order: vec![Order { field: "age", direction: Direction::Forwards }],
            limit: 1,
            after: None,
        };
        let order = |one: Value, other: Value| query.order_of((&one, "a"), (&other, "b"));
        assert_eq!(order(json!({}), json!({ "age": 1 })), Ordering::Less);
        assert_eq!(order(json!({ "age": 2 }), json!({ "age": 1 })), Ordering::Greater);
        assert_eq!(order(json!({ "age": 1 }), json!({ "age": 1 })), Ordering::Less);
    }
}
