//! A view as a table of mounts, in the order in which they make it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::skeleton::entries;
use super::{Mount, View};

impl View {
    /// Makes the mount points, and writes down the binds that make the view, for `mount --all`; returns the new
    /// root and that file.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn write(&mut self) -> io::Result<(PathBuf, PathBuf)> {
        self.covers
            .sort_by(|one, other| one.inside.cmp(&other.inside));
        let mut table = Table::default();
        let top = self.covers.first();
        let root = if let Some(cover) = top.filter(|cover| cover.inside == Path::new("/")) {
            table.add(&cover.skeleton, &cover.skeleton, "bind");
            cover.skeleton.clone()
        } else {
            let root = self.folder.join("root");
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&root)?;
            table.add(Path::new("/"), &root, "rbind");
            root
        };
        let under = |inside: &Path| root.join(inside.strip_prefix("/").unwrap_or(inside));
        for cover in &self.covers {
            let target = under(&cover.inside);
            if target != root {
                table.add(&cover.skeleton, &target, "bind");
            }
            for name in entries(&cover.skeleton)? {
                let (from, to) = (cover.inside.join(&name), target.join(&name));
                let is_link = cover.skeleton.join(&name).is_symlink();
                if !is_link && !cover.replaced.contains(&name) {
                    // What goes away in the meantime is not missed.
                    table.add(&from, &to, "rbind,nofail");
                }
            }
        }
        for bind in &self.binds {
            table.add(&bind.source, &under(&bind.inside), &bind.options);
        }
        let path = self.folder.join("fstab");
        fs::write(&path, &table.text)?;
        Ok((root, path))
    }
}

/// A bind that is made read-only must keep what its file system forbids, or an ordinary user may not make it.
pub(super) fn bind_options(mount: &Mount) -> io::Result<String> {
    let mut options = "rbind".to_owned();
    if mount.read_only {
        let flags = statvfs(&mount.source)?.f_flag;
        let kept = [
            (StatVfsMountFlags::NOSUID, ",nosuid"),
            (StatVfsMountFlags::NODEV, ",nodev"),
            (StatVfsMountFlags::NOEXEC, ",noexec"),
            (StatVfsMountFlags::NOATIME, ",noatime"),
            (StatVfsMountFlags::NODIRATIME, ",nodiratime"),
            (StatVfsMountFlags::RELATIME, ",relatime"),
        ];
        options.push_str(",ro");
        options.extend(
            kept.into_iter()
                .filter(|(flag, _)| flags.contains(*flag))
                .map(|(_, word)| word),
        );
    }
    Ok(options)
}

/// A table of mounts as in fstab(5).
#[derive(Default)]
struct Table {
    text: Vec<u8>,
}

impl Table {
    fn add(&mut self, source: &Path, target: &Path, options: &str) {
        for path in [source, target] {
            for byte in path.as_os_str().as_bytes() {
                if matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\\' | b'#' | b'"') {
                    self.text
                        .extend_from_slice(format!("\\{byte:03o}").as_bytes());
                } else {
                    self.text.push(*byte);
                }
            }
            self.text.push(b' ');
        }
        self.text
            .extend_from_slice(format!("none {options} 0 0\n").as_bytes());
    }
}
