//! The rules of a typed event enum.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::{
    Data, DataStruct, DeriveInput, Fields, Generics, LitStr, Path, Token, Type, parse_quote,
};

use super::parse::{Input, Variant};
use crate::{
    args::Args,
    event::{self, model::Model as EventModel, parse::Input as EventInput},
    mistakes::Mistakes,
    names, paths,
    tokens::{last_segment, show, span},
};

/// A typed event enum without mistakes, or what could be understood of one.
pub(crate) struct Model {
    pub(crate) library: Path,
    pub(crate) pattern: Option<LitStr>,
    pub(crate) members: Vec<Member>,
    /// The variant that holds all other events.
    pub(crate) other: Option<Ident>,
    /// Whether somebody else sees to it that each event occurs once.
    pub(crate) distinct: bool,
    pub(crate) broken: bool,
}

/// A variant that is one event.
pub(crate) struct Member {
    pub(crate) variant: Ident,
    /// The event's type: the one that the variant holds, or one that is made from its fields.
    pub(crate) ty: Type,
    pub(crate) inline: Option<(EventInput, EventModel)>,
}

/// Checks every rule.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Model {
    let ident = &input.item.ident;
    if !input.item.generics.params.is_empty() {
        mistakes.on(
            &input.item.generics.params,
            format!("`{ident}` cannot be generic: events have concrete types; use those"),
        );
    }
    let pattern = input.args.lead.clone();
    if let Some(pattern) = &pattern
        && let Err(message) = names::check_pattern(&pattern.value())
    {
        mistakes.at(pattern.span(), message);
    }
    let prefix = check_prefix(mistakes, &input.args);
    let mut members: Vec<Member> = vec![];
    let mut other = None;
    for variant in &input.variants {
        if let Some(place) = variant.other {
            check_other(mistakes, variant, place, other.is_some());
            other = Some(variant.ident.clone());
        } else if let Some(mut member) = check_member(mistakes, input, variant, prefix.as_ref()) {
            check_repeated(mistakes, ident, &members, &mut member);
            members.push(member);
        }
    }
    if members.is_empty() && mistakes.none() {
        let message =
            format!("`{ident}` has no events: add a variant such as `Created(UserCreated)`");
        mistakes.at(ident.span(), message);
    }
    let library = paths::library(input.args.path(mistakes, "crate", "::kairo"));
    Model { library, pattern, members, other, distinct: false, broken: !mistakes.none() }
}

/// An enum that another macro has made; each variant holds one event.
pub(crate) fn generated(library: Path, input: &Input) -> Model {
    let members = input.variants.iter().filter_map(|variant| {
        let (variant, field) = (variant.ident.clone(), variant.fields.iter().next()?);
        Some(Member { variant, ty: field.ty.clone(), inline: None })
    });
    let members: Vec<_> = members.collect();
    // An enum without variants can be matched by nobody; it has mistakes of which others tell.
    let broken = members.is_empty();
    Model { library, pattern: None, members, other: None, distinct: true, broken }
}

fn check_prefix(mistakes: &mut Mistakes, args: &Args) -> Option<LitStr> {
    let prefix = args.string(mistakes, "prefix", "order")?;
    let text = prefix.value();
    if let Err(message) = names::check_declared(&text) {
        mistakes.at(prefix.span(), message.replace("event name", "prefix"));
        // A prefix that is right, so that the variants do not repeat the complaint.
        return Some(LitStr::new("event", prefix.span()));
    }
    Some(prefix)
}

fn check_other(mistakes: &mut Mistakes, variant: &Variant, place: Span, twice: bool) {
    let name = &variant.ident;
    if twice {
        mistakes.at(place, "there is one place for all other events: remove this `#[other]`");
    }
    let holds_any = match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields
            .unnamed
            .first()
            .and_then(|field| last_segment(&field.ty))
            .is_some_and(|last| last.ident == "AnyEvent"),
        _ => false,
    };
    if !holds_any {
        mistakes.at(
            name.span(),
            format!("an `#[other]` variant holds an event as it is: write `{name}(AnyEvent)`"),
        );
    }
}

fn check_member(
    mistakes: &mut Mistakes,
    input: &Input,
    variant: &Variant,
    prefix: Option<&LitStr>,
) -> Option<Member> {
    if prefix.is_some() || variant.event.is_some() {
        return Some(inline(mistakes, input, variant, prefix));
    }
    if let Fields::Unnamed(fields) = &variant.fields
        && let (Some(field), 1) = (fields.unnamed.first(), fields.unnamed.len())
    {
        check_field(mistakes, variant, &field.ty);
        let (variant, ty) = (variant.ident.clone(), field.ty.clone());
        return Some(Member { variant, ty, inline: None });
    }
    let (name, stem) = (&variant.ident, stem(&input.item.ident));
    let prefix = names::kebab(&stem);
    let prefix = if prefix.is_empty() { "order" } else { &prefix };
    mistakes.at(
        name.span(),
        format!(
            "variant `{name}` says no event: hold one, as in `{name}({stem}{name})`, or write \
             `#[events(prefix = \"{prefix}\")]` to make every variant an event of its own"
        ),
    );
    None
}

fn check_field(mistakes: &mut Mistakes, variant: &Variant, ty: &Type) {
    let name = &variant.ident;
    if last_segment(ty).is_some_and(|last| last.ident == "AnyEvent") {
        mistakes
            .at(span(ty), format!("`{name}` holds any event: add `#[other]` in front of `{name}`"));
    }
}

fn check_repeated(mistakes: &mut Mistakes, ident: &Ident, members: &[Member], member: &mut Member) {
    if let Some((_, event)) = &mut member.inline {
        check_name(mistakes, ident, members, event);
        return;
    }
    let ty = show(&member.ty);
    let Some(first) = members.iter().find(|first| show(&first.ty) == ty) else { return };
    let (first, second) = (&first.variant, &member.variant);
    mistakes.on(
        &member.ty,
        format!(
            "variants `{first}` and `{second}` of `{ident}` hold the same event `{ty}`: remove one \
             of them"
        ),
    );
}

fn check_name(mistakes: &mut Mistakes, ident: &Ident, members: &[Member], event: &mut EventModel) {
    let name = &event.name;
    let mut names = members.iter().filter_map(|member| Some(&member.inline.as_ref()?.1.name));
    let text = name.value();
    let Some(first) = names.find(|first| first.value() == text) else { return };
    mistakes.at(
        name.span(),
        format!("the event \"{text}\" occurs twice in `{ident}`: change one of the names"),
    );
    mistakes.at(first.span(), format!("\"{text}\" is first used here: change one of the names"));
    // rustc would report the same.
    event.unique = false;
}

/// A variant whose fields are the payload: an event type of its own is made from it.
fn inline(
    mistakes: &mut Mistakes,
    input: &Input,
    variant: &Variant,
    prefix: Option<&LitStr>,
) -> Member {
    let name = &variant.ident;
    let (item, args) = (&input.item, &input.args);
    let ident = format_ident!("{}{}", stem(&item.ident), name, span = name.span());
    let lead = prefix.map(|prefix| {
        let event = format!("{}.{}", prefix.value(), names::kebab(&name.to_string()));
        LitStr::new(&event, name.span())
    });
    let own = variant.event.as_ref().map_or_else(Args::none, Args::clone);
    let args = own.with(lead, args);
    let mut fields = variant.fields.clone();
    for field in &mut fields {
        field.vis = item.vis.clone();
    }
    let semi_token = (!matches!(fields, Fields::Named(_))).then(<Token![;]>::default);
    let data = DataStruct { struct_token: <Token![struct]>::default(), fields, semi_token };
    let doc = format!("What [`{0}::{name}`] holds, as an event of its own.", item.ident);
    let mut attrs = vec![parse_quote!(#[doc = #doc]), parse_quote!(#[doc = ""])];
    attrs.extend(variant.attributes.iter().cloned());
    let payload = DeriveInput {
        attrs,
        vis: item.vis.clone(),
        ident: ident.clone(),
        generics: Generics::default(),
        data: Data::Struct(data),
    };
    let event = event::parse::input(args, payload, false);
    let model = event::model::check(mistakes, &event);
    Member { variant: name.clone(), ty: parse_quote!(#ident), inline: Some((event, model)) }
}

/// What the names of inline events begin with: `Order` for `OrderEvent`.
fn stem(ident: &Ident) -> String {
    let name = ident.to_string();
    let stem = name.strip_suffix("Events").or_else(|| name.strip_suffix("Event"));
    stem.unwrap_or(&name).to_owned()
}
