//! Tools for tests: of services that use Kairo, and of Kairo itself.

pub mod faults;
pub mod leases;
