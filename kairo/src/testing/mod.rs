//! Tools for tests: of services that use Kairo, and of Kairo itself.

mod call;
pub mod faults;
mod journal;
pub mod leases;
pub mod sagas;
