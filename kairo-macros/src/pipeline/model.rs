//! The rules of a pipeline.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{ItemImpl, LitStr, Path, Type};

use super::{
    hooks::{self, Hook},
    parse::Input,
    stages::{self, Stage},
};
use crate::{
    args::Args,
    declared,
    mistakes::Mistakes,
    names, paths,
    tokens::{last_segment, show},
};

/// A pipeline without mistakes, or what could be understood of one.
pub(crate) struct Model {
    pub(crate) library: Path,
    /// Where garde is, if the crate has it.
    pub(crate) garde: Option<Path>,
    /// The type, and its name.
    pub(crate) ty: Type,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) options: Options,
    pub(crate) stages: Vec<Stage>,
    pub(crate) on_success: Option<Hook>,
    pub(crate) on_error: Option<Hook>,
    /// Whether there are mistakes, so that only what keeps other code compiling is emitted.
    pub(crate) broken: bool,
}

/// The options of the whole.
pub(crate) struct Options {
    pub(crate) on: Option<LitStr>,
    pub(crate) tells: Tells,
    pub(crate) timeout: Option<Duration>,
    /// Whether another pipeline of the crate may have its name.
    pub(crate) local: bool,
}

/// What it tells of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    Nothing,
    Run,
    Stages,
}

impl Model {
    /// What flows into it.
    pub(crate) fn input(&self) -> Option<&Type> {
        self.stages.first().map(|stage| &stage.takes)
    }

    /// What comes out of it.
    pub(crate) fn output(&self) -> Option<&Type> {
        self.stages.last().map(Stage::gives)
    }
}

/// Checks every rule.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Option<Model> {
    let args = &input.args;
    let sound = check_block(mistakes, &input.item);
    let ty = (*input.item.self_ty).clone();
    let ident = last_segment(&ty)?.ident.clone();
    let name =
        declared::name(mistakes, args, &ident, "pipeline", "which its errors and events say");
    let options = options(mistakes, args);
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    let stages = stages::check(mistakes, &input.methods, &ty);
    let (on_success, on_error) = hooks::both(mistakes, &input.methods, &ty);
    if stages.is_empty() && mistakes.none() {
        mistakes.at(
            ident.span(),
            format!(
                "pipeline `{ident}` has no stages: add `#[map]`, `#[filter]` or `#[emit]` to its \
                 methods, in the order in which they run"
            ),
        );
    }
    let broken = !mistakes.none();
    (sound && !stages.is_empty()).then(|| Model {
        library,
        garde: paths::garde(),
        ty,
        ident,
        name,
        options,
        stages,
        on_success,
        on_error,
        broken,
    })
}

fn check_block(mistakes: &mut Mistakes, item: &ItemImpl) -> bool {
    let before = mistakes.count();
    let shown = show(&item.self_ty);
    if let Some((path, _)) = &item.trait_ {
        mistakes.on(
            path,
            format!(
                "`#[pipeline]` goes on a block of the type's own: move the stages to \
                 `impl {shown} {{ .. }}`"
            ),
        );
    }
    if !item.generics.params.is_empty() {
        mistakes.on(
            &item.generics.params,
            "a pipeline cannot be generic: it is registered under its name; use a concrete type",
        );
    }
    if last_segment(&item.self_ty).is_none() {
        mistakes.on(&item.self_ty, "a pipeline is a type with a name: use a struct of your own");
    }
    mistakes.count() == before
}

fn options(mistakes: &mut Mistakes, args: &Args) -> Options {
    let on = args.string(mistakes, "on", "order.placed");
    if let Some(on) = &on {
        let text = on.value();
        if text.contains('*') {
            let message = format!(
                "\"{text}\" is a pattern, but a pipeline runs on one event: write its name"
            );
            mistakes.at(on.span(), message);
        } else if let Err(message) = names::check_name(&text) {
            mistakes.at(on.span(), message);
        }
    }
    let tells = match args.choice(mistakes, "events", &["run", "stages"]) {
        None => Tells::Nothing,
        Some(0) => Tells::Run,
        Some(_) => Tells::Stages,
    };
    Options {
        on,
        tells,
        timeout: args.duration(mistakes, "timeout", "1m"),
        local: args.flag(mistakes, "local"),
    }
}
