//! The built web app in `web/dist`. It is committed, so that building the server needs only Rust, and must be what the sources
//! build.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::npm;
use crate::process::succeeds;
use crate::workspace::root;

/// The command that makes the committed files right.
pub(crate) const FIX: &str = "cargo xtask web --build, and commit web/dist";

/// Files by their paths in a folder.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// Builds all packages; the build of the app writes `web/dist`.
pub(super) fn build() -> Result<()> {
    npm(&["run", "build"])
}

/// Builds the app, and fails if `web/dist` was something else. It is the same as before in any case.
pub(super) fn check() -> Result<()> {
    let folder = root().join("web/dist");
    let committed = read(&folder)?;
    let built = build();
    let fresh = read(&folder)?;
    if fresh != committed {
        write(&folder, &committed)?;
    }
    built?;
    match differences(&committed, &fresh) {
        lines if lines.is_empty() => Ok(()),
        lines => bail!("web/dist is not what the sources build ({FIX}):\n  {}", lines.join("\n  ")),
    }
}

/// The same where Node.js and the packages are installed. Elsewhere it prints that nothing was compared.
pub(crate) fn check_where_possible() -> Result<()> {
    let has_npm = succeeds(Command::new("npm").arg("--version"));
    if has_npm && root().join("web/node_modules").exists() {
        return check();
    }
    let missing =
        if has_npm { "web/node_modules is missing (npm ci in web/)" } else { "Node.js is not installed" };
    println!("xtask: {missing}; web/dist was NOT compared with its sources (cargo xtask web does it)");
    Ok(())
}

fn read(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    read_into(folder, folder, &mut tree).with_context(|| format!("reading {}", folder.display()))?;
    Ok(tree)
}

fn read_into(root: &Path, folder: &Path, tree: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_into(root, &path, tree)?;
        } else {
            tree.insert(path.strip_prefix(root)?.to_owned(), fs::read(&path)?);
        }
    }
    Ok(())
}

fn write(folder: &Path, tree: &Tree) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    for (path, content) in tree {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn differences(committed: &Tree, fresh: &Tree) -> Vec<String> {
    let of_committed = committed.iter().filter_map(|(path, content)| match fresh.get(path) {
        None => Some(format!("{} is not built any more", path.display())),
        Some(other) if other != content => Some(format!("{} differs", path.display())),
        Some(_) => None,
    });
    let added = fresh.keys().filter(|path| !committed.contains_key(*path));
    of_committed.chain(added.map(|path| format!("{} is not committed", path.display()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn tree(files: &[(&str, &str)]) -> Tree {
        files.iter().map(|(path, content)| (path.into(), content.as_bytes().to_vec())).collect()
    }

    #[test]
    fn every_difference_is_named() {
        let committed = tree(&[("index.html", "1"), ("assets/a.js", "a"), ("assets/b.js", "b")]);
        let fresh = tree(&[("index.html", "2"), ("assets/a.js", "a"), ("assets/c.js", "b")]);
        assert_eq!(
            differences(&committed, &fresh),
            ["assets/b.js is not built any more", "index.html differs", "assets/c.js is not committed"]
        );
        assert!(differences(&committed, &committed).is_empty());
    }

    #[test]
    fn tree_is_written_as_it_was_read() {
        let scratch = Scratch::new().unwrap();
        let folder = scratch.path().join("dist");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("of-another-build.js"), "x").unwrap();
        let committed = tree(&[("index.html", "1"), ("assets/deep/a.js", "a")]);
        write(&folder, &committed).unwrap();
        assert_eq!(read(&folder).unwrap(), committed);
    }
}
