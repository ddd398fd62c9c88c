//! Transactions: what happens in one happens together, and in a handler or step once.

mod closures;
mod handlers;
mod queries;
mod steps;
