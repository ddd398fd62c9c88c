//! Sagas: they end completed, or with everything undone, or wait visibly for somebody to decide.

mod backward;
mod cancel;
mod crash;
mod events;
mod faults;
mod forward;
mod input;
mod restart;
mod shared;
mod side_by_side;
mod stuck;
mod trip;
