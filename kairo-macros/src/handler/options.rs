//! The options of a handler, and which of them cannot work together.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{LitStr, Path};

use super::parse::Input;
use crate::{
    args::Args,
    mistakes::Mistakes,
    names,
    retry::{self, Retry},
    tokens,
};

/// The longest name of a subscription, in bytes.
const NAME_MAX: usize = 200;

/// The most events that a subscription handles side by side.
const CONCURRENCY_MAX: u32 = 256;

/// Options that need the log.
const DURABLE: &[&str] =
    &["concurrency", "unordered", "start", "dead_letter", "on_dead", "renamed_from"];

/// What a handler says it listens to.
pub(crate) enum Listen {
    /// What its argument is.
    Argument,
    Event(LitStr),
    Pattern(LitStr),
    Regex(LitStr),
}

/// The options of a handler, checked.
pub(crate) struct Options {
    pub(crate) listen: Listen,
    pub(crate) name: Option<LitStr>,
    pub(crate) filter: Option<Path>,
    pub(crate) ephemeral: Option<Span>,
    /// Those that need the log, where they stand.
    pub(crate) durable: Vec<(&'static str, Span)>,
    retry: Option<Retry>,
    timeout: Option<Duration>,
    concurrency: Option<u32>,
    unordered: bool,
    from_beginning: bool,
    dead_letter: Option<bool>,
    hold_key: bool,
    renamed_from: Option<LitStr>,
}

/// Checks the options of a handler.
pub(crate) fn check(mistakes: &mut Mistakes, input: &Input) -> Options {
    let args = &input.args;
    let attribute = input.kind.attribute();
    if let Some(lead) = &args.lead {
        let text = lead.value();
        let key = if text.contains('*') { "pattern" } else { "event" };
        let message =
            format!("a handler's options have names: write `#[{attribute}({key} = \"{text}\")]`");
        mistakes.at(lead.span(), message);
    }
    let options = Options {
        listen: check_listen(mistakes, args),
        name: check_durable_name(mistakes, args, "name", "send-welcome-mail"),
        filter: args.path(mistakes, "filter", "is_wanted"),
        ephemeral: args.span("ephemeral").filter(|_| args.flag(mistakes, "ephemeral")),
        durable: DURABLE.iter().filter_map(|key| Some((*key, args.span(key)?))).collect(),
        retry: retry::check(mistakes, args),
        timeout: args.duration(mistakes, "timeout", "30s"),
        concurrency: args.number(mistakes, "concurrency", 1..=CONCURRENCY_MAX, 8),
        unordered: args.flag(mistakes, "unordered"),
        from_beginning: args.choice(mistakes, "start", &["now", "beginning"]) == Some(1),
        dead_letter: args.boolean(mistakes, "dead_letter"),
        hold_key: args.choice(mistakes, "on_dead", &["hold-key", "release-key"]) == Some(0),
        renamed_from: check_durable_name(mistakes, args, "renamed_from", "shop::orders::confirm"),
    };
    check_together(mistakes, args, &options);
    options
}

fn check_listen(mistakes: &mut Mistakes, args: &Args) -> Listen {
    let event = args.string(mistakes, "event", "user.created");
    let pattern = args.string(mistakes, "pattern", "user.*");
    let regex = args.string(mistakes, "regex", r"user\\..*");
    check_one(mistakes, &[("event", &event), ("pattern", &pattern), ("regex", &regex)]);
    if let Some(event) = event {
        check_event(mistakes, &event);
        return Listen::Event(event);
    }
    if let Some(pattern) = pattern {
        if let Err(message) = names::check_pattern(&pattern.value()) {
            mistakes.at(pattern.span(), message);
        }
        return Listen::Pattern(pattern);
    }
    if let Some(regex) = regex {
        // Compiled the way the library does it.
        if let Err(error) = regex_lite::Regex::new(&format!("^(?:{})$", regex.value())) {
            let text = regex.value();
            let message = format!("\"{text}\" is no regular expression: {error}; change it");
            mistakes.at(regex.span(), message);
        }
        return Listen::Regex(regex);
    }
    Listen::Argument
}

fn check_one(mistakes: &mut Mistakes, choices: &[(&str, &Option<LitStr>)]) {
    let mut given = choices.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let Some((first, _)) = given.next() else { return };
    for (second, value) in given {
        let message = format!("give either `{first}` or `{second}`: remove one of them");
        mistakes.at(value.span(), message);
    }
}

fn check_event(mistakes: &mut Mistakes, event: &LitStr) {
    let text = event.value();
    if text.contains('*') {
        mistakes.at(event.span(), format!("\"{text}\" is a pattern: write `pattern = \"{text}\"`"));
    } else if let Err(message) = names::check_name(&text) {
        mistakes.at(event.span(), message);
    }
}

fn check_durable_name(
    mistakes: &mut Mistakes,
    args: &Args,
    key: &str,
    example: &str,
) -> Option<LitStr> {
    let name = args.string(mistakes, key, example)?;
    let text = name.value();
    if text.is_empty() || NAME_MAX < text.len() || text.contains(char::is_control) {
        mistakes.at(
            name.span(),
            format!(
                "`{key}` takes 1 to {NAME_MAX} bytes without control characters: write something \
                 like \"{example}\""
            ),
        );
    }
    Some(name)
}

fn check_together(mistakes: &mut Mistakes, args: &Args, options: &Options) {
    if options.ephemeral.is_some() {
        for (key, span) in &options.durable {
            let message = format!(
                "`{key}` needs the log, but an `ephemeral` handler runs in memory, inside \
                 `publish`: remove one of them"
            );
            mistakes.at(*span, message);
        }
    }
    let Some(on_dead) = args.span("on_dead").filter(|_| options.hold_key) else { return };
    if options.dead_letter == Some(false) {
        mistakes.at(
            on_dead,
            "without dead letters there is nothing that could hold a key: remove `on_dead`, or \
             remove `dead_letter = false`",
        );
    }
    if options.unordered {
        mistakes.at(
            on_dead,
            "an `unordered` handler has no order that a dead event could hold up: remove one of \
             them",
        );
    }
}

impl Options {
    /// The options as the library's type; nothing where all are defaults.
    pub(crate) fn expand(&self) -> Option<TokenStream> {
        let mut set = TokenStream::new();
        let mut field = |name: &str, value: TokenStream| {
            let name = Ident::new(name, Span::call_site());
            set.extend(quote!(#name: #value,));
        };
        if let Some(retry) = &self.retry {
            let retry = retry.expand();
            field("retry", quote!(__k::Some(#retry)));
        }
        if let Some(timeout) = self.timeout {
            let timeout = tokens::duration(timeout);
            field("timeout", quote!(__k::Some(#timeout)));
        }
        if let Some(concurrency) = self.concurrency {
            field("concurrency", quote!(__k::Some(#concurrency)));
        }
        if self.unordered {
            field("unordered", quote!(true));
        }
        if self.from_beginning {
            field("start", quote!(__k::StartAt::Beginning));
        }
        if let Some(dead_letter) = self.dead_letter {
            field("dead_letter", quote!(__k::Some(#dead_letter)));
        }
        if self.hold_key {
            field("on_dead", quote!(__k::OnDead::HoldKey));
        }
        if let Some(name) = &self.renamed_from {
            field("renamed_from", quote!(__k::Some(#name)));
        }
        (!set.is_empty()).then(|| quote!(__k::Options { #set ..__k::Options::DEFAULT }))
    }
}
