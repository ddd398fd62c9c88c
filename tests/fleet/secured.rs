//! A PostgreSQL server that is reached through TLS, and whom it proves to be.

use std::{path::Path, process::Command};

use kairo::{EventStore, prelude::*};

use crate::{
    server::{Kind, Server, lowered, room},
    worker::Tick,
};

/// Makes a certificate for a name, valid for a day; what signs it is in `more`.
fn certify(folder: &Path, name: &str, more: &[&str]) {
    let mut openssl = lowered(Command::new("openssl"), folder);
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]);
    openssl.args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")]);
    let done = openssl.args(["-out", &format!("{name}.pem")]).args(more).output();
    let done = done.expect("OpenSSL is installed, as it is beside PostgreSQL");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A setting of a server, which lives as long as the test.
fn setting(name: &str, folder: &Path, file: &str) -> &'static str {
    format!("{name}={}", folder.join(file).display()).leak()
}

/// Appends through a connection of the store, which must be encrypted.
async fn append(url: &str) -> kairo::Result<()> {
    let store = EventStore::open(url).await?;
    store.append("tick-1", Version::Any, [Tick { key: 1, waits: false }]).await?;
    store.close().await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_server_with_a_certificate_is_who_it_says() {
    let folder = room();
    let folder = folder.path();
    certify(folder, "authority", &[]);
    certify(folder, "stranger", &[]);
    let signed = ["-CA", "authority.pem", "-CAkey", "authority.key"];
    let kind = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let host = ["-addext", "subjectAltName=IP:127.0.0.1"];
    certify(folder, "server", &[signed.as_slice(), &kind, &host].concat());
    let cert = setting("ssl_cert_file", folder, "server.pem");
    let key = setting("ssl_key_file", folder, "server.key");
    let server = Server::start(Kind::Postgres, &["-c", "ssl=on", "-c", cert, "-c", key]).await;
    let url = |options: &str| format!("{}?{options}", server.url());
    let trusting = |name: &str| {
        url(&format!("sslmode=verify-full&sslrootcert={}/{name}.pem", folder.display()))
    };
    server.only_encrypted().await;

    append(&url("sslmode=require")).await.unwrap();
    append(&trusting("authority")).await.unwrap();
    let refused = append(&url("sslmode=disable")).await.unwrap_err().to_string();
    assert!(refused.contains("no encryption"), "{refused}");
    let refused = append(&trusting("stranger")).await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let elsewhere = trusting("authority").replace("127.0.0.1", "localhost");
    let refused = append(&elsewhere).await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
}
