//! The names of subscriptions at a start: those to forget, and those that were probably renamed.

use std::collections::{HashMap, HashSet};

use crate::{
    delivery::Backend,
    engine::dispatch::spec::Spec,
    error::{Error, Result, WiringError},
    handler::entry::HandlerEntry,
};

/// Deletes what is to be forgotten, and warns of names in the store that no handler has.
///
/// A new handler beside an old name that looks like it is taken for a rename that would leave
/// its place in the log behind, and with it events: that is an error.
pub(super) async fn settle_names(
    forget: &[String],
    backend: &dyn Backend,
    specs: &[Spec],
) -> Result {
    if let Some(name) = forget.iter().find(|name| specs.iter().any(|it| *it.name == ***name)) {
        let mistake = format!("`.forget(\"{name}\")` names a handler that runs: remove it");
        return Err(Error::Wiring(WiringError::new(vec![mistake])));
    }
    for name in forget {
        if !backend.remove_subscription(name.clone()).await? {
            tracing::warn!(subscription = name, "there is no such subscription to forget");
        }
    }
    let stored = backend.subscription_names().await?;
    let orphans = orphans(&stored, specs);
    let is_stored =
        |name: &str| stored.binary_search_by(|stored| stored.as_str().cmp(name)).is_ok();
    let new = specs.iter().filter(|spec| spec.renamed_from.is_none() && !is_stored(&spec.name));
    let mistakes = if orphans.is_empty() { Vec::new() } else { renames(&orphans, new) };
    if !mistakes.is_empty() {
        return Err(Error::Wiring(WiringError::new(mistakes)));
    }
    for orphan in &orphans {
        tracing::warn!(subscription = orphan, "no handler of this process has this subscription");
    }
    Ok(())
}

/// The names in the store that no handler of this binary has. Both lists are sorted by name.
fn orphans(stored: &[String], specs: &[Spec]) -> Vec<String> {
    let runs = |name: &str| specs.binary_search_by(|spec| (*spec.name).cmp(name)).is_ok();
    let mut orphans: Vec<_> = stored.iter().filter(|name| !runs(name)).cloned().collect();
    if !orphans.is_empty() {
        // Handlers that another process runs, or another start, are no orphans.
        let linked = inventory::iter::<HandlerEntry>.into_iter().map(|entry| entry.name);
        let known: HashSet<&str> =
            linked.chain(specs.iter().filter_map(|spec| spec.renamed_from)).collect();
        orphans.retain(|name| !known.contains(name.as_str()));
    }
    orphans
}

/// New handlers beside an orphan of the same name in another module, or of the same module.
fn renames<'a>(orphans: &[String], new: impl Iterator<Item = &'a Spec>) -> Vec<String> {
    let (mut by_last, mut by_module) = (HashMap::new(), HashMap::new());
    for orphan in orphans {
        let (module, last) = split_path(orphan);
        // A name without a path may be that of a closure, which subscribes later.
        if let Some(module) = module {
            by_last.insert(last, orphan);
            by_module.insert(module, orphan);
        }
    }
    new.filter_map(|spec| {
        let (module, last) = split_path(&spec.name);
        let old = by_last.get(last).or_else(|| by_module.get(module?))?;
        Some(format!(
            "handler `{}` is new, and the store has a subscription `{old}` that no handler has: if \
             it was renamed, add `renamed_from = \"{old}\"` to keep its place in the log; if not, \
             add `.forget(\"{old}\")` to the builder to delete that place",
            spec.name
        ))
    })
    .collect()
}

/// The module of a path, if it has one, and its last segment.
fn split_path(path: &str) -> (Option<&str>, &str) {
    path.rsplit_once("::").map_or((None, path), |(module, last)| (Some(module), last))
}
