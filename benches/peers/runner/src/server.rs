//! A PostgreSQL of the comparison's own, with the server's defaults.

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::place::Folder;

/// The only setting that is not the default. Participants hold up to 64 connections, and what the last one
/// held may still be going away.
const CONNECTIONS_MAX: u32 = 300;

/// Whom the server runs as where this is root, which it refuses.
const ACCOUNT: &str = "postgres";

/// Where the server's programs are, if `pg_config` does not say.
const PROGRAMS: &str = "PEERS_PG_BIN";

/// Ends whoever is still connected to a database, and drops every table, type and function in it.
const EMPTY: &str = "DO $$
DECLARE
    of_somebody text;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR of_somebody IN SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', of_somebody);
    END LOOP;
    CREATE SCHEMA public;
END $$";

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a server is asked whether it has started.
const LOOK: Duration = Duration::from_millis(50);

/// A running server, which ends with this value. It belongs to the terminal's foreground, so that Ctrl-C ends it too.
pub(crate) struct Server {
    programs: PathBuf,
    port: u16,
    process: Child,
}

impl Server {
    /// Makes a cluster below a folder, and starts a server on it.
    pub(crate) fn start(folder: &Folder) -> Result<Self> {
        let programs = programs()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        folder.give_to(is_root()?.then_some(ACCOUNT))?;
        let data = folder.path().join("postgres");
        let mut initdb = as_owner(&programs.join("initdb"))?;
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        output(initdb.arg("--pgdata").arg(&data).current_dir(folder.path()))?;
        let log = File::create(folder.path().join("server.log"))?;
        let mut postgres = as_owner(&programs.join("postgres"))?;
        postgres.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        postgres.args(["-c", &format!("max_connections={CONNECTIONS_MAX}")]);
        postgres.arg("-k").arg(folder.path()).arg("-D").arg(&data);
        postgres.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = postgres.current_dir(folder.path()).spawn()?;
        let mut server = Self { programs, port, process };
        server.wait_for_start()?;
        Ok(server)
    }

    fn wait_for_start(&mut self) -> Result<()> {
        let start = Instant::now();
        while let Err(error) = self.query("SELECT 1") {
            ensure!(start.elapsed() < PATIENCE, "the server does not answer: {error:#}");
            ensure!(self.process.try_wait()?.is_none(), "the server has ended: {error:#}");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// A database without tables. It is made once and then emptied, which syncs far fewer files.
    pub(crate) fn fresh_database(&self, name: &str) -> Result<String> {
        let those = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        if self.query(&those)? == "0" {
            self.query(&format!("CREATE DATABASE {name}"))?;
        } else {
            self.query_in(name, EMPTY)?;
        }
        self.query("CHECKPOINT")?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.port))
    }

    /// Runs a statement; what it gives, without headings.
    pub(crate) fn query(&self, statement: &str) -> Result<String> {
        self.query_in("postgres", statement)
    }

    fn query_in(&self, database: &str, statement: &str) -> Result<String> {
        let port = self.port.to_string();
        let address = ["--host=127.0.0.1", "--port", &port, "--username=postgres"];
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(address).args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        output(psql.args(["--command", statement, database]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What is sent is what Ctrl-C sends: the server ends its sessions, and then itself.
        let process = self.process.id().to_string();
        let asked = output(Command::new("kill").args(["-INT", &process]));
        let ended = asked.and_then(|_| Ok(self.process.wait()?));
        if let Err(error) = ended {
            eprintln!("the server is still there, as process {process}: {error:#}");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The folder of `initdb`, `pg_ctl` and `psql`.
fn programs() -> Result<PathBuf> {
    let told = env::var_os(PROGRAMS).map(PathBuf::from);
    let known = told.map_or_else(bin_of_config, Ok)?;
    let has_server = known.join("initdb").exists();
    ensure!(
        has_server,
        "no PostgreSQL server in `{}`; install one, or name the folder of `initdb` in {PROGRAMS}",
        known.display(),
    );
    Ok(known)
}

/// `pg_config` comes with the client's headers; without it, the newest server where Debian has them.
fn bin_of_config() -> Result<PathBuf> {
    if let Ok(folder) = output(Command::new("pg_config").arg("--bindir")) {
        return Ok(folder.into());
    }
    let newest = || {
        let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
        let number = |name: OsString| name.into_string().ok()?.parse::<u32>().ok();
        versions.filter_map(|entry| number(entry.ok()?.file_name())).max()
    };
    let newest = newest().with_context(|| format!("name the folder of `initdb` in {PROGRAMS}"))?;
    Ok(format!("/usr/lib/postgresql/{newest}/bin").into())
}

/// A program, run by somebody who is not root.
fn as_owner(program: &Path) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"]).arg(program);
    Ok(command)
}

fn is_root() -> Result<bool> {
    Ok(output(Command::new("id").arg("-u"))? == "0")
}

/// What a program prints, without the white space around it.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} has failed: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
