//! The library crates that other programs use: what each must bring along, and their examples.
//!
//! A library crate is a package that can be published. `cargo xtask check` checks its metadata, README, licences and
//! features; `cargo xtask test` runs the example that its README names.

use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Process, Terminal, bound, output, wait_until};
use crate::workspace::cargo;

/// No program uses it by itself.
const INTERNAL: &[&str] = &["blegram-planted"];

/// What `cargo package` would warn about or crates.io would reject, apart from the address of the repository.
const FIELDS: &[&str] = &["description", "license", "rust_version", "keywords", "categories", "readme"];

const LICENCES: &[&str] = &["LICENSE-MIT", "LICENSE-APACHE"];

/// In the library, so that the tests compile the example of the README.
const INCLUDES_README: &str = "#[doc = include_str!(\"../README.md\")]";

/// A package of the workspace that can be published, as in `cargo metadata`.
struct Library {
    name: String,
    folder: PathBuf,
    package: Value,
}

/// Checks all library crates.
///
/// # Errors
/// With a list of everything that is missing.
pub(crate) fn check() -> Result<()> {
    let missing: Vec<_> = libraries()?.iter().flat_map(Library::missing).collect();
    ensure!(missing.is_empty(), "library crates are incomplete:\n  {}", missing.join("\n  "));
    Ok(())
}

/// Runs the example that each README names, as its reader would. It must succeed and print something.
///
/// # Errors
/// When one does not build, fails or prints nothing.
pub(crate) fn run_examples() -> Result<()> {
    let libraries = libraries()?;
    let named: Vec<_> = libraries.iter().filter_map(|library| Some((library, library.example()?))).collect();
    // Those that the tests have built: `cargo run -p` would build their dependencies again with fewer features.
    let built = built_examples()?;
    for (library, example) in named.iter().filter(|(_, example)| !SERVES.contains(&example.as_str())) {
        let program =
            built.iter().find(|program| program.file_stem().is_some_and(|stem| stem == example.as_str()));
        let program = program.with_context(|| format!("the example {example} was not built"))?;
        let begin = Instant::now();
        let printed =
            run_example(program).with_context(|| format!("{}: the example {example}", library.name))?;
        println!(
            "xtask: example {example} of {} printed {printed} lines ({:.1} s)",
            library.name,
            begin.elapsed().as_secs_f32()
        );
    }
    Ok(())
}

/// They serve until a signal; `crates/server/tests/it/embed.rs` runs them.
const SERVES: &[&str] = &["embed"];

/// How long an example may take; most take less than a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns the number of lines that it printed.
fn run_example(program: &Path) -> Result<usize> {
    // To a file, because nothing reads a pipe before the program has ended.
    let mut printed = tempfile::tempfile()?;
    let mut command = bound(program, "KILL");
    let mut example = Process::spawn(
        command.stdin(Stdio::null()).stdout(printed.try_clone()?),
        Terminal::Own,
        Signal::TERM,
    )?;
    let mut status = None;
    let ended = wait_until(LIMIT, || {
        status = example.ended()?;
        Ok(status.is_some())
    });
    ended.context("it does not end")?;
    let status = status.context("it has no exit status")?;
    let mut text = String::new();
    printed.rewind()?;
    printed.read_to_string(&mut text)?;
    ensure!(status.success(), "failed ({status}):\n{text}");
    ensure!(!text.trim().is_empty(), "printed nothing");
    Ok(text.lines().count())
}

fn built_examples() -> Result<Vec<PathBuf>> {
    let output = cargo("build --quiet --workspace --examples --message-format json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    ensure!(output.status.success(), "the examples do not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    Ok(programs.collect())
}

fn libraries() -> Result<Vec<Library>> {
    let text =
        output(&mut cargo("metadata --no-deps --format-version 1")).context("cargo metadata failed")?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo metadata")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages.filter_map(Library::of).collect())
}

impl Library {
    /// `None` if the package cannot be published: `publish` is an empty list then.
    fn of(package: &Value) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let (name, folder) = (package["name"].as_str()?.to_owned(), manifest.parent()?.to_owned());
        package["publish"].is_null().then(|| Self { name, folder, package: package.clone() })
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = missing_fields(&self.package);
        let licences = LICENCES.iter().filter(|name| !self.folder.join(name).exists());
        missing.extend(licences.map(|name| format!("the file {name}")));
        let readme = self.read("README.md");
        let library = self.read("src/lib.rs");
        if !INTERNAL.contains(&self.name.as_str()) {
            if !library.contains(INCLUDES_README) {
                missing.push(format!("`{INCLUDES_README}` in src/lib.rs"));
            }
            match self.example() {
                Some(example) if self.has_example(&example) => {}
                Some(example) => missing.push(format!("the example {example}, which the README names")),
                None => missing.push("`cargo run … --example NAME` in the README".to_owned()),
            }
        }
        for feature in features(&self.package) {
            let line = format!("- `{feature}`");
            let texts = [("README.md", &readme), ("src/lib.rs", &library)];
            let without = texts.iter().filter(|(_, text)| !text.contains(&line));
            missing.extend(without.map(|(file, _)| format!("`{line}` below `## Features` in {file}")));
        }
        missing.into_iter().map(|what| format!("{} lacks {what}", self.name)).collect()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    /// The example that the README runs.
    fn example(&self) -> Option<String> {
        named_example(&self.read("README.md"), &self.name)
    }

    fn has_example(&self, name: &str) -> bool {
        let targets = self.package["targets"].as_array();
        targets.into_iter().flatten().any(|target| target["name"] == name && target["kind"][0] == "example")
    }
}

fn missing_fields(package: &Value) -> Vec<String> {
    let is_empty = |value: &Value| {
        value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_str() == Some("")
    };
    FIELDS.iter().filter(|field| is_empty(&package[**field])).map(|field| format!("`{field}`")).collect()
}

/// The features that a user can choose.
fn features(package: &Value) -> Vec<&str> {
    let names = package["features"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names.filter(|name| *name != "default").collect()
}

/// The name in the first line `cargo run -p PACKAGE … --example NAME`.
fn named_example(readme: &str, package: &str) -> Option<String> {
    let lines = readme.lines().filter_map(|line| line.trim().strip_prefix("cargo run -p "));
    let mut commands = lines.filter_map(|line| line.strip_prefix(package)?.strip_prefix(' '));
    let (_, rest) = commands.next()?.split_once("--example ")?;
    rest.split_whitespace().next().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn example_must_succeed_and_print() {
        assert_eq!(run_example(Path::new("pwd")).unwrap(), 1);
        assert!(run_example(Path::new("true")).unwrap_err().to_string().contains("printed nothing"));
        assert!(run_example(Path::new("false")).unwrap_err().to_string().contains("exit status: 1"));
    }

    #[test]
    fn library_crates_are_complete() {
        check().unwrap();
    }

    #[test]
    fn packages_that_are_not_published_are_no_libraries() {
        let package =
            |publish: Value| json!({ "name": "a", "manifest_path": "/a/Cargo.toml", "publish": publish });
        assert!(Library::of(&package(json!([]))).is_none());
        assert!(Library::of(&package(Value::Null)).is_some());
    }

    #[test]
    fn everything_that_is_missing_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let package = json!({
            "name": "a", "manifest_path": folder.path().join("Cargo.toml"), "publish": null, "description": "A crate",
            "license": "", "keywords": [], "features": { "default": ["b"], "b": [] },
            "targets": [{ "name": "c", "kind": ["example"] }, { "name": "d", "kind": ["lib"] }],
        });
        let library = Library::of(&package).unwrap();
        let missing = library.missing().join("\n");
        for what in
            ["`license`", "`keywords`", "`readme`", "LICENSE-MIT", "include_str", "--example NAME", "- `b`"]
        {
            assert!(missing.contains(what), "{what}: {missing}");
        }
        assert!(!missing.contains("description"), "{missing}");
        for (example, is_missing) in [("c", false), ("d", true), ("e", true)] {
            let readme =
                format!("```sh\ncargo run -p a --features b --example {example} -- 1\n```\n- `b`: text");
            fs::write(folder.path().join("README.md"), readme).unwrap();
            let missing = library.missing().join("\n");
            assert_eq!(missing.contains(&format!("the example {example}")), is_missing, "{missing}");
        }
    }

    #[test]
    fn example_is_that_of_the_package() {
        let readme =
            "cargo run -p blegram-http --example b\ncargo run -p blegram --features x --example a -- 1";
        assert_eq!(named_example(readme, "blegram").as_deref(), Some("a"));
        assert_eq!(named_example(readme, "blegram-http").as_deref(), Some("b"));
        assert_eq!(named_example("cargo run -p blegram", "blegram"), None);
    }

    /// They are files in one folder of the target directory.
    #[test]
    fn examples_have_different_names() {
        let libraries = libraries().unwrap();
        let examples: Vec<_> = libraries.iter().filter_map(Library::example).collect();
        assert!(examples.len() > 10);
        assert_eq!(examples.iter().collect::<BTreeSet<_>>().len(), examples.len(), "{examples:?}");
    }
}
