//! Why a run of a pipeline gave nothing.

use std::{error::Error as StdError, fmt, time::Duration};

use uuid::Uuid;

use crate::{
    error::Error,
    handler::{
        Class, Classify, Failure,
        failure::{Classified, Classifier, class_of},
    },
    validation::Violations,
};

/// Why a run of a pipeline gave nothing: which pipeline, at which stage, and what was wrong.
///
/// A handler that returns it with `?` is tried again only where that can help: not for an input that is
/// not valid, not for one that a filter rejected, and as the stage's own error says.
pub struct PipelineError(Box<Details>);

struct Details {
    pipeline: String,
    stage: Option<String>,
    run: Uuid,
    kind: ErrorKind,
}

/// What was wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input breaks rules of its type; no stage has run.
    Invalid(Violations),
    /// A filter said no.
    Rejected,
    /// A stage, or one of its extractors, failed, and was not tried again or had no retries left.
    Failed(Failure),
    /// A stage took longer than this, or the run as a whole did.
    TimedOut(Duration),
    /// A stage panicked, with these words.
    Panicked(String),
    /// A stage has come to an event that could not be published.
    Unpublished(Error),
    /// It was called in a way that cannot work: the bus has gone, a name or an option is not allowed.
    Misused(Error),
}

impl PipelineError {
    pub(super) fn new(pipeline: &str, stage: Option<&str>, run: Uuid, kind: ErrorKind) -> Self {
        let (pipeline, stage) = (pipeline.to_owned(), stage.map(str::to_owned));
        Self(Box::new(Details { pipeline, stage, run, kind }))
    }

    /// The name of the pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &str {
        &self.0.pipeline
    }

    /// The stage at which it was; `None` before the first one.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        self.0.stage.as_deref()
    }

    /// The run, whose id is the [cause](crate::AnyEvent::causation) of what was emitted where no handler
    /// ran it.
    #[must_use]
    pub fn run(&self) -> Uuid {
        self.0.run
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether a filter said no.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Rejected)
    }

    /// The error of a stage, if it is of this type, or was caused by one that is.
    #[must_use]
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        let mut error = self.source();
        while let Some(this) = error {
            if let Some(found) = this.downcast_ref() {
                return Some(found);
            }
            error = this.source();
        }
        None
    }
}

impl ErrorKind {
    /// In a word.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Rejected => "rejected",
            Self::Failed(_) => "failed",
            Self::TimedOut(_) => "timed-out",
            Self::Panicked(_) => "panicked",
            Self::Unpublished(_) => "unpublished",
            Self::Misused(_) => "misused",
        }
    }

    /// What can be said about it, outermost first.
    pub(super) fn chain(&self) -> Vec<String> {
        match self {
            Self::Failed(failure) => failure.chain(),
            other => vec![other.to_string()],
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(violations) => write!(f, "its input is not valid: {violations}"),
            Self::Rejected => f.write_str("rejected"),
            Self::Failed(failure) => failure.fmt(f),
            Self::TimedOut(limit) => write!(f, "it took longer than {limit:?}"),
            Self::Panicked(text) => write!(f, "it panicked: {text}"),
            Self::Unpublished(error) => write!(f, "an event could not be published: {error}"),
            Self::Misused(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { pipeline, stage, kind, .. } = &*self.0;
        match (stage, kind) {
            (Some(stage), ErrorKind::Rejected) => {
                write!(f, "pipeline `{pipeline}`: stage `{stage}` rejected what came to it")
            }
            (Some(stage), _) => {
                write!(f, "pipeline `{pipeline}` failed at stage `{stage}`: {kind}")
            }
            (None, _) => write!(f, "pipeline `{pipeline}` failed: {kind}"),
        }
    }
}

impl fmt::Debug for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineError")
            .field("pipeline", &self.0.pipeline)
            .field("stage", &self.0.stage)
            .field("run", &self.0.run)
            .field("kind", &self.0.kind)
            .finish()
    }
}

impl StdError for PipelineError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            ErrorKind::Invalid(violations) => Some(violations),
            ErrorKind::Failed(failure) => Some(failure.error()),
            ErrorKind::Unpublished(error) | ErrorKind::Misused(error) => Some(error),
            ErrorKind::Rejected | ErrorKind::TimedOut(_) | ErrorKind::Panicked(_) => None,
        }
    }
}

impl Classify for PipelineError {
    fn class(&self) -> Class {
        match &self.0.kind {
            ErrorKind::Invalid(_) | ErrorKind::Rejected => Class::Permanent,
            ErrorKind::Failed(failure) => failure.class(),
            ErrorKind::TimedOut(_) | ErrorKind::Panicked(_) => Class::Retryable,
            ErrorKind::Unpublished(error) | ErrorKind::Misused(error) => class_of(error),
        }
    }
}

inventory::submit! {
    Classifier {
        class: <PipelineError as Classified>::class_of,
        class_of_context: <PipelineError as Classified>::class_of_context,
    }
}
