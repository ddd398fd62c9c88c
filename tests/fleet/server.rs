//! Servers of a test's own, which it may end.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use crate::until;

/// Whom servers run as that refuse to be root's: nobody.
const NOBODY: u32 = 65_534;

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Redis,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It cuts its connections, and ends cleanly.
    Fast,
    /// As a crash does.
    Crash,
}

/// A running server, which ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    port: u16,
    folder: TempDir,
    settings: Vec<&'static str>,
    process: Child,
}

impl Server {
    /// Starts a server with its data in a folder of its own.
    pub(crate) async fn start(kind: Kind, settings: &[&'static str]) -> Self {
        let folder = room();
        if kind == Kind::Postgres {
            make_cluster(folder.path());
        }
        Self::run_in(folder, kind, settings).await
    }

    async fn run_in(folder: TempDir, kind: Kind, settings: &[&'static str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = spawn(kind, port, folder.path(), settings);
        let mut server = Self { kind, port, folder, settings: settings.to_vec(), process };
        server.answers().await;
        server
    }

    /// Starts a copy of a PostgreSQL server that follows it.
    pub(crate) async fn standby_of(primary: &Self) -> Self {
        let folder = room();
        let mut copy = lowered(program("pg_basebackup"), folder.path());
        copy.arg("-D").arg(folder.path().join("data")).args(["-R", "-c", "fast", "--no-sync"]);
        let done = copy.args(["-d", &primary.url()]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Self::run_in(folder, Kind::Postgres, &primary.settings).await
    }

    /// What fails over does: the primary crashes, and this one is found in its place, where it
    /// takes writes soon.
    pub(crate) async fn take_place_of(&mut self, primary: &mut Self) {
        primary.end(End::Crash);
        self.end(End::Fast);
        self.port = primary.port;
        self.start_again().await;
        self.run("SELECT pg_promote()").await;
    }

    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => self.url_as("kairo"),
            Kind::Redis => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// The URL of a PostgreSQL server for another role.
    pub(crate) fn url_as(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/postgres", self.port)
    }

    /// Host and port, as errors must name them.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends the server, and returns when it is gone.
    pub(crate) fn end(&mut self, end: End) {
        let signal = match (self.kind, end) {
            (Kind::Postgres, End::Fast) => "INT",
            (Kind::Postgres, End::Crash) => "QUIT",
            (Kind::Redis, End::Fast) => "TERM",
            (Kind::Redis, End::Crash) => "KILL",
        };
        send(signal, self.process.id());
        self.process.wait().unwrap();
    }

    /// Starts it again on its data, and returns when it answers.
    pub(crate) async fn start_again(&mut self) {
        self.process = spawn(self.kind, self.port, self.folder.path(), &self.settings);
        self.answers().await;
    }

    /// A connection as any other program has one.
    pub(crate) async fn raw(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs statements.
    pub(crate) async fn run(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&mut self.raw().await).await.unwrap();
    }

    /// Lets everybody but `kairo` in with a password only.
    pub(crate) async fn ask_for_passwords(&self) {
        let rules = "host all kairo 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.folder.path().join("data/pg_hba.conf"), rules).unwrap();
        self.run("SELECT pg_reload_conf()").await;
    }

    /// Lets everybody in whose connection is encrypted.
    pub(crate) async fn only_encrypted(&self) {
        let rules = "hostssl all all 127.0.0.1/32 trust\n";
        fs::write(self.folder.path().join("data/pg_hba.conf"), rules).unwrap();
        self.run("SELECT pg_reload_conf()").await;
    }

    async fn answers(&mut self) {
        let url = self.url();
        let log = self.folder.path().join("log");
        assert!(self.process.try_wait().unwrap().is_none(), "{:?}", fs::read_to_string(log));
        match self.kind {
            Kind::Postgres => {
                until(async || PgConnection::connect(&url).await.is_ok()).await;
            }
            Kind::Redis => {
                let client = redis::Client::open(url).unwrap();
                until(async || is_ready(&client).await).await;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        if matches!(self.process.try_wait(), Ok(None)) {
            self.end(End::Crash);
        }
    }
}

/// A server that loads its data answers, but not this.
async fn is_ready(client: &redis::Client) -> bool {
    let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
    let size: redis::RedisResult<u64> = redis::cmd("DBSIZE").query_async(&mut connection).await;
    size.is_ok()
}

/// Sends a signal to a process.
pub(crate) fn send(signal: &str, process: u32) {
    let kill = format!("kill -{signal} {process}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
}

/// A folder for a server, which is nobody's where we are root.
pub(crate) fn room() -> TempDir {
    let folder = TempDir::new().unwrap();
    if fs::metadata(folder.path()).unwrap().uid() == 0 {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    folder
}

/// A program of PostgreSQL's, which Debian keeps out of the path.
pub(crate) fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    Command::new(found.pop().unwrap_or_else(|| name.into()))
}

/// As a user who may run servers.
pub(crate) fn lowered(mut command: Command, folder: &Path) -> Command {
    if fs::metadata(folder).unwrap().uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(folder);
    command
}

fn make_cluster(folder: &Path) {
    let mut init = lowered(program("initdb"), folder);
    init.arg("-D").arg(folder.join("data"));
    init.args(["-U", "kairo", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    let done = init.output().expect("PostgreSQL is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn spawn(kind: Kind, port: u16, folder: &Path, settings: &[&str]) -> Child {
    let port = port.to_string();
    let mut command = match kind {
        Kind::Postgres => {
            let mut command = program("postgres");
            command.arg("-D").arg(folder.join("data")).args(["-p", &port]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            // Processes are ended here, and no machine.
            command.args(["-c", "fsync=off", "-c", "max_connections=200"]);
            command
        }
        Kind::Redis => {
            let mut command = Command::new("redis-server");
            command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"]);
            command.arg(folder).args(["--appendonly", "yes", "--appendfsync", "always"]);
            command
        }
    };
    command.args(settings);
    let log = File::options().append(true).create(true).open(folder.join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    lowered(command, folder).spawn().expect("the server is installed")
}
