//! The contract of deliveries: a subscription's durable place, its failures, its dead letters, and
//! events that are not due yet.
//!
//! All of it changes through [`Store::commit`]; these traits read it.

pub mod checkpoint;
pub mod inbox;
pub mod letter;
pub mod partition;

use tokio::sync::watch;
use uuid::Uuid;

pub use self::{
    checkpoint::{
        Ahead, Checkpoint, Claim, Claimed, Fate, Parked, ParkedState, Progress, Share, Steer,
        SubscriptionRow,
    },
    inbox::{Mark, MarkKey},
    letter::{DeadLetter, FailedAttempt, LetterChange, LetterFilter, LetterState, Reason},
    partition::Partitions,
};
use crate::{
    clock::Timestamp,
    documents::Documents,
    error::Result,
    event::{name::StreamName, record::EventData},
    journal::Journal,
    lease::Members,
    store::{BoxFuture, Position, Store},
};

/// The durable places of subscriptions.
///
/// A subscription has one checkpoint for each of its *shares*: partitions that one owner has claimed
/// together. In a store that is not shared there is one share with the one partition there is.
///
/// # Laws
/// - `a_claim_starts_where_the_last_one_stopped`: claiming returns what progress was last
///   committed: the checkpoint, the parked rows, and the letters that are being replayed or hold
///   their key.
/// - `a_new_subscription_starts_where_it_asks`: behind the log's last event, or at its first.
/// - `an_old_claim_is_fenced`: after another claim, progress under the old one fails with
///   [`Error::Fenced`](crate::Error::Fenced) and changes nothing.
/// - `an_unreleased_claim_is_unclean`: the next claim says so.
/// - `many_are_claimed_in_the_order_of_the_requests`
/// - `a_late_release_is_no_error`
/// - `a_renamed_subscription_keeps_its_place`, and its letters.
/// - `a_removed_subscription_fences_its_last_owner`: epochs of a name never come again.
/// - `removing_a_subscription_removes_its_rows_and_letters_stay`
/// - `an_unknown_subscription_cannot_be_steered`
/// - `a_pause_lasts_until_resumed`, also over claims.
/// - `a_move_forgets_what_was_parked`, raises the generation, and fences every owner.
/// - `a_skipped_event_is_not_claimed_again`: and who has its key is fenced.
/// - `a_skip_of_what_is_handled_is_refused`, and so is one of which there is no event.
/// - `the_fate_of_an_event_is_what_was_recorded`
/// - `the_last_failure_is_kept`: over progress without one, claims, moves and renames.
/// - `an_event_is_marked_once`: a second mark of the same key is refused with
///   [`Error::AlreadyHandled`](crate::Error::AlreadyHandled), and nothing of its unit takes effect.
/// - `a_mark_and_its_effects_take_effect_together`
/// - `a_mark_of_an_old_claim_is_fenced`
/// - `a_mark_and_a_letter_change_together`: the claim is checked first, then the mark, then the letter.
/// - `old_marks_are_pruned_below_the_low_water`: what a subscription may still read again stays marked.
/// - `marks_follow_a_renamed_subscription`, and go with one that is removed.
///
/// And in a store that processes [share](crate::store::Features::shared):
/// - `what_another_member_has_is_not_claimed`
/// - `a_share_is_split_for_who_wants_less`: both parts keep its checkpoint.
/// - `shares_are_merged_by_a_claim`: the lowest low water counts, and what is beyond it is `ahead`.
/// - `a_claim_gets_what_its_partitions_have_parked`, and no letters of others.
/// - `a_released_share_is_free`
/// - `many_who_claim_at_a_time_share`: nobody has what another has.
/// - `each_share_has_its_own_progress`
/// - `subscriptions_show_who_has_what`
/// - `changes_of_others_are_signalled`
pub trait Deliveries: Store {
    /// Takes subscriptions over in one commit, making those that are new. The answers come in the
    /// order of the requests, whose names must differ.
    ///
    /// In a store that is not shared, whoever held one is fenced off. In one that is, `owner` gets
    /// what it had claimed before, and of what nobody has whose lease runs as much as it wants, all
    /// of it as one share under a new epoch; `None` when there was nothing.
    fn claim(&self, owner: Uuid, claims: Vec<Claim>)
    -> BoxFuture<'_, Result<Vec<Option<Claimed>>>>;

    /// Gives claims back, each a name with its epoch, so that they are free, and the next ones are
    /// known to follow a clean stop. A claim that has been lost in the meantime is no error.
    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result>;

    /// All subscriptions that the store knows, by name.
    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>>;

    /// Their names alone, in the same order: for a store that can tell them for less.
    fn subscription_names(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let rows = self.subscriptions().await?;
            Ok(rows.into_iter().map(|row| row.subscription).collect())
        })
    }

    /// Deletes a subscription's place and parked rows; its dead letters stay. Whether there was
    /// one.
    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>>;

    /// Does what an operator wants of a subscription.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) when there is no such subscription or event;
    /// [`Error::WrongState`](crate::Error::WrongState) when the event to skip was handled.
    fn steer(&self, subscription: String, steer: Steer) -> BoxFuture<'_, Result>;

    /// What became of the event of a stream at a place in the log; `None` when there is no such
    /// subscription.
    fn fate<'a>(
        &'a self,
        subscription: &'a str,
        stream: &'a StreamName,
        position: Position,
    ) -> BoxFuture<'a, Result<Option<Fate>>>;

    /// Whether an event has been marked as handled.
    fn is_marked<'a>(&'a self, key: &'a MarkKey) -> BoxFuture<'a, Result<bool>>;

    /// Deletes marks that were made before a time and whose events their subscriptions have passed,
    /// at most `limit` of them, and says how many.
    fn prune_marks(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>>;

    /// How many partitions a new subscription gets.
    fn partitions(&self) -> u32;

    /// A signal that rises when another process may have changed anything but the log: letters,
    /// delayed events, progress, pauses and claims. Like [`Store::watch`] it is a hint.
    fn watch_others(&self) -> watch::Receiver<u64>;
}

/// The dead letters of a store.
///
/// # Laws
/// - `letters_are_listed_oldest_first`, by the time of death and then by id; filters narrow them.
/// - `the_newest_letters_come_first_on_request`
/// - `pending_letters_can_be_listed_alone`: those that are being reprocessed or hold their key.
/// - `a_letter_keeps_its_bytes`
/// - `a_letter_is_buried_once`: burying an id that is there already is ignored, so that a repeated
///   progress leaves what has become of the letter since.
/// - `a_change_of_a_missing_letter_is_not_found`: and nothing of its unit takes effect.
/// - `a_change_in_the_wrong_state_is_refused`
pub trait DeadLetters: Store {
    /// The letters that pass the filter, oldest first unless it says otherwise.
    fn letters(&self, filter: LetterFilter) -> BoxFuture<'_, Result<Vec<DeadLetter>>>;

    /// One letter.
    fn letter(&self, id: Uuid) -> BoxFuture<'_, Result<Option<DeadLetter>>>;
}

/// Events that are not due yet.
///
/// # Laws
/// - `due_events_come_in_due_order`: ties in the order in which they were scheduled.
/// - `an_event_is_scheduled_once`: scheduling an id that is in the timetable already is ignored, so
///   that a handler that runs again delays nothing twice.
/// - `a_delayed_event_can_be_moved`: a unit takes from the timetable before it puts into it.
/// - `taking_a_missing_event_is_not_found`: two who take the same event cannot both succeed.
pub trait Timetable: Store {
    /// Events that are due at `now`, in due order, at most `limit` of them.
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Scheduled>>>;

    /// When the next event is due.
    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>>>;
}

/// An event with the time at which it enters the log.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// When it is due.
    pub due: Timestamp,
    /// The event, with its final id.
    pub event: EventData,
}

/// Everything that the engine needs of a store.
pub trait Backend:
    Store + Deliveries + DeadLetters + Timetable + Members + Journal + Documents
{
}

impl<T> Backend for T where
    T: Store + Deliveries + DeadLetters + Timetable + Members + Journal + Documents
{
}
