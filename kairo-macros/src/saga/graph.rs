//! Which steps come before which.

use proc_macro2::Ident;
use syn::ext::IdentExt;

use crate::{mistakes::Mistakes, names};

/// The steps that `after(..)` names, as their indexes. Steps follow earlier ones only, so there are
/// no cycles.
pub(crate) fn named(
    mistakes: &mut Mistakes,
    steps: &[Ident],
    index: usize,
    after: &[Ident],
) -> Vec<usize> {
    let mut found = vec![];
    for name in after {
        let position = steps.iter().position(|step| step == name);
        match position {
            Some(before) if before < index && !found.contains(&before) => found.push(before),
            Some(before) => {
                let message = wrong_order(&steps[index], name, before.cmp(&index));
                mistakes.at(name.span(), message);
            }
            None => {
                let earlier: Vec<_> =
                    steps[..index].iter().map(|step| step.unraw().to_string()).collect();
                let hint = match earlier.as_slice() {
                    [] => "no step is declared before this one; remove it".to_owned(),
                    earlier => names::hint(&name.to_string(), earlier.iter().map(String::as_str)),
                };
                mistakes.at(name.span(), format!("the saga has no step `{name}`: {hint}"));
            }
        }
    }
    found
}

fn wrong_order(step: &Ident, named: &Ident, order: std::cmp::Ordering) -> String {
    match order {
        std::cmp::Ordering::Less => format!("`{named}` stands here twice: remove one of them"),
        std::cmp::Ordering::Equal => format!("`{named}` cannot come after itself: remove it"),
        std::cmp::Ordering::Greater => format!(
            "`{named}` is declared behind `{step}`, and steps follow only those that are declared \
             before them, so that there are no cycles: move `{named}` above `{step}`, or remove it \
             here"
        ),
    }
}

/// The steps before a step: those that it names and those whose outputs it uses; all earlier ones
/// where it names none; and all others before the last.
pub(crate) fn before(
    index: usize,
    is_last: bool,
    named: Option<&[usize]>,
    used: impl Iterator<Item = usize>,
) -> Vec<usize> {
    let Some(named) = named.filter(|_| !is_last) else { return (0..index).collect() };
    let mut before: Vec<usize> = named.iter().copied().chain(used).collect();
    before.sort_unstable();
    before.dedup();
    before
}

/// The steps that have happened whenever this one runs.
pub(crate) fn certain(after: &[Vec<usize>], index: usize) -> Vec<usize> {
    let mut certain = vec![];
    let mut open = after[index].clone();
    while let Some(step) = open.pop() {
        if !certain.contains(&step) {
            certain.push(step);
            open.extend(&after[step]);
        }
    }
    certain
}
