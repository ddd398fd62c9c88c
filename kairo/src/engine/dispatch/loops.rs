//! The loops of subscriptions that were claimed together: begun one after the other, ended at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{AbortHandle, yield_now};

/// How many loops are spawned before other tasks have their turn.
const SPAWNED_AT_ONCE: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Loops(Mutex<Spawned>);

#[derive(Debug, Default)]
struct Spawned {
    tasks: Vec<AbortHandle>,
    /// Whether no more may begin.
    is_over: bool,
}

impl Loops {
    /// Begins loops, in a task of its own: whoever starts them need not wait for that.
    pub(super) fn begin<F>(
        loops: impl IntoIterator<Item = F, IntoIter: Send + 'static>,
    ) -> Arc<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begun = Arc::new(Self::default());
        tokio::spawn(Arc::clone(&begun).spawn_all(loops.into_iter()));
        begun
    }

    async fn spawn_all<F>(self: Arc<Self>, loops: impl Iterator<Item = F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for (count, run) in (1..).zip(loops) {
            if !self.spawn(run) {
                return;
            }
            if count % SPAWNED_AT_ONCE == 0 {
                yield_now().await;
            }
        }
    }

    fn spawn(&self, run: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut spawned = self.lock();
        if !spawned.is_over {
            spawned.tasks.push(tokio::spawn(run).abort_handle());
        }
        !spawned.is_over
    }

    /// Ends all of them where they stand; those that have not begun never do.
    pub(crate) fn abort(&self) {
        let mut spawned = self.lock();
        spawned.is_over = true;
        spawned.tasks.drain(..).for_each(|task| task.abort());
    }

    fn lock(&self) -> MutexGuard<'_, Spawned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
