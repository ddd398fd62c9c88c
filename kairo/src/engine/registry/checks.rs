//! What cannot be wired: one small check per mistake, each of which says what to write instead.

use std::collections::HashSet;

use super::{
    CrateSummary, EventEntry, HandlerEntry, Selection, Wired, is_inside,
    known::{Known, KnownEvent},
};
use crate::{
    engine::tx::Tx,
    event::pattern::{Interest, NameRegex, check_pattern},
    handler::{Need, context::States, entry::Listen},
    nearest::nearest,
};

/// What the builder names and the binary does not have.
pub(super) fn selection(
    selection: &Selection<'_>,
    crates: &[CrateSummary],
    handlers: &[&'static HandlerEntry],
) -> Vec<String> {
    let is_linked = |name| crates.binary_search_by_key(&name, |found| found.name).is_ok();
    let asked = if selection.only.is_empty() { &[] } else { handlers };
    let paths: HashSet<_> = asked.iter().map(|handler| handler.path).collect();
    let is_module = |module: &&String| {
        handlers.iter().any(|handler| is_inside(handler.location.module, module))
    };
    let unlinked = selection.crates.iter().filter(|krate| !is_linked(krate.name()));
    let unknown = selection.paths().filter(|path| !paths.contains(&**path));
    let empty = selection.only_modules.iter().filter(|module| !is_module(module));
    (unlinked.map(|krate| nothing_registered(krate.name())))
        .chain(unknown.map(|path| no_handler(&path, &paths)))
        .chain(empty.map(|module| no_module(module, handlers)))
        .collect()
}

fn nothing_registered(name: &str) -> String {
    format!(
        "crate `{name}` is named in `.crates(..)`, but nothing of it is registered: either it has \
         no `#[event]` and no `#[handler]`, or it is not linked; name it in the code with \
         `use {name} as _;`"
    )
}

fn no_handler(path: &str, paths: &HashSet<&'static str>) -> String {
    let help = match nearest(path, paths.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "put `#[handler]` on it, or remove it from the list".to_owned(),
    };
    format!("`.only(..)` names `{path}`, which is no handler: {help}")
}

fn no_module(module: &str, handlers: &[&'static HandlerEntry]) -> String {
    let help = match nearest(module, handlers.iter().map(|handler| handler.location.module)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write the path of a module that has handlers, beginning with its crate".to_owned(),
    };
    format!("module `{module}` is chosen to run, but no handler is in it: {help}")
}

/// Two types for one name and version, from two crates. Within one crate the compiler refuses
/// them, unless they are `local`.
pub(super) fn events_declared_twice(events: &[&'static EventEntry]) -> Vec<String> {
    events
        .chunk_by(|left, right| (left.name, left.schema) == (right.name, right.schema))
        .filter(|types| {
            let first = types[0].location.crate_name();
            types.iter().any(|entry| entry.location.crate_name() != first)
        })
        .map(|types| {
            let EventEntry { name, schema, .. } = types[0];
            let places: Vec<_> = types.iter().map(|entry| declared(entry)).collect();
            format!(
                "event `{name}` version {schema} is declared {} times; give the others another \
                 name:\n{}",
                types.len(),
                places.join("\n")
            )
        })
        .collect()
}

fn declared(entry: &EventEntry) -> String {
    let EventEntry { type_name, location, .. } = entry;
    format!("`{type_name}` at {location} (crate `{}`)", location.crate_name())
}

/// Two handlers of one durable name would share one place in the log. `handlers` are sorted by
/// name.
pub(super) fn durable_names_used_twice(handlers: &[&'static HandlerEntry]) -> Vec<String> {
    let durable: Vec<_> = handlers.iter().filter(|handler| !handler.ephemeral).collect();
    let twice = durable.chunk_by(|left, right| left.name == right.name);
    let twice = twice.filter(|entries| 1 < entries.len()).map(|entries| {
        let places: Vec<_> =
            entries.iter().map(|entry| format!("`{}` at {}", entry.path, entry.location)).collect();
        format!(
            "{} handlers have the durable name `{}`; give each a name of its own with \
             `name = \"..\"`:\n{}",
            entries.len(),
            entries[0].name,
            places.join("\n")
        )
    });
    let renamed = durable.iter().filter_map(|handler| {
        let older = handler.options.renamed_from?;
        let first = durable.partition_point(|entry| entry.name < older);
        let other = durable.get(first).filter(|entry| entry.name == older)?;
        Some(format!(
            "{} is `renamed_from = \"{older}\"`, but a handler at {} still has that name: remove \
             `renamed_from`, or rename the other one",
            named(handler),
            other.location
        ))
    });
    twice.chain(renamed).collect()
}

/// A transaction is a matter of the store, and handlers of ephemeral events have none.
pub(super) fn transaction_in_memory(handler: &HandlerEntry) -> Option<String> {
    let takes_one = (handler.needs)().contains(&Need::of::<Tx>());
    (handler.ephemeral && takes_one).then(|| {
        format!(
            "{} takes a transaction, but its events are ephemeral and touch no store: call \
             `kairo.transaction(..)` in it, or make the events durable",
            named(handler)
        )
    })
}

/// Values that a handler takes and nobody has given.
pub(super) fn missing_values(handler: &HandlerEntry, states: &States) -> Vec<String> {
    let mut missing: Vec<String> = (handler.needs)()
        .into_iter()
        .filter(|need| !states.has(need.type_id) && *need != Need::of::<Tx>())
        .map(|need| {
            let value = need.type_name;
            format!(
                "{} takes `State<{value}>`, but no `{value}` was given: call `.state(..)` with one \
                 on the builder",
                named(handler)
            )
        })
        .collect();
    missing.sort();
    missing.dedup();
    let service = handler.service.map(|service| service()).filter(|need| !states.has(need.type_id));
    missing.extend(service.map(|need| {
        let value = need.type_name;
        let (is, give) = if handler.pipeline {
            ("runs the pipeline", ".pipeline(..)")
        } else {
            ("is a method of", ".handlers(..)")
        };
        format!(
            "{} {is} `{value}`, but no `{value}` was given: call `{give}` with one on the builder",
            named(handler)
        )
    }));
    missing
}

/// What a handler wants, in the form that can be asked.
pub(super) fn interest(handler: &HandlerEntry, known: &Known) -> Result<Interest, String> {
    let malformed = |error| format!("{}: {error}", named(handler));
    match handler.listen {
        Listen::Event(name) if is_undeclared(handler, name, known) => {
            Err(undeclared(handler, name, known))
        }
        Listen::Event(name) => Ok(Interest::Name(name)),
        Listen::Members if handler.members.is_empty() => Err(format!(
            "{} does not say which events it wants: write `pattern = \"**\"`, or a narrower one",
            named(handler)
        )),
        Listen::Members => Ok(Interest::Names(handler.members)),
        Listen::Pattern(pattern) => {
            check_pattern(pattern).map(|()| Interest::Pattern(pattern.into())).map_err(malformed)
        }
        Listen::Regex(source) => NameRegex::new(source).map(Interest::Regex).map_err(malformed),
    }
}

/// The type of an argument vouches for its event; only a name beside `AnyEvent` can be anything.
fn is_undeclared(handler: &HandlerEntry, name: &str, known: &Known) -> bool {
    !handler.members.contains(&name) && known.get(name).is_none()
}

fn undeclared(handler: &HandlerEntry, name: &str, known: &Known) -> String {
    let help = match nearest(name, known.names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it, or write `pattern = \"{name}\"` if another service does"),
    };
    format!("{} wants `{name}`, which no linked crate declares: {help}", named(handler))
}

/// Members of an enum whose events live the other way: in memory for a durable handler, in the
/// log for an ephemeral one.
pub(super) fn unreachable_members(wired: &Wired, known: &Known) -> Vec<String> {
    let Wired { entry, interest } = wired;
    let wanted = entry.members.iter().filter(|name| interest.wants(name));
    wanted
        .filter_map(|name| known.get(name))
        .filter(|event| event.ephemeral != entry.ephemeral)
        .map(|event| {
            let (is, handler, form) = lives(event.ephemeral);
            format!(
                "{} can never receive {}: the event is {is}, and {handler}; move it to a handler \
                 {form}",
                named(entry),
                described(&event)
            )
        })
        .collect()
}

/// How an event lives, why a handler of the other kind does not get it, and what to write.
const fn lives(ephemeral: bool) -> (&'static str, &'static str, &'static str) {
    if ephemeral {
        ("ephemeral", "the handler follows the log", "with `ephemeral`")
    } else {
        ("durable", "the handler is ephemeral", "without `ephemeral`")
    }
}

/// Known events that a pattern wants and the handler's enum cannot hold. No macro sees the whole
/// program, so this is found here.
pub(super) fn missing_members(wired: &Wired, known: &Known) -> Vec<String> {
    let Wired { entry, interest } = wired;
    if entry.open || !matches!(interest, Interest::Pattern(_) | Interest::Regex(_)) {
        return Vec::new();
    }
    known
        .wanted(interest)
        .filter(|event| event.ephemeral == entry.ephemeral && !entry.members.contains(&event.name))
        .map(|event| {
            format!(
                "{} subscribes to `{interest}`, which matches {}, but its enum has no variant for \
                 it: add one, or `#[other] Other(AnyEvent)`, or narrow the pattern",
                named(entry),
                described(&event)
            )
        })
        .collect()
}

/// Whether anything known reaches a handler.
#[derive(Debug)]
pub(super) enum Reach {
    /// Something does.
    Some,
    /// Nothing known does, but another service may publish it.
    None(String),
    /// Everything that it wants lives the other way, so that nothing ever can.
    Never(String),
}

/// Tells whether anything reaches a handler of a pattern.
pub(super) fn reach(wired: &Wired, known: &Known) -> Reach {
    let Wired { entry, interest } = wired;
    if !matches!(interest, Interest::Pattern(_) | Interest::Regex(_)) {
        return Reach::Some;
    }
    let mut first = None;
    for event in known.wanted(interest) {
        if event.ephemeral == entry.ephemeral {
            return Reach::Some;
        }
        first.get_or_insert(event);
    }
    let Some(event) = first else {
        let handler = named(entry);
        return Reach::None(format!("{handler} wants `{interest}`, which matches no known event"));
    };
    let (is, handler, form) = lives(event.ephemeral);
    Reach::Never(format!(
        "{} can never receive anything: all events that `{interest}` matches, such as {}, are \
         {is}, and {handler}; write it {form}",
        named(entry),
        described(&event)
    ))
}

fn named(handler: &HandlerEntry) -> String {
    format!("handler `{}` ({})", handler.function, handler.location)
}

fn described(event: &KnownEvent) -> String {
    match event.entry {
        Some(entry) => format!("`{}` (`{}`, {})", event.name, entry.type_name, entry.location),
        None => format!("`{}`", event.name),
    }
}
