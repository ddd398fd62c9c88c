//! Entries by hand: what is wired, and every mistake with its message.

use std::{any::TypeId, sync::Arc};

use super::*;
use crate::{
    engine::tx::Tx,
    handler::{
        Location, Need,
        delivery::run,
        entry::{Listen, Options},
    },
};

struct Mailer;

const fn at(module: &'static str, line: u32) -> Location {
    Location { module, file: "src/shop.rs", line, column: 1 }
}

fn event_in(
    module: &'static str,
    name: &'static str,
    change: impl FnOnce(&mut EventEntry),
) -> &'static EventEntry {
    let check: fn(u32, &[u8]) -> Result<Option<String>> = |_, _| Ok(None);
    let location = at(module, 2);
    let mut entry = EventEntry {
        name,
        schema: 1,
        ephemeral: false,
        type_id: TypeId::of::<()>(),
        type_name: "Fact",
        location,
        check,
    };
    change(&mut entry);
    Box::leak(Box::new(entry))
}

fn event(name: &'static str) -> &'static EventEntry {
    event_in("shop", name, |_| {})
}

fn ephemeral_event(name: &'static str) -> &'static EventEntry {
    event_in("shop", name, |event| event.ephemeral = true)
}

fn handler(listen: Listen, change: impl FnOnce(&mut HandlerEntry)) -> &'static HandlerEntry {
    let mut entry = HandlerEntry {
        name: "shop::welcome",
        path: "shop::welcome",
        function: "welcome",
        location: at("shop", 7),
        listen,
        members: &[],
        open: true,
        ephemeral: false,
        on_dead_letter: false,
        pipeline: false,
        options: Options::DEFAULT,
        service: None,
        needs: Vec::new,
        own: None,
        filter: None,
        call: |_| run(async { Ok(Vec::new()) }),
    };
    change(&mut entry);
    Box::leak(Box::new(entry))
}

fn on(name: &'static str) -> &'static HandlerEntry {
    handler(Listen::Event(name), |_| {})
}

/// A handler of an enum that holds `user.created` alone.
fn closed(listen: Listen) -> &'static HandlerEntry {
    handler(listen, |entry| {
        entry.members = &["user.created"];
        entry.open = false;
    })
}

fn all(states: &States) -> Selection<'_> {
    Selection { only: &[], only_modules: &[], none: false, sagas: &[], crates: &[], states }
}

#[track_caller]
fn mistakes(
    events: &[&'static EventEntry],
    handlers: &[&'static HandlerEntry],
    selection: &Selection<'_>,
) -> Vec<String> {
    match connect(events.to_vec(), handlers.to_vec(), selection) {
        Err(Error::Wiring(error)) => error.mistakes().to_vec(),
        other => panic!("expected mistakes, found {other:?}"),
    }
}

#[track_caller]
fn check(events: &[&'static EventEntry], handler: &'static HandlerEntry, expected: &str) {
    assert_eq!(mistakes(events, &[handler], &all(&States::default())), [expected]);
}

#[track_caller]
fn wired(events: &[&'static EventEntry], handlers: &[&'static HandlerEntry]) -> Registry {
    connect(events.to_vec(), handlers.to_vec(), &all(&States::default())).expect("all of it fits")
}

#[test]
fn handlers_are_sorted_by_name_and_apart_by_how_they_live() {
    let named = |name, ephemeral| {
        let event = if ephemeral { "user.typed" } else { "user.created" };
        handler(Listen::Event(event), |entry| (entry.name, entry.ephemeral) = (name, ephemeral))
    };
    let events = [event("user.created"), ephemeral_event("user.typed")];
    let registry = wired(&events, &[named("c", false), named("b", true), named("a", false)]);
    let order = |wired: &[Wired]| wired.iter().map(|wired| wired.entry.name).collect::<Vec<_>>();
    assert_eq!(order(&registry.durable), ["a", "c"]);
    assert_eq!(order(&registry.ephemeral), ["b"]);
}

#[test]
fn every_mistake_is_listed_at_once() {
    let needy = handler(Listen::Event("user.craeted"), |entry| {
        entry.needs = || vec![Need::of::<Mailer>()];
    });
    let found = mistakes(&[event("user.created")], &[needy], &all(&States::default()));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn an_ephemeral_handler_has_no_transaction() {
    let takes_one = |entry: &mut HandlerEntry| entry.needs = || vec![Need::of::<Tx>()];
    let durable = handler(Listen::Event("user.created"), takes_one);
    let events = [event("user.created"), ephemeral_event("user.typed")];
    assert_eq!(wired(&events, &[durable]).durable.len(), 1);
    let ephemeral = handler(Listen::Event("user.typed"), |entry| {
        takes_one(entry);
        entry.ephemeral = true;
    });
    let found = mistakes(&events, &[ephemeral], &all(&States::default()));
    assert!(found[0].contains("takes a transaction, but its events are ephemeral"), "{found:?}");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_state_that_nobody_gave_is_named() {
    let needy = handler(Listen::Event("user.created"), |entry| {
        entry.needs = || vec![Need::of::<Mailer>(), Need::of::<Mailer>()];
    });
    let events = [event("user.created")];
    let mut states = States::default();
    let mailer = std::any::type_name::<Mailer>();
    let expected = format!(
        "handler `welcome` (src/shop.rs:7) takes `State<{mailer}>`, but no `{mailer}` was given: \
         call `.state(..)` with one on the builder"
    );
    assert_eq!(mistakes(&events, &[needy], &all(&states)), [expected]);
    states.insert(Arc::new(Mailer));
    assert!(connect(events.to_vec(), vec![needy], &all(&states)).is_ok());
}

#[test]
fn a_service_without_a_value_is_named() {
    let method = handler(Listen::Event("user.created"), |entry| {
        entry.service = Some(Need::of::<Mailer>);
    });
    let mailer = std::any::type_name::<Mailer>();
    let expected = format!(
        "handler `welcome` (src/shop.rs:7) is a method of `{mailer}`, but no `{mailer}` was given: \
         call `.handlers(..)` with one on the builder"
    );
    check(&[event("user.created")], method, &expected);
}

#[test]
fn two_crates_cannot_declare_one_version_of_an_event() {
    let other = event_in("billing", "user.created", |event| event.type_name = "Other");
    let found = mistakes(&[event("user.created"), other], &[], &all(&States::default()));
    assert_eq!(
        found,
        ["event `user.created` version 1 is declared 2 times; give the others another name:\n\
          `Fact` at src/shop.rs:2 (crate `shop`)\n`Other` at src/shop.rs:2 (crate `billing`)"]
    );
}

#[test]
fn versions_of_an_event_may_live_in_two_crates() {
    let newer = event_in("billing", "user.created", |event| event.schema = 2);
    assert_eq!(wired(&[newer, event("user.created")], &[]).events[1].schema, 2);
}

#[test]
fn two_handlers_cannot_share_a_durable_name() {
    let other = handler(Listen::Event("user.created"), |entry| {
        (entry.path, entry.location) = ("billing::welcome", at("billing", 9));
    });
    let events = [event("user.created")];
    let found = mistakes(&events, &[on("user.created"), other], &all(&States::default()));
    assert_eq!(
        found,
        ["2 handlers have the durable name `shop::welcome`; give each a name of its own with \
          `name = \"..\"`:\n`billing::welcome` at src/shop.rs:9\n`shop::welcome` at src/shop.rs:7"]
    );
}

#[test]
fn a_handler_cannot_take_the_name_that_another_still_has() {
    let renamed = handler(Listen::Event("user.created"), |entry| {
        entry.name = "greet";
        entry.options.renamed_from = Some("shop::welcome");
    });
    let events = [event("user.created")];
    let found = mistakes(&events, &[on("user.created"), renamed], &all(&States::default()));
    assert!(found[0].contains("`renamed_from = \"shop::welcome\"`"), "{found:?}");
}

#[test]
fn an_event_that_nobody_declares_gets_the_nearest_name() {
    check(
        &[event("user.created")],
        on("user.craeted"),
        "handler `welcome` (src/shop.rs:7) wants `user.craeted`, which no linked crate declares: \
         did you mean `user.created`?",
    );
}

#[test]
fn the_type_of_an_argument_vouches_for_its_event() {
    let registry = wired(&[], &[closed(Listen::Event("user.created"))]);
    assert!(registry.durable[0].interest.wants("user.created"));
}

#[test]
fn dead_letters_are_known_without_being_declared() {
    wired(&[], &[on("kairo.dead-letter.created")]);
    assert!(wired(&[], &[handler(Listen::Pattern("kairo.**"), |_| {})]).warnings.is_empty());
}

#[test]
fn an_enum_listens_to_its_members() {
    let registry = wired(&[event("user.created")], &[closed(Listen::Members)]);
    assert!(registry.durable[0].interest.wants("user.created"));
    assert!(!registry.durable[0].interest.wants("user.deleted"));
}

#[test]
fn any_event_without_a_pattern_is_refused() {
    check(
        &[],
        handler(Listen::Members, |_| {}),
        "handler `welcome` (src/shop.rs:7) does not say which events it wants: write \
         `pattern = \"**\"`, or a narrower one",
    );
}

#[test]
fn an_enum_must_hold_all_that_its_pattern_matches() {
    check(
        &[event("user.created"), event("user.renamed"), event("users.x")],
        closed(Listen::Pattern("user.*")),
        "handler `welcome` (src/shop.rs:7) subscribes to `user.*`, which matches `user.renamed` \
         (`Fact`, src/shop.rs:2), but its enum has no variant for it: add one, or \
         `#[other] Other(AnyEvent)`, or narrow the pattern",
    );
}

#[test]
fn an_open_enum_may_lack_members() {
    let open = handler(Listen::Pattern("user.**"), |entry| entry.members = &["user.created"]);
    assert!(wired(&[event("user"), event("user.renamed")], &[open]).warnings.is_empty());
}

#[test]
fn malformed_patterns_and_expressions_are_refused() {
    check(
        &[],
        handler(Listen::Pattern("user.."), |_| {}),
        "handler `welcome` (src/shop.rs:7): event pattern `user..` is not valid: it has an empty \
         segment; use lower-case letters, digits, `-` and `_` between single dots",
    );
    let bad = handler(Listen::Regex("user("), |_| {});
    let found = mistakes(&[], &[bad], &all(&States::default()));
    assert!(found[0].contains("regular expression `user(` is not valid"), "{found:?}");
}

#[test]
fn a_pattern_that_matches_nothing_known_is_only_odd() {
    let registry = wired(&[event("user.created")], &[handler(Listen::Pattern("order.*"), |_| {})]);
    assert_eq!(
        registry.warnings,
        ["handler `welcome` (src/shop.rs:7) wants `order.*`, which matches no known event"]
    );
}

#[test]
fn a_durable_handler_of_ephemeral_events_alone_is_refused() {
    check(
        &[ephemeral_event("user.typed")],
        handler(Listen::Pattern("user.*"), |_| {}),
        "handler `welcome` (src/shop.rs:7) can never receive anything: all events that `user.*` \
         matches, such as `user.typed` (`Fact`, src/shop.rs:2), are ephemeral, and the handler \
         follows the log; write it with `ephemeral`",
    );
}

#[test]
fn a_member_that_lives_the_other_way_is_refused() {
    check(
        &[ephemeral_event("user.created")],
        closed(Listen::Members),
        "handler `welcome` (src/shop.rs:7) can never receive `user.created` (`Fact`, \
         src/shop.rs:2): the event is ephemeral, and the handler follows the log; move it to a \
         handler with `ephemeral`",
    );
}

#[test]
fn a_named_crate_of_which_nothing_is_registered_is_refused() {
    let states = States::default();
    let crates = [Crate::of("shop"), Crate::of("orders::lib")];
    let found =
        mistakes(&[event("user.created")], &[], &Selection { crates: &crates, ..all(&states) });
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("crate `orders` is named in `.crates(..)`, but"), "{found:?}");
}

#[test]
fn only_the_chosen_handlers_run_and_are_checked() {
    let other = handler(Listen::Event("nobody.knows"), |entry| {
        (entry.name, entry.path) = ("shop::other", "shop::other");
    });
    let (events, handlers) = (vec![event("user.created")], vec![on("user.created"), other]);
    let states = States::default();
    let modules = [String::from("shop::inner")];
    let only = Selection { only: &["shop::welcome"], ..all(&states) };
    let registry = connect(events.clone(), handlers.clone(), &only).expect("the chosen one fits");
    assert_eq!(registry.durable.len(), 1);
    assert_eq!(
        registry.report().to_string(),
        "kairo: shop: 1 event, 2 handlers (1 in this process)\n  \
         shop::welcome on user.created (src/shop.rs:7)\n"
    );
    let found = mistakes(&events, &handlers, &Selection { only_modules: &modules, ..only });
    assert!(found[0].starts_with("module `shop::inner` is chosen to run, but"), "{found:?}");
}

#[test]
fn a_choice_that_is_no_handler_gets_the_nearest_one() {
    let states = States::default();
    let selection = Selection { only: &["shop::welcom"], ..all(&states) };
    assert_eq!(
        mistakes(&[event("user.created")], &[on("user.created")], &selection),
        ["`.only(..)` names `shop::welcom`, which is no handler: did you mean `shop::welcome`?"]
    );
}

#[test]
fn a_thousand_handlers_are_wired_in_any_order() {
    let name = |kind: &str, i: usize| -> &'static str { format!("{kind}-{i}.done").leak() };
    let events = (0..1_000).map(|i| event(name("job", i))).collect();
    let handlers = (0..1_000).rev().map(|i| {
        let listen = if i % 2 == 0 { Listen::Event(name("job", i)) } else { Listen::Pattern("**") };
        handler(listen, |entry| entry.name = name("handler", i))
    });
    let registry = connect(events, handlers.collect(), &all(&States::default())).expect("it fits");
    assert_eq!(registry.durable.len(), 1_000);
    assert!(registry.durable.is_sorted_by_key(|wired| wired.entry.name));
}

#[test]
fn a_method_is_chosen_by_its_path_wherever_its_impl_lies() {
    assert_eq!(path_of("shop::Billing::bill"), "shop::Billing::bill");
    assert_eq!(path_of("shop::jobs::<impl shop::Billing>::bill"), "shop::jobs::Billing::bill");
    assert_eq!(path_of("shop::<impl shop::a::b::Billing>::bill"), "shop::Billing::bill");
    let method = handler(Listen::Pattern("**"), |entry| entry.path = "shop::jobs::Billing::bill");
    let (events, states) = (vec![event("user.created")], States::default());
    let only = ["shop::jobs::<impl shop::Billing>::bill"];
    let registry = connect(events, vec![method], &Selection { only: &only, ..all(&states) });
    assert_eq!(registry.expect("it is a handler").durable.len(), 1);
}
