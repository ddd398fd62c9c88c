//! Sagas and pipelines by their names: which have one name, and how many each crate has.

use super::CrateSummary;
use crate::handler::Location;

/// Something that is declared under a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) type_name: &'static str,
    pub(super) location: Location,
}

/// What has the name of something in another crate.
pub(super) fn twice(what: &str, named: impl Iterator<Item = Named>) -> Vec<String> {
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|it| (it.name, it.type_name));
    let crate_of = |it: &Named| it.location.crate_name();
    let twice = named
        .chunk_by(|one, other| one.name == other.name)
        .filter(|same| same.iter().any(|it| crate_of(it) != crate_of(&same[0])));
    twice
        .map(|same| {
            let place = |it: &Named| format!("`{}` at {}", it.type_name, it.location);
            let places: Vec<_> = same.iter().map(place).collect();
            format!(
                "{} {what} have the name `{}`; give each a name of its own:\n{}",
                same.len(),
                same[0].name,
                places.join("\n")
            )
        })
        .collect()
}

/// Adds to what was found in each crate.
pub(super) fn count(
    crates: &mut Vec<CrateSummary>,
    places: impl Iterator<Item = Location>,
    add: fn(&mut CrateSummary),
) {
    for place in places {
        add(CrateSummary::within(crates, place.crate_name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(module: &'static str) -> Location {
        Location { module, file: "lib.rs", line: 3, column: 1 }
    }

    #[test]
    fn what_is_declared_is_counted_by_crate() {
        let mut crates = Vec::new();
        let places = [at("shop::a"), at("billing"), at("shop::b")];
        count(&mut crates, places.into_iter(), |summary| summary.sagas += 1);
        let found: Vec<_> = crates.iter().map(|it| (it.name, it.sagas)).collect();
        assert_eq!(found, [("billing", 1), ("shop", 2)]);
    }
}
