//! The record of the last complete run: a hash of everything that it depended on.
//!
//! CI runs the generators only if the hash differs, because they take minutes and need three more languages. The record
//! cannot become outdated unnoticed: any change of an input changes the hash, and then every run of CI generates all clients, until
//! a complete run is committed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::generators;
use crate::workspace::root;

/// The file of the record.
pub(super) const PATH: &str = "xtask/clients/verified.json";

/// The files and folders that a run depends on. The server itself is not one of them: its tests check that it does what the
/// document says.
const INPUTS: [&str; 9] = [
    "docs/openapi.json",
    "docs/asyncapi.json",
    "docs/redocly.yaml",
    "docs/.redocly.lint-ignore.yaml",
    "docs/spectral.yaml",
    "crates/api/src/openapi/progenitor.rs",
    "xtask/clients",
    "xtask/src/clients.rs",
    "xtask/src/clients",
];

/// The hash of all inputs.
pub(super) fn inputs() -> Result<String> {
    hash(root(), &INPUTS)
}

/// Whether a complete run with these inputs is recorded.
pub(super) fn is_current(inputs: &str) -> Result<bool> {
    let text = fs::read_to_string(root().join(PATH)).with_context(|| format!("reading {PATH}"))?;
    let record: Value = serde_json::from_str(&text).with_context(|| format!("parsing {PATH}"))?;
    Ok(record["inputs"] == inputs)
}

/// Records a complete run.
pub(super) fn write(inputs: &str) -> Result<()> {
    if is_current(inputs).unwrap_or_default() {
        return Ok(());
    }
    let passed: Vec<&str> = generators::ALL.iter().map(|generator| generator.name).collect();
    let record = json!({ "inputs": inputs, "passed": passed });
    let text = serde_json::to_string_pretty(&record)? + "\n";
    fs::write(root().join(PATH), text).with_context(|| format!("writing {PATH}"))?;
    println!("xtask: all clients passed; commit {PATH}, so that CI does not repeat this run");
    Ok(())
}

fn hash(root: &Path, inputs: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for input in inputs {
        collect(root, input, &mut files)?;
    }
    files.sort_unstable();
    let mut hash = Sha256::new();
    for file in files.iter().filter(|file| *file != PATH) {
        let content = fs::read(root.join(file)).with_context(|| format!("reading {file}"))?;
        // The lengths separate names and contents.
        hash.update(format!("{} {file} {}\n", file.len(), content.len()));
        hash.update(content);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The paths of the files below `input`, which is a file or a folder.
fn collect(root: &Path, input: &str, files: &mut Vec<String>) -> Result<()> {
    let path = root.join(input);
    if !path.is_dir() {
        files.push(input.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&path).with_context(|| format!("reading {input}"))? {
        let name = entry?.file_name().into_string().ok().context("a file name is not UTF-8")?;
        collect(root, &format!("{input}/{name}"), files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn hash_changes_with_every_input() {
        let scratch = Scratch::new().unwrap();
        let write = |name: &str, content: &str| fs::write(scratch.path().join(name), content).unwrap();
        fs::create_dir_all(scratch.path().join("folder/inner")).unwrap();
        write("document", "a");
        write("folder/inner/scenario", "b");
        let now = || hash(scratch.path(), &["document", "folder"]).unwrap();
        let mut hashes = vec![now()];
        for content in ["b", "ab"] {
            write("document", content);
            hashes.push(now());
        }
        write("folder/inner/scenario", "");
        hashes.push(now());
        write("folder/new", "");
        hashes.push(now());
        fs::rename(scratch.path().join("folder/new"), scratch.path().join("folder/other")).unwrap();
        hashes.push(now());
        let different: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len(), "{hashes:?}");
        write("unrelated", "c");
        assert_eq!(&now(), hashes.last().unwrap());
    }

    #[test]
    fn record_is_not_an_input_of_itself() {
        let scratch = Scratch::new().unwrap();
        fs::create_dir_all(scratch.path().join("xtask/clients")).unwrap();
        fs::write(scratch.path().join("xtask/clients/scenario"), "a").unwrap();
        let before = hash(scratch.path(), &["xtask/clients"]).unwrap();
        fs::write(scratch.path().join(PATH), "{}").unwrap();
        assert_eq!(hash(scratch.path(), &["xtask/clients"]).unwrap(), before);
    }

    #[test]
    fn inputs_exist() {
        for input in INPUTS {
            assert!(root().join(input).exists(), "{input}");
        }
        assert!(hash(root(), &["no such file"]).is_err());
    }
}
