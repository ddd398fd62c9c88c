//! The scripts that Redis runs, each as one step that nothing else comes between.

use std::sync::LazyLock;

/// A script and the hash under which servers keep it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) code: &'static str,
    pub(super) hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

/// A script that is put together from files.
macro_rules! script {
    ($($file:literal)*) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),*)))
    };
}

pub(super) type Lazy = LazyLock<Script>;

pub(super) static OPEN: Lazy = script!("open");
pub(super) static COMMIT: Lazy =
    script!("store" "request" "letter" "stream_tip" "forget" "saga" "document" "commit");
pub(super) static PLANNED: Lazy = script!("store" "planned");
pub(super) static HEAD: Lazy = script!("store" "head");
pub(super) static PAGE: Lazy = script!("store" "page");
pub(super) static PAGE_OF: Lazy = script!("store" "page_of");
pub(super) static AT: Lazy = script!("store" "at");
pub(super) static COUNT: Lazy = script!("store" "count");
pub(super) static STREAM: Lazy = script!("store" "stream_tip" "stream");
pub(super) static STATS: Lazy = script!("store" "stream_tip" "stats");
pub(super) static PRUNE: Lazy = script!("store" "request" "stream_tip" "forget" "prune");
pub(super) static PLACES: Lazy = script!("store" "lease" "places");
pub(super) static CHANGE: Lazy = script!("store" "request" "letter" "change");
pub(super) static RELEASE: Lazy = script!("store" "request" "release");
pub(super) static REMOVE: Lazy = script!("store" "request" "remove");
pub(super) static SUBSCRIPTIONS: Lazy = script!("store" "lease" "subscriptions");
pub(super) static FATE: Lazy = script!("store" "fate");
pub(super) static JOIN: Lazy = script!("store" "request" "lease" "join");
pub(super) static LEAVE: Lazy = script!("store" "request" "leave");
pub(super) static LETTERS: Lazy = script!("store" "letter" "letters");
pub(super) static DUE: Lazy = script!("store" "due");
pub(super) static SAGA_CLAIM: Lazy = script!("store" "request" "lease" "saga" "saga_claim");
pub(super) static SAGA_RELEASE: Lazy = script!("store" "request" "saga" "saga_release");
pub(super) static SAGA_ROWS: Lazy = script!("store" "saga_rows");
pub(super) static SAGA_LIST: Lazy = script!("store" "saga_list");
pub(super) static SAGA_NEXT: Lazy = script!("store" "saga_next");
pub(super) static SAGA_PRUNE: Lazy = script!("store" "request" "saga_prune");
pub(super) static MARKED: Lazy = script!("store" "marked");
pub(super) static MARK_PRUNE: Lazy = script!("store" "request" "mark_prune");
pub(super) static DOCUMENT_AT: Lazy = script!("store" "document_at");
pub(super) static DOCUMENT_PAGE: Lazy = script!("store" "document_page");
pub(super) static DOCUMENT_COUNT: Lazy = script!("store" "document_count");
pub(super) static COLLECTION: Lazy = script!("store" "collection");
pub(super) static COLLECTION_SET: Lazy = script!("store" "request" "document" "collection_set");
pub(super) static COLLECTION_INDEX: Lazy = script!("store" "request" "document" "collection_index");
