//! The rules of the stages: each takes what the one before gives.

use std::time::Duration;

use proc_macro2::Ident;
use syn::Type;

use super::{
    arguments::{self, Call},
    parse::{Kind, Method, Role},
    rules,
};
use crate::{
    args::Args,
    mistakes::Mistakes,
    retry::{self, Retry},
    returns::Returns,
    tokens::show,
};

/// One stage.
pub(crate) struct Stage {
    pub(crate) kind: Kind,
    pub(crate) call: Call,
    /// What it takes, and whether by reference.
    pub(crate) takes: Type,
    pub(crate) borrows: bool,
    /// What flows to it, and the stage that gives it, where that is not spelled as what it takes.
    pub(crate) joint: Option<Joint>,
    pub(crate) returns: Returns,
    /// The events that are made of what it gives.
    pub(crate) emits: Vec<Type>,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
}

/// Where two types meet that are spelled differently.
pub(crate) struct Joint {
    pub(crate) given: Type,
    pub(crate) by: Ident,
}

impl Stage {
    /// What flows on behind it.
    pub(crate) const fn gives(&self) -> &Type {
        match self.kind {
            Kind::Map => self.returns.output(),
            Kind::Filter | Kind::Emit => &self.takes,
        }
    }
}

/// Checks the stages, in the order of their declaration.
pub(crate) fn check(mistakes: &mut Mistakes, methods: &[Method], owner: &Type) -> Vec<Stage> {
    let mut stages: Vec<Stage> = vec![];
    // What flows, and who has given it.
    let mut flow: Option<(Type, Ident)> = None;
    for method in methods {
        let Role::Stage(kind, args) = &method.role else { continue };
        let ident = &method.signature.ident;
        // Two methods of one name are rustc's to report.
        if stages.iter().any(|stage| stage.call.function == *ident) {
            continue;
        }
        let Some(mut stage) = stage(mistakes, *kind, args, method, owner) else { continue };
        let differs = flow.take().filter(|(given, _)| show(given) != show(&stage.takes));
        stage.joint = differs.map(|(given, by)| Joint { given, by });
        // A stage that lets pass is not where its type comes from, but where rustc last saw it.
        flow = Some((stage.gives().clone(), ident.clone()));
        stages.push(stage);
    }
    stages
}

fn stage(
    mistakes: &mut Mistakes,
    kind: Kind,
    args: &Args,
    method: &Method,
    owner: &Type,
) -> Option<Stage> {
    let ident = &method.signature.ident;
    let who = format!("stage `{ident}`");
    rules::check(mistakes, &who, method);
    let (flow, extractors) = arguments::of_stage(mistakes, &who, kind, method, owner);
    let returns = rules::stage_returns(mistakes, &who, kind, method, owner);
    let (retry, timeout) = (retry::check(mistakes, args), args.duration(mistakes, "timeout", "5s"));
    check_wait(mistakes, &who, kind, args, method);
    let flow = flow?;
    Some(Stage {
        kind,
        call: Call::new(method, extractors),
        takes: flow.ty,
        borrows: flow.borrowed,
        joint: None,
        returns,
        emits: method.emits.clone(),
        retry,
        timeout,
    })
}

/// Nothing can end a stage that never waits.
fn check_wait(mistakes: &mut Mistakes, who: &str, kind: Kind, args: &Args, method: &Method) {
    let signature = &method.signature;
    let waits = signature.asyncness.is_some() || kind == Kind::Emit;
    if let Some(span) = args.span("timeout").filter(|_| !waits) {
        let name = &signature.ident;
        let message = format!(
            "{who} waits for nothing, so nothing can end it: write `async fn {name}`, or remove \
             `timeout`"
        );
        mistakes.at(span, message);
    }
}
