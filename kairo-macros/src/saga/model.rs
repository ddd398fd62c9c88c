//! The rules of a saga.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{LitStr, Path, Type};

use super::{
    BLOCK,
    hooks::{self, Migration},
    options::OnUnknown,
    parse::{Input, Method},
    resolve::{self, Place, Scope, Source, Taken},
    steps,
};
use crate::{
    args::Args, declared, mistakes::Mistakes, names, paths, retry::Retry, returns::Returns,
    tokens::last_segment,
};

/// A saga without mistakes, or what could be understood of one.
pub(crate) struct Model {
    pub(crate) library: Path,
    /// The type, and its name.
    pub(crate) ty: Type,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) options: SagaOptions,
    pub(crate) input: Type,
    /// The step whose output is the saga's.
    pub(crate) output: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) on_complete: Option<Call>,
    pub(crate) on_error: Option<Call>,
    pub(crate) migrations: Vec<Migration>,
    /// Whether there are mistakes, so that only what keeps other code compiling is emitted.
    pub(crate) broken: bool,
}

/// The options of the whole.
pub(crate) struct SagaOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) rollback: bool,
    pub(crate) on: Option<LitStr>,
    /// Whether another saga of the crate may have its name.
    pub(crate) local: bool,
}

/// One step.
pub(crate) struct Step {
    pub(crate) ident: Ident,
    pub(crate) output: Type,
    pub(crate) call: Call,
    pub(crate) after: Vec<usize>,
    pub(crate) when: Option<Call>,
    pub(crate) undo: Undo,
    pub(crate) on_unknown: Option<OnUnknown>,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
}

/// What undoes a step.
pub(crate) enum Undo {
    Pure,
    Nothing(String),
    By { call: Box<Call>, takes: Takes, timeout: Option<Duration> },
}

/// What a compensation takes of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Output,
    Maybe,
    Nothing,
}

/// How a method is called.
pub(crate) struct Call {
    pub(crate) function: Ident,
    pub(crate) taken: Vec<Taken>,
    pub(crate) returns: Returns,
}

/// What the rules about single methods look at.
pub(crate) struct Whole<'a> {
    /// The saga's type.
    pub(crate) ty: &'a Type,
    pub(crate) input: &'a Type,
    pub(crate) sources: &'a [Source],
    pub(crate) methods: &'a [Method],
}

impl<'a> Whole<'a> {
    /// What a method may take at a place.
    pub(crate) fn scope(&self, who: &str, place: Place) -> Scope<'a> {
        Scope { who: who.to_owned(), input: self.input, steps: self.sources, place }
    }
}

/// Checks every rule.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Option<Model> {
    let args = &input.args;
    let sound = BLOCK.check(mistakes, &input.item);
    let ty = (*input.item.self_ty).clone();
    let ident = last_segment(&ty)?.ident.clone();
    let name = declared::name(mistakes, args, &ident, "saga", "under which its progress is stored");
    let options = options(mistakes, args);
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    let drafts = steps::drafts(mistakes, &input.methods, &ty);
    if drafts.is_empty() && mistakes.none() {
        mistakes.at(
            ident.span(),
            format!(
                "saga `{ident}` has no steps: add `#[step]` to its methods, in the order in which \
                 they run"
            ),
        );
    }
    let given = args.ty(mistakes, "input", "OrderData");
    let input_type = given.unwrap_or_else(|| steps::input(&drafts));
    let sources = steps::sources(&drafts);
    let output = output(mistakes, args, &sources);
    let whole = Whole { ty: &ty, input: &input_type, sources: &sources, methods: &input.methods };
    let steps = steps::check(mistakes, &whole, drafts);
    let (on_complete, on_error) = hooks::both(mistakes, &whole, output);
    let migrations = hooks::migrations(mistakes, &whole);
    let broken = !mistakes.none();
    (sound && !steps.is_empty()).then(|| Model {
        library,
        ty,
        ident,
        name,
        options,
        input: input_type,
        output,
        steps,
        on_complete,
        on_error,
        migrations,
        broken,
    })
}

fn options(mistakes: &mut Mistakes, args: &Args) -> SagaOptions {
    let on = args.string(mistakes, "on", "order.placed");
    if let Some(on) = &on {
        let text = on.value();
        if text.contains('*') {
            let message =
                format!("\"{text}\" is a pattern, but a saga starts on one event: write its name");
            mistakes.at(on.span(), message);
        } else if let Err(message) = names::check_name(&text) {
            mistakes.at(on.span(), message);
        }
    }
    SagaOptions {
        timeout: args.duration(mistakes, "timeout", "10m"),
        rollback: args.boolean(mistakes, "rollback_on_failure").unwrap_or(true),
        on,
        local: args.flag(mistakes, "local"),
    }
}

/// The step that `output = step` names, or else the last.
fn output(mistakes: &mut Mistakes, args: &Args, sources: &[Source]) -> usize {
    let last = sources.len().saturating_sub(1);
    let Some(name) = args.word(mistakes, "output", "create_order") else { return last };
    let Some(step) = resolve::named(mistakes, sources, &name) else { return last };
    if sources[step].conditional {
        let message = format!(
            "`{name}` has a `when`, so it may have no output for the saga to return: use a step \
             that always runs"
        );
        mistakes.at(name.span(), message);
    }
    step
}
