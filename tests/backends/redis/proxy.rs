//! A connection that can be cut between a request and its answer.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinSet,
};

/// Passes on what a client and a server say, until told otherwise.
pub(crate) struct Proxy {
    address: String,
    cuts: Arc<AtomicU32>,
    _connections: JoinSet<()>,
}

impl Proxy {
    /// A proxy before a server.
    pub(crate) async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cuts = Arc::new(AtomicU32::new(0));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, server, Arc::clone(&cuts)));
        Self { address, cuts, _connections: connections }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Cuts the connections of the next `count` answers, in front of them.
    pub(crate) fn cut(&self, count: u32) {
        self.cuts.store(count, Ordering::SeqCst);
    }

    /// How many answers are still to be cut.
    pub(crate) fn cuts_left(&self) -> u32 {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, server: String, cuts: Arc<AtomicU32>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let cuts = Arc::clone(&cuts);
        connections.spawn(async move {
            tokio::select! {
                () = pass_on(from_client, to_server, None) => {}
                () = pass_on(from_server, to_client, Some(&cuts)) => {}
            }
        });
    }
}

/// Passes bytes on until the connection ends, or is cut.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cuts: Option<&AtomicU32>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let is_cut = |cuts: &AtomicU32| {
            let less = |count: u32| count.checked_sub(1);
            cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
        };
        // What a connection begins with is let through, so that one can be made again.
        let is_greeting = bytes.starts_with(b"+OK\r\n");
        if !is_greeting && cuts.is_some_and(is_cut) {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
