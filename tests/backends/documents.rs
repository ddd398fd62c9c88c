//! Whatever happens to documents, they end as those in memory do, and queries find what they say: a
//! part of the tests of back ends.

use kairo::{
    backend,
    clock::{Clock, Timestamp},
    delivery::Backend,
    documents::{
        Body, Change, Collection, Condition, Cursor, DocumentChange, Index, Order, Query, Seen,
    },
    store::{Direction, Unit},
};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};

static USERS: Collection = Collection {
    name: "user",
    table: "users",
    indexes: &[Index { field: "email", unique: true }, Index { field: "age", unique: false }],
};

static NOTES: Collection = Collection { name: "note", table: "notes", indexes: &[] };

/// Indexes over fields of all kinds.
static KINDS: Collection = Collection {
    name: "kind",
    table: "kinds",
    indexes: &[Index { field: "a", unique: false }, Index { field: "number", unique: false }],
};

/// A change of a document.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    collection: &'static Collection,
    id: &'static str,
    kind: Kind,
    /// What its caller says to have seen, where that is not what is there.
    seen: Option<Seen>,
    body: Body,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Insert,
    Replace,
    Remove,
}

fn time(seconds: u8) -> Timestamp {
    Timestamp::from_second(i64::from(seconds)).unwrap()
}

fn changes() -> impl Strategy<Value = Step> {
    let collections = prop::sample::select(vec![&USERS, &USERS, &NOTES]);
    let ids = prop::sample::select(vec!["a", "b", "c"]);
    let kinds =
        prop::sample::select(vec![Kind::Insert, Kind::Replace, Kind::Replace, Kind::Remove]);
    let seen = (1..3_u64, 0..3_u8).prop_map(|(version, at)| Seen { version, created: time(at) });
    let emails = prop::sample::select(vec![json!("one"), json!("two"), json!(3), Value::Null]);
    let seen = prop_oneof![4 => Just(None), 1 => seen.prop_map(Some)];
    (collections, ids, kinds, seen, emails, 0..3_u8).prop_map(
        |(collection, id, kind, seen, email, at)| {
            let json = json!({ "age": at, "email": email }).to_string().into();
            Step { collection, id, kind, seen, body: Body { schema: 1, time: time(at), json } }
        },
    )
}

/// Units of changes.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(changes(), 1..4), 1..40)
}

/// The change that a step is in a store, whose caller has looked.
async fn change(store: &dyn Backend, step: &Step) -> DocumentChange {
    let Step { collection, id, body, .. } = step.clone();
    let there = store.document(collection, id).await.unwrap();
    let unknown = Seen { version: 1, created: time(0) };
    let seen = step.seen.or(there.map(|there| there.seen())).unwrap_or(unknown);
    let change = match step.kind {
        Kind::Insert => Change::Insert(body),
        Kind::Replace => Change::Replace(seen, body),
        Kind::Remove => Change::Remove(seen),
    };
    DocumentChange { collection, id: id.to_owned(), change }
}

async fn take(store: &dyn Backend, steps: &[Step]) -> String {
    let mut documents = Vec::new();
    for step in steps {
        documents.push(change(store, step).await);
    }
    format!("{:?}", store.commit(Unit { documents, ..Unit::default() }).await)
}

/// All documents, as text.
async fn dump(store: &dyn Backend) -> String {
    let mut lines = Vec::new();
    for collection in [&USERS, &NOTES] {
        let query = Query { condition: Condition::All, order: Vec::new(), limit: 100, after: None };
        for document in store.find(collection, &query).await.unwrap() {
            let json: Value = serde_json::from_slice(&document.body.json).unwrap();
            lines.push(format!("{:?} {} {json}", document.seen(), document.id));
        }
    }
    lines.join("\n")
}

/// Takes the same steps in the store in memory that `url` names and in another one, and compares
/// what comes of them.
pub(crate) async fn check_steps(
    url: &str,
    store: &dyn Backend,
    steps: Vec<Vec<Step>>,
) -> Result<(), TestCaseError> {
    let memory = backend::open(url, &Clock::system()).await.unwrap();
    for collection in [&USERS, &NOTES] {
        memory.make_collection(collection).await.unwrap();
        store.make_collection(collection).await.unwrap();
    }
    for unit in steps {
        let expected = take(&*memory, &unit).await;
        prop_assert_eq!(take(store, &unit).await, expected, "{:?}", unit);
        prop_assert_eq!(dump(store).await, dump(&*memory).await, "{:?}", unit);
    }
    Ok(())
}

/// Values that are hard to keep apart, and others.
fn values() -> impl Strategy<Value = Value> {
    let odd = ["[1]", "{}", "1", "true", "null", "", "a", "ab", "A"].map(|text| json!(text));
    let whole = [0, 1, 2, -1, i64::MIN, i64::MAX, 9_007_199_254_740_993];
    prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::Bool),
        3 => prop::sample::select(whole.to_vec()).prop_map(Value::from),
        2 => prop::sample::select(vec![0.0, -0.0, 1.0, 0.5, 0.1 + 0.2, 1e300]).prop_map(Value::from),
        1 => prop::num::f64::NORMAL.prop_map(Value::from),
        3 => prop::sample::select(odd.to_vec()),
        1 => "[^\u{0}]{0,3}".prop_map(Value::from),
        1 => prop::sample::select(vec![json!([1]), json!([1, {"b": [], "a": 1}]), json!({}),
            json!({"a": {"c": 1, "b": "x"}}), json!([])]),
    ]
}

/// Documents whose fields `a` and `b` have values of all kinds.
pub(crate) fn of_all_kinds() -> impl Strategy<Value = Vec<Value>> {
    let document = (values(), prop::option::of(values())).prop_map(|(a, b)| match b {
        Some(b) => json!({ "b": b, "a": a }),
        None => json!({ "a": a }),
    });
    prop::collection::vec(document, 1..12)
}

pub(crate) fn conditions() -> impl Strategy<Value = Condition> {
    use Condition::{All, And, Eq, Ge, Gt, In, IsNull, Le, Like, Lt, Ne, Not, Or};
    type Compare = fn(&'static str, Value) -> Condition;
    let fields = || prop::sample::select(vec!["a", "a", "a", "b", "missing"]);
    let comparisons: Vec<Compare> = vec![Eq, Eq, Ne, Lt, Le, Gt, Ge];
    let leaf = prop_oneof![
        1 => Just(All),
        8 => (prop::sample::select(comparisons), fields(), values())
            .prop_map(|(compare, field, value)| compare(field, value)),
        2 => (fields(), prop::collection::vec(values(), 0..4))
            .prop_map(|(field, values)| In(field, values)),
        2 => (fields(), "[abA1%_\\\\*?\\[\\]-]{0,4}").prop_map(|(field, form)| Like(field, form)),
        1 => fields().prop_map(IsNull),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Or),
            inner.prop_map(|condition| Not(Box::new(condition))),
        ]
    })
}

/// Makes documents with the ids `00`, `01`, and so on.
async fn populate(store: &dyn Backend, documents: &[Value]) {
    store.make_collection(&KINDS).await.unwrap();
    let change = |(number, json): (usize, &Value)| {
        let body = Body { schema: 1, time: time(0), json: json.to_string().into() };
        DocumentChange { collection: &KINDS, id: id(number), change: Change::Insert(body) }
    };
    let documents = documents.iter().enumerate().map(change).collect();
    store.commit(Unit { documents, ..Unit::default() }).await.unwrap();
}

fn id(number: usize) -> String {
    format!("{number:02}")
}

/// Compares what is found and counted with what the conditions say.
pub(crate) async fn check_conditions(
    store: &dyn Backend,
    documents: Vec<Value>,
    conditions: Vec<Condition>,
) -> Result<(), TestCaseError> {
    populate(store, &documents).await;
    for condition in conditions {
        let matching = (0..).zip(&documents).filter(|(_, json)| condition.matches(json));
        let expected: Vec<String> = matching.map(|(number, _)| id(number)).collect();
        let counted = store.count_documents(&KINDS, &condition).await.unwrap();
        prop_assert_eq!(counted, expected.len() as u64, "{:?}", condition);
        let query = Query { condition, order: Vec::new(), limit: 100, after: None };
        prop_assert_eq!(ids(store, &query).await, expected, "{:?}", query);
    }
    Ok(())
}

async fn ids(store: &dyn Backend, query: &Query) -> Vec<String> {
    let found = store.find(&KINDS, query).await.unwrap();
    found.into_iter().map(|document| document.id).collect()
}

/// Documents whose fields have values of one kind each.
pub(crate) fn in_order() -> impl Strategy<Value = Vec<Value>> {
    let numbers = prop_oneof![
        (0..3_i64).prop_map(Value::from),
        prop::sample::select(vec![0.0, 0.5, 0.1 + 0.2, 2.0]).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        Just(Value::Null),
    ];
    let texts = prop_oneof![
        prop::sample::select(vec!["", "a", "ab", "B", "\u{e9}", "[1]"]).prop_map(Value::from),
        Just(Value::Null),
    ];
    let document = (numbers, texts, prop::option::of(any::<bool>()))
        .prop_map(|(number, text, yes)| json!({ "number": number, "text": text, "yes": yes }));
    prop::collection::vec(document, 1..20)
}

/// Queries in any order, with a page's length.
pub(crate) fn queries() -> impl Strategy<Value = Query> {
    let direction = prop::sample::select(vec![Direction::Forwards, Direction::Backwards]);
    let field = prop::sample::select(vec!["number", "text", "yes"]);
    let order = (field, direction).prop_map(|(field, direction)| Order { field, direction });
    let condition = prop_oneof![
        3 => Just(Condition::All),
        1 => (0..3).prop_map(|number| Condition::Ge("number", json!(number))),
        1 => Just(Condition::Ne("yes", json!(true))),
    ];
    (condition, prop::collection::vec(order, 0..4), 1..6_usize)
        .prop_map(|(condition, order, limit)| Query { condition, order, limit, after: None })
}

/// Turns the pages of queries, and compares them with what is in order.
pub(crate) async fn check_pages(
    store: &dyn Backend,
    documents: Vec<Value>,
    queries: Vec<Query>,
) -> Result<(), TestCaseError> {
    populate(store, &documents).await;
    for mut query in queries {
        let mut expected: Vec<(String, &Value)> = (0..).map(id).zip(&documents).collect();
        expected.retain(|(_, json)| query.condition.matches(json));
        expected.sort_by(|(one, json), (other, other_json)| {
            query.order_of((json, one), (other_json, other))
        });
        let mut found = Vec::new();
        loop {
            let page = ids(store, &query).await;
            let Some(last) = page.last() else { break };
            let json = &documents[last.parse::<usize>().unwrap()];
            let values = query.order.iter().map(|order| json[order.field].clone()).collect();
            query.after = Some(Cursor { values, id: last.clone() });
            found.extend(page);
            prop_assert!(found.len() <= documents.len(), "pages repeat what they had: {:?}", query);
        }
        let expected: Vec<String> = expected.into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(found, expected, "{:?}", query);
    }
    Ok(())
}
