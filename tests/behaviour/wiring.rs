//! What is linked becomes what runs, or one error that lists every mistake.

use kairo::{Error, Wiring, bus::Builder, prelude::*};

struct Mailer;

#[event("user.created")]
struct UserCreated {
    name: String,
}

#[handler(event = "user.created")]
async fn welcome(user: &UserCreated, _mailer: State<Mailer>) -> Result<(), Failure> {
    if user.name.is_empty() { Err(Failure::permanent("nobody to welcome")) } else { Ok(()) }
}

#[handler(pattern = "user.*")]
async fn audit(_event: &AnyEvent) {}

struct Billing;

#[handlers]
impl Billing {
    #[handler(event = "user.created")]
    async fn bill(&self, _user: &UserCreated) {}
}

mod reminders {
    use super::{AnyEvent, Billing, handlers};

    #[handlers]
    impl Billing {
        #[handler(pattern = "user.*")]
        pub(super) async fn remind(&self, _event: &AnyEvent) {}
    }
}

fn names(wiring: &Wiring) -> Vec<&str> {
    wiring.handlers().iter().map(|handler| handler.name).collect()
}

#[track_caller]
fn mistakes(builder: Builder) -> Vec<String> {
    match builder.check() {
        Err(Error::Wiring(error)) => error.mistakes().to_vec(),
        other => panic!("expected mistakes, found {other:?}"),
    }
}

#[test]
fn a_bus_can_be_started_in_a_task() {
    fn check<T: Send>(_: &T) {}
    check(&Kairo::builder().start());
}

#[test]
fn every_linked_handler_is_found() {
    let wiring = Kairo::builder().state(Mailer).handlers(Billing).check().unwrap();
    let expected = [
        "kairo_tests::note",
        "statements",
        "wiring::Billing::bill",
        "wiring::audit",
        "wiring::reminders::Billing::remind",
        "wiring::welcome",
    ];
    assert_eq!(names(&wiring), expected);
}

#[test]
fn every_mistake_is_listed_with_its_place() {
    let found = mistakes(Kairo::builder().only(welcome).only(Billing::bill));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("handler `bill` (tests/behaviour/wiring.rs:"), "{found:?}");
    assert!(found[1].contains("takes `State<wiring::Mailer>`"), "{found:?}");
}

#[test]
fn a_process_can_run_a_choice_of_the_handlers() {
    let wiring = Kairo::builder().only(audit).check().unwrap();
    assert_eq!(names(&wiring), ["wiring::audit"]);
    let wiring = Kairo::builder().only_module("kairo_tests").check().unwrap();
    assert_eq!(names(&wiring), ["kairo_tests::note", "statements"]);
}

#[test]
fn a_method_is_chosen_wherever_its_impl_lies() {
    let wiring = Kairo::builder().handlers(Billing).only(Billing::remind).check().unwrap();
    assert_eq!(names(&wiring), ["wiring::reminders::Billing::remind"]);
}

#[test]
fn a_choice_that_is_no_handler_is_refused() {
    let found = mistakes(Kairo::builder().only(names));
    assert!(found[0].contains("`wiring::names`, which is no handler"), "{found:?}");
}

#[test]
fn a_named_crate_is_linked_and_counted() {
    let crates = kairo::app![kairo_tests];
    let wiring = Kairo::builder().crates(crates).only(audit).check().unwrap();
    let linked = wiring.crates().iter().find(|found| found.name == "kairo_tests").unwrap();
    assert_eq!(
        linked.to_string(),
        "kairo: kairo_tests: 11 events, 2 handlers (0 in this process), 1 saga, 2 repositories"
    );
}

#[test]
fn a_crate_without_anything_registered_is_refused() {
    let empty = kairo::Crate::of("serde_json::value");
    let found = mistakes(Kairo::builder().only(audit).crates([empty]));
    assert!(found[0].starts_with("crate `serde_json` is named in `.crates(..)`"), "{found:?}");
}

#[tokio::test]
async fn handlers_are_functions_that_a_test_can_call() {
    let mailer = State(std::sync::Arc::new(Mailer));
    let nobody = UserCreated { name: String::new() };
    assert_eq!(welcome(&nobody, mailer).await.unwrap_err().to_string(), "nobody to welcome");
}
