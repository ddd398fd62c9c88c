//! One attempt at a part of a saga.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::{
    code::{Code, Part, given},
    settle::Outcome,
};
use crate::{
    blueprint::{StepError, Stored, Values},
    engine::{
        Engine,
        dispatch::{deliver::panic_text, scope::Scope},
        tx::{Desk, Tx},
    },
    handler::{Class, Context},
    store::PAYLOAD_MAX,
};

/// Everything that an attempt needs.
pub(super) struct Attempt {
    pub(super) engine: Arc<Engine>,
    pub(super) code: Arc<dyn Code>,
    pub(super) part: Part,
    pub(super) context: Context,
    pub(super) values: Arc<Values>,
    pub(super) timeout: Duration,
}

impl Attempt {
    /// Makes the attempt: it ends when the code does, when its time is up, or when that of the
    /// process is.
    pub(super) async fn run(self) -> Ended {
        let Self { engine, code, part, context, values, timeout } = self;
        let scope = Scope::new(context);
        let desk = Desk::of_run(&engine, &scope);
        let entered = Arc::clone(&scope);
        let run = async {
            let given = given(&values, scope.context());
            desk.run(&engine, entered.enter(code.run(part, given))).await
        };
        let outcome = tokio::select! {
            biased;
            ended = AssertUnwindSafe(run).catch_unwind() => match ended {
                Ok(Ok(ended)) => outcome(ended),
                Ok(Err(too_long)) => missed(too_long.to_string()),
                Err(panic) => missed(format!("it panicked: {}", panic_text(&*panic))),
            },
            () = engine.clock.sleep(timeout) => missed(format!("it took longer than {timeout:?}")),
            () = engine.giving_back.wait_for_all() => Outcome::GivenBack,
        };
        // Where it has not come to an output, its transaction is undone.
        let tx = desk.take().filter(|_| matches!(outcome, Outcome::Done(_)));
        Ended { part, outcome, tx }
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) part: Part,
    pub(super) outcome: Outcome,
    /// What it did in its transaction, which commits with the fact that it is done.
    pub(super) tx: Option<Tx>,
}

fn outcome(ended: Result<Stored, StepError>) -> Outcome {
    match ended {
        Ok(output) if PAYLOAD_MAX < output.get().len() => Outcome::Unstorable(format!(
            "its output has {} bytes; the limit is {PAYLOAD_MAX}",
            output.get().len()
        )),
        Ok(output) => Outcome::Done(output),
        Err(StepError::Failed(failure)) => {
            Outcome::Missed { class: failure.class(), errors: failure.chain() }
        }
        Err(StepError::Unstorable(error)) => Outcome::Unstorable(error),
        Err(StepError::Undecodable(error)) => Outcome::Undecodable(error),
    }
}

fn missed(error: String) -> Outcome {
    Outcome::Missed { class: Class::Retryable, errors: vec![error] }
}
