//! Leases that a test can wait for.

use std::time::Duration;

use crate::bus::Builder;

/// A bus that keeps its share of the work for so long without renewing, instead of
/// [`LEASE`](crate::lease::LEASE); it renews three times as often. With less than a second or so, a
/// busy machine is enough to lose it.
pub fn with_lease(mut builder: Builder, lease: Duration) -> Builder {
    builder.lease = Some(lease);
    builder
}
