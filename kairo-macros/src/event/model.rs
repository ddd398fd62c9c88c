//! The rules of an event.

use proc_macro2::{Ident, TokenStream};
use syn::{Data, DataStruct, Fields, GenericParam, Generics, LitStr, Path, Type};

use super::{
    parse::Input,
    stream::{self, Part},
};
use crate::{mistakes::Mistakes, names, paths, payload};

/// An event without mistakes, or the best guess at one.
#[allow(clippy::struct_excessive_bools, reason = "each is a word of the attribute, or not")]
pub(crate) struct Model {
    pub(crate) library: Path,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    pub(crate) from: Option<Type>,
    pub(crate) stream: Vec<Part>,
    pub(crate) ephemeral: bool,
    pub(crate) validate: bool,
    /// Whether the name is claimed for the whole crate.
    pub(crate) unique: bool,
    /// What it holds, if it is a newtype.
    pub(crate) newtype: Option<Type>,
    pub(crate) assertions: Vec<TokenStream>,
    /// Whether there are mistakes, so that only what keeps other code compiling is emitted.
    pub(crate) broken: bool,
    /// Whether the item is such that `impl Event` makes sense at all.
    pub(crate) concrete: bool,
}

/// Checks every rule.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Model {
    let args = &input.args;
    let ident = input.item.ident.clone();
    let name = check_name(mistakes, input);
    let concrete = check_generics(mistakes, &ident, &input.item.generics);
    let version = args.number(mistakes, "version", 1..=u32::MAX, 2);
    let from = check_from(mistakes, input, &name.value(), version);
    let stream = stream::check(mistakes, input, &name.value());
    let ephemeral = args.flag(mistakes, "ephemeral");
    let validate = args.flag(mistakes, "validate");
    let local = args.flag(mistakes, "local");
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    if ephemeral && let Some(span) = args.span("from").or_else(|| args.span("version")) {
        mistakes.at(
            span,
            "an ephemeral event is never stored, so there are no older versions of it to read: \
             remove this",
        );
    }
    let broken = !mistakes.none();
    Model {
        library,
        ident,
        name,
        version: version.unwrap_or(1),
        from: from.filter(|_| !broken),
        stream: if broken { vec![] } else { stream },
        ephemeral,
        validate: validate && !broken,
        unique: !local && !broken,
        newtype: newtype(&input.item.data).filter(|_| !broken),
        assertions: payload::assertions(&input.item.data),
        broken,
        concrete,
    }
}

/// The type of the only field of a tuple struct.
fn newtype(data: &Data) -> Option<Type> {
    let Data::Struct(DataStruct { fields: Fields::Unnamed(fields), .. }) = data else {
        return None;
    };
    let first = fields.unnamed.first()?;
    (fields.unnamed.len() == 1).then(|| first.ty.clone())
}

fn check_name(mistakes: &mut Mistakes, input: &Input) -> LitStr {
    let ident = &input.item.ident;
    let guess = names::dotted(&ident.to_string());
    let name = if input.derived {
        if let Some(lead) = &input.args.lead {
            let message =
                format!("the options of a derive have names: write `event = \"{}\"`", lead.value());
            mistakes.at(lead.span(), message);
        }
        input.args.string(mistakes, "event", &guess)
    } else {
        input.args.lead.clone()
    };
    if let Some(name) = name {
        if let Err(message) = names::check_declared(&name.value()) {
            mistakes.at(name.span(), message);
        }
        return name;
    }
    if mistakes.none() {
        let write = if input.derived {
            format!("#[kairo(event = \"{guess}\")]")
        } else {
            format!("#[event(\"{guess}\")]")
        };
        mistakes.at(
            ident.span(),
            format!(
                "event `{ident}` needs a stable name, which is what other services and stored \
                 events know it by: write `{write}`"
            ),
        );
    }
    LitStr::new(&guess, ident.span())
}

fn check_generics(mistakes: &mut Mistakes, ident: &Ident, generics: &Generics) -> bool {
    let Some(first) = generics.params.first() else { return true };
    if matches!(first, GenericParam::Lifetime(_)) {
        mistakes.on(
            &generics.params,
            format!(
                "event `{ident}` cannot borrow: an event outlives its publisher; use owned fields \
                 (`String` instead of `&str`)"
            ),
        );
    } else {
        mistakes.on(
            &generics.params,
            format!(
                "event `{ident}` cannot be generic: one name stands for one payload; write one \
                 event for each concrete type"
            ),
        );
    }
    false
}

fn check_from(
    mistakes: &mut Mistakes,
    input: &Input,
    name: &str,
    version: Option<u32>,
) -> Option<Type> {
    let args = &input.args;
    let ident = &input.item.ident;
    let older = version.unwrap_or(2).saturating_sub(1).max(1);
    let example = format!("{ident}V{older}");
    let told = args.has("from") || args.has("ephemeral");
    if let (Some(version @ 2..), Some(span), false) = (version, args.span("version"), told) {
        mistakes.at(
            span,
            format!(
                "version {version} of \"{name}\" must say how version {older} is read: add \
                 `from({example})`"
            ),
        );
    }
    let (tokens, span) = args.list(mistakes, "from", &example)?;
    if version.unwrap_or(1) == 1 {
        mistakes.at(
            args.span("from").unwrap_or(span),
            "`from(..)` reads the version before this one, but this is version 1: add \
             `version = 2`",
        );
    }
    let old = syn::parse2::<Type>(tokens).ok();
    if old.is_none() {
        mistakes.at(span, format!("`from` takes one type: write `from({example})`"));
    }
    old
}
