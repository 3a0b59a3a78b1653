//! The commands of the generators.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Operations, Setup};
use crate::workspace::root;

pub(super) fn nothing(_: &Setup<'_>, _: &Operations) -> Result<()> {
    Ok(())
}

/// Compilers and programs look for `node_modules` in the folder.
pub(super) fn link_packages(setup: &Setup<'_>, _: &Operations) -> Result<()> {
    let packages = setup.tools.node_folder();
    std::os::unix::fs::symlink(packages.join("node_modules"), setup.folder.join("node_modules"))?;
    fs::copy(packages.join("package.json"), setup.folder.join("package.json"))?;
    // Each generator has its scenario alone, beside what both share.
    let other =
        if setup.folder.ends_with("hey-api") { "scenario-openapi-fetch.ts" } else { "scenario-hey-api.ts" };
    fs::remove_file(setup.folder.join(other)).with_context(|| format!("removing {other}"))
}

/// The document for the macro, and a function that calls every operation: the macro leaves no sources to look into.
pub(super) fn prepare_rust(setup: &Setup<'_>, operations: &Operations) -> Result<()> {
    fs::copy(&setup.document, setup.folder.join("openapi.json")).context("copying the document")?;
    let calls: String =
        operations.iter().map(|id| format!("    let _ = client.{}();\n", snake_case(id))).collect();
    let code = format!("#[expect(dead_code)]\nfn every_operation(client: &Client) {{\n{calls}}}\n");
    fs::write(setup.folder.join("src/operations.rs"), code).context("writing the operations")
}

pub(super) fn openapi_generator<const N: usize>(
    setup: &Setup<'_>,
    language: &str,
    options: [&str; N],
) -> Command {
    let command = setup.tools.openapi_generator();
    with(
        command,
        ["generate", "-g", language, "-i", path(&setup.document), "-o", "."].into_iter().chain(options),
    )
}

pub(super) fn tsc(setup: &Setup<'_>) -> Result<Vec<Command>> {
    Ok(vec![setup.tools.npm("tsc")])
}

pub(super) fn node(scenario: &str) -> Command {
    with(Command::new("node"), [&*format!("out/{scenario}.js")])
}

/// The generated client as it is, and the scenario strictly: it proves that the types are usable.
pub(super) fn mypy(setup: &Setup<'_>, package: &str, scenario: &str) -> Vec<Command> {
    let strict = ["--strict", "--allow-untyped-calls", "--follow-imports=silent", scenario, "world.py"];
    vec![with(setup.tools.python("mypy"), [package]), with(setup.tools.python("mypy"), strict)]
}

pub(super) fn javac(setup: &Setup<'_>) -> Result<Command> {
    let mut command = Command::new("javac");
    command.args(["-nowarn", "-encoding", "UTF-8", "-d", "classes", "-cp", &setup.tools.class_path()]);
    let mut sources = Vec::new();
    java_sources(&setup.folder.join("src/main"), &mut sources)?;
    command.args(sources).arg("Scenario.java");
    Ok(command)
}

fn java_sources(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for path in fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())) {
        match path? {
            path if path.is_dir() => java_sources(&path, into)?,
            path if path.extension() == Some(OsStr::new("java")) => into.push(path),
            _ => {}
        }
    }
    Ok(())
}

/// Its target directory outlives the folder.
pub(super) fn cargo(words: &str) -> Command {
    let mut command = crate::workspace::cargo(words);
    command.env("CARGO_TARGET_DIR", root().join("target/xtask/clients-target"));
    command
}

pub(super) fn with<'a>(mut command: Command, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    command.args(arguments);
    command
}

pub(super) fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// `signUp` is `sign_up`.
pub(super) fn snake_case(id: &str) -> String {
    let mut name = String::new();
    for char in id.chars() {
        if char.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}

pub(super) fn upper(id: &str) -> String {
    let mut chars = id.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_generated_code() {
        assert_eq!(snake_case("listUserPosts"), "list_user_posts");
        assert_eq!(upper("listUserPosts"), "ListUserPosts");
    }
}
