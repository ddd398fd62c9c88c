//! The grammar of attribute arguments: `"text", key = value, key(..), key`, with recovery after
//! each mistake.

use std::{ops::RangeInclusive, time::Duration};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprLit, Lit, LitStr, Path, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

use crate::{mistakes::Mistakes, names};

/// The arguments of one attribute.
#[derive(Clone)]
pub(crate) struct Args {
    /// A string in front of everything else: `#[event("user.created")]`.
    pub(crate) lead: Option<LitStr>,
    list: Vec<Arg>,
}

/// One `key`, `key = value` or `key(..)`.
#[derive(Clone)]
pub(crate) struct Arg {
    pub(crate) key: Ident,
    value: Value,
}

#[derive(Clone)]
enum Value {
    None,
    Expr(Expr),
    /// A type that is no expression, such as `Vec<Order>`.
    Type(Box<Type>),
    List(TokenStream, Span),
}

impl Args {
    /// No arguments at all.
    pub(crate) const fn none() -> Self {
        Self { lead: None, list: Vec::new() }
    }

    /// These arguments with a leading string, unless they have one, and the `crate` of others.
    pub(crate) fn with(mut self, lead: Option<LitStr>, outer: &Self) -> Self {
        self.lead = self.lead.or(lead);
        if !self.has("crate") {
            self.list.extend(outer.get("crate").cloned());
        }
        self
    }

    /// Reads the arguments of `owner`, such as `` `#[event]` ``; unknown keys are mistakes.
    pub(crate) fn parse(
        mistakes: &mut Mistakes,
        owner: &str,
        keys: &[&str],
        tokens: TokenStream,
    ) -> Self {
        let mut args = Self::none();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.parse_one(mistakes, owner, keys, input) {
                    mistakes.push(error);
                    skip_to_comma(input)?;
                }
                if !input.is_empty() && !input.peek(Token![,]) {
                    let message = format!("write a `,` between the arguments of {owner}");
                    mistakes.at(input.span(), message);
                    skip_to_comma(input)?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            mistakes.push(error);
        }
        args
    }

    fn parse_one(
        &mut self,
        mistakes: &mut Mistakes,
        owner: &str,
        keys: &[&str],
        input: ParseStream<'_>,
    ) -> syn::Result<()> {
        if input.peek(LitStr) && self.lead.is_none() && self.list.is_empty() {
            self.lead = Some(input.parse()?);
            return Ok(());
        }
        // `crate` is for re-exports; nobody who mistypes something else is looking for it.
        let shown = keys.iter().copied().filter(|key| *key != "crate");
        if !input.peek(Ident::peek_any) {
            let message = format!("this is no argument of {owner}: {}", names::hint("", shown));
            return Err(syn::Error::new(input.span(), message));
        }
        let key = input.call(Ident::parse_any)?;
        let value = parse_value(&key, input)?;
        let text = key.to_string();
        if !keys.contains(&text.as_str()) {
            let hint = names::hint(&text, shown);
            mistakes.at(key.span(), format!("{owner} has no argument `{text}`: {hint}"));
        } else if self.has(&text) {
            mistakes.at(key.span(), format!("`{text}` is given twice: remove one of them"));
        } else {
            self.list.push(Arg { key, value });
        }
        Ok(())
    }

    /// Whether the argument was given, in whatever form.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Where the argument was given.
    pub(crate) fn span(&self, key: &str) -> Option<Span> {
        self.get(key).map(|arg| arg.key.span())
    }

    fn get(&self, key: &str) -> Option<&Arg> {
        self.list.iter().find(|arg| arg.key == key)
    }

    /// Whether a plain word was given.
    pub(crate) fn flag(&self, mistakes: &mut Mistakes, key: &str) -> bool {
        let Some(arg) = self.get(key) else { return false };
        match &arg.value {
            Value::None => true,
            Value::Expr(Expr::Lit(ExprLit { lit: Lit::Bool(on), .. })) if on.value => {
                mistakes.on(on, format!("`{key}` takes no value: write `{key}`"));
                false
            }
            Value::Expr(_) | Value::Type(_) => {
                let message = format!("`{key}` takes no value: write `{key}`, or remove it");
                mistakes.at(arg.value_span(), message);
                false
            }
            Value::List(_, span) => {
                mistakes.at(*span, format!("`{key}` takes no value: write `{key}`"));
                false
            }
        }
    }

    /// A string literal.
    pub(crate) fn string(
        &self,
        mistakes: &mut Mistakes,
        key: &str,
        example: &str,
    ) -> Option<LitStr> {
        let arg = self.get(key)?;
        if let Value::Expr(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = &arg.value {
            return Some(text.clone());
        }
        let span = arg.value_span();
        mistakes.at(span, format!("`{key}` takes a string: write `{key} = \"{example}\"`"));
        None
    }

    /// A whole number within bounds; `u32::MAX` stands for none.
    pub(crate) fn number(
        &self,
        mistakes: &mut Mistakes,
        key: &str,
        allowed: RangeInclusive<u32>,
        example: u32,
    ) -> Option<u32> {
        let arg = self.get(key)?;
        if let Value::Expr(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) = &arg.value
            && let Ok(number) = number.base10_parse::<u32>()
            && allowed.contains(&number)
        {
            return Some(number);
        }
        let span = arg.value_span();
        let from = allowed.start();
        let to = match *allowed.end() {
            u32::MAX => String::new(),
            end => format!(" to {end}"),
        };
        let message = format!("`{key}` takes a number from {from}{to}: write `{key} = {example}`");
        mistakes.at(span, message);
        None
    }

    /// A duration above zero, such as `"2s"`.
    pub(crate) fn duration(
        &self,
        mistakes: &mut Mistakes,
        key: &str,
        example: &str,
    ) -> Option<Duration> {
        let text = self.string(mistakes, key, example)?;
        match parse_duration(&text.value()) {
            Some(duration) if !duration.is_zero() => Some(duration),
            Some(_) => {
                let message = format!("`{key}` must be longer than nothing: write \"{example}\"");
                mistakes.at(text.span(), message);
                None
            }
            None => {
                mistakes.at(
                    text.span(),
                    format!(
                        "\"{}\" is no duration: write a whole number and `ms`, `s`, `m` or `h`, \
                         such as \"{example}\"",
                        text.value()
                    ),
                );
                None
            }
        }
    }

    /// One of a few words, as the index of the word.
    pub(crate) fn choice(
        &self,
        mistakes: &mut Mistakes,
        key: &str,
        words: &[&str],
    ) -> Option<usize> {
        let text = self.string(mistakes, key, words.first().copied().unwrap_or_default())?;
        let found = text.value();
        let index = words.iter().position(|word| *word == found);
        if index.is_none() {
            let hint = names::hint(&found, words.iter().copied()).replace('`', "\"");
            mistakes.at(text.span(), format!("`{key}` cannot be \"{found}\": {hint}"));
        }
        index
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, mistakes: &mut Mistakes, key: &str) -> Option<bool> {
        let arg = self.get(key)?;
        if let Value::Expr(Expr::Lit(ExprLit { lit: Lit::Bool(value), .. })) = &arg.value {
            return Some(value.value);
        }
        let span = arg.value_span();
        mistakes.at(span, format!("`{key}` takes `true` or `false`: write `{key} = false`"));
        None
    }

    /// A path, such as that of a function.
    pub(crate) fn path(&self, mistakes: &mut Mistakes, key: &str, example: &str) -> Option<Path> {
        let arg = self.get(key)?;
        if let Value::Expr(Expr::Path(path)) = &arg.value {
            return Some(path.path.clone());
        }
        let span = arg.value_span();
        mistakes.at(span, format!("`{key}` takes a path: write `{key} = {example}`"));
        None
    }

    /// A type.
    pub(crate) fn ty(&self, mistakes: &mut Mistakes, key: &str, example: &str) -> Option<Type> {
        let arg = self.get(key)?;
        let ty = match &arg.value {
            Value::Type(ty) => Some((**ty).clone()),
            Value::Expr(value) => syn::parse2(value.to_token_stream()).ok(),
            Value::None | Value::List(..) => None,
        };
        if ty.is_none() {
            let span = arg.value_span();
            mistakes.at(span, format!("`{key}` takes a type: write `{key} = {example}`"));
        }
        ty
    }

    /// A name alone, such as that of a method.
    pub(crate) fn word(&self, mistakes: &mut Mistakes, key: &str, example: &str) -> Option<Ident> {
        let arg = self.get(key)?;
        if let Value::Expr(Expr::Path(path)) = &arg.value
            && let Some(word) = path.path.get_ident()
        {
            return Some(word.clone());
        }
        let span = arg.value_span();
        mistakes.at(span, format!("`{key}` takes a name: write `{key} = {example}`"));
        None
    }

    /// The names in the parentheses of `key(a, b)`, of which there may be none.
    pub(crate) fn words(&self, mistakes: &mut Mistakes, key: &str) -> Option<Vec<Ident>> {
        let arg = self.get(key)?;
        let parser = Punctuated::<Ident, Token![,]>::parse_terminated;
        if let Value::List(tokens, _) = &arg.value
            && let Ok(words) = parser.parse2(tokens.clone())
        {
            return Some(words.into_iter().collect());
        }
        let span = arg.value_span();
        let message = format!("`{key}` takes a list of names: write `{key}(first, second)`");
        mistakes.at(span, message);
        None
    }

    /// What stands in the parentheses of `key(..)`, with the span of them.
    pub(crate) fn list(
        &self,
        mistakes: &mut Mistakes,
        key: &str,
        example: &str,
    ) -> Option<(TokenStream, Span)> {
        let arg = self.get(key)?;
        if let Value::List(tokens, span) = &arg.value
            && !tokens.is_empty()
        {
            return Some((tokens.clone(), *span));
        }
        let span = arg.value_span();
        mistakes.at(span, format!("`{key}` takes a list: write `{key}({example})`"));
        None
    }
}

impl Arg {
    fn value_span(&self) -> Span {
        match &self.value {
            Value::None => self.key.span(),
            Value::Expr(value) => value.span(),
            Value::Type(value) => value.span(),
            Value::List(_, span) => *span,
        }
    }
}

fn parse_value(key: &Ident, input: ParseStream<'_>) -> syn::Result<Value> {
    if let Some(equals) = input.parse::<Option<Token![=]>>()? {
        if input.is_empty() || input.peek(Token![,]) {
            let message = format!("write a value behind `{key} =`");
            return Err(syn::Error::new_spanned(equals, message));
        }
        let whole = |rest: ParseStream<'_>| rest.is_empty() || rest.peek(Token![,]);
        if parses::<Expr>(input, whole) || !parses::<Type>(input, whole) {
            return input.parse().map(Value::Expr);
        }
        return input.parse().map(|ty| Value::Type(Box::new(ty)));
    }
    if input.peek(syn::token::Paren) {
        let inner;
        let paren = syn::parenthesized!(inner in input);
        return Ok(Value::List(inner.parse()?, paren.span.join()));
    }
    Ok(Value::None)
}

/// Whether a whole value can be read as this.
fn parses<T: Parse>(input: ParseStream<'_>, whole: impl Fn(ParseStream<'_>) -> bool) -> bool {
    let ahead = input.fork();
    ahead.parse::<T>().is_ok() && whole(&ahead)
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Reads `500ms`, `2s`, `5m` or `1h`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    // The const constructor of milliseconds must not overflow either.
    seconds.filter(|seconds| *seconds <= u64::MAX / 1000).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("5m"), Some(Duration::from_mins(5)));
        assert_eq!(parse_duration("1h"), Some(Duration::from_hours(1)));
        for wrong in ["", "2", "s", "2 s", "2sec", "-1s", "1.5s", "99999999999999999999s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(parse_duration("18446744073709551615h"), None);
    }
}
