//! Rules about an aggregate and the events that it applies, as constants that panic with a message
//! when they do not hold.

use super::text::{Text, contains, same};

/// Each event is applied by one method.
///
/// # Panics
/// At compile time, when two methods apply events of one name.
#[track_caller]
pub const fn check_applied_once(aggregate: &str, methods: &[&str], names: &[&str]) {
    let last = names.len() - 1;
    let mut i = 0;
    while i < last {
        if same(names[i], names[last]) {
            let text = Text::new().then("`#[apply]` methods `").then(methods[i]).then("` and `");
            let text = text.then(methods[last]).then("` of aggregate `").then(aggregate);
            let text = text.then("` both take the event \"").then(names[i]);
            let text = text.then("\"\nhelp: remove one of them; an older version of an event is ");
            let text = text.then("upcast before it is applied");
            panic!("{}", text.as_str())
        }
        i += 1;
    }
}

/// What is applied is in the log.
///
/// # Panics
/// At compile time, when the event is ephemeral.
#[track_caller]
pub const fn check_in_log(aggregate: &str, event: &str, ephemeral: bool) {
    if ephemeral {
        let text = Text::new().then("`").then(event).then("` is an ephemeral event: it is in no ");
        let text = text.then("log, so aggregate `").then(aggregate);
        let text = text.then("` cannot be rebuilt from it\nhelp: remove `ephemeral` from its ");
        let text = text.then("`#[event(..)]`, or remove this `#[apply]` method");
        panic!("{}", text.as_str())
    }
}

/// Every member of the declared enum is applied.
///
/// # Panics
/// At compile time, when one is not.
#[track_caller]
pub const fn check_members(
    aggregate: &str,
    set: &str,
    names: &[&str],
    types: &[&str],
    applied: &[&str],
) {
    let mut missing = 0;
    let (mut found, mut help) = (Text::new(), Text::new());
    let mut i = 0;
    while i < names.len() {
        if !contains(applied, names[i]) {
            let member = if i < types.len() { types[i] } else { names[i] };
            let comma = if missing == 0 { "`" } else { ", `" };
            found = found.then(comma).then(member).then("`");
            help = help.then(if missing == 0 { " `" } else { ", `" }).then("#[apply] fn ");
            help = help.then_snake(names[i]).then("(&mut self, event: &").then(member);
            help = help.then(") { .. }`");
            missing += 1;
        }
        i += 1;
    }
    if 0 < missing {
        let text = Text::new().then("aggregate `").then(aggregate).then("` does not apply ");
        let text = text.then(found.as_str()).then(" of `").then(set).then("`\nhelp: add");
        panic!("{}", text.then(help.as_str()).as_str())
    }
}

/// What is applied is a member of the declared enum.
///
/// # Panics
/// At compile time, when it is not.
#[track_caller]
pub const fn check_member(event: &str, name: &str, set: &str, names: &[&str], open: bool) {
    if open || contains(names, name) {
        return;
    }
    let text = Text::new().then("`").then(event).then("` is none of the events of `").then(set);
    let text =
        text.then("`, which are ").then_list(names).then("\nhelp: add a variant that holds `");
    let text =
        text.then(event).then("` to `").then(set).then("`, or remove this `#[apply]` method");
    panic!("{}", text.as_str())
}
