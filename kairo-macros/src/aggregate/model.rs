//! The rules of an aggregate.

use proc_macro2::{Ident, Span};
use syn::{LitStr, Path, Type};

use super::{
    BLOCK,
    method::{self, Applied},
    parse::Input,
};
use crate::{args::Args, declared, mistakes::Mistakes, names, paths, tokens::last_segment};

/// An aggregate without mistakes, or what could be understood of one.
pub(crate) struct Model {
    pub(crate) library: Path,
    /// The type, and its name.
    pub(crate) ty: Type,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    /// The declared enum of its events; without one it is generated.
    pub(crate) event: Option<Path>,
    pub(crate) strict: bool,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) applied: Vec<Applied>,
    /// Whether there are mistakes, so that only what keeps other code compiling is emitted.
    pub(crate) broken: bool,
}

/// When the state is kept, and under which version.
pub(crate) struct Snapshots {
    pub(crate) every: u32,
    pub(crate) version: u32,
    /// Where `snapshot_every` stands.
    pub(crate) place: Span,
}

/// Checks every rule.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Option<Model> {
    let args = &input.args;
    let sound = BLOCK.check(mistakes, &input.item);
    let ty = (*input.item.self_ty).clone();
    let ident = last_segment(&ty)?.ident.clone();
    let name = declared::name(mistakes, args, &ident, "aggregate", "which its streams begin with");
    let event = args.path(mistakes, "event", &format!("{ident}Event"));
    let strict = args.flag(mistakes, "strict");
    let snapshots = check_snapshots(mistakes, args);
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    if input.methods.is_empty() && mistakes.none() {
        let guess = names::pascal(&name.value());
        mistakes.at(
            ident.span(),
            format!(
                "this block rebuilds `{ident}` from no event: add `#[apply] fn created(&mut self, \
                 event: &{guess}Created) {{ .. }}`"
            ),
        );
    }
    let mut applied: Vec<Applied> = vec![];
    for method in &input.methods {
        if let Some(found) = method::check(mistakes, &ident, &ty, method)
            && method::check_repeated(mistakes, &applied, &found)
        {
            applied.push(found);
        }
    }
    let broken = !mistakes.none();
    sound.then(|| Model { library, ty, ident, name, event, strict, snapshots, applied, broken })
}

fn check_snapshots(mistakes: &mut Mistakes, args: &Args) -> Option<Snapshots> {
    let every = args.number(mistakes, "snapshot_every", 1..=u32::MAX, 100);
    let version = args.number(mistakes, "snapshot_version", 1..=u32::MAX, 2);
    let Some(place) = args.span("snapshot_every") else {
        if let Some(span) = args.span("snapshot_version") {
            mistakes.at(
                span,
                "`snapshot_version` tells snapshots apart, but there are none: add \
                 `snapshot_every = 100`",
            );
        }
        return None;
    };
    Some(Snapshots { every: every?, version: version.unwrap_or(1), place })
}
