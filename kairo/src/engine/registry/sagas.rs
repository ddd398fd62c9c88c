//! The sagas of the linked crates.

use super::declared::{self, Named};
use crate::{
    blueprint::SagaEntry,
    engine::tx::Tx,
    handler::context::{Need, States},
};

/// Two sagas of one name, from two crates, would carry on what the other one has begun. Within one
/// crate the compiler refuses them, unless they are `local`.
pub(super) fn declared_twice(sagas: &[&'static SagaEntry]) -> Vec<String> {
    let named = sagas.iter().map(|saga| Named {
        name: saga.name,
        type_name: saga.type_name,
        location: saga.location,
    });
    declared::twice("sagas", named)
}

/// Values that a saga's methods take and nobody has given; of the sagas that this process runs.
pub(super) fn missing_values(
    sagas: &[&'static SagaEntry],
    given: &[&'static str],
    states: &States,
) -> Vec<String> {
    let given = sagas.iter().filter(|saga| given.contains(&saga.name));
    let missing = given.flat_map(|saga| {
        let needs = (saga.needs)()
            .into_iter()
            .filter(|need| !states.has(need.type_id) && *need != Need::of::<Tx>());
        needs.map(|Need { type_name: value, .. }| {
            let SagaEntry { name, location, .. } = saga;
            format!(
                "saga `{name}` ({location}) takes `State<{value}>`, but no `{value}` was given: \
                 call `.state(..)` with one on the builder"
            )
        })
    });
    let mut missing: Vec<_> = missing.collect();
    missing.sort();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Location;

    const fn at(name: &'static str, module: &'static str) -> SagaEntry {
        let location = Location { module, file: "lib.rs", line: 3, column: 1 };
        SagaEntry { name, type_name: module, location, needs: Vec::new }
    }

    static ORDER: SagaEntry = at("order", "shop::Order");
    static REFUND: SagaEntry = at("refund", "shop::Refund");
    static OTHER: SagaEntry = at("order", "billing::Order");

    #[test]
    fn two_sagas_of_one_name_are_a_mistake() {
        assert!(declared_twice(&[&ORDER, &REFUND]).is_empty());
        let mistakes = declared_twice(&[&ORDER, &REFUND, &OTHER]);
        assert_eq!(mistakes.len(), 1);
        for part in ["2 sagas", "`order`", "shop::Order", "billing::Order", "lib.rs:3"] {
            assert!(mistakes[0].contains(part), "{}", mistakes[0]);
        }
    }
}
