//! The rules of an entity.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    LitStr, Path, Token, Type, Visibility, ext::IdentExt, parse::Parser, punctuated::Punctuated,
};

use super::{
    field::{self, All},
    parse::Input,
    rules::{self, Rules},
};
use crate::{args::Args, declared, mistakes::Mistakes, names, paths, payload};

/// The longest name of a table, in bytes.
const TABLE_MAX: usize = 48;

/// What the names of other people's tables begin with.
const TABLES_RESERVED: &[&str] = &["kairo_", "sqlite_", "pg_"];

/// An entity without mistakes, or what could be understood of one.
pub(crate) struct Model {
    pub(crate) library: Path,
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) name: LitStr,
    pub(crate) table: String,
    /// What the names of its events begin with; `None` where nothing tells of it.
    pub(crate) prefix: Option<String>,
    pub(crate) version: u32,
    /// Its older shapes, the newest first.
    pub(crate) from: Vec<Type>,
    pub(crate) hooks: Option<Span>,
    pub(crate) rules: Option<Rules>,
    pub(crate) all: All,
    /// Whether the name is claimed for the whole crate.
    pub(crate) unique: bool,
    pub(crate) assertions: Vec<TokenStream>,
    /// Whether there are mistakes, so that only what keeps other code compiling is emitted.
    pub(crate) broken: bool,
}

/// Checks every rule; `None` for an item that cannot be an entity at all.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Option<Model> {
    let args = &input.args;
    let ident = input.item.ident.clone();
    let all = field::check(mistakes, input);
    let concrete = check_generics(mistakes, input);
    let use_of_it = "which its documents and events are known by";
    let name = declared::name(mistakes, args, &ident, "repository", use_of_it);
    let table = check_table(mistakes, args, &name);
    let prefix = check_prefix(mistakes, args, &name);
    let version = args.number(mistakes, "version", 1..=u32::MAX, 2);
    let from = check_from(mistakes, args, &ident, version);
    let hooks = args.flag(mistakes, "hooks").then(|| args.span("hooks")).flatten();
    let rules = rules::check(mistakes, input);
    let local = args.flag(mistakes, "local");
    let library = paths::library(args.path(mistakes, "crate", "::kairo"));
    let broken = !mistakes.none();
    let vis = input.item.vis.clone();
    let assertions = payload::assertions(&input.item.data);
    let model = Model {
        library,
        ident,
        vis,
        name,
        table,
        prefix,
        version: version.unwrap_or(1),
        from: if broken { vec![] } else { from },
        hooks: hooks.filter(|_| !broken),
        rules: rules.filter(|_| !broken),
        all: all?,
        unique: !local && !broken,
        assertions,
        broken,
    };
    concrete.then_some(model)
}

fn check_generics(mistakes: &mut Mistakes, input: &Input) -> bool {
    let (ident, params) = (&input.item.ident, &input.item.generics.params);
    if params.is_empty() {
        return true;
    }
    mistakes.on(
        params,
        format!(
            "entity `{ident}` cannot be generic: its documents have one shape; write one entity for \
             each concrete type"
        ),
    );
    false
}

/// The name of the table: the repository's own with `_`, unless another one is given.
fn check_table(mistakes: &mut Mistakes, args: &Args, name: &LitStr) -> String {
    let plain = name.value().replace(['.', '-'], "_");
    let before = mistakes.count();
    let given = args.string(mistakes, "table", &plain);
    if before < mistakes.count() {
        return plain;
    }
    if let Some(given) = given {
        let table = given.value();
        if let Some(wrong) = wrong_table(&table) {
            mistakes.at(given.span(), format!("\"{table}\" cannot name a table: {wrong}"));
        }
        return table;
    }
    if let (true, Some(wrong)) = (mistakes.none(), wrong_table(&plain)) {
        mistakes.at(
            name.span(),
            format!(
                "the table of this repository would be \"{plain}\", which cannot name one ({wrong}): \
                 add `table = \"..\"`"
            ),
        );
    }
    plain
}

fn wrong_table(table: &str) -> Option<String> {
    if table.is_empty() || TABLE_MAX < table.len() {
        return Some(format!("it has {} bytes; use 1 to {TABLE_MAX}", table.len()));
    }
    if table.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("it begins with a digit; use a letter".to_owned());
    }
    let is_odd = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '_');
    if let Some(odd) = table.chars().find(is_odd) {
        return Some(format!("it contains {odd:?}; use lower-case letters, digits and `_`"));
    }
    let reserved = TABLES_RESERVED.iter().find(|reserved| table.starts_with(**reserved))?;
    Some(format!("\"{reserved}\" is how the tables of others begin; use another name"))
}

/// What the names of the events begin with.
fn check_prefix(mistakes: &mut Mistakes, args: &Args, name: &LitStr) -> Option<String> {
    let prefix = args.string(mistakes, "prefix", &name.value());
    let emits = args.boolean(mistakes, "emit_events");
    if let (Some(prefix), Some(false), Some(span)) = (&prefix, emits, args.span("prefix")) {
        let prefix = prefix.value();
        let message = format!(
            "events would be named \"{prefix}.created\", but `emit_events = false` says that there \
             are none: remove one of the two"
        );
        mistakes.at(span, message);
    }
    if emits == Some(false) {
        return None;
    }
    let Some(prefix) = prefix else { return Some(name.value()) };
    if let Err(message) = names::check_declared(&prefix.value()) {
        mistakes.at(prefix.span(), message.replace("event name", "prefix"));
    }
    Some(prefix.value())
}

/// The types of all older shapes.
fn check_from(
    mistakes: &mut Mistakes,
    args: &Args,
    ident: &Ident,
    version: Option<u32>,
) -> Vec<Type> {
    let ident = ident.unraw();
    let version = version.unwrap_or(1);
    let older: Vec<String> =
        (1..version.clamp(1, SHOWN_MAX)).rev().map(|old| format!("{ident}V{old}")).collect();
    let example = older.join(", ");
    if !args.has("from") {
        if let (Some(span), 2..) = (args.span("version"), version) {
            mistakes.at(
                span,
                format!(
                    "version {version} of `{ident}` must say how older documents are read: add \
                     `from({example})`"
                ),
            );
        }
        return vec![];
    }
    let example = if older.is_empty() { format!("{ident}V1") } else { example };
    let Some((tokens, span)) = args.list(mistakes, "from", &example) else { return vec![] };
    if version == 1 {
        mistakes.at(
            args.span("from").unwrap_or(span),
            "`from(..)` reads older documents, but this is version 1: add `version = 2`",
        );
        return vec![];
    }
    let types = Punctuated::<Type, Token![,]>::parse_terminated.parse2(tokens);
    let Ok(types) = types else {
        mistakes.at(span, format!("`from` takes types: write `from({example})`"));
        return vec![];
    };
    let wanted = version as usize - 1;
    if types.len() != wanted {
        let count = types.len();
        mistakes.at(
            span,
            format!(
                "version {version} has {wanted} older shape{}, and {count} {} given: write them all, \
                 the newest first, as in `from({example})`",
                if wanted == 1 { "" } else { "s" },
                if count == 1 { "is" } else { "are" },
            ),
        );
    }
    types.into_iter().collect()
}

/// Up to which version an example names all older shapes.
const SHOWN_MAX: u32 = 5;
