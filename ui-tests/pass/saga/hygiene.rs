#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
//! Sagas in a module, in a function, under other names, of payloads that can only be stored.

use kairo::saga::{Saga, SagaStep, Slot};

#[allow(non_upper_case_globals, dead_code)]
mod shadows {
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) struct String;
    pub(crate) const given: u8 = 1;
    pub(crate) const saga: u8 = 1;
    pub(crate) const argument_0: u8 = 1;
    pub(crate) const ENTRY: u8 = 1;
}

mod inner {
    use super::shadows::*;

    // Neither `Clone` nor `Debug`.
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Ticket {
        pub(super) seat: u8,
    }

    pub(super) struct Booking;

    #[kairo::saga("booking", crate = ::kairo)]
    impl Booking {
        #[kairo::step(pure)]
        async fn r#type(&self) -> (u8, Ticket) {
            (given + saga + argument_0 + ENTRY, Ticket { seat: 1 })
        }

        /// Its input comes later than its first step.
        #[kairo::step]
        pub(super) async fn book(&self, ticket: &Ticket, found: &(u8, Ticket)) -> u8 {
            ticket.seat + found.1.seat + found.0
        }

        #[compensate(book)]
        async fn release(&self) {
            let _: (Result, Option, Vec, Box, String) = (Result, Option, Vec, Box, String);
        }
    }
}

fn in_a_function() -> u64 {
    struct Local;

    #[kairo::saga("local", local)]
    impl Local {
        #[step(no_compensation = "there is nothing to undo")]
        async fn one(&self, _this: &Self) -> ::core::result::Result<(), kairo::Failure> {
            Ok(())
        }

        #[step]
        async fn two(&self, text: &Self) -> u8 {
            let _ = text;
            1
        }
    }

    impl serde::Serialize for Local {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_unit()
        }
    }

    impl<'de> serde::Deserialize<'de> for Local {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            <()>::deserialize(from).map(|()| Self)
        }
    }

    <Local as Saga>::SHAPE
}

mod another {
    struct Local;

    #[kairo::saga("local", local)]
    impl Local {
        #[step(pure)]
        async fn _1(&self, #[from(input)] _ticket: &u8) {}

        #[step]
        async fn self_(&self) {}
    }
}

fn main() {
    let names: Vec<_> = inner::BookingStep::ALL.iter().map(|step| step.name()).collect();
    assert_eq!(names, ["type", "book"]);
    let state = inner::BookingState {
        phase: kairo::saga::Phase::Completed,
        input: inner::Ticket { seat: 1 },
        r#type: Slot::default(),
        book: Slot::default(),
    };
    let shown = format!("{state:?}");
    let known = "BookingState { phase: Completed, input: .., type: .., book: Pending(";
    assert!(shown.starts_with(known), "{shown}");
    let _ = (
        in_a_function(),
        inner::Booking.book(&inner::Ticket { seat: 1 }, &(1, inner::Ticket { seat: 1 })),
    );
}
