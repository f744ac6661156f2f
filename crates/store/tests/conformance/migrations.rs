//! The schema: made from nothing, left alone when it is up to date, refused when it is not ours.

use std::{fs, os::unix::fs::PermissionsExt};

use aipassport_store::{DatabaseUrl, OpenError, Store};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use crate::postgres;
use crate::support::{connection, in_parallel, new_postgres, new_sqlite, on_both_engines};

async fn run(text: &str, on: &mut AnyConnection) {
    sqlx::raw_sql(AssertSqlSafe(text)).execute(on).await.unwrap();
}

#[tokio::test]
async fn opening_twice_migrates_once() {
    on_both_engines(async |world| {
        let version = world.store.schema_version().await.unwrap();
        let users = world.store.users(&world.tenant).await.unwrap();
        world.store.close().await;

        let again = Store::open(&world.url, "instance").await.unwrap();

        assert!(version >= 1);
        assert_eq!(again.schema_version().await.unwrap(), version);
        assert_eq!(again.users(&world.tenant).await.unwrap(), users);
    })
    .await;
}

#[tokio::test]
async fn a_closed_store_answers_nothing() {
    on_both_engines(async |world| {
        world.store.close().await;

        assert!(world.store.users(&world.tenant).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_instances_that_start_at_once_one_migrates() {
    let (sqlite, _folder) = new_sqlite();
    for url in [sqlite, new_postgres().await] {
        let opened = in_parallel(5, |number| {
            let url = url.clone();
            async move {
                let store = Store::open(&url, &format!("instance {number}")).await.unwrap();
                store.schema_version().await.unwrap()
            }
        })
        .await;

        assert!(opened.iter().all(|version| *version == opened[0]), "{url}: {opened:?}");
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    on_both_engines(async |world| {
        let newer = "insert into schema_migrations (version, name, applied) values (9999, '9999_future', '')";
        run(newer, &mut world.connection().await).await;

        let refused = Store::open(&world.url, "instance").await.unwrap_err();

        assert!(matches!(refused, OpenError::Newer { found: 9999, .. }));
        assert!(refused.to_string().contains("newer version"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_history_with_a_gap_or_another_text_is_refused() {
    on_both_engines(async |world| {
        let mut connection = world.connection().await;

        run(
            "update schema_migrations set applied = '' where version = 1",
            &mut connection,
        )
        .await;
        let refused = Store::open(&world.url, "instance").await.unwrap_err();
        assert!(matches!(refused, OpenError::Changed(name) if name == "0001_consent_path"));

        run(
            "update schema_migrations set version = -1 where version = 1",
            &mut connection,
        )
        .await;
        let refused = Store::open(&world.url, "instance").await.unwrap_err();
        assert!(matches!(refused, OpenError::HalfMigrated(name) if name == "0001_consent_path"));
    })
    .await;
}

/// A process that dies in the middle of a migration leaves nothing of it behind.
#[tokio::test]
async fn a_migration_that_was_cut_off_half_way_is_done_again() {
    let (sqlite, _folder) = new_sqlite();
    for url in [sqlite, new_postgres().await] {
        if let DatabaseUrl::Sqlite(path) = &url {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut dying = connection(&url).await;
        run("begin", &mut dying).await;
        run("create table users (id text)", &mut dying).await;
        dying.close_hard().await.unwrap();

        let store = Store::open(&url, "instance").await.unwrap();

        assert!(store.schema_version().await.unwrap() >= 1);
    }
}

#[tokio::test]
async fn the_database_file_is_its_owners_alone() {
    let (url, folder) = new_sqlite();
    let store = Store::open(&url, "instance").await.unwrap();

    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
    store.close().await;

    let DatabaseUrl::Sqlite(path) = &url else {
        panic!("a file")
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Store::open(&url, "instance").await.unwrap_err();
    assert!(matches!(refused, OpenError::OpenToOthers { .. }), "{refused}");
}

#[tokio::test]
async fn a_database_that_is_away_is_named_without_its_password() {
    let url = postgres::server_url().replace("aipassport@localhost/postgres", "ana:secret@localhost/absent");
    let url = DatabaseUrl::Postgres(format!("{url}&password=secret"));

    let refused = Store::open(&url, "instance").await.unwrap_err();

    assert!(refused.to_string().contains("postgres://localhost/absent"), "{refused}");
    for shown in [refused.to_string(), format!("{refused:?}"), format!("{url:?}")] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[tokio::test]
async fn an_open_store_does_not_show_its_password() {
    let DatabaseUrl::Postgres(url) = new_postgres().await else {
        panic!("PostgreSQL")
    };
    let url = DatabaseUrl::Postgres(url.replace("aipassport@", "aipassport:secret@"));

    let store = Store::open(&url, "instance").await.unwrap();

    assert!(!format!("{store:?}").contains("secret"));
}
