//! The events of one kind of saga, as one type.

use std::sync::Arc;

use uuid::Uuid;

use super::{SagaFailure, SagaStep};
use crate::{
    error::DecodeError,
    event::{
        Event, EventSet,
        envelope::{AnyEvent, Envelope},
    },
    handler::{
        delivery::{Delivery, EventRef, RunError},
        entry::{Intake, Listen},
        receive::{Receive, not_a_member, set_borrow, set_envelope, set_own},
    },
    journal::events::{
        SagaCompensated, SagaCompleted, SagaFailed, SagaStarted, SagaStepCompleted, SagaStuck,
    },
};

/// An event in the life of a saga with the steps `T`. `#[saga]` gives it a name, such as
/// `EcommerceOrderEvent`.
///
/// A handler that takes it is given the events of this kind of saga, and no others.
#[derive(Clone, Debug, PartialEq)]
pub enum SagaEvent<T: SagaStep> {
    /// It has begun.
    Started {
        /// The saga.
        id: Uuid,
        /// What it was started for.
        key: Option<String>,
    },
    /// A step has happened.
    StepCompleted {
        /// The saga.
        id: Uuid,
        /// The step.
        step: T,
    },
    /// It has ended well.
    Completed {
        /// The saga.
        id: Uuid,
    },
    /// It has ended, and what it had done stays.
    Failed {
        /// The saga.
        id: Uuid,
        /// Why.
        failure: SagaFailure,
    },
    /// It has ended, and everything is undone.
    Compensated {
        /// The saga.
        id: Uuid,
        /// Why.
        failure: SagaFailure,
        /// The steps that were undone, in the order of their declaration.
        undone: Vec<T>,
    },
    /// It waits for somebody to decide.
    Stuck {
        /// The saga.
        id: Uuid,
        /// The step whose compensation has finally failed; `None` where nobody knows how to go on.
        step: Option<T>,
        /// Why, outermost first.
        errors: Vec<String>,
    },
}

impl<T: SagaStep> SagaEvent<T> {
    /// The saga that it is about.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Started { id, .. }
            | Self::StepCompleted { id, .. }
            | Self::Completed { id }
            | Self::Failed { id, .. }
            | Self::Compensated { id, .. }
            | Self::Stuck { id, .. } => *id,
        }
    }

    /// Whether an event is of this kind of saga; one that cannot be read is taken for one, so that
    /// whoever handles it says so.
    fn is_own(event: &AnyEvent) -> bool {
        event.json().map_or(true, |json| json["saga"] == T::SAGA)
    }

    fn read(event: &AnyEvent) -> Result<Self, DecodeError> {
        // A step that this code does not have is one of newer code.
        let step = |name: &str| T::of_name(name).ok_or_else(|| not_a_member::<Self>(event));
        match event.name() {
            SagaStarted::NAME => {
                let SagaStarted { id, key, .. } = event.decode()?;
                Ok(Self::Started { id, key })
            }
            SagaStepCompleted::NAME => {
                let SagaStepCompleted { id, step: name, .. } = event.decode()?;
                Ok(Self::StepCompleted { id, step: step(&name)? })
            }
            SagaCompleted::NAME => {
                let SagaCompleted { id, .. } = event.decode()?;
                Ok(Self::Completed { id })
            }
            SagaFailed::NAME => {
                let SagaFailed { id, failure, .. } = event.decode()?;
                Ok(Self::Failed { id, failure })
            }
            SagaCompensated::NAME => {
                let SagaCompensated { id, failure, undone, .. } = event.decode()?;
                let undone = undone.iter().map(|name| step(name)).collect::<Result<_, _>>()?;
                Ok(Self::Compensated { id, failure, undone })
            }
            SagaStuck::NAME => {
                let SagaStuck { id, step: name, errors, .. } = event.decode()?;
                let step = name.as_deref().map(step).transpose()?;
                Ok(Self::Stuck { id, step, errors })
            }
            _ => Err(not_a_member::<Self>(event)),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: SagaStep> EventSet for SagaEvent<T> {
    const NAMES: &'static [&'static str] = &[
        SagaCompensated::NAME,
        SagaCompleted::NAME,
        SagaFailed::NAME,
        SagaStarted::NAME,
        SagaStepCompleted::NAME,
        SagaStuck::NAME,
    ];

    const INTAKE: Intake = Intake {
        listen: Listen::Members,
        members: Self::NAMES,
        open: false,
        ephemeral: false,
        own: Some(Self::is_own),
    };

    fn decode_set(event: &AnyEvent) -> Result<Self, DecodeError> {
        if Self::is_own(event) { Self::read(event) } else { Err(not_a_member::<Self>(event)) }
    }
}

#[diagnostic::do_not_recommend]
impl<T: SagaStep> Receive for SagaEvent<T> {
    const INTAKE: Intake = <Self as EventSet>::INTAKE;

    fn own(delivery: Delivery<'_>) -> Result<Self, RunError> {
        set_own(delivery, Self::decode_set)
    }

    fn borrow(delivery: Delivery<'_>) -> Result<EventRef<'_, Self>, RunError> {
        set_borrow(delivery, Self::decode_set)
    }

    fn envelope(delivery: Delivery<'_>) -> Result<Envelope<Self>, RunError> {
        set_envelope(delivery, Self::decode_set)
    }

    fn peek(event: &AnyEvent) -> Result<Arc<Self>, DecodeError> {
        Self::decode_set(event).map(Arc::new)
    }
}
