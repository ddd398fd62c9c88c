//! The pipelines of the linked crates.

use super::declared::{self, Named};
use crate::{
    blueprint::pipeline::PipelineEntry,
    handler::context::{Need, States},
};

/// Two pipelines of one name, from two crates, would have one subscription. Within one crate the
/// compiler refuses them, unless they are `local`.
pub(super) fn declared_twice(pipelines: &[&'static PipelineEntry]) -> Vec<String> {
    let named = pipelines.iter().map(|pipeline| {
        let PipelineEntry { name, type_name, location, .. } = **pipeline;
        Named { name, type_name, location }
    });
    declared::twice("pipelines", named)
}

/// Values that a pipeline's methods take and nobody has given; of the pipelines that were given.
pub(super) fn missing_values(pipelines: &[&'static PipelineEntry], states: &States) -> Vec<String> {
    let given = pipelines.iter().filter(|pipeline| states.has((pipeline.value)().type_id));
    let missing = given.flat_map(|pipeline| {
        let needs = (pipeline.needs)().into_iter().filter(|need| !states.has(need.type_id));
        needs.map(|Need { type_name: value, .. }| {
            let PipelineEntry { name, location, .. } = pipeline;
            format!(
                "pipeline `{name}` ({location}) takes `State<{value}>`, but no `{value}` was given: \
                 call `.state(..)` with one on the builder"
            )
        })
    });
    let mut missing: Vec<_> = missing.collect();
    missing.sort();
    missing.dedup();
    missing
}
