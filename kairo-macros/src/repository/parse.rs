//! Reads `#[repository]`, its struct, and the marks on the fields.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Data, DeriveInput, Meta, spanned::Spanned};

use crate::{args::Args, event, mistakes::Mistakes, names};

const KEYS: &[&str] =
    &["table", "prefix", "emit_events", "version", "from", "hooks", "validate", "local", "crate"];

/// What the user wrote.
pub(crate) struct Input {
    pub(crate) args: Args,
    /// The struct, without the marks on its fields.
    pub(crate) item: DeriveInput,
    /// The marks, in the order of the fields.
    pub(crate) marks: Vec<Mark>,
}

/// A mark on a field.
pub(crate) struct Mark {
    /// The index of the field.
    pub(crate) field: usize,
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What a mark says of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Index,
    Unique,
    Version,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] = [
        ("id", Self::Id),
        ("index", Self::Index),
        ("unique", Self::Unique),
        ("version", Self::Version),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Reads the attribute and the struct.
pub(crate) fn attribute(
    mistakes: &mut Mistakes,
    attribute: TokenStream,
    item: &TokenStream,
) -> Option<Input> {
    let args = Args::parse(mistakes, "`#[repository]`", KEYS, attribute);
    let mut item = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(item) if !matches!(item.data, Data::Union(_)) => item,
        result => {
            let error = event::parse::misplaced("repository", item.clone(), result.err());
            let message = error.to_string().replace("a struct or an enum", "a struct");
            mistakes.at(error.span(), message);
            return None;
        }
    };
    let mut marks = vec![];
    if let Data::Struct(data) = &mut item.data {
        for (index, field) in data.fields.iter_mut().enumerate() {
            for attribute in field.attrs.extract_if(.., |attribute| is_mark(attribute)) {
                marks.extend(read(mistakes, index, &attribute));
            }
        }
    }
    Some(Input { args, item, marks })
}

/// Whether an attribute is one of ours, or a misspelt one.
fn is_mark(attribute: &Attribute) -> bool {
    let Some(name) = attribute.path().get_ident().map(ToString::to_string) else { return false };
    Kind::ALL.iter().any(|(known, _)| *known == name) || meant(&name).is_some()
}

/// The mark that a misspelt one was meant as.
fn meant(name: &str) -> Option<&'static str> {
    let is_close = |known: &str| {
        let distance = names::distance(name, known);
        distance == 1 && 2 < known.len() || distance == 2 && 5 < known.len()
    };
    Kind::ALL.into_iter().map(|(known, _)| known).find(|known| is_close(known))
}

fn read(mistakes: &mut Mistakes, field: usize, attribute: &Attribute) -> Option<Mark> {
    let name = attribute.path().get_ident()?.to_string();
    let Some((_, kind)) = Kind::ALL.into_iter().find(|(known, _)| *known == name) else {
        let meant = meant(&name)?;
        mistakes.on(
            attribute.path(),
            format!("`#[repository]` has no mark `{name}` for a field: did you mean `{meant}`?"),
        );
        return None;
    };
    if !matches!(attribute.meta, Meta::Path(_)) {
        mistakes.on(attribute, format!("`#[{name}]` takes no arguments: write `#[{name}]`"));
    }
    Some(Mark { field, kind, span: attribute.path().span() })
}
