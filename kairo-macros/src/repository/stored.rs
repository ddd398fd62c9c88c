//! The names of fields as serde writes them.

use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Token, ext::IdentExt};

/// What serde is told of a field or of the struct.
#[derive(Default)]
pub(crate) struct Told {
    /// `rename`, for what is written.
    pub(crate) rename: Option<String>,
    /// `rename_all`, for what is written.
    pub(crate) rename_all: Option<String>,
    /// Whether the field is not written under a name of its own: `skip` or `flatten`.
    pub(crate) hidden: bool,
}

/// Reads the `#[serde(..)]` of a field or of the struct. What serde does not know, it reports itself.
pub(crate) fn told(attributes: &[Attribute]) -> Told {
    let mut told = Told::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            told.hidden |= matches!(name.as_str(), "skip" | "skip_serializing" | "flatten");
            let mut value = None;
            if meta.input.peek(Token![=]) {
                value = text(&meta.value()?.parse()?);
            } else if meta.input.peek(syn::token::Paren) {
                meta.parse_nested_meta(|inner| {
                    let written = inner.value()?.parse::<Expr>()?;
                    if inner.path.is_ident("serialize") {
                        value = text(&written);
                    }
                    Ok(())
                })?;
            }
            match name.as_str() {
                "rename" => told.rename = value,
                "rename_all" => told.rename_all = value,
                _ => {}
            }
            Ok(())
        });
    }
    told
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(LitStr::value(text)),
        _ => None,
    }
}

/// The name of a field as it is written.
pub(crate) fn name(ident: &syn::Ident, field: &Told, all: &Told) -> String {
    let plain = ident.unraw().to_string();
    match (&field.rename, &all.rename_all) {
        (Some(name), _) => name.clone(),
        (None, Some(rule)) => cased(&plain, rule),
        (None, None) => plain,
    }
}

/// A name in the case of a serde rule; the field's own is snake case.
fn cased(name: &str, rule: &str) -> String {
    let pascal = || -> String {
        let words = name.split('_').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        });
        words.collect()
    };
    match rule {
        "PascalCase" => pascal(),
        "camelCase" => {
            let pascal = pascal();
            let mut letters = pascal.chars();
            let first = letters.next().map(|first| first.to_ascii_lowercase());
            first.into_iter().chain(letters).collect()
        }
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => name.to_ascii_uppercase(),
        "kebab-case" => name.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

/// Whether a query can name a field so.
pub(crate) fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cased_as_serde_does_it() {
        for (rule, expected) in [
            ("camelCase", "firstName"),
            ("PascalCase", "FirstName"),
            ("snake_case", "first_name"),
            ("lowercase", "first_name"),
            ("UPPERCASE", "FIRST_NAME"),
            ("SCREAMING_SNAKE_CASE", "FIRST_NAME"),
            ("kebab-case", "first-name"),
            ("SCREAMING-KEBAB-CASE", "FIRST-NAME"),
        ] {
            assert_eq!(cased("first_name", rule), expected, "{rule}");
        }
    }

    #[test]
    fn what_serde_is_told_is_read() {
        let item: syn::ItemStruct = syn::parse_quote! {
            #[serde(rename_all(serialize = "camelCase"), deny_unknown_fields)]
            struct User {
                #[serde(default = "now", rename = "mail")]
                e_mail: String,
                #[serde(with = "x", skip_serializing_if = "Option::is_none")]
                last_seen: String,
                #[serde(flatten)]
                rest: Rest,
            }
        };
        let all = told(&item.attrs);
        let fields: Vec<_> = item.fields.iter().map(|field| told(&field.attrs)).collect();
        let names = item.fields.iter().zip(&fields).map(|(field, told)| {
            name(field.ident.as_ref().expect("fields have names"), told, &all)
        });
        assert_eq!(names.collect::<Vec<_>>(), ["mail", "lastSeen", "rest"]);
        assert_eq!(fields.iter().map(|it| it.hidden).collect::<Vec<_>>(), [false, false, true]);
    }
}
