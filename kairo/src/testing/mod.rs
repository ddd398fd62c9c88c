//! Tools for tests: of services that use Kairo, and of Kairo itself.

mod call;
mod documents;
pub mod faults;
mod journal;
pub mod leases;
pub mod sagas;
