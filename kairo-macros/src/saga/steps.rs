//! The rules of the steps, and of what undoes them.

use proc_macro2::Ident;
use syn::{Type, ext::IdentExt, parse_quote};

use super::{
    arguments::{self, Argument, Form},
    graph,
    model::{Call, Step, Takes, Undo, Whole},
    options::{self, Options, Undone},
    parse::{Method, Role},
    resolve::{self, Place, Source, Taken},
    signature,
};
use crate::{args::Args, mistakes::Mistakes, names, returns::Returns, tokens::show};

/// Fields of the generated state that are no steps.
pub(crate) const RESERVED: &[&str] = &["phase", "input"];

/// A step as it is written.
pub(crate) struct Draft<'a> {
    method: &'a Method,
    ident: &'a Ident,
    who: String,
    options: Options,
    arguments: Vec<Argument>,
    returns: Returns,
}

/// A compensation as it is written.
struct Compensation<'a> {
    method: &'a Method,
    /// The name in its attribute, and the step of that name.
    named: &'a Ident,
    of: Option<usize>,
    args: &'a Args,
}

/// Reads the steps, in the order of their declaration.
pub(crate) fn drafts<'a>(
    mistakes: &mut Mistakes,
    methods: &'a [Method],
    saga: &Type,
) -> Vec<Draft<'a>> {
    let mut drafts: Vec<Draft<'a>> = vec![];
    for method in methods {
        let Role::Step(args) = &method.role else { continue };
        let ident = &method.signature.ident;
        // Two methods of one name are rustc's to report.
        if drafts.iter().all(|draft| draft.ident != ident) {
            drafts.push(draft(mistakes, method, args, saga));
        }
    }
    drafts
}

fn draft<'a>(mistakes: &mut Mistakes, method: &'a Method, args: &Args, saga: &Type) -> Draft<'a> {
    let ident = &method.signature.ident;
    let who = format!("step `{ident}`");
    let name = ident.unraw().to_string();
    if RESERVED.contains(&name.as_str()) {
        let message = format!(
            "the state of a saga has a field `{name}` of its own: use another name for this step"
        );
        mistakes.at(ident.span(), message);
    }
    let options = options::read(mistakes, args);
    signature::check_run(mistakes, &who, method);
    let returns = signature::step_returns(mistakes, &who, method, saga);
    Draft { method, ident, who, options, arguments: arguments::read(method, saga), returns }
}

/// The saga's input where nobody says it: the first `&T` of the first step that takes one, unless
/// an earlier step returns it.
pub(crate) fn input(drafts: &[Draft<'_>]) -> Type {
    let says_input = |argument: &Argument| argument.from.as_ref().is_some_and(|it| it == "input");
    let is_data = |argument: &&Argument| {
        argument.form == Form::Data && (argument.from.is_none() || says_input(argument))
    };
    let taker = drafts.iter().position(|draft| draft.arguments.iter().any(|it| is_data(&it)));
    let Some(taker) = taker else { return parse_quote!(()) };
    let is_output = |argument: &Argument| {
        let mut outputs = drafts[..taker].iter().map(|draft| draft.returns.output());
        outputs.any(|output| show(output) == show(&argument.ty))
    };
    let mut data = drafts[taker].arguments.iter().filter(is_data);
    data.find(|argument| says_input(argument) || !is_output(argument))
        .map_or_else(|| parse_quote!(()), |argument| argument.ty.clone())
}

/// What the steps return.
pub(crate) fn sources(drafts: &[Draft<'_>]) -> Vec<Source> {
    let source = |draft: &Draft<'_>| Source {
        step: draft.ident.clone(),
        output: draft.returns.output().clone(),
        conditional: draft.options.when.is_some(),
    };
    drafts.iter().map(source).collect()
}

/// Checks the steps, and what undoes them.
pub(crate) fn check(
    mistakes: &mut Mistakes,
    whole: &Whole<'_>,
    drafts: Vec<Draft<'_>>,
) -> Vec<Step> {
    let compensations = compensations(mistakes, whole);
    check_tests(mistakes, whole, &drafts);
    let last = drafts.len().saturating_sub(1);
    let mut runs = vec![];
    for (index, draft) in drafts.iter().enumerate() {
        runs.push(run(mistakes, whole, draft, index, index == last));
    }
    let after: Vec<Vec<usize>> = runs.iter().map(|run| run.after.clone()).collect();
    let mut steps = vec![];
    for (index, (draft, run)) in drafts.into_iter().zip(runs).enumerate() {
        let mut own = compensations.iter().filter(|it| it.of == Some(index));
        let (compensation, unclear) = (own.next(), compensations.iter().any(|it| it.of.is_none()));
        check_once(mistakes, compensation, own);
        let certain = graph::certain(&after, index);
        let undo = undo(mistakes, whole, &draft, compensation, index, certain);
        // A compensation of a step that does not exist may be meant for this one.
        if !draft.method.broken && (compensation.is_some() || !unclear) {
            check_undo(mistakes, &draft, compensation, &undo, index == last);
        }
        steps.push(step(draft, run, undo));
    }
    steps
}

/// How a step runs.
struct Run {
    taken: Vec<Taken>,
    when: Option<Call>,
    after: Vec<usize>,
}

fn run(
    mistakes: &mut Mistakes,
    whole: &Whole<'_>,
    draft: &Draft<'_>,
    index: usize,
    is_last: bool,
) -> Run {
    let options = &draft.options;
    let idents: Vec<_> = whole.sources.iter().map(|source| source.step.clone()).collect();
    let named = options.after.as_ref().map(|after| graph::named(mistakes, &idents, index, after));
    let scope = whole.scope(&draft.who, Place::Before(index));
    let taken = resolve::all(mistakes, &scope, &draft.arguments);
    let when = options.when.as_ref().and_then(|when| {
        if is_last {
            let message = format!(
                "the last step, `{}`, always runs, because the saga ends with it: remove its `when`, \
                 or declare a step behind it that always runs",
                draft.ident
            );
            mistakes.at(when.span(), message);
        }
        test(mistakes, whole, when, index)
    });
    let used = taken.iter().chain(when.iter().flat_map(|when| &when.taken));
    let after = graph::before(index, is_last, named.as_deref(), used.filter_map(Taken::step));
    Run { taken, when, after }
}

/// The methods that decide whether steps run, each once.
fn check_tests(mistakes: &mut Mistakes, whole: &Whole<'_>, drafts: &[Draft<'_>]) {
    for method in whole.methods {
        let name = &method.signature.ident;
        let mut named = drafts.iter().filter_map(|draft| draft.options.when.as_ref());
        if matches!(method.role, Role::Other) && named.any(|when| when == name) {
            signature::check_test(mistakes, method);
        }
    }
}

/// The method that `when` names.
fn test(mistakes: &mut Mistakes, whole: &Whole<'_>, when: &Ident, index: usize) -> Option<Call> {
    let others = whole.methods.iter().filter(|method| matches!(method.role, Role::Other));
    let mut named = others.clone().filter(|method| method.signature.ident == *when);
    let Some(method) = named.next() else {
        let known: Vec<_> = others.map(|it| it.signature.ident.unraw().to_string()).collect();
        let near = names::hint(&when.to_string(), known.iter().map(String::as_str));
        let hint = if near.starts_with("did you mean") {
            near
        } else {
            format!("add `fn {when}(&self, ..) -> bool`")
        };
        mistakes.at(when.span(), format!("this block has no plain method `{when}`: {hint}"));
        return None;
    };
    let scope = whole.scope(&format!("condition `{when}`"), Place::Condition(index));
    let taken = resolve::all(mistakes, &scope, &arguments::read(method, whole.ty));
    let returns = Returns::Value(parse_quote!(bool));
    Some(Call { function: method.signature.ident.clone(), taken, returns })
}

fn compensations<'a>(mistakes: &mut Mistakes, whole: &Whole<'a>) -> Vec<Compensation<'a>> {
    let mut found = vec![];
    for method in whole.methods {
        let Role::Compensation { of: Some(named), args } = &method.role else { continue };
        let of = resolve::named(mistakes, whole.sources, named);
        found.push(Compensation { method, named, of, args });
    }
    found
}

fn check_once<'a>(
    mistakes: &mut Mistakes,
    first: Option<&Compensation<'a>>,
    more: impl Iterator<Item = &'a Compensation<'a>>,
) {
    for second in more {
        let (step, name) = (second.named, &second.method.signature.ident);
        let first = first.map(|first| &first.method.signature.ident);
        let message = format!(
            "step `{step}` is compensated twice, by `{}` and by `{name}`: remove one of them",
            first.unwrap_or(name)
        );
        mistakes.at(second.named.span(), message);
    }
}

fn undo(
    mistakes: &mut Mistakes,
    whole: &Whole<'_>,
    draft: &Draft<'_>,
    compensation: Option<&Compensation<'_>>,
    index: usize,
    certain: Vec<usize>,
) -> Undo {
    let Some(Compensation { method, args, .. }) = compensation else {
        if draft.options.pure.is_some() {
            return Undo::Pure;
        }
        let why = draft.options.no_compensation.as_ref().map(|(why, _)| why.clone());
        return Undo::Nothing(why.unwrap_or_else(|| "no step follows it".to_owned()));
    };
    let function = method.signature.ident.clone();
    let who = format!("compensation `{function}`");
    signature::check_run(mistakes, &who, method);
    let returns = signature::hook_returns(mistakes, &who, method, whole.ty);
    let scope = whole.scope(&who, Place::Undo { of: index, certain });
    let taken = resolve::all(mistakes, &scope, &arguments::read(method, whole.ty));
    Undo::By {
        takes: takes(&taken, index),
        call: Box::new(Call { function, taken, returns }),
        timeout: args.duration(mistakes, "timeout", "30s"),
    }
}

/// What a compensation takes of its own step.
fn takes(taken: &[Taken], own: usize) -> Takes {
    let is = |wanted: fn(&Taken) -> bool| {
        taken.iter().any(|taken| wanted(taken) && taken.step() == Some(own))
    };
    if is(|taken| matches!(taken, Taken::Output(_))) {
        Takes::Output
    } else if is(|taken| matches!(taken, Taken::Maybe(_))) {
        Takes::Maybe
    } else {
        Takes::Nothing
    }
}

fn check_undo(
    mistakes: &mut Mistakes,
    draft: &Draft<'_>,
    compensation: Option<&Compensation<'_>>,
    undo: &Undo,
    is_last: bool,
) {
    let undone = Undone {
        step: draft.ident,
        output: draft.returns.output(),
        is_last,
        compensation: compensation.map(|it| (&it.method.signature.ident, it.named.span())),
        takes_output: matches!(undo, Undo::By { takes: Takes::Output, .. }),
    };
    options::check(mistakes, &draft.options, &undone);
}

fn step(draft: Draft<'_>, run: Run, undo: Undo) -> Step {
    let Draft { ident, options, returns, .. } = draft;
    Step {
        ident: ident.clone(),
        output: returns.output().clone(),
        call: Call { function: ident.clone(), taken: run.taken, returns },
        after: run.after,
        when: run.when,
        undo,
        on_unknown: options.on_unknown.map(|(on_unknown, _)| on_unknown),
        retry: options.retry,
        timeout: options.timeout,
    }
}
