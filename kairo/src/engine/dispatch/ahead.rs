//! Reading ahead: a task reads the log on while the handlers of a subscription run.

use std::{sync::Arc, vec};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{intake::pause_after, spec::Spec};
use crate::{
    engine::Engine,
    error::Result,
    event::record::Recorded,
    store::{Page, Position},
};

/// How many events are read from the store at once.
pub(super) const PAGE: usize = 512;

/// How many pages wait, beside the one that is being taken in and the one that is being read.
const PAGES_WAITING_MAX: usize = 1;

/// A stretch of the log on its way from the store to a subscription.
pub(super) struct Ahead {
    pages: mpsc::Receiver<Page>,
    task: JoinHandle<Result>,
    open: Option<Open>,
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
    End(Position),
    /// A page that is not there yet, or the end of the task.
    Later,
}

impl Ahead {
    /// Begins behind `after`, and goes on as far as the tail does not reach back.
    pub(super) fn begin(engine: Arc<Engine>, spec: Arc<Spec>, after: Position) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_WAITING_MAX);
        let task = tokio::spawn(read(engine, spec, after, sender));
        Self { pages, task, open: None }
    }

    /// Takes what comes next, if it is there.
    pub(super) fn next(&mut self) -> Next {
        if self.open.is_none()
            && let Ok(page) = self.pages.try_recv()
        {
            self.open(page);
        }
        let Some(open) = &mut self.open else { return Next::Later };
        match open.events.next() {
            Some(event) => Next::Event(event),
            None => {
                let end = open.end;
                self.open = None;
                Next::End(end)
            }
        }
    }

    /// Whether a page must come before anything can be taken.
    pub(super) const fn is_waiting(&self) -> bool {
        self.open.is_none()
    }

    /// Waits for a page; false when there are no more, `None` after a panic. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// That of a read which the end of the bus has made final.
    pub(super) async fn wait(&mut self) -> Option<Result<bool>> {
        if let Some(page) = self.pages.recv().await {
            self.open(page);
            return Some(Ok(true));
        }
        let end = (&mut self.task).await.ok()?;
        Some(end.map(|()| false))
    }

    fn open(&mut self, page: Page) {
        self.open = Some(Open { events: page.events.into_iter(), end: page.end });
    }
}

async fn read(
    engine: Arc<Engine>,
    spec: Arc<Spec>,
    mut after: Position,
    pages: mpsc::Sender<Page>,
) -> Result {
    let selection = spec.selection();
    while engine.tail.read(after, 0).is_none() {
        let page = match engine.backend.read_log(after, &selection, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                pause_after(&engine, error).await?;
                continue;
            }
        };
        after = page.end;
        // A subscription that has stopped takes nothing more.
        if pages.send(page).await.is_err() {
            break;
        }
    }
    Ok(())
}
