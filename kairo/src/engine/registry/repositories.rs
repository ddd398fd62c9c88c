//! The entities of the linked crates.

use std::fmt;

use super::CrateSummary;
use crate::{documents::EntityEntry, event::EventEntry, handler::Location};

/// An entity whose documents this process keeps. It is written as
/// `repository users of User in table users (src/main.rs:7)`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WiredRepository {
    /// The repository's name.
    pub name: &'static str,
    /// The table in which a store with tables keeps the documents.
    pub table: &'static str,
    /// The type of the entities.
    pub type_name: &'static str,
    /// The names of the events that tell of what is created, updated and deleted; empty for one that
    /// tells of nothing.
    pub events: Vec<&'static str>,
    /// Where it is declared.
    pub location: Location,
}

impl WiredRepository {
    pub(super) fn of(entry: &EntityEntry) -> Self {
        let EntityEntry { collection, events, type_name, location } = entry;
        Self {
            name: collection.name,
            table: collection.table,
            type_name,
            events: events.map(|names| names.all().to_vec()).unwrap_or_default(),
            location: *location,
        }
    }
}

impl fmt::Display for WiredRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, table, type_name, location, .. } = self;
        write!(f, "repository {name} of {type_name} in table {table} ({location})")
    }
}

/// What cannot be kept apart: two entities of one name or in one table, and an event that a repository
/// and somebody else declare.
pub(super) fn mistakes(
    entities: &[&'static EntityEntry],
    events: &[&'static EventEntry],
) -> Vec<String> {
    let names = doubled(entities, |it| it.collection.name, "have the name", "name");
    let mut tables =
        doubled(entities, |it| it.collection.table, "are in the table", "`table = \"..\"`");
    // Those of one name are in one table as well, unless they say otherwise.
    tables.retain(|(_, places)| !names.iter().any(|(_, same)| same == places));
    let doubled = names.into_iter().chain(tables).map(|(mistake, _)| mistake);
    doubled.chain(entities.iter().flat_map(|it| declared_beside(it, events))).collect()
}

/// Each value that several entities have: what is wrong, and where they are.
fn doubled(
    entities: &[&'static EntityEntry],
    value: fn(&EntityEntry) -> &'static str,
    what: &str,
    change: &str,
) -> Vec<(String, String)> {
    let mut entities = entities.to_vec();
    entities.sort_by_key(|entry| (value(entry), entry.type_name, entry.location.line));
    let same = entities.chunk_by(|one, other| value(one) == value(other));
    let doubled = same.filter(|same| 1 < same.len()).map(|same| {
        let place = |it: &&EntityEntry| format!("`{}` at {}", it.type_name, it.location);
        let places = same.iter().map(place).collect::<Vec<_>>().join("\n");
        let (count, value) = (same.len(), value(same[0]));
        let mistake = format!(
            "{count} repositories {what} `{value}`; give each a {change} of its own:\n{places}"
        );
        (mistake, places)
    });
    doubled.collect()
}

/// Events of a repository that are declared once more in its own crate; those of other crates are found
/// among the events.
fn declared_beside(entity: &EntityEntry, events: &[&'static EventEntry]) -> Vec<String> {
    let Some(names) = entity.events else { return Vec::new() };
    let is_its = |event: &EventEntry| {
        let (own, other) = (entity.location, event.location);
        own.module == other.module && own.file == other.file && own.line == other.line
    };
    let others = events.iter().filter(|event| {
        names.all().contains(&event.name)
            && event.location.crate_name() == entity.location.crate_name()
            && !is_its(event)
    });
    others
        .map(|event| {
            format!(
                "event `{}` of the repository of `{}` at {} is declared again, by `{}` at {}: give \
                 it another name, or the repository another `prefix = \"..\"`",
                event.name, entity.type_name, entity.location, event.type_name, event.location
            )
        })
        .collect()
}

/// Adds the entities to what was found in each crate.
pub(super) fn count(crates: &mut Vec<CrateSummary>, entities: &[&'static EntityEntry]) {
    for entity in entities {
        CrateSummary::within(crates, entity.location.crate_name()).repositories += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{Collection, EventNames};

    const fn at(collection: &'static Collection, type_name: &'static str) -> EntityEntry {
        let location = Location { module: "shop::users", file: "lib.rs", line: 3, column: 1 };
        EntityEntry { collection, events: None, type_name, location }
    }

    const fn collection(name: &'static str, table: &'static str) -> Collection {
        Collection { name, table, indexes: &[] }
    }

    static USERS: Collection = collection("users", "users");
    static OTHERS: Collection = collection("others", "users");
    static PEOPLE: Collection = collection("users", "people");
    static USER: EntityEntry = at(&USERS, "User");
    static OTHER: EntityEntry = at(&OTHERS, "Other");
    static PERSON: EntityEntry = at(&PEOPLE, "Person");
    static AGAIN: EntityEntry = at(&USERS, "Again");

    #[track_caller]
    fn check(entities: &[&'static EntityEntry], expected: &[&str]) {
        let found = mistakes(entities, &[]);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn two_repositories_of_one_name_or_table_are_a_mistake() {
        check(&[&USER], &[]);
        check(&[&USER, &PERSON], &["2 repositories have the name `users`"]);
        check(&[&USER, &OTHER], &["2 repositories are in the table `users`"]);
        check(&[&USER, &AGAIN], &["2 repositories have the name `users`"]);
    }

    #[test]
    fn an_event_of_a_repository_is_declared_once() {
        static NAMES: EventNames = EventNames {
            stream: "users",
            created: "users.created",
            updated: "users.updated",
            deleted: "users.deleted",
        };
        static TOLD: EntityEntry = EntityEntry { events: Some(&NAMES), ..at(&USERS, "User") };
        static EVENT: EventEntry = EventEntry {
            name: "users.updated",
            schema: 1,
            ephemeral: false,
            type_id: std::any::TypeId::of::<String>(),
            type_name: "UsersUpdated",
            location: Location { module: "shop::users", file: "lib.rs", line: 9, column: 1 },
            check: |_, _| Ok(None),
        };
        let found = mistakes(&[&TOLD], &[&EVENT]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`UsersUpdated` at lib.rs:9"), "{}", found[0]);
    }

    #[test]
    fn entities_are_counted_by_crate() {
        let mut crates = Vec::new();
        count(&mut crates, &[&USER, &OTHER]);
        assert_eq!((crates.len(), crates[0].name, crates[0].repositories), (1, "shop", 2));
    }
}
