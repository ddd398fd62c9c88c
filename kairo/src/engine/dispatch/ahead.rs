//! Reading ahead: the store reads the log on while the handlers of a subscription run.

use std::{future, sync::Arc, vec};

use futures_util::FutureExt;
use tokio::{sync::mpsc, task::JoinSet};

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
    open: Option<Open>,
    /// The page behind that, once somebody has waited for it.
    next: Option<Page>,
    pages: mpsc::Receiver<Result<Page>>,
    /// Whether no more pages come.
    is_over: bool,
    /// What reads them; it ends with this.
    _reader: JoinSet<()>,
}

/// What is left of the page that is being taken in.
struct Open {
    events: vec::IntoIter<Recorded>,
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
        let (sender, pages) = mpsc::channel(PAGES_MAX);
        let mut reader = JoinSet::new();
        reader.spawn(begun(Box::pin(read_on(engine, spec, trouble, after, sender))));
        Self { open: None, next: None, pages, is_over: false, _reader: reader }
    }

    /// Takes what comes next, if it is there.
    pub(super) fn next(&mut self) -> Next {
        if self.open.is_none()
            && let Some(page) = self.next.take()
        {
            self.open = Some(Open { events: page.events.into_iter(), end: page.end });
        }
        match &mut self.open {
            Some(open) => {
                if let Some(event) = open.events.next() {
                    return Next::Event(Arc::new(event));
                }
                let end = open.end;
                self.open = None;
                Next::Scanned(end)
            }
            None if self.is_over => Next::End,
            None => Next::Later,
        }
    }

    /// Whether somebody must [wait](Self::wait) for a page.
    pub(super) const fn is_reading(&self) -> bool {
        self.next.is_none() && !self.is_over
    }

    /// Waits for the next page. Dropping the future loses nothing.
    ///
    /// # Errors
    /// That of a read which the end of the bus has made final.
    pub(super) async fn wait(&mut self) -> Result {
        if !self.is_reading() {
            return future::pending().await;
        }
        match self.pages.recv().await.transpose() {
            Ok(page) => {
                self.is_over = page.is_none();
                self.next = page;
                Ok(())
            }
            Err(error) => {
                self.is_over = true;
                Err(error)
            }
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

/// Reads page after page, while there is room for them, up to where the tail begins.
async fn read_on(
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    trouble: Trouble,
    mut after: Position,
    pages: mpsc::Sender<Result<Page>>,
) {
    let selection = spec.selection();
    while engine.tail.read(after, 0).is_none()
        && let Ok(room) = pages.reserve().await
    {
        let read = || engine.backend.read_log(after, &selection, PAGE);
        let page = read_surely(&engine, &trouble, read).await;
        let end = page.as_ref().ok().map(|page| page.end);
        room.send(page);
        match end {
            Some(end) => after = end,
            None => return,
        }
    }
}
