//! `#[events]`: an enum of events becomes a typed event enum.

use proc_macro2::TokenStream;

use crate::mistakes::Mistakes;

/// Expands `#[events]`.
pub(crate) fn attribute(
    _mistakes: &mut Mistakes,
    _attribute: TokenStream,
    _item: TokenStream,
) -> Option<TokenStream> {
    None
}
