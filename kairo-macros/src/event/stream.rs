//! The stream of an event: `#[key]`, or a template such as `"user-{user_id}"`.

use proc_macro2::Span;
use syn::{Data, Fields, Ident, Index, LitStr, Member, Type};

use super::parse::Input;
use crate::{mistakes::Mistakes, names};

/// The longest name of a stream, in bytes.
const STREAM_NAME_MAX: usize = 255;

/// A piece of a stream's name.
pub(crate) enum Part {
    /// The same for every event of the type.
    Text(String),
    /// Taken from a field, which is used at `span`.
    Field { member: Member, ty: Box<Type>, span: Span },
}

/// The parts of the stream's name; empty where the event names none.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input, name: &str) -> Vec<Part> {
    let template = input.args.string(mistakes, "stream", "user-{user_id}");
    for (_, second) in input.keys.iter().skip(1) {
        mistakes.on(
            second,
            "an event has one key: remove this `#[key]`, or write `stream = \"..\"` with both \
             fields in it",
        );
    }
    for (_, key) in &input.keys {
        if !matches!(key.meta, syn::Meta::Path(_)) {
            mistakes.on(key, "`#[key]` takes no arguments: write `#[key]`");
        }
    }
    match (template, input.keys.first()) {
        (Some(template), Some((_, key))) => {
            mistakes.on(
                key,
                format!(
                    "the stream is given twice, by `stream = \"{}\"` and by `#[key]`: remove one \
                     of them",
                    template.value()
                ),
            );
            vec![]
        }
        (Some(template), None) => from_template(mistakes, input, &template),
        (None, Some((index, _))) => {
            let first = name.split('.').next().unwrap_or_default();
            let field = fields(input).into_iter().nth(*index);
            let part = field.map(|(member, ty)| {
                let span = crate::tokens::span(&ty);
                Part::Field { member, ty: Box::new(ty), span }
            });
            [Part::Text(format!("{first}-"))].into_iter().chain(part).collect()
        }
        (None, None) => vec![],
    }
}

fn fields(input: &Input) -> Vec<(Member, Type)> {
    let Data::Struct(data) = &input.item.data else { return vec![] };
    let named = matches!(data.fields, Fields::Named(_));
    data.fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let member = match &field.ident {
                Some(ident) if named => Member::Named(ident.clone()),
                _ => Member::Unnamed(Index::from(index)),
            };
            (member, field.ty.clone())
        })
        .collect()
}

fn from_template(mistakes: &mut Mistakes, input: &Input, template: &LitStr) -> Vec<Part> {
    let text = template.value();
    let mut wrong = |message: String| mistakes.at(template.span(), message);
    if text.is_empty() {
        wrong("the stream's name is empty: write something like \"user-{user_id}\"".to_owned());
        return vec![];
    }
    let pieces = match split(&text) {
        Ok(pieces) => pieces,
        Err(message) => {
            wrong(message);
            return vec![];
        }
    };
    let fixed: usize = pieces.iter().map(Piece::text_len).sum();
    if STREAM_NAME_MAX < fixed {
        wrong(format!("this stream's name has {fixed} bytes: use at most {STREAM_NAME_MAX}"));
    }
    let fields = fields(input);
    let mut parts = vec![];
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                if let Some(c) = text.chars().find(|c| c.is_control()) {
                    wrong(format!("a stream's name cannot contain {c:?}: remove it"));
                }
                parts.push(Part::Text(text));
            }
            Piece::Field(name) => {
                let found = fields.iter().find(|(member, _)| member_name(member) == name);
                match found {
                    Some((member, ty)) => parts.push(Part::Field {
                        member: member.clone(),
                        ty: Box::new(ty.clone()),
                        span: template.span(),
                    }),
                    None => wrong(unknown_field(&input.item.ident, &name, &fields)),
                }
            }
        }
    }
    parts
}

fn unknown_field(ident: &Ident, name: &str, fields: &[(Member, Type)]) -> String {
    let names: Vec<String> = fields.iter().map(|(member, _)| member_name(member)).collect();
    if names.is_empty() {
        return format!("`{ident}` has no field `{name}`: it has none at all; remove `{{{name}}}`");
    }
    let hint = names::hint(name, names.iter().map(String::as_str));
    format!("`{ident}` has no field `{name}`: {hint}")
}

fn member_name(member: &Member) -> String {
    match member {
        Member::Named(ident) => syn::ext::IdentExt::unraw(ident).to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(String),
}

impl Piece {
    const fn text_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Field(_) => 0,
        }
    }
}

/// Splits `user-{user_id}`; `{{` and `}}` stand for the braces themselves.
fn split(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = vec![];
    let mut text = String::new();
    let mut rest = template.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.peek() == Some(&c) => {
                rest.next();
                text.push(c);
            }
            '{' => {
                let mut field = String::new();
                loop {
                    match rest.next() {
                        Some('}') => break,
                        Some(c) => field.push(c),
                        None => return Err("add the `}` that closes this `{`".to_owned()),
                    }
                }
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Field(checked(field)?));
            }
            '}' => {
                return Err("this `}` closes nothing: write `}}` for the brace itself".to_owned());
            }
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn checked(field: String) -> Result<String, String> {
    if field.is_empty() {
        return Err("`{}` names no field: write `{user_id}`".to_owned());
    }
    match field.split_once(':') {
        Some((name, _)) => {
            Err(format!("a stream's name takes fields as they are: write `{{{name}}}`"))
        }
        None => Ok(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_and_fields() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let field = |name: &str| Piece::Field(name.to_owned());
        assert_eq!(split("user-{id}"), Ok(vec![text("user-"), field("id")]));
        assert_eq!(split("{a}{b}!"), Ok(vec![field("a"), field("b"), text("!")]));
        assert_eq!(split("{{x}}"), Ok(vec![text("{x}")]));
        for wrong in ["{", "}", "{}", "{a", "{a:?}"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
