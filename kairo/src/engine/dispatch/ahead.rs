//! Reading ahead: the store reads the log on while the handlers of a subscription run.

use std::{collections::VecDeque, future, sync::Arc, vec};

use futures_util::FutureExt;

use super::{intake::read_surely, spec::Spec};
use crate::{
    engine::{Engine, trouble::Trouble},
    error::Result,
    event::record::Recorded,
    store::{BoxFuture, Page, Position},
};

/// How many events are read from the store at once.
pub(super) const PAGE: usize = 1_024;

/// How many pages wait, or are being read, beside the one that is being taken in.
const PAGES_MAX: usize = 2;

/// A stretch of the log on its way from the store to a subscription.
pub(super) struct Ahead {
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    /// What reads fail with.
    trouble: Trouble,
    open: Option<Open>,
    pages: VecDeque<Page>,
    reading: Option<BoxFuture<'static, Result<Page>>>,
    /// Where reading goes on.
    after: Position,
}

/// What is left of the page that is being taken in.
struct Open {
    events: vec::IntoIter<Arc<Recorded>>,
    end: Position,
}

/// What comes next.
pub(super) enum Next {
    Event(Arc<Recorded>),
    /// Nothing else that is wanted lies before this place.
    Scanned(Position),
    /// A page that is not there yet.
    Later,
    /// The tail goes on from here.
    End,
}

impl Ahead {
    /// Begins behind `after`, and goes on as far as the tail does not reach back.
    pub(super) fn begin(
        engine: Arc<Engine>,
        spec: Arc<Spec>,
        trouble: Trouble,
        after: Position,
    ) -> Self {
        let pages = VecDeque::with_capacity(PAGES_MAX);
        let mut ahead = Self { engine, spec, trouble, open: None, pages, reading: None, after };
        ahead.read_on();
        ahead
    }

    /// Takes what comes next, if it is there.
    pub(super) fn next(&mut self) -> Next {
        if self.open.is_none()
            && let Some(page) = self.pages.pop_front()
        {
            self.open = Some(Open { events: page.events.into_iter(), end: page.end });
            self.read_on();
        }
        match &mut self.open {
            Some(open) => {
                if let Some(event) = open.events.next() {
                    return Next::Event(event);
                }
                let end = open.end;
                self.open = None;
                Next::Scanned(end)
            }
            None if self.reading.is_some() => Next::Later,
            None => Next::End,
        }
    }

    /// Whether a page is being read. Then somebody must [wait](Self::wait) for it, also while
    /// nothing is taken in: the read may hold what others wait for.
    pub(super) const fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Waits for the page that is being read. Dropping the future loses nothing.
    ///
    /// # Errors
    /// That of a read which the end of the bus has made final.
    pub(super) async fn wait(&mut self) -> Result {
        let Some(reading) = &mut self.reading else { return future::pending().await };
        let page = reading.await;
        self.reading = None;
        let page = page?;
        self.after = page.end;
        self.pages.push_back(page);
        self.read_on();
        Ok(())
    }

    /// Begins to read a page if there is room for it, unless the tail has it.
    fn read_on(&mut self) {
        let has_room = self.reading.is_none() && self.pages.len() < PAGES_MAX;
        if has_room && self.engine.tail.read(self.after, 0).is_none() {
            let (engine, spec) = (Arc::clone(&self.engine), Arc::clone(&self.spec));
            let page = page(engine, spec, self.trouble.clone(), self.after);
            self.reading = Some(begun(Box::pin(page)));
        }
    }
}

/// Sends a future on its way before anybody waits for it.
pub(super) fn begun<T: Send + 'static>(mut work: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
    match (&mut work).now_or_never() {
        Some(done) => Box::pin(future::ready(done)),
        None => work,
    }
}

/// Reads a page, however often that fails.
async fn page(
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    trouble: Trouble,
    after: Position,
) -> Result<Page> {
    let selection = spec.selection();
    read_surely(&engine, &trouble, || engine.backend.read_log(after, &selection, PAGE)).await
}
