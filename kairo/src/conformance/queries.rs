//! The laws of what is looked for among documents, and of indexes, which change nothing of it.

use serde_json::{Value, json};

use super::{
    case::Case,
    collection::{assert_taken, index, json_of, unique},
};
use crate::{
    documents::{Collection, Condition, Cursor, FOUND_MAX, Index, Order, Query},
    error::Result,
    store::Direction,
};

use Condition::{All, And, Eq, Ge, Gt, In, IsNull, Le, Like, Lt, Ne, Not, Or};

/// People by id: with and without an age, and some alike.
fn people() -> Vec<(&'static str, Value)> {
    vec![
        ("a", json!({ "name": "ada", "age": 36, "score": 1.5, "active": true, "city": "london" })),
        ("b", json!({ "name": "bob", "age": 7, "score": -2, "active": false, "city": "london" })),
        ("c", json!({ "name": "charles", "age": 36, "score": 0, "active": true, "city": null })),
        ("d", json!({ "name": "dan", "age": null, "score": 0.25, "active": null })),
        ("e", json!({ "name": "50% off_", "age": 1, "score": 1e15, "city": "paris" })),
        ("f", json!({ "name": "", "age": 0, "active": false, "city": "\u{e9}ze" })),
        ("g", json!({ "name": "Ada", "age": 9_007_199_254_740_993_i64, "city": "1" })),
        ("h", json!({ "age": 9_007_199_254_740_992_i64, "city": "36" })),
    ]
}

fn conditions() -> Vec<Condition> {
    let (old, london) = (Ge("age", json!(18)), Eq("city", json!("london")));
    let texts = ["ada", "Ada", "", "nobody", "36"].map(|text| Eq("name", json!(text)));
    let forms =
        ["%", "a%", "%a", "_d_", "%a%", "50\\%%", "%off\\_", "ada", "", "a", "[a]%", "*", "ch%les"];
    let ages = [0, 1, 7, 36, 9_007_199_254_740_992_i64];
    let of_ages = |make: fn(&'static str, Value) -> Condition| {
        ages.map(|age| make("age", json!(age))).into_iter()
    };
    let mut conditions = vec![
        All,
        Eq("age", json!(36.0)),
        Eq("active", json!(true)),
        Eq("active", json!(1)),
        Eq("age", json!(true)),
        Eq("age", json!("36")),
        Eq("city", json!(36)),
        Eq("age", Value::Null),
        Ne("active", json!(true)),
        Lt("active", json!(true)),
        Ne("city", json!("london")),
        Lt("name", json!("bob")),
        Ge("name", json!("bob")),
        Lt("score", json!(0.25)),
        Ge("score", json!(0.25)),
        Lt("name", json!(7)),
        Gt("age", json!("7")),
        Le("age", Value::Null),
        In("age", vec![json!(0), json!(36), json!("7"), Value::Null, json!(true)]),
        In("city", vec![json!("london"), json!("36"), json!(1)]),
        In("active", vec![json!(false)]),
        In("age", Vec::new()),
        IsNull("age"),
        IsNull("city"),
        Not(Box::new(IsNull("city"))),
        Not(Box::new(old.clone())),
        And(vec![old.clone(), london.clone()]),
        Or(vec![Not(Box::new(old)), london.clone()]),
        Not(Box::new(And(vec![london, Lt("age", json!(10))]))),
        And(Vec::new()),
        Or(Vec::new()),
    ];
    conditions.extend(texts);
    conditions.extend(forms.map(|form| Like("name", form.to_owned())));
    conditions.extend([Lt, Le, Gt, Ge, Eq, Ne].into_iter().flat_map(of_ages));
    conditions
}

async fn populated(case: &Case, indexes: &[Index]) -> Result<&'static Collection> {
    let collection = case.made("people", indexes).await?;
    for (id, json) in people() {
        case.insert(collection, id, &json).await?;
    }
    Ok(collection)
}

fn query(condition: Condition, order: &[Order]) -> Query {
    Query { condition, order: order.to_vec(), limit: FOUND_MAX, after: None }
}

async fn find(case: &Case, collection: &'static Collection, query: &Query) -> Result<Vec<String>> {
    let found = case.store.find(collection, query).await?;
    Ok(found.into_iter().map(|document| document.id).collect())
}

/// The ids that a query finds, by what it says.
fn expected(query: &Query) -> Vec<String> {
    let mut people = people();
    people.retain(|(_, json)| query.condition.matches(json));
    people.sort_by(|(one, json), (other, other_json)| {
        query.order_of((json, one), (other_json, other))
    });
    people.into_iter().map(|(id, _)| id.to_owned()).collect()
}

async fn check_conditions(case: &Case, collection: &'static Collection) -> Result {
    for condition in conditions() {
        let query = query(condition, &[]);
        assert_eq!(find(case, collection, &query).await?, expected(&query), "{query:?}");
    }
    Ok(())
}

/// As [`Condition::matches`] has it, and with all that is in a document.
pub async fn queries_find_what_matches(case: Case) -> Result {
    let collection = populated(&case, &[]).await?;
    check_conditions(&case, collection).await?;
    let ada = query(Eq("name", json!("ada")), &[]);
    let found = case.store.find(collection, &ada).await?;
    assert_eq!((found.len(), found[0].version, json_of(&found[0])), (1, 1, people()[0].1.clone()));
    Ok(())
}

const fn up(field: &'static str) -> Order {
    Order { field, direction: Direction::Forwards }
}

const fn down(field: &'static str) -> Order {
    Order { field, direction: Direction::Backwards }
}

fn orders() -> Vec<Vec<Order>> {
    vec![
        vec![],
        vec![up("age")],
        vec![down("age")],
        vec![up("score")],
        vec![down("active")],
        vec![up("active"), down("age")],
        vec![down("age"), up("active")],
        vec![down("age"), down("score")],
        vec![up("city_of_birth")],
    ]
}

/// By the fields of the query, and then by id; `null` comes first.
pub async fn what_is_found_is_in_order(case: Case) -> Result {
    let collection = populated(&case, &[index("age")]).await?;
    for order in orders() {
        for condition in [All, Ge("age", json!(1))] {
            let query = query(condition, &order);
            let expected = expected(&query);
            assert_eq!(find(&case, collection, &query).await?, expected, "{query:?}");
            let few = Query { limit: 3, ..query };
            assert_eq!(find(&case, collection, &few).await?, expected[..3], "{few:?}");
        }
    }
    let none = Query { limit: 0, ..query(All, &[]) };
    assert!(find(&case, collection, &none).await?.is_empty());
    Ok(())
}

/// Whatever the order and the length of the pages.
pub async fn pages_follow_each_other(case: Case) -> Result {
    let collection = populated(&case, &[index("age")]).await?;
    for order in orders() {
        for limit in 1..4 {
            let mut page = Query { limit, ..query(All, &order) };
            let mut ids = Vec::new();
            loop {
                let found = case.store.find(collection, &page).await?;
                let Some(last) = found.last() else { break };
                let json = json_of(last);
                let values = order.iter().map(|order| json[order.field].clone()).collect();
                page.after = Some(Cursor { values, id: last.id.clone() });
                assert!(found.len() <= limit);
                ids.extend(found.into_iter().map(|document| document.id));
                assert!(ids.len() <= people().len(), "pages repeat what they had: {ids:?}");
            }
            assert_eq!(ids, expected(&query(All, &order)), "{order:?} {limit}");
        }
    }
    Ok(())
}

/// However many there are.
pub async fn a_count_counts_what_matches(case: Case) -> Result {
    let collection = populated(&case, &[index("age")]).await?;
    for condition in conditions() {
        let expected = expected(&query(condition.clone(), &[])).len() as u64;
        let counted = case.store.count_documents(collection, &condition).await?;
        assert_eq!(counted, expected, "{condition:?}");
    }
    Ok(())
}

/// Also where ids are the same.
pub async fn collections_are_apart(case: Case) -> Result {
    let (users, orders) = (case.made("users", &[]).await?, case.made("orders", &[]).await?);
    case.insert(users, "1", &json!({ "kind": "user" })).await?;
    case.insert(orders, "1", &json!({ "kind": "order" })).await?;
    case.replace(orders, "1", &json!({ "kind": "paid" })).await?;
    let (user, order) =
        (case.the_document(users, "1").await?, case.the_document(orders, "1").await?);
    assert_eq!((user.version, json_of(&user)), (1, json!({ "kind": "user" })));
    assert_eq!((order.version, json_of(&order)), (2, json!({ "kind": "paid" })));
    assert_eq!(find(&case, users, &query(Eq("kind", json!("paid")), &[])).await?, [""; 0]);
    assert_eq!(case.store.count_documents(orders, &All).await?, 1);
    Ok(())
}

/// And makes no difference to what is found; nor does making a collection again.
pub async fn a_new_index_covers_what_is_there(case: Case) -> Result {
    populated(&case, &[]).await?;
    let indexes = ["name", "age", "score", "active", "city"].map(index);
    for collection in [case.made("people", &indexes).await?, case.made("people", &indexes).await?] {
        check_conditions(&case, collection).await?;
    }
    let named = case.made("people", &[unique("name"), index("age")]).await?;
    check_conditions(&case, named).await?;
    assert_taken(&case.insert(named, "z", &json!({ "name": "charles" })).await, "name");
    case.insert(named, "z", &json!({ "name": "zoe" })).await
}

/// And nothing changes.
pub async fn values_that_are_not_unique_are_refused_as_such(case: Case) -> Result {
    let before = populated(&case, &[unique("name")]).await?;
    let refused = case.made("people", &[index("city"), unique("age")]).await.map(drop);
    assert_taken(&refused, "age");
    check_conditions(&case, before).await?;
    assert_taken(&case.insert(before, "x", &json!({ "name": "ada" })).await, "name");
    case.insert(before, "x", &json!({ "name": "xaver", "age": 36 })).await
}

/// So values can be there twice that could not.
pub async fn an_index_that_is_not_declared_any_more_goes(case: Case) -> Result {
    populated(&case, &[unique("name"), index("age")]).await?;
    let collection = case.made("people", &[index("city")]).await?;
    check_conditions(&case, collection).await?;
    case.insert(collection, "x", &json!({ "name": "ada" })).await?;
    let found = find(&case, collection, &query(Eq("name", json!("ada")), &[])).await?;
    assert_eq!(found, ["a", "x"]);
    Ok(())
}
