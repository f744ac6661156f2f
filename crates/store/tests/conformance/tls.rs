//! PostgreSQL over a network: encrypted, and only with a server that is who it should be.

use aipassport_domain::fixtures::NOW;
use aipassport_store::{DatabaseUrl, Ledger, Store};
use sqlx::{AnyConnection, Connection, Row};

use crate::{ledger::permit, postgres::Server, support::World};

async fn refusal(url: &str) -> String {
    let refused = Store::open(&DatabaseUrl::Postgres(url.to_owned()), "instance").await;
    let error = refused.unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

/// How many connections there are in clear besides the one that asks, and how many encrypted ones.
async fn connections(url: &str) -> (i64, i64) {
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let row = sqlx::query(
        "select count(*) filter (where not ssl), count(*) filter (where ssl)
         from pg_stat_ssl join pg_stat_activity using (pid)
         where backend_type = 'client backend' and pid <> pg_backend_pid()",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_encrypted_to_a_server_that_shows_its_certificate() {
    let server = Server::start(&["--tls"]);
    let world = World::new(DatabaseUrl::Postgres(server.url.clone()), None).await;

    // The ledger has a connection of its own.
    let grant = world.granted("one").await;
    let held = world.store.reserve(permit(&grant, "a call", 1), NOW).await;
    assert!(held.is_ok(), "{held:?}");

    let (clear, encrypted) = connections(&server.url).await;
    assert_eq!(clear, 0);
    assert!(encrypted >= 2, "{encrypted}");
    world.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_prove_its_name_is_refused() {
    let server = Server::start(&["--tls"]);
    let (place, certificate) = server.url.split_once("&sslrootcert=").unwrap();
    let another_name = server.url.replace("@localhost:", "@127.0.0.1:");

    let unknown = refusal(place).await;
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
    let misnamed = refusal(&another_name).await;
    assert!(misnamed.to_lowercase().contains("certificate"), "{misnamed}");
    let missing = refusal(&server.url.replace(certificate, "/nowhere/certificate.pem")).await;
    assert!(!missing.is_empty());
}
