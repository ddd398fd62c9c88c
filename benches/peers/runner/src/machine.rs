//! What the numbers were measured on, and how busy it is meanwhile.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    process::Command,
    thread,
    time::Instant,
};

use anyhow::Result;

use crate::{
    place::Folder,
    run::bun,
    server::{Server, output},
};

/// How often the disk is asked, for a mean.
const SYNCS: u32 = 20;

/// What is written each time.
const PAGE: [u8; 8_192] = [1; 8_192];

/// Prints what the numbers depend on.
pub(crate) fn describe(folder: &Folder, server: Option<&Server>) -> Result<()> {
    let cores = thread::available_parallelism()?;
    println!("cores: {cores}; system: {}", told("uname", &["-sr"]));
    let place = folder.path().to_string_lossy();
    println!("data on: {}", told("stat", &["--file-system", "--format=%T", &place]));
    println!("compiler: {}; bun: {}", told("rustc", &["--version"]), told_by_bun());
    if let Some(server) = server {
        println!("server: {}", server.query("SELECT version()")?);
        let settings = server.query(
            "SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER BY name)
             FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes',
                 'wal_sync_method', 'shared_buffers', 'max_wal_size', 'max_connections')",
        )?;
        println!("its settings: {settings}");
    }
    Ok(())
}

fn told(program: &str, arguments: &[&str]) -> String {
    output(Command::new(program).args(arguments)).unwrap_or_else(|_| "unknown".to_owned())
}

fn told_by_bun() -> String {
    let version = output(Command::new(bun()).arg("--version"));
    version.unwrap_or_else(|_| "not there".to_owned())
}

/// How long the disk takes to keep a page, in microseconds: a mean of a few.
pub(crate) fn sync_micros(folder: &Folder) -> Result<f64> {
    let path = folder.path().join("probe");
    let file = File::create(&path)?;
    let start = Instant::now();
    for _ in 0..SYNCS {
        file.write_all_at(&PAGE, 0)?;
        file.sync_data()?;
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(SYNCS);
    fs::remove_file(path)?;
    Ok(micros)
}

/// How many processes want to run, over the last minute; 0 where the system does not tell.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}
