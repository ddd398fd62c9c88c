#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
//! Pipelines in a module, in a function, under other names, of payloads that can do nothing.

use kairo::pipeline::Pipeline;

#[allow(non_upper_case_globals, dead_code)]
mod shadows {
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct Vec;
    pub(crate) struct String;
    pub(crate) const value: u8 = 1;
    pub(crate) const run: u8 = 1;
    pub(crate) const this: u8 = 1;
    pub(crate) const output: u8 = 1;
    pub(crate) const STAGES: u8 = 1;
}

mod inner {
    use super::shadows::*;

    // Neither `Clone` nor `Debug`.
    pub(super) struct Ticket {
        pub(super) seat: u8,
    }

    pub(super) struct Booking;

    #[kairo::pipeline("booking", crate = ::kairo)]
    impl Booking {
        #[kairo::map]
        async fn r#type(&self, ticket: Ticket) -> (u8, Ticket) {
            (value + run + this + output + STAGES, ticket)
        }

        #[kairo::filter]
        fn is_free(&self, found: &(u8, Ticket)) -> bool {
            let _: (Result, Option, Vec, String) = (Result, Option, Vec, String);
            found.1.seat == 1
        }

        #[kairo::on_success]
        fn well(&self, _found: &(u8, Ticket)) {}
    }
}

fn in_a_function() -> usize {
    struct Local;

    #[kairo::pipeline("local", local)]
    impl Local {
        #[map]
        fn one(&self, this: Self) -> Self {
            this
        }

        #[map]
        async fn two(&self, _this: &Self) -> ::core::result::Result<u8, kairo::Failure> {
            Ok(2)
        }
    }

    Local.stages().len()
}

mod another {
    struct Local;

    #[kairo::pipeline("local", local)]
    impl Local {
        #[map]
        fn _1(&self, number: &u8) -> u8 {
            *number
        }

        #[map]
        fn self_(&self, _number: u8) {}
    }
}

fn main() {
    assert_eq!(inner::Booking.stages(), ["type", "is_free"]);
    assert_eq!(in_a_function(), 2);
    let _ = inner::Ticket { seat: 1 };
}
