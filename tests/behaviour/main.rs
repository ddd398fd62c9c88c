//! What the library promises, topic by topic.

mod closures;
mod letters;
mod order;
mod publish;
mod replay;
mod retry;
