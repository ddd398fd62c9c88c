//! What can be an id.

use kairo::prelude::*;
use kairo_tests::support::{Place, logged};

use crate::says;

/// A newtype, as text.
#[data]
#[derive(PartialEq)]
struct Isbn(String);

#[repository("books")]
struct Book {
    #[id]
    isbn: Isbn,
}

#[repository("parcels")]
struct Parcel {
    #[id]
    id: Uuid,
    weight: i64,
}

#[repository("counters")]
struct Counter {
    #[id]
    id: i64,
}

#[tokio::test]
async fn ids_are_texts_or_whole_numbers() {
    let kairo = Place::memory().start().await;
    let books = kairo.repository::<Book>();
    books.create(Book { isbn: Isbn("1-2".into()) }).await.unwrap();
    assert_eq!(books.get(Isbn("1-2".into())).await.unwrap().isbn, Isbn("1-2".into()));
    assert_eq!(logged(&kairo, "books.created").await[0].stream().as_str(), "books-1-2");

    let (parcels, id) = (kairo.repository::<Parcel>(), kairo::clock::Clock::system().new_id());
    parcels.create(Parcel { id, weight: 3 }).await.unwrap();
    assert_eq!(parcels.get(&id).await.unwrap().weight, 3);
    let stream = format!("parcels-{id}");
    assert_eq!(logged(&kairo, "parcels.created").await[0].stream().as_str(), stream);

    let counters = kairo.repository::<Counter>();
    counters.create(Counter { id: -1 }).await.unwrap();
    assert!(counters.exists(-1).await.unwrap());
}

#[tokio::test]
async fn an_id_that_can_be_none_is_refused() {
    let kairo = Place::memory().start().await;
    let books = kairo.repository::<Book>();
    let create = |isbn: &str| books.create(Book { isbn: Isbn(isbn.into()) });
    says(create("").await, "id `` is not valid: it has no character; use at least one");
    let control =
        "id `a\\0` is not valid: as part of a stream it contains the control character '\\0'";
    says(create("a\0").await, control);
    says(books.get(Isbn("a\0".into())).await, control);
    let error = create(&"x".repeat(250)).await.unwrap_err().to_string();
    assert!(error.ends_with("as part of a stream it has 256 bytes; use 1 to 255"), "{error}");
}
