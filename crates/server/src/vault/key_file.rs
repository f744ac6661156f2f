//! The key file: 32 random bytes in base64url, readable by its owner alone.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    path::Path,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{KEY_LEN, VaultError};
use crate::random::Random;

pub(super) fn read_or_make(path: &Path, random: &dyn Random) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
    match make(path, random) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(VaultError::KeyFile(format!(
            "cannot make the key file {}: {error}",
            path.display()
        ))),
        Ok(key) => Ok(key),
    }
}

/// Makes the file under another name first: a process that dies half way leaves no half key.
fn make(path: &Path, random: &dyn Random) -> std::io::Result<Zeroizing<[u8; KEY_LEN]>> {
    if path.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let mut key = Zeroizing::new([0; KEY_LEN]);
    random.fill(key.as_mut());

    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(key.as_ref())).as_bytes())?;
    file.sync_all()?;

    // A link fails where another process was first; a rename would put its key away for ever.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked.map(|()| key)
}

fn read(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
    let unreadable =
        |error: std::io::Error| VaultError::KeyFile(format!("cannot read the key file {}: {error}", path.display()));
    let mut file = fs::File::open(path).map_err(unreadable)?;
    check_permissions(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(unreadable)?;

    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end()).map(Zeroizing::new);
    let key = bytes
        .ok()
        .and_then(|bytes| <[u8; KEY_LEN]>::try_from(bytes.as_slice()).ok());
    key.map(Zeroizing::new).ok_or_else(|| {
        VaultError::KeyFile(format!(
            "the key file {} is damaged: restore it from your backup",
            path.display()
        ))
    })
}

#[cfg(unix)]
fn check_permissions(file: &fs::File, path: &Path) -> Result<(), VaultError> {
    use std::os::unix::fs::PermissionsExt;
    let for_others = file.metadata().map(|metadata| metadata.permissions().mode() & 0o077);
    match for_others {
        Ok(0) => Ok(()),
        _ => Err(VaultError::KeyFile(format!(
            "the key file {} can be read by others: run chmod 600 on it, and replace your provider credentials if it was",
            path.display()
        ))),
    }
}

#[cfg(not(unix))]
fn check_permissions(_file: &fs::File, _path: &Path) -> Result<(), VaultError> {
    Ok(())
}
