//! The rules of an entity's fields: those of garde, or those that are written by hand.

use proc_macro_crate::FoundCrate;
use proc_macro2::Span;
use syn::{Attribute, Data, Meta, spanned::Spanned};

use super::parse::Input;
use crate::{mistakes::Mistakes, payload};

/// Who checks an entity.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Where they are asked for.
    pub(crate) place: Span,
    /// Whether garde's derive is to be added.
    pub(crate) derive: bool,
    /// Whether fields without rules are to be allowed.
    pub(crate) allow: bool,
}

/// What an entity is checked by, if it is.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Option<Rules> {
    let asked = input.args.flag(mistakes, "validate");
    let place = input.args.span("validate").filter(|_| asked);
    let of_struct = input.item.attrs.iter().filter(|it| is_garde(it));
    let of_fields =
        fields(&input.item.data).flat_map(|field| &field.attrs).filter(|it| is_garde(it));
    let Some(first) = of_struct.clone().chain(of_fields).next() else {
        return place.map(|place| Rules { place, derive: false, allow: false });
    };
    if let Some(place) = place {
        mistakes.at(
            place,
            "the rules of `#[garde(..)]` are checked without this: remove `validate`, or the rules",
        );
    }
    let derive = !payload::is_derived(&input.item.attrs, "Validate");
    if derive && !is_there() {
        mistakes.on(
            first.path(),
            "rules of garde need garde: add `garde = { version = \"0.23\", features = [\"derive\"] }` \
             to the `[dependencies]` of Cargo.toml, and the feature `garde` to those of kairo",
        );
        return None;
    }
    let allows = |it: &Attribute| matches!(&it.meta, Meta::List(list) if list.tokens.to_string().contains("allow_unvalidated"));
    let allow = derive && !of_struct.into_iter().any(allows);
    Some(Rules { place: first.span(), derive, allow })
}

fn is_garde(attribute: &Attribute) -> bool {
    attribute.path().is_ident("garde")
}

/// Whether the crate that is being compiled has garde, under the only name that its derive knows.
fn is_there() -> bool {
    match proc_macro_crate::crate_name("garde") {
        Ok(FoundCrate::Name(name)) => name == "garde",
        Ok(FoundCrate::Itself) => true,
        Err(_) => false,
    }
}

fn fields(data: &Data) -> impl Iterator<Item = &syn::Field> {
    let fields = match data {
        Data::Struct(data) => Some(data.fields.iter()),
        Data::Enum(_) | Data::Union(_) => None,
    };
    fields.into_iter().flatten()
}
