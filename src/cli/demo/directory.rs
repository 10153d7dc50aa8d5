//! Where the demo keeps its files: a new directory below the temporary one, removed at the end, or one to keep.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::model::Uuid;

pub struct Directory {
    path: PathBuf,
    is_kept: bool,
}

impl Directory {
    /// `keep` must be new or empty: nothing of anybody else is touched.
    pub fn take(keep: Option<&Path>) -> Result<Directory, Failure> {
        let path = match keep {
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            None => std::env::temp_dir().join(format!("vendord-demo-{:08x}", Uuid::now_v7().as_u128() as u32)),
        };
        let is_used = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if keep.is_some() && is_used(&path) {
            return Err(Failure::usage(format!("{} is not empty", path.display())).hint("--keep wants a new or an empty directory"));
        }
        let made = fs::DirBuilder::new().recursive(keep.is_some()).mode(0o700).create(&path);
        made.map_err(|error| Failure::missing(format!("cannot make the directory {}: {error}", path.display())))?;
        Ok(Directory { path, is_kept: keep.is_some() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Writes a new file, which only we may read.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = made.and_then(|()| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())
        });
        written.map_err(|error| Failure::missing(format!("cannot write {}: {error}", path.display())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.is_kept {
            // A reader that ends this very moment may have made a file meanwhile: then once more.
            let _ = fs::remove_dir_all(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
        }
    }
}
