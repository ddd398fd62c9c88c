//! Reading the log through a running bus.

use std::{fmt, sync::Arc};

use futures_util::{Stream, TryStreamExt, stream};

use crate::{
    delivery::Backend,
    error::Result,
    event::{envelope::AnyEvent, name::StreamName, record::Recorded},
    store::{Position, Selection, StreamRange},
};

/// How many events are read at once.
const PAGE: usize = 256;

/// The log of a bus. Reads are streams that hold one page at a time.
#[derive(Clone)]
pub struct EventLog {
    backend: Arc<dyn Backend>,
}

impl EventLog {
    pub(super) const fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Every event behind a position, in log order, up to the end of the log.
    pub fn log(&self, after: Position) -> impl Stream<Item = Result<AnyEvent>> + Send + use<> {
        let backend = Arc::clone(&self.backend);
        stream::try_unfold(Some(after), move |after| log_page(Arc::clone(&backend), after))
            .try_flatten()
    }

    /// The events of a stream from its first, in order.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a name that no stream can have.
    pub fn stream(
        &self,
        name: &str,
    ) -> Result<impl Stream<Item = Result<AnyEvent>> + Send + use<>> {
        let name = StreamName::new(name)?;
        let backend = Arc::clone(&self.backend);
        let pages = stream::try_unfold(StreamRange::ALL, move |range| {
            stream_page(Arc::clone(&backend), name.clone(), range)
        });
        Ok(pages.try_flatten())
    }

    /// The position of the log's last event.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) when the store fails.
    pub async fn head(&self) -> Result<Position> {
        self.backend.head().await
    }
}

/// A page of events, and what the next page begins with.
type Page<Next> = Option<(Events, Next)>;
type Events = stream::Iter<std::vec::IntoIter<Result<AnyEvent>>>;

async fn log_page(
    backend: Arc<dyn Backend>,
    after: Option<Position>,
) -> Result<Page<Option<Position>>> {
    let Some(after) = after else { return Ok(None) };
    let page = backend.read_log(after, &Selection::All, PAGE).await?;
    let next = (!page.complete).then_some(page.end);
    Ok(Some((events(page.events), next)))
}

async fn stream_page(
    backend: Arc<dyn Backend>,
    name: StreamName,
    range: StreamRange,
) -> Result<Page<StreamRange>> {
    let page = backend.read_stream(&name, range, PAGE).await?;
    let Some(last) = page.last() else { return Ok(None) };
    let next = range.behind(last.version);
    Ok(Some((events(page), next)))
}

fn events(page: Vec<Arc<Recorded>>) -> Events {
    let events: Vec<_> = page.into_iter().map(|event| Ok(AnyEvent::from(event))).collect();
    stream::iter(events)
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").field("store", &self.backend.url()).finish()
    }
}
