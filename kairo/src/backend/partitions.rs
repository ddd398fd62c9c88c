//! How many partitions the subscriptions of a store get: settled when it is made.

use super::url::StoreUrl;
use crate::{
    delivery::partition::{PARTITIONS, PARTITIONS_MAX},
    error::Result,
};

/// The number where the URL that made the store named none.
pub(super) const DEFAULT: u32 = PARTITIONS;

/// Reads the number that a URL names.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for anything but 1 to [`PARTITIONS_MAX`].
pub(super) fn parse(url: &StoreUrl, text: &str) -> Result<u32> {
    let count = text.parse().ok().filter(|count| (1..=PARTITIONS_MAX).contains(count));
    count.ok_or_else(|| url.invalid(format!("`partitions` is `{text}`; use 1 to {PARTITIONS_MAX}")))
}

/// Whether a store that has been made with `found` is what a URL asks for; the reason if not.
pub(super) fn checked(found: u32, wanted: Option<u32>) -> Result<(), String> {
    match wanted {
        Some(wanted) if wanted != found => Err(format!(
            "its subscriptions have {found} partitions, not {wanted} as the URL has it"
        )),
        _ => Ok(()),
    }
}
