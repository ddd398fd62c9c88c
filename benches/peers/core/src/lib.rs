//! What every participant shares: the task that it is given, the event that it appends, and how it is measured.
//!
//! A participant is a program that implements [`Store`] and calls [`serve`]. Its only argument is a
//! [`Task`] as JSON; its only output is a [`Reply`] as JSON.

mod append;
mod check;
mod deposit;
mod fill;
mod handle;
mod load;
mod serve;
mod store;
mod task;
mod timing;

pub use self::{
    deposit::{Balance, Deposited},
    handle::Handled,
    serve::{reply, runtime, serve},
    store::{Appended, Store},
    task::{Latency, Reply, Task, Work},
    timing::Window,
};
