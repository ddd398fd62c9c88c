//! Every metric name, in one place, so that dashboards can rely on them.

/// Events that were published.
pub(crate) const PUBLISHED: &str = "messaging.client.sent.messages";
/// Events that a subscription is done with, by `subscription`.
pub(crate) const PROCESSED: &str = "messaging.client.consumed.messages";
/// Failed attempts that are followed by another, by `subscription`.
pub(crate) const RETRIES: &str = "kairo.handler.retries";
/// Events that became dead letters, by `subscription` and `reason`.
pub(crate) const DEAD_LETTERS: &str = "kairo.dead_letters";
/// Events that were dropped because dead letters are off, by `subscription`.
pub(crate) const DROPPED: &str = "kairo.dropped";
/// Reads of documents, by `collection`.
pub(crate) const READS: &str = "kairo.repository.reads";
/// Changes of documents that are tried again because somebody else was quicker, by `collection`.
pub(crate) const CONFLICTS: &str = "kairo.repository.conflicts";
/// For how many seconds the transaction that keeps readers from the end of the log has done so, by
/// `store`; 0 when none does.
#[allow(dead_code, reason = "only a store on a PostgreSQL server has a gate")]
pub(crate) const GATE_WAIT: &str = "kairo.store.gate_wait";
