#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, unused_qualifications, missing_debug_implementations)]
#![warn(clippy::all, clippy::pedantic)]
//! Expansions do not depend on the names that are in scope.

#![allow(dead_code, unused_macros)]

mod core {}
mod std {}
mod serde {}
mod kairo {}

struct Result;
struct Option;
struct String;
struct Vec;
struct Box;
trait Clone {}
trait Event {}
trait EventSet {}
trait Send {}
trait From {}

macro_rules! stringify {
    () => {};
}
macro_rules! concat {
    () => {};
}
macro_rules! module_path {
    () => {};
}

const EVENT: u8 = 0;
#[allow(non_upper_case_globals)]
const event: u8 = 1;
#[allow(non_upper_case_globals)]
const delivery: u8 = 2;

#[::kairo::data]
struct Note {
    text: ::std::string::String,
}

#[::kairo::event("hygiene.checked", stream = "hygiene-{x}")]
struct Checked {
    x: u8,
    note: Note,
}

#[::kairo::event("hygiene.keyed")]
struct Keyed {
    #[key]
    x: u8,
}

#[::kairo::events]
enum Both {
    Checked(Checked),
    Keyed(Keyed),
}

#[::kairo::events(prefix = "inline")]
enum Inline {
    Made { x: u8 },
}

#[::kairo::handler(event = "hygiene.checked", retry(max = 1, backoff = "1s"), timeout = "1s")]
async fn react(
    checked: &Checked,
    context: ::kairo::Context,
) -> ::core::result::Result<(), ::kairo::Failure> {
    let _ = (checked.x, context);
    ::core::result::Result::Ok(())
}

#[::kairo::handler(pattern = "hygiene.*", filter = wanted)]
async fn react_to_both(_both: Both) -> ::core::option::Option<Keyed> {
    ::core::option::Option::None
}

fn wanted(_both: &Both) -> bool {
    true
}

struct Service;

#[::kairo::handlers]
impl Service {
    #[handler]
    async fn react(&self, _keyed: Keyed) {}
}

fn main() {
    let _ = (EVENT, event, delivery, Service, react, Service::react);
}
