//! What an event leaves behind that is dead: its letter, and the event that tells of it.

use uuid::Uuid;

use super::{job::Job, spec::Spec};
use crate::{
    clock::{Clock, Timestamp},
    delivery::{DeadLetter, LetterState, Reason},
    event::{
        Event,
        record::{Draft, EventData},
    },
    handler::entry::OnDead,
};

/// The letter of an event that died just now.
pub(super) fn letter(
    clock: &Clock,
    spec: &Spec,
    job: &Job,
    reason: Reason,
    now: Timestamp,
) -> DeadLetter {
    DeadLetter {
        id: clock.new_id(),
        subscription: spec.name.to_string(),
        position: job.event.position,
        version: job.event.version,
        original: job.event.event.clone(),
        edited: None,
        reason,
        attempts: job.attempts,
        failures: job.failures.clone(),
        first_failed: job.failures.first().map_or(now, |failed| failed.time),
        last_failed: now,
        replays: 0,
        holds_key: holds_key(spec),
        state: LetterState::Dead,
    }
}

/// Whether later events of a key wait for its letters.
pub(super) fn holds_key(spec: &Spec) -> bool {
    spec.ordered && spec.on_dead == OnDead::HoldKey
}

/// The event `kairo.dead-letter.created`, caused by the event that died; none where that could ring
/// for ever.
pub(super) fn announcement(spec: &Spec, letter: &DeadLetter, now: Timestamp) -> Option<EventData> {
    if spec.silent || letter.original.name == DeadLetter::NAME {
        return None;
    }
    match Draft::encode(letter) {
        Ok(draft) => Some(announced(letter, draft, now)),
        Err(error) => {
            tracing::error!(%error, "a dead letter cannot be announced");
            None
        }
    }
}

fn announced(letter: &DeadLetter, mut draft: Draft, now: Timestamp) -> EventData {
    let original = &letter.original;
    draft.stream.get_or_insert_with(|| original.stream.clone());
    let id = Uuid::new_v8(Uuid::new_v5(&letter.id, b"created").into_bytes());
    EventData {
        derived: true,
        correlation: original.correlation,
        causation: Some(original.id),
        depth: original.depth + 1,
        ..draft.into_event(id, now)
    }
}
