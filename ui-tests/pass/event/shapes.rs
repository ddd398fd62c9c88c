#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Structs of all kinds, and enums, are events.

use kairo::prelude::*;

/// With names.
#[event("shape.named")]
pub struct Named {
    /// Text.
    pub text: String,
}

#[event("shape.tuple")]
struct Tuple(u64, Option<String>);

#[event("shape.unit")]
struct Unit;

#[event("shape.choice")]
enum Choice {
    One,
    Two(u8),
}

/// Derives of the user's own, below the attribute, are left alone.
#[event("shape.derived")]
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Derived {
    /// Text.
    pub some_text: String,
}

#[event("shape.half-derived")]
#[derive(serde::Serialize)]
struct HalfDerived {
    #[serde(skip)]
    cache: std::marker::PhantomData<u8>,
}

fn main() {
    let event = AnyEvent::from_json("shape.derived", r#"{"someText": "a"}"#).unwrap();
    assert_eq!(event.decode::<Derived>().unwrap(), Derived { some_text: "a".into() });
    let event = AnyEvent::from_json("shape.tuple", "[7, null]").unwrap();
    assert!(matches!(event.decode::<Tuple>().unwrap(), Tuple(7, None)));
    assert_eq!(AnyEvent::from_json("shape.unit", "null").unwrap().stream().as_str().len(), 38);
    let _ = (Unit, Choice::One, Choice::Two(1), Named { text: String::new() });
    let _ = HalfDerived { cache: std::marker::PhantomData }.clone().cache;
    assert_eq!(<Unit as Event>::NAME, "shape.unit");
}
