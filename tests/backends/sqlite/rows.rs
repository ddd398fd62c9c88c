//! What people, and other programs, do with the file.

use kairo::{
    EventName, Position, StreamName, Version,
    clock::Timestamp,
    delivery::Steer,
    documents::{Collection, Condition, Query},
    event::record::EventData,
    journal::SagaFilter,
    store::{Append, Selection, Unit},
};
use proptest::prelude::*;
use rusqlite::{ToSql, params, types::Value};

use super::{Place, append, event};

#[tokio::test]
async fn the_log_can_be_queried_by_people() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let event = event(kairo::clock::Clock::system().new_id(), "user-1");
    let id = event.id;
    store.commit(Unit::of_appends(vec![Append::one(event)])).await.unwrap();
    let query =
        "SELECT id, payload ->> 'name', time LIKE '20__-__-__T__:__:__.___Z' FROM kairo_log";
    let row: (String, String, bool) =
        place.raw().query_row(query, [], |row| row.try_into()).unwrap();
    assert_eq!(row, (id.as_simple().to_string(), "Ada".to_owned(), true));
}

#[tokio::test]
async fn events_of_a_guest_are_seen_and_not_overwritten() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    let copy = "INSERT INTO kairo_event SELECT 100, id, derived, name, schema, stream, 2, time, \
                correlation, causation, depth, metadata, payload FROM kairo_event";
    place.raw().execute(copy, []).unwrap();
    let placed = store.commit(append("user-1", Version::At(2))).await.unwrap().placed[0];
    assert_eq!(placed.position, Position::at_sequence(101));
}

#[tokio::test]
async fn a_selection_passes_over_long_stretches() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    let many = "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 25000) \
                INSERT INTO kairo_event SELECT n, id, derived, 'other', schema, stream, n, time, \
                correlation, causation, depth, metadata, payload FROM kairo_event, n";
    place.raw().execute(many, []).unwrap();
    store.commit(append("user-1", Version::Any)).await.unwrap();
    let selection = Selection::Names(vec![kairo::EventName::new("user.created").unwrap()]);
    let (mut found, mut after, mut pages) = (0, Position::START, 0);
    loop {
        let page = store.read_log(after, &selection, 100).await.unwrap();
        (found, after, pages) = (found + page.events.len(), page.end, pages + 1);
        if page.complete {
            break;
        }
    }
    assert_eq!((found, pages), (2, 3));
}

static USERS: Collection = Collection { name: "users", table: "users", indexes: &[] };

/// Any value that a column can hold.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        ".{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
        Just(Value::Null),
    ]
}

const COLUMNS: &[&str] = &[
    "id",
    "derived",
    "name",
    "schema",
    "stream",
    "version",
    "time",
    "correlation",
    "causation",
    "depth",
    "metadata",
    "payload",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_a_row_holds_reading_does_not_panic(
        changes in prop::collection::vec((prop::sample::select(COLUMNS), value()), 1..6),
        bytes in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let place = Place::new();
        runtime.block_on(async {
            let store = place.store().await.unwrap();
            store.commit(append("user-1", Version::NoStream)).await.unwrap();
            let raw = place.raw();
            for (column, value) in &changes {
                // SQLite itself refuses some: the columns have types.
                let _ = raw.execute(&format!("UPDATE kairo_event SET {column} = ?1"), [value]);
            }
            let _ = raw.execute("UPDATE kairo_event SET name = CAST(?1 AS TEXT)", [&bytes]);
            let _ = store.read_log(Position::START, &Selection::All, 10).await;
            let _ = store.read_at(&[Position::at_sequence(1)]).await;
            let _ = store.commit(append("user-1", Version::Any)).await;
        });
    }

    #[test]
    fn whatever_the_other_tables_hold_reading_does_not_panic(
        text in ".{0,20}",
        bytes in prop::collection::vec(any::<u8>(), 0..20),
        number in any::<i64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let place = Place::new();
        runtime.block_on(async {
            let store = place.store().await.unwrap();
            store.make_collection(&USERS).await.unwrap();
            spoil(&place, &text, &bytes, number);
            let claim = kairo::delivery::Claim {
                subscription: text.clone(),
                start: kairo::handler::entry::StartAt::Now,
                renamed_from: None,
                partitions_max: 1,
            };
            let _ = store.claim(kairo::Uuid::nil(), vec![claim]).await;
            let steer = Steer::Skip { position: Position::at_sequence(1) };
            let _ = store.steer(text.clone(), steer).await;
            let stream = StreamName::new("user-1").unwrap();
            let _ = store.fate(&text, &stream, Position::at_sequence(1)).await;
            let _ = store.snapshot(&stream, &text).await;
            let _ = store.stream_stats(&stream).await;
            let _ = store.subscriptions().await;
            let _ = store.letters(kairo::LetterFilter::default()).await;
            let _ = store.due(Timestamp::MAX, 10).await;
            let _ = store.next_due().await;
            let _ = store.sagas(SagaFilter::default()).await;
            let names = [text.clone()];
            let _ = store.next_saga(&names).await;
            let _ = store.claim_sagas(kairo::Uuid::nil(), &names, Timestamp::MAX, 10).await;
            let _ = store.prune_marks(Timestamp::MAX, 10).await;
            let _ = store.document(&USERS, &text).await;
            let condition = Condition::Eq("name", "Ada".into());
            let _ = store.count_documents(&USERS, &condition).await;
            let query = Query { condition, order: Vec::new(), limit: 9, after: None };
            let _ = store.find(&USERS, &query).await;
        });
    }
}

/// Fills every table with rows of these values.
fn spoil(place: &Place, text: &str, bytes: &[u8], number: i64) {
    let raw = place.raw();
    let tables = [
        "kairo_subscription",
        "kairo_parked",
        "kairo_dead_letter",
        "kairo_timetable",
        "kairo_gone",
        "kairo_snapshot",
        "kairo_saga",
        "kairo_mark",
        "users",
    ];
    for table in tables {
        let mut columns = raw.prepare("SELECT type FROM pragma_table_info(?1)").unwrap();
        let types: Vec<String> =
            columns.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let values: Vec<&dyn ToSql> = types
            .iter()
            .map(|ty| -> &dyn ToSql {
                match ty.as_str() {
                    "INTEGER" => &number,
                    "BLOB" => &bytes,
                    _ => &text,
                }
            })
            .collect();
        let marks = vec!["?"; values.len()].join(", ");
        let insert = format!("INSERT INTO {table} VALUES ({marks})");
        raw.execute(&insert, values.as_slice()).unwrap();
    }
    let rename = "UPDATE kairo_subscription SET name = ?1, low_water = abs(low_water >> 1)";
    raw.execute(rename, params![text]).unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
    place.raw().execute("UPDATE kairo_event SET metadata = 'no json'", []).unwrap();
    // The newest events are read from memory where nothing is selected.
    let selection = Selection::Names(vec![EventName::new("user.created").unwrap()]);
    let error = store.read_log(Position::START, &selection, 10).await.unwrap_err();
    assert!(error.to_string().starts_with("reading the store `sqlite://"), "{error}");
    place.raw().execute("UPDATE kairo_event SET metadata = NULL, payload = 7", []).unwrap();
    let page = store.read_log(Position::START, &selection, 10).await.unwrap();
    let EventData { payload, .. } = &page.events[0].event;
    assert_eq!(&payload[..], b"7");
}
