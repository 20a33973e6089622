//! Private folders in place of the machine's own: an empty entry for each entry, on which that is bound.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};
use std::path::Path;

use rustix::process::geteuid;

/// A folder with more entries is not replaced by a private one.
const ENTRIES: usize = 2000;

pub(super) fn entries(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name());
        if names.len() > ENTRIES {
            return Err(io::Error::other(format!(
                "{:?} has more than {ENTRIES} entries, too many to make a mount point beside them: mount at a path that is there",
                folder.display()
            )));
        }
    }
    Ok(names)
}

/// Makes a folder with the mode and owner of another, and in it an empty entry for each of the other's.
pub(super) fn copy_folder(from: &Path, to: &Path, without: Option<&OsStr>) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(parent)?;
    }
    fs::create_dir(to)?;
    for name in entries(from)? {
        if Some(name.as_os_str()) == without {
            continue;
        }
        let (source, copy) = (from.join(&name), to.join(&name));
        let Ok(kind) = source.symlink_metadata().map(|found| found.file_type()) else {
            continue;
        };
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &copy)?;
        } else if kind.is_dir() {
            fs::create_dir(&copy)?;
        } else {
            File::create_new(&copy)?;
        }
    }
    let model = from.metadata()?;
    if geteuid().is_root() {
        chown(to, Some(model.uid()), Some(model.gid()))?;
    }
    fs::set_permissions(to, model.permissions())
}

pub(super) fn remove_entry(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}
