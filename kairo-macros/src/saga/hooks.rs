//! The rules of what runs at a saga's end, and of what reads the states of older code.

use proc_macro2::{Ident, Span};
use syn::Type;

use super::{
    arguments,
    model::{Call, Whole},
    parse::{Method, Role},
    resolve::{self, Place},
    signature,
};
use crate::{args::Args, mistakes::Mistakes};

/// A method that reads the state of an older shape.
pub(crate) struct Migration {
    pub(crate) function: Ident,
    /// The `Result` that it returns.
    pub(crate) written: Type,
    /// The fingerprint of the older shape.
    pub(crate) from: u64,
}

/// `#[on_complete]` and `#[on_error]`.
pub(crate) fn both(
    mistakes: &mut Mistakes,
    whole: &Whole<'_>,
    output: usize,
) -> (Option<Call>, Option<Call>) {
    let completes = |method: &&Method| matches!(method.role, Role::OnComplete);
    let fails = |method: &&Method| matches!(method.role, Role::OnError);
    let on_complete: Vec<_> = whole.methods.iter().filter(completes).collect();
    let on_error: Vec<_> = whole.methods.iter().filter(fails).collect();
    (
        one(mistakes, whole, "`#[on_complete]`", &on_complete, Place::Completed(output)),
        one(mistakes, whole, "`#[on_error]`", &on_error, Place::Failed),
    )
}

fn one(
    mistakes: &mut Mistakes,
    whole: &Whole<'_>,
    attribute: &str,
    methods: &[&Method],
    place: Place,
) -> Option<Call> {
    let (method, more) = methods.split_first()?;
    let function = &method.signature.ident;
    for second in more {
        let name = &second.signature.ident;
        let message =
            format!("a saga has one {attribute}, and `{function}` is it: remove it from `{name}`");
        mistakes.at(name.span(), message);
    }
    let who = format!("{attribute} method `{function}`");
    signature::check_run(mistakes, &who, method);
    let returns = signature::hook_returns(mistakes, &who, method, whole.ty);
    let scope = whole.scope(&who, place);
    let taken = resolve::all(mistakes, &scope, &arguments::read(method, whole.ty));
    Some(Call { function: function.clone(), taken, returns })
}

/// `#[migrate(from = "..")]`.
pub(crate) fn migrations(mistakes: &mut Mistakes, whole: &Whole<'_>) -> Vec<Migration> {
    let mut found: Vec<Migration> = vec![];
    for method in whole.methods {
        let Role::Migration { args, place } = &method.role else { continue };
        let written = signature::check_migration(mistakes, method, whole.ty);
        let Some((from, place)) = from(mistakes, args, *place).filter(|_| !method.broken) else {
            continue;
        };
        let function = method.signature.ident.clone();
        if let Some(first) = found.iter().find(|first| first.from == from) {
            let first = &first.function;
            let message = format!("`{first}` reads this shape already: remove one of them");
            mistakes.at(place, message);
        }
        found.extend(written.map(|written| Migration { function, written, from }));
    }
    found
}

/// The fingerprint, and where it is written.
fn from(mistakes: &mut Mistakes, args: &Args, attribute: Span) -> Option<(u64, Span)> {
    const EXAMPLE: &str = "16 hexadecimal digits";
    if !args.has("from") {
        let message = format!(
            "a migration says which shape of the saga it reads, as a parked saga names it: write \
             `#[migrate(from = \"{EXAMPLE}\")]`"
        );
        mistakes.at(attribute, message);
        return None;
    }
    let from = args.string(mistakes, "from", EXAMPLE)?;
    let text = from.value();
    let is_hex = text.len() == 16 && text.chars().all(|c| c.is_ascii_hexdigit());
    let fingerprint = u64::from_str_radix(&text, 16).ok().filter(|_| is_hex);
    if fingerprint.is_none() {
        let message =
            format!("\"{text}\" is no fingerprint: write {EXAMPLE}, such as \"cbf29ce484222325\"");
        mistakes.at(from.span(), message);
    }
    Some((fingerprint?, from.span()))
}
