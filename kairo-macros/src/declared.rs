//! The name that an aggregate or a saga is declared with: `#[saga("ecommerce-order")]`.

use proc_macro2::Ident;
use syn::{LitStr, ext::IdentExt};

use crate::{args::Args, mistakes::Mistakes, names};

/// Checks the leading string of `#[aggregate]` or `#[saga]`; `use_of_it` completes "needs a name,".
pub(crate) fn name(
    mistakes: &mut Mistakes,
    args: &Args,
    ident: &Ident,
    macro_name: &str,
    use_of_it: &str,
) -> LitStr {
    let guess = names::kebab(&ident.unraw().to_string());
    let Some(name) = &args.lead else {
        if mistakes.none() {
            mistakes.at(
                ident.span(),
                format!(
                    "{macro_name} `{ident}` needs a name, {use_of_it}: write \
                     `#[{macro_name}(\"{guess}\")]`"
                ),
            );
        }
        return LitStr::new(&guess, ident.span());
    };
    if let Some(message) = wrong(&name.value(), &guess, macro_name) {
        mistakes.at(name.span(), message);
    }
    name.clone()
}

/// What is wrong with a name, if anything is.
fn wrong(text: &str, guess: &str, macro_name: &str) -> Option<String> {
    if text.is_empty() {
        return Some(format!("the {macro_name}'s name is empty: write \"{guess}\""));
    }
    if text.contains('*') {
        return Some(format!(
            "\"{text}\" is a pattern, but every {macro_name} has one name: write \"{guess}\""
        ));
    }
    let message = names::check_declared(text).err()?;
    let wrong = message.split("; did you mean").next().unwrap_or(&message);
    let wrong = wrong.replace("event name", &format!("{macro_name} name"));
    let fix = names::kebab(text);
    let right = fix != text && names::check_declared(&fix).is_ok();
    let hint = if right { format!("; did you mean \"{fix}\"?") } else { String::new() };
    Some(format!("{wrong}{hint}"))
}
