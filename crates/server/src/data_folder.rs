//! The data directory (`server.data_dir`): the embedded database, the site key, and a lock file that keeps a second
//! process out. Everything in it is accessible to the user of the process only.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use blegram_auth::SiteKey;
use secrecy::{ExposeSecret, SecretSlice};

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the lock.
    #[error(
        "another blegram process uses the data directory {0}; stop it, or set server.data_dir to another directory"
    )]
    Locked(PathBuf),
    /// The key file does not contain at least 32 bytes in base64.
    #[error("{0} does not contain a valid key; restore it from a backup, or delete it to generate a new one")]
    BadKey(PathBuf),
    /// A file operation failed.
    #[error("{0}: {1}; server.data_dir must be a directory that this user can write to")]
    Io(PathBuf, #[source] io::Error),
}

/// A data directory, locked by this process until dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// File name of the embedded database.
pub const DATABASE: &str = "blegram.db";
/// Name of the directory for images.
pub const MEDIA: &str = "media";
/// Name of the directory for mails that are not sent, in development.
pub const MAIL: &str = "mail";
const LOCK: &str = "blegram.lock";
const KEY: &str = "secrets.key";

impl DataFolder {
    /// Locks the directory. Creates it if it is missing, accessible to this user only (mode 700).
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io_error = |error| Error::Io(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error)?;
        let lock = private().create(true).truncate(false).open(path.join(LOCK)).map_err(io_error)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io_error(error)),
        }
    }

    /// Creates the file of the embedded database with mode 600. SQLite would create it readable for all users, and its
    /// journals with the same mode.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_database(&self) -> Result<(), Error> {
        let path = self.path.join(DATABASE);
        let created = private().create(true).truncate(false).open(&path);
        created.map(drop).map_err(|error| Error::Io(path, error))
    }

    /// The site key, generated at the first call.
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::Io`].
    pub fn key(&self) -> Result<SecretSlice<u8>, Error> {
        let path = self.path.join(KEY);
        if !path.exists() {
            self.create_key(&path)?;
        }
        let mut text = String::new();
        let read = File::open(&path).and_then(|mut file| file.read_to_string(&mut text));
        read.map_err(|error| Error::Io(path.clone(), error))?;
        let key = STANDARD.decode(text.trim()).ok().filter(|key| key.len() >= 32);
        key.map(SecretSlice::from).ok_or(Error::BadKey(path))
    }

    // Writes to another file and renames it: a crash must not leave half a key.
    fn create_key(&self, path: &Path) -> Result<(), Error> {
        let draft = path.with_extension("new");
        let text = format!("{}\n", STANDARD.encode(SiteKey::random_secret().expose_secret()));
        let write = || {
            let mut file = private().create(true).truncate(true).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| Error::Io(path.to_owned(), error))
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn data_folder_is_used_by_one_process_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let folder = DataFolder::open(&path).unwrap();
        assert!(matches!(DataFolder::open(&path), Err(Error::Locked(_))));
        drop(folder);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn key_is_stable_and_readable_by_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        let key = folder.key().unwrap();
        assert_eq!(folder.key().unwrap().expose_secret(), key.expose_secret());
        assert_eq!(key.expose_secret().len(), 32);
        let mode = fs::metadata(parent.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn invalid_key_is_rejected_and_not_replaced() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join(KEY), "hello").unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        assert!(matches!(folder.key(), Err(Error::BadKey(_))));
    }
}
