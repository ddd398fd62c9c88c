//! What the library promises, topic by topic.

mod bounds;
mod delayed;
mod letters;
mod order;
mod publish;
mod replay;
mod retry;
mod stop;
