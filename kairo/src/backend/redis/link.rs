//! The connection to the server: made again when it is lost, and patient while the server restarts.
//!
//! What has been sent on a connection that was lost may have taken effect. So only what is safe to
//! repeat goes through here: what reads, and what shows the number of its request.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, RedisError, RedisResult, Value, aio::MultiplexedConnection,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    failure::{Failing, Remedy},
    scripts::Script,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
};

/// How long connecting may take.
const CONNECTING_MAX: Duration = Duration::from_secs(5);

/// How long one answer may take, after which its connection counts as lost.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a call goes on trying while the server is away.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

/// The pauses between tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// How many requests wait for being sent on the connection.
const QUEUE_MAX: usize = 512;

/// The one connection on which commands are sent, many at a time.
pub(super) struct Link {
    client: Client,
    current: Mutex<Current>,
    closed: AtomicBool,
    /// The server's absence lasts as long as it lasts, whatever time the bus is told.
    clock: Clock,
    pub(super) failing: Failing,
}

#[derive(Default)]
struct Current {
    /// Tells a connection from the one that followed it.
    number: u64,
    connection: Option<MultiplexedConnection>,
}

/// Something to ask of the server.
pub(super) trait Question: Sync {
    /// The command; `repeated` when it has been sent before, `in_full` with its script's code.
    fn command(&self, repeated: bool, in_full: bool) -> Cmd;
}

impl Question for Cmd {
    fn command(&self, _: bool, _: bool) -> Cmd {
        self.clone()
    }
}

/// A script to run on the keys of a store.
pub(super) struct Call<'a, F> {
    pub(super) script: &'static Script,
    /// The hash of the store's single values.
    pub(super) key: &'a str,
    /// Adds the arguments, and says whether the call has been sent before.
    pub(super) arguments: F,
}

impl<F: Fn(&mut Cmd, bool) + Sync> Question for Call<'_, F> {
    fn command(&self, repeated: bool, in_full: bool) -> Cmd {
        let mut command = Cmd::new();
        if in_full {
            command.arg("EVAL").arg(self.script.code);
        } else {
            command.arg("EVALSHA").arg(&self.script.hash);
        }
        command.arg(1).arg(self.key);
        (self.arguments)(&mut command, repeated);
        command
    }
}

impl Link {
    pub(super) fn new(client: Client, failing: Failing) -> Self {
        Self {
            client,
            current: Mutex::default(),
            closed: AtomicBool::new(false),
            clock: Clock::system(),
            failing,
        }
    }

    /// Makes the first connection. Nobody waits here for a server that is not there.
    pub(super) async fn connect(&self) -> RedisResult<()> {
        self.connection().await.map(drop)
    }

    /// Asks until there is an answer, or for as long as patience lasts.
    ///
    /// # Errors
    /// [`Error::Closed`], or what the server or the connection failed with.
    pub(super) async fn ask(&self, action: &str, question: &impl Question) -> Result<Value> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        let mut last = None;
        match timeout(PATIENCE_MAX, self.ask_again(question, &mut last)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if self.is_closed() => Err(Error::Closed),
            Ok(Err(error)) => Err(self.failing.of(action, error)),
            Err(elapsed) => Err(match last {
                Some(error) => self.failing.of(action, error),
                None => self.failing.of(action, elapsed),
            }),
        }
    }

    async fn ask_again(
        &self,
        question: &impl Question,
        last: &mut Option<RedisError>,
    ) -> RedisResult<Value> {
        let (mut pause, pause_max) = PAUSES;
        let (mut repeated, mut in_full) = (false, false);
        loop {
            let error = match self.connection().await {
                Err(error) => error,
                Ok((number, mut connection)) => {
                    let command = question.command(repeated, in_full);
                    let error = match command.query_async(&mut connection).await {
                        Ok(answer) => return Ok(answer),
                        Err(error) => error,
                    };
                    match Remedy::of(&error) {
                        Remedy::SendScript if !in_full => {
                            in_full = true;
                            continue;
                        }
                        Remedy::Reconnect => {
                            repeated = true;
                            self.forget(number).await;
                        }
                        _ => {}
                    }
                    error
                }
            };
            if !matches!(Remedy::of(&error), Remedy::Reconnect | Remedy::Wait) || self.is_closed() {
                return Err(error);
            }
            *last = Some(error);
            self.clock.sleep(pause).await;
            pause = pause_max.min(2 * pause);
        }
    }

    /// The connection, made anew where there is none.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((current.number, connection.clone()));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING_MAX))
            .set_response_timeout(Some(ANSWER_MAX))
            .set_pipeline_buffer_size(QUEUE_MAX);
        let made = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = made.await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((current.number, connection))
    }

    /// Lets go of a connection that was lost, unless another one has followed it already.
    async fn forget(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }

    /// Lets go of the server; what is asked from now on fails.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.current.lock().await.connection = None;
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
