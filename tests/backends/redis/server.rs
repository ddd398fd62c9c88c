//! A server of a test's own, which it may kill.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use kairo::clock::Clock;
use tempfile::TempDir;

use super::PATIENCE;

/// Settings under which a server keeps what it has acknowledged.
pub(crate) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A running server, which ends with this value.
pub(crate) struct Server {
    port: u16,
    folder: TempDir,
    settings: Vec<&'static str>,
    process: Child,
}

impl Server {
    /// Starts a server with its data in a folder of its own.
    pub(crate) async fn start(settings: &[&'static str]) -> Self {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = spawn(port, &folder, settings);
        let server = Self { port, folder, settings: settings.to_vec(), process };
        server.answers().await;
        server
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Runs a command.
    pub(crate) async fn run(&self, command: &[&str]) {
        super::run(&self.url(), command).await;
    }

    /// Ends the process as a crash does, and starts another one on its data.
    pub(crate) fn crash_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn(self.port, &self.folder, &self.settings);
    }

    /// Waits until the server answers.
    async fn answers(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        let answer = async {
            while client.get_multiplexed_async_connection().await.is_err() {
                Clock::system().sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("the server starts");
    }
}

fn spawn(port: u16, folder: &TempDir, settings: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(folder.path())
        .args(settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
