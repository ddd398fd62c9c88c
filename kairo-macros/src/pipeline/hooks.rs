//! The rules of what runs at the end of a run.

use syn::Type;

use super::{
    arguments::{self, Call},
    parse::{Method, Role},
    rules,
};
use crate::{mistakes::Mistakes, returns::Returns};

/// What runs at the end.
pub(crate) struct Hook {
    pub(crate) call: Call,
    /// What it is told, as it writes it.
    pub(crate) told: Option<Type>,
    pub(crate) returns: Returns,
}

/// `#[on_success]` and `#[on_error]`.
pub(crate) fn both(
    mistakes: &mut Mistakes,
    methods: &[Method],
    owner: &Type,
) -> (Option<Hook>, Option<Hook>) {
    let succeeds = |method: &&Method| matches!(method.role, Role::OnSuccess);
    let fails = |method: &&Method| matches!(method.role, Role::OnError);
    let on_success: Vec<_> = methods.iter().filter(succeeds).collect();
    let on_error: Vec<_> = methods.iter().filter(fails).collect();
    (
        one(mistakes, "`#[on_success]`", &on_success, owner),
        one(mistakes, "`#[on_error]`", &on_error, owner),
    )
}

fn one(
    mistakes: &mut Mistakes,
    attribute: &str,
    methods: &[&Method],
    owner: &Type,
) -> Option<Hook> {
    let (method, more) = methods.split_first()?;
    let function = &method.signature.ident;
    for second in more {
        let name = &second.signature.ident;
        let message = format!(
            "a pipeline has one {attribute}, and `{function}` is it: remove it from `{name}`"
        );
        mistakes.at(name.span(), message);
    }
    let who = format!("{attribute} method `{function}`");
    rules::check(mistakes, &who, method);
    let (told, extractors) = arguments::of_hook(method, owner);
    let returns = rules::hook_returns(mistakes, &who, method, owner);
    Some(Hook { call: Call::new(method, extractors), told, returns })
}
