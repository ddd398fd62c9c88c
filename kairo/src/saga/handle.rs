//! Starting sagas of one kind, and asking after them.

use std::{fmt, marker::PhantomData, sync::Arc};

use uuid::Uuid;

use super::{
    Outcome, Saga, Status, outcome, sagas::cancel, status, storable::Storable, wait::until_rest,
};
use crate::{
    bus::{Builder, Kairo, Shared},
    engine::{
        dispatch::scope::Scope,
        sagas::{
            Begin, Origin,
            code::{Bound, Code},
            start,
        },
    },
    error::{Error, Result},
    event::envelope::AnyEvent,
    journal::SagaRow,
};

/// Sagas of one kind.
pub struct SagaRef<S> {
    shared: Arc<Shared>,
    code: Arc<dyn Code>,
    key: Option<String>,
    correlation: Option<Uuid>,
    saga: PhantomData<fn() -> S>,
}

impl Builder {
    /// A saga that this process can run. Those that were begun before go on with the start.
    pub fn saga<S: Saga>(self, saga: S) -> Self {
        self.code(S::NAME, move |retry| Arc::new(Bound::new(saga, S::blueprint(), retry)))
    }
}

impl Kairo {
    /// Sagas of one kind, run by this value from now on: also those of its kind that nobody carries
    /// on at the moment.
    ///
    /// Only a saga that was given to the [builder](Builder::saga) goes on by itself after a restart.
    pub fn saga<S: Saga>(&self, saga: S) -> SagaRef<S> {
        let shared = Arc::clone(self.shared());
        let code: Arc<dyn Code> =
            Arc::new(Bound::new(saga, S::blueprint(), shared.retry_default()));
        shared.engine.sagas.add(Arc::clone(&code));
        SagaRef::new(shared, code)
    }

    /// Sagas of a kind that was given to the [builder](Builder::saga).
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was not.
    pub fn saga_of<S: Saga>(&self) -> Result<SagaRef<S>> {
        let shared = Arc::clone(self.shared());
        let missing = || Error::NotFound { what: "saga", value: S::NAME.to_owned() };
        let code = shared.engine.sagas.code(S::NAME).ok_or_else(missing)?;
        Ok(SagaRef::new(shared, code))
    }
}

impl<S: Saga> SagaRef<S> {
    pub(crate) fn new(shared: Arc<Shared>, code: Arc<dyn Code>) -> Self {
        Self { shared, code, key: None, correlation: None, saga: PhantomData }
    }

    /// What the next saga is started for, such as an order's number: 1 to 200 bytes. Of one kind and
    /// key there is one saga; starting another answers the one that is there, whatever its input.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// What the next saga belongs to; by default to what is being handled, or to itself.
    #[must_use]
    pub const fn correlation(mut self, id: Uuid) -> Self {
        self.correlation = Some(id);
        self
    }

    /// Starts a saga, and waits until it goes no further by itself. When the await returns Ok, it has
    /// ended, or waits for somebody to decide.
    ///
    /// Dropping the future cancels nothing: the saga goes on.
    ///
    /// # Errors
    /// As [`start`](Self::start); [`Error::Closed`] when the bus is shut down first, and then the saga
    /// goes on with the next start.
    pub async fn execute(&self, input: S::Input) -> Result<Outcome<S>> {
        let id = self.shared.engine.clock.new_id();
        let ended = self.shared.engine.sagas.wait(id);
        let (id, is_new) = self.begin(id, &input, self.begin_by()).await?;
        let row = until_rest(&self.shared, id, is_new.then_some(ended)).await?;
        outcome::of::<S>(self.code.plan(), &row)
    }

    /// Starts a saga, and answers its id once it is in the store.
    ///
    /// # Errors
    /// [`Error::Saga`] for an input that cannot be written as JSON; [`Error::Invalid`] for a key or an
    /// input that is too long; [`Error::Store`] and [`Error::Full`] when the store fails. Then the saga
    /// may have been started; with a key, starting it again finds out.
    pub async fn start(&self, input: S::Input) -> Result<Uuid> {
        let id = self.shared.engine.clock.new_id();
        Ok(self.begin(id, &input, self.begin_by()).await?.0)
    }

    /// How far a saga is.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an id that no saga of this kind has; [`Error::Saga`] when its state
    /// cannot be read by this code.
    pub async fn status(&self, id: Uuid) -> Result<Status<S>> {
        status::of(self.row(id).await?)
    }

    /// Waits until a saga goes no further by itself.
    ///
    /// # Errors
    /// As [`status`](Self::status); [`Error::Closed`] when the bus is shut down first.
    pub async fn outcome(&self, id: Uuid) -> Result<Outcome<S>> {
        self.row(id).await?;
        let row = until_rest(&self.shared, id, None).await?;
        outcome::of::<S>(self.code.plan(), &row)
    }

    /// Ends a saga that runs: no further step begins, and what was done is undone. An attempt that is
    /// under way comes to its end first. One that goes back already is not disturbed.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::WrongState`] when it has ended or waits for somebody to
    /// decide.
    pub async fn cancel(&self, id: Uuid) -> Result {
        self.row(id).await?;
        cancel(&self.shared.engine, id).await
    }

    async fn row(&self, id: Uuid) -> Result<SagaRow> {
        let row = self.shared.engine.backend.saga(id).await?;
        row.filter(|row| row.saga == S::NAME)
            .ok_or_else(|| Error::NotFound { what: S::NAME, value: id.to_string() })
    }

    /// What starts it: the event that is being handled, if there is one.
    fn begin_by(&self) -> Origin {
        let scope = Scope::current();
        let event = scope.as_ref().and_then(|scope| scope.context().event());
        Origin {
            key: self.key.clone(),
            correlation: self.correlation.or_else(|| event.map(AnyEvent::correlation)),
            causation: event.map(AnyEvent::id),
            depth: event.map_or(0, |event| event.data().depth + 1),
        }
    }

    pub(super) async fn begin(
        &self,
        id: Uuid,
        input: &S::Input,
        origin: Origin,
    ) -> Result<(Uuid, bool)> {
        let input = input.to_stored().map_err(|error| {
            Error::Saga(format!("the input of `{}` cannot be written as JSON: {error}", S::NAME))
        })?;
        start(&self.shared.engine, Arc::clone(&self.code), Begin { id, input, origin }).await
    }
}

impl<S> fmt::Debug for SagaRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaRef")
            .field("saga", &self.code.plan().name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
