//! The option `retry(max = 5, backoff = "2s", exponential, jitter, pause_max = "1m")`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{args::Args, mistakes::Mistakes, tokens};

/// What was written in `retry(..)`.
#[derive(Default)]
pub(crate) struct Retry {
    max: Option<u32>,
    backoff: Option<Duration>,
    exponential: bool,
    jitter: bool,
    pause_max: Option<Duration>,
}

/// Checks `retry(..)`, if it was given.
pub(crate) fn check(mistakes: &mut Mistakes, args: &Args) -> Option<Retry> {
    const EXAMPLE: &str = "max = 5, backoff = \"2s\", exponential";
    let (tokens, _) = args.list(mistakes, "retry", EXAMPLE)?;
    let keys = ["max", "backoff", "exponential", "jitter", "pause_max"];
    let args = Args::parse(mistakes, "`retry(..)`", &keys, tokens);
    if let Some(lead) = &args.lead {
        let message =
            format!("`retry(..)` takes no bare text: write `backoff = {}`", quote!(#lead));
        mistakes.on(lead, message);
    }
    let retry = Retry {
        max: args.number(mistakes, "max", 0..=u32::MAX, 5),
        backoff: args.duration(mistakes, "backoff", "2s"),
        exponential: args.flag(mistakes, "exponential"),
        jitter: args.flag(mistakes, "jitter"),
        pause_max: args.duration(mistakes, "pause_max", "1m"),
    };
    if let Some(span) = args.span("exponential").filter(|_| !args.has("backoff")) {
        mistakes.at(span, "`exponential` needs a first pause to double: add `backoff = \"2s\"`");
    }
    if let Some(span) = args.span("pause_max").filter(|_| !args.has("exponential")) {
        mistakes.at(span, "`pause_max` bounds pauses that grow: add `exponential`");
    }
    if let (Some(first), Some(max), Some(span)) =
        (retry.backoff, retry.pause_max, args.span("pause_max"))
        && max < first
    {
        let message = "`pause_max` is shorter than `backoff`: change one of them";
        mistakes.at(span, message);
    }
    Some(retry)
}

impl Retry {
    /// The policy as the library's type.
    pub(crate) fn expand(&self) -> TokenStream {
        let mut policy = self.max.map_or_else(
            || quote!(__k::RetryPolicy::DEFAULT),
            |max| quote!(__k::RetryPolicy::new(#max)),
        );
        if let Some(backoff) = self.backoff {
            let backoff = tokens::duration(backoff);
            policy.extend(quote!(.backoff(#backoff)));
        }
        if self.exponential {
            policy.extend(quote!(.exponential()));
        }
        if let Some(max) = self.pause_max {
            let max = tokens::duration(max);
            policy.extend(quote!(.pause_max(#max)));
        }
        if self.jitter {
            policy.extend(quote!(.jitter()));
        }
        policy
    }
}
