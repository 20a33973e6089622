//! What a container sees of this machine's files: everything at its own path, with the container's mounts.
//!
//! A view is planned here and built by the script in `sandbox`, as a new root made of binds. Nothing is ever
//! made on the machine's own file tree: where a mount point is missing, the folder that would hold it is
//! replaced by a private one, in which everything that was there is bound again.

mod skeleton;
mod table;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use skeleton::{copy_folder, remove_entry};
use table::bind_options;

/// As many links are followed in one path as the kernel follows.
const LINKS: usize = 40;

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on this machine.
    pub source: PathBuf,
    /// Where the container sees it.
    pub target: PathBuf,
    /// The container cannot write to it.
    pub read_only: bool,
    /// The source was made for the pod, so that mount points may be made in it.
    pub private: bool,
}

impl Mount {
    /// It changes nothing: the source is seen at its own path anyway.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let same = || {
            let source = self.source.canonicalize();
            source.is_ok_and(|source| {
                self.target
                    .canonicalize()
                    .is_ok_and(|target| target == source)
            })
        };
        // Comparing components ignores a slash at the end and doubled ones.
        let equal = self.source.components().eq(self.target.components());
        !self.read_only && (equal || same())
    }
}

/// Who owns what is found at a path of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The machine: nothing may be made there, but its folder can be covered.
    Machine,
    /// The pod: mount points may be made there.
    Pod,
    /// A volume of the machine: nothing may be made there.
    Volume,
}

/// A part of the view that is not at its own path.
#[derive(Debug)]
struct Placed {
    inside: PathBuf,
    host: PathBuf,
    owner: Owner,
}

/// A folder of the machine that is replaced by a private one.
#[derive(Debug)]
struct Cover {
    inside: PathBuf,
    skeleton: PathBuf,
    /// Entries that are not bound again, because something else takes their place.
    replaced: Vec<OsString>,
}

/// A container's view of the file system.
#[derive(Debug, Default)]
pub struct View {
    folder: PathBuf,
    placed: Vec<Placed>,
    covers: Vec<Cover>,
    binds: Vec<Bind>,
}

#[derive(Debug)]
struct Bind {
    source: PathBuf,
    inside: PathBuf,
    options: String,
}

impl View {
    /// Plans a view with these mounts; what it needs is made in `folder`. Blocks on the file system.
    ///
    /// # Errors
    /// In words for the container's status, when a mount point cannot be had.
    pub fn plan(mounts: &[Mount], folder: &Path) -> Result<Self, String> {
        let mut view = Self {
            folder: folder.to_owned(),
            ..Self::default()
        };
        let mut ordered: Vec<&Mount> = mounts.iter().collect();
        // A mount inside another comes after it, whatever their order in the spec.
        ordered.sort_by_key(|mount| mount.target.components().count());
        for mount in ordered {
            view.place(mount)?;
        }
        Ok(view)
    }

    /// The path on this machine of what the container sees at a path, all links followed; `None` when nothing
    /// is there.
    #[must_use]
    pub fn real(&self, inside: &Path) -> Option<PathBuf> {
        let (found, missing) = self.walk(inside).ok()?;
        missing.is_empty().then(|| self.host(&found).0)
    }

    /// Is everything below this path of the machine seen at its own path?
    #[must_use]
    pub fn shows(&self, path: &Path) -> bool {
        self.real(path)
            .is_some_and(|real| path.canonicalize().is_ok_and(|path| path == real))
    }

    fn place(&mut self, mount: &Mount) -> Result<(), String> {
        let words = |error: &io::Error| {
            format!(
                "error mounting {:?} to rootfs at {:?}: {error}",
                mount.source.display(),
                mount.target.display()
            )
        };
        let folder = mount
            .source
            .metadata()
            .map_err(|error| words(&error))?
            .is_dir();
        let (mut found, mut missing) = self.walk(&mount.target).map_err(|error| words(&error))?;
        if missing.is_empty() && self.host(&found).0.is_dir() != folder {
            let name = found.file_name().map(OsStr::to_owned);
            missing.extend(name);
            found.pop();
        }
        let inside = missing
            .iter()
            .fold(found.clone(), |path, name| path.join(name));
        if !missing.is_empty() {
            self.make_point(&found, &missing, folder, mount)
                .map_err(|error| words(&error))?;
        }
        self.binds.push(Bind {
            options: bind_options(mount).map_err(|error| words(&error))?,
            source: mount.source.clone(),
            inside: inside.clone(),
        });
        self.placed.push(Placed {
            inside,
            host: mount.source.clone(),
            owner: if mount.private {
                Owner::Pod
            } else {
                Owner::Volume
            },
        });
        Ok(())
    }

    /// Makes a mount point where that harms nobody.
    fn make_point(
        &mut self,
        found: &Path,
        missing: &[OsString],
        folder: bool,
        mount: &Mount,
    ) -> io::Result<()> {
        let (mut host, owner) = self.host(found);
        if !host.is_dir() {
            return Err(io::Error::other("not a directory"));
        }
        if owner == Owner::Volume {
            return Err(io::Error::other(format!(
                "the mount point is not in the volume that is mounted around it, and nothing is made in folders of this machine: make {:?} there first",
                self.host(&mount.target).0.display()
            )));
        }
        if owner == Owner::Machine {
            host = self.cover(found, missing)?;
            self.placed.extend(missing.first().map(|name| Placed {
                inside: found.join(name),
                host: host.join(name),
                owner: Owner::Pod,
            }));
        }
        let point = missing.iter().fold(host, |path, name| path.join(name));
        let parent = if folder {
            Some(point.as_path())
        } else {
            point.parent()
        };
        if let Some(parent) = parent {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)?;
        }
        if !folder {
            File::create_new(&point)?;
        }
        Ok(())
    }

    /// Replaces a folder of the machine by a private one, and returns that.
    fn cover(&mut self, inside: &Path, missing: &[OsString]) -> io::Result<PathBuf> {
        let replaced = missing.first().cloned();
        if let Some(cover) = self.covers.iter_mut().find(|cover| cover.inside == inside) {
            if let Some(name) = &replaced {
                remove_entry(&cover.skeleton.join(name))?;
            }
            cover.replaced.extend(replaced);
            return Ok(cover.skeleton.clone());
        }
        let skeleton = self.folder.join(self.covers.len().to_string());
        copy_folder(inside, &skeleton, replaced.as_deref())?;
        self.covers.push(Cover {
            inside: inside.to_owned(),
            skeleton: skeleton.clone(),
            replaced: replaced.into_iter().collect(),
        });
        Ok(skeleton)
    }

    /// The deepest thing on the way to a path, with all links followed, and the names that are missing there.
    fn walk(&self, path: &Path) -> io::Result<(PathBuf, Vec<OsString>)> {
        let mut todo: VecDeque<OsString> = names(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            let host = self.host(&next).0;
            match host.symlink_metadata() {
                Ok(found) if found.is_symlink() => {
                    links += 1;
                    if links > LINKS {
                        return Err(io::Error::other("too many levels of symbolic links"));
                    }
                    let target = fs::read_link(&host)?;
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    let mut way = names(&target);
                    way.append(&mut todo);
                    todo = way;
                }
                Ok(_) => at = next,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    todo.push_front(name);
                    return Ok((at, todo.into()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((at, Vec::new()))
    }

    /// Where a path of the view is on this machine, links aside.
    fn host(&self, inside: &Path) -> (PathBuf, Owner) {
        let placed = self
            .placed
            .iter()
            .filter(|placed| inside.starts_with(&placed.inside))
            .max_by_key(|placed| placed.inside.components().count());
        match placed {
            Some(placed) => {
                let rest = inside.strip_prefix(&placed.inside).unwrap_or(inside);
                let host = if rest.as_os_str().is_empty() {
                    placed.host.clone()
                } else {
                    placed.host.join(rest)
                };
                (host, placed.owner)
            }
            None => (inside.to_owned(), Owner::Machine),
        }
    }
}

/// The names in a path; `.` and the root are none.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}
