//! What the library promises, topic by topic.

mod health;
mod letters;
mod order;
mod publish;
mod replay;
mod retry;
