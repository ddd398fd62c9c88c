//! What is stored of a saga: its input, what is known of each step, and how it ends.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::code::Plan;
use crate::{
    blueprint::{Stored, Values},
    error::{Error, Result},
    journal::{Phase, events::SagaFailure, slot::Slot},
};

/// How far a saga is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) input: Stored,
    /// By name, in the order of their declaration.
    #[serde(with = "by_name")]
    pub(crate) steps: Vec<(String, Slot<Stored>)>,
    /// Why it goes back; `None` while it goes forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<SagaFailure>,
    /// Whether somebody wants what was done undone, whatever the saga says of itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) undo_anyway: bool,
    /// Why nobody knows how to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parked: Option<String>,
    /// How often the hook at the end has been tried; `None` once it is over.
    #[serde(default = "no_attempts", skip_serializing_if = "is_none_tried")]
    pub(crate) hook: Option<u32>,
}

impl State {
    /// A saga that has not begun.
    pub(crate) fn new(plan: &Plan, input: Stored) -> Self {
        let steps = plan.steps.iter().map(|step| (step.name.to_owned(), Slot::default()));
        Self {
            input,
            steps: steps.collect(),
            failure: None,
            undo_anyway: false,
            parked: None,
            hook: no_attempts(),
        }
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// [`Error::Saga`]
    pub(crate) fn read(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|error| Error::Saga(format!("the state of the saga cannot be read: {error}")))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`Error::Saga`], which the parts of a state give no reason for.
    pub(crate) fn write(&self) -> Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|error| {
            Error::Saga(format!("the state of the saga cannot be written: {error}"))
        })
    }

    /// Whether its steps are those of a plan, in their order.
    pub(crate) fn fits(&self, plan: &Plan) -> bool {
        self.steps.iter().map(|(name, _)| name.as_str()).eq(plan.steps.iter().map(|it| it.name))
    }

    pub(crate) fn slot(&self, step: usize) -> &Slot<Stored> {
        &self.steps[step].1
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot<Stored>> {
        self.steps.iter().map(|(_, slot)| slot)
    }

    /// Puts the state of a step in the place of the one that it was made from.
    pub(crate) fn set(&mut self, step: usize, slot: Slot<Stored>) {
        self.steps[step].1 = slot;
    }

    /// Takes the state of a step out, to make the next one from it.
    pub(crate) fn take(&mut self, step: usize) -> Slot<Stored> {
        std::mem::take(&mut self.steps[step].1)
    }

    /// What a step's run can be given.
    pub(crate) fn values(&self) -> Values {
        let error = self.failure.as_ref().and_then(|it| serde_json::value::to_raw_value(it).ok());
        Values {
            input: self.input.clone(),
            outputs: self.slots().map(|slot| slot.output().cloned()).collect(),
            error,
        }
    }

    /// The steps that were undone, in the order of their declaration.
    pub(crate) fn undone(&self) -> impl Iterator<Item = &str> {
        let undone = self.steps.iter().filter(|(_, slot)| matches!(slot, Slot::Undone(_)));
        undone.map(|(name, _)| name.as_str())
    }

    /// The step whose compensation has finally failed, and why.
    pub(crate) fn stuck(&self) -> Option<(&str, &[String])> {
        self.steps.iter().find_map(|(name, slot)| match slot {
            Slot::Undoing(undoing) if undoing.stuck => {
                Some((name.as_str(), undoing.attempts.errors.as_slice()))
            }
            _ => None,
        })
    }

    /// The phase of one that goes on by itself.
    pub(crate) const fn live_phase(&self) -> Phase {
        if self.failure.is_some() { Phase::Compensating } else { Phase::Running }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is the value of a field")]
const fn no_attempts() -> Option<u32> {
    Some(0)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "serde calls it with a reference"
)]
fn is_none_tried(hook: &Option<u32>) -> bool {
    *hook == no_attempts()
}

/// Steps as a map in the order of their declaration.
mod by_name {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{MapAccess, Visitor},
    };

    use crate::{blueprint::Stored, journal::slot::Slot};

    type Steps = Vec<(String, Slot<Stored>)>;

    pub(super) fn serialize<S: Serializer>(
        steps: &Steps,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(steps.iter().map(|(name, slot)| (name, slot)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Steps, D::Error> {
        deserializer.deserialize_map(InOrder)
    }

    struct InOrder;

    impl<'de> Visitor<'de> for InOrder {
        type Value = Steps;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the steps of a saga")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Steps, A::Error> {
            let mut steps = Vec::with_capacity(map.size_hint().unwrap_or_default().min(64));
            while let Some(step) = map.next_entry()? {
                steps.push(step);
            }
            Ok(steps)
        }
    }
}
