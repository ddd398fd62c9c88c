//! What an event leaves behind that is dead: its letter, and the event that tells of it.

use uuid::Uuid;

use super::{job::Job, spec::Spec};
use crate::{
    clock::{Clock, Timestamp},
    delivery::{DeadLetter, LetterState, Reason},
    event::{
        Event,
        record::{Draft, EventData, Metadata},
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

fn announced(letter: &DeadLetter, draft: Draft, now: Timestamp) -> EventData {
    EventData {
        id: Uuid::new_v8(Uuid::new_v5(&letter.id, b"created").into_bytes()),
        derived: true,
        stream: draft.stream.unwrap_or_else(|| letter.original.stream.clone()),
        name: draft.name,
        schema: draft.schema,
        time: now,
        correlation: letter.original.correlation,
        causation: Some(letter.original.id),
        depth: letter.original.depth + 1,
        metadata: Metadata::new(),
        payload: draft.payload,
    }
}
