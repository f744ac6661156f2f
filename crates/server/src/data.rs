//! The data: what the broker and the command line both open, at the same time if need be.

use std::{fs, path::Path, sync::Arc};

use aipassport_domain::ids::TenantId;
use aipassport_store::{DatabaseUrl, OpenError, Store, StoreError};

use crate::{
    clock::Clock,
    config::Config,
    random::Random,
    vault::{KeyEncryptionKey, Vault, VaultError},
};

/// The store, and what opens the secrets in it.
pub struct Data {
    pub store: Store,
    pub vault: Vault,
    pub tenant_id: TenantId,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot use the data directory {folder}: {source}")]
    Folder { folder: String, source: std::io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Data {
    /// Opens the data that `config` names; makes it where there is none yet.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, DataError> {
        make_folder(&config.data_dir)?;
        if let DatabaseUrl::Sqlite(path) = &config.database
            && let Some(folder) = path.parent()
        {
            make_folder(folder)?;
        }
        let key = KeyEncryptionKey::from_file(&config.key_file, random.as_ref())?;
        let store = Store::open(&config.database, &random.id(clock.now())).await?;

        let tenant_id = TenantId::first();
        let new = key.wrap_new_data_key(&tenant_id, random.as_ref())?;
        let wrapped = store.data_key_or(&tenant_id, &new, clock.now()).await?;
        let vault = key.open_vault(&tenant_id, &wrapped)?;
        Ok(Self {
            store,
            vault,
            tenant_id,
            clock,
            random,
        })
    }
}

/// Makes `folder` for its owner alone; one that is there is left as it is.
fn make_folder(folder: &Path) -> Result<(), DataError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| DataError::Folder {
        folder: folder.display().to_string(),
        source,
    })
}
