//! What the library promises, topic by topic.

mod bounds;
mod delayed;
mod ephemeral;
mod faults;
mod handlers;
mod letters;
mod newer;
mod order;
mod publish;
mod replay;
mod retry;
mod stop;
