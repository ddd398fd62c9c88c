//! The options of a step, and what undoes it.

use std::time::Duration;

use proc_macro2::{Ident, Span};
use syn::{Type, ext::IdentExt};

use crate::{
    args::Args,
    mistakes::Mistakes,
    retry::{self, Retry},
    returns::is_unit,
    tokens::show,
};

/// The options of a step, as they are written.
pub(crate) struct Options {
    pub(crate) pure: Option<Span>,
    pub(crate) after: Option<Vec<Ident>>,
    pub(crate) when: Option<Ident>,
    /// Why nothing undoes it, and where that is said.
    pub(crate) no_compensation: Option<(String, Span)>,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_unknown: Option<(OnUnknown, Span)>,
}

/// What to do about a step of which nobody knows whether it has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnknown {
    Compensate,
    Park,
}

/// Reads the options of a step.
pub(crate) fn read(mistakes: &mut Mistakes, args: &Args) -> Options {
    let on_unknown = args.choice(mistakes, "on_unknown", &["compensate", "park"]);
    let on_unknown = on_unknown.map(|index| [OnUnknown::Compensate, OnUnknown::Park][index]);
    Options {
        pure: args.span("pure").filter(|_| args.flag(mistakes, "pure")),
        after: args.words(mistakes, "after"),
        when: args.word(mistakes, "when", "is_wanted"),
        no_compensation: no_compensation(mistakes, args),
        retry: retry::check(mistakes, args),
        timeout: args.duration(mistakes, "timeout", "30s"),
        on_unknown: on_unknown.zip(args.span("on_unknown")),
    }
}

fn no_compensation(mistakes: &mut Mistakes, args: &Args) -> Option<(String, Span)> {
    let why = args.string(mistakes, "no_compensation", "why nothing undoes it")?;
    let text = why.value();
    if text.trim().is_empty() {
        mistakes.at(
            why.span(),
            "a step that nothing undoes needs a reason, which people read when it matters: write \
             `no_compensation = \"a mail cannot be unsent\"`",
        );
    }
    Some((text, args.span("no_compensation")?))
}

/// What is known of a step when it is asked what undoes it.
pub(crate) struct Undone<'a> {
    pub(crate) step: &'a Ident,
    pub(crate) output: &'a Type,
    pub(crate) is_last: bool,
    /// The method that compensates it, and where that is said.
    pub(crate) compensation: Option<(&'a Ident, Span)>,
    /// Whether the compensation cannot run without the step's output.
    pub(crate) takes_output: bool,
}

/// A step is compensated, or is said to need no compensation, and not both.
pub(crate) fn check(mistakes: &mut Mistakes, options: &Options, undone: &Undone<'_>) {
    check_one(mistakes, options, undone);
    check_on_unknown(mistakes, options, undone);
}

fn check_one(mistakes: &mut Mistakes, options: &Options, undone: &Undone<'_>) {
    let Undone { step, output, is_last, compensation, .. } = undone;
    let (pure, none) = (options.pure, options.no_compensation.as_ref());
    if let (Some(_), Some((_, span))) = (pure, none) {
        let message = format!(
            "a `pure` step changes nothing that could be undone: remove `pure`, or \
             `no_compensation`, from `{step}`"
        );
        mistakes.at(*span, message);
    }
    if let Some((function, span)) = compensation {
        if pure.is_some() {
            let message = format!(
                "`{step}` is `pure`, so there is nothing that `{function}` could undo: remove \
                 one of them"
            );
            mistakes.at(*span, message);
        } else if none.is_some() {
            let message = format!(
                "`{step}` says `no_compensation`, but `{function}` compensates it: remove one of \
                 them"
            );
            mistakes.at(*span, message);
        }
    } else if pure.is_none() && none.is_none() && !is_last {
        let name = step.unraw();
        let taken =
            if is_unit(output) { String::new() } else { format!(", output: &{}", show(output)) };
        let message = format!(
            "step `{step}` has no compensation, so what it did would stay when a later step fails: \
             add `#[compensate({step})] async fn undo_{name}(&self{taken}) -> Result<(), E>`; or \
             write `#[step(pure)]` if it changes nothing, or `#[step(no_compensation = \"why\")]`"
        );
        mistakes.at(step.span(), message);
    }
}

fn check_on_unknown(mistakes: &mut Mistakes, options: &Options, undone: &Undone<'_>) {
    let Some((OnUnknown::Compensate, span)) = options.on_unknown else { return };
    let Undone { step, output, compensation, takes_output, .. } = undone;
    let Some((function, _)) = compensation else {
        let message = format!(
            "`{step}` has nothing that undoes it: add a `#[compensate({step})]`, or remove this"
        );
        return mistakes.at(span, message);
    };
    if *takes_output {
        let output = show(output);
        let message = format!(
            "an unknown outcome has no output, which `{function}` takes: write \
             `Option<&{output}>` there, or remove this"
        );
        mistakes.at(span, message);
    }
}
