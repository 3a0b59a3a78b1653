//! `cargo xtask clients`: generates clients from the documents, and uses them against the binary.
//!
//! Every generator of [`generators::ALL`] must generate all operations. Those whose compiler is there compile, and run one
//! scenario (`xtask/clients/README.md`) against a server of its own; [`stored`] then checks what the server stored,
//! without a generated client. The documents pass the linters ([`documents`]). A complete run is recorded ([`record`]), so
//! that CI repeats it only after a change.

mod documents;
mod generators;
mod record;
mod stored;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::generators::{Generator, Setup, Usage};
use self::tools::Tools;
use crate::blegram::{Site, output_folder, unlimited};
use crate::process::run as run_command;
use crate::scratch::sweep;
use crate::signals;
use crate::workspace::{build_binary, root};

/// Where the scenarios are.
const SOURCES: &str = "xtask/clients";

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Do nothing if the last complete run had the same documents, scenarios and generators
    #[arg(long)]
    short: bool,
    /// Only these generators, without the linters; the run is not recorded
    #[arg(long, value_name = "NAME", value_parser = generators::names(), conflicts_with = "short")]
    only: Vec<String>,
    /// Use this binary instead of building one; the run is not recorded
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Runs all generators. Fails after the last one if any of them failed.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let inputs = record::inputs()?;
    if options.short && record::is_current(&inputs)? {
        println!("xtask: {} is up to date: nothing changed since all clients passed", record::PATH);
        return Ok(0);
    }
    sweep()?;
    let binary = match &options.binary {
        Some(path) => fs::canonicalize(path).with_context(|| format!("finding {}", path.display()))?,
        None => build_binary("blegram", "dev")?,
    };
    let tools = Tools::install()?;
    let failures = run_all(options, &tools, &binary)?;
    ensure!(failures.is_empty(), "{} failed", failures.join(", "));
    if options.only.is_empty() && options.binary.is_none() {
        // Not those of the end: a file that changed meanwhile was not verified.
        record::write(&inputs)?;
    }
    Ok(0)
}

/// Runs the linters and the generators, and returns the names of those that failed.
fn run_all(options: &Options, tools: &Tools, binary: &Path) -> Result<Vec<&'static str>> {
    let mut failures = Vec::new();
    if options.only.is_empty() {
        step("linters", documents::lint(tools), &mut failures);
    }
    let is_wanted = |generator: &&Generator| {
        options.only.is_empty() || options.only.iter().any(|name| name == generator.name)
    };
    for generator in generators::ALL.iter().filter(is_wanted) {
        // Ctrl-C ends the run, not only a generator.
        signals::check()?;
        step(generator.name, prove(generator, tools, binary), &mut failures);
    }
    Ok(failures)
}

fn step(name: &'static str, result: Result<()>, failures: &mut Vec<&'static str>) {
    if let Err(error) = result {
        eprintln!("xtask: {name}: {error:#}");
        failures.push(name);
    }
}

/// Generates a client, compiles it and runs its scenario. Prints what was done.
fn prove(generator: &Generator, tools: &Tools, binary: &Path) -> Result<()> {
    println!("xtask: {} …", generator.name);
    let begin = Instant::now();
    let setup = Setup { tools, folder: folder(generator)?, document: document(generator, binary)? };
    let operations = documents::operations(&setup.document)?;
    (generator.prepare)(&setup, &operations)?;
    for mut command in (generator.generate)(&setup) {
        run_command(command.current_dir(&setup.folder)).context("generating")?;
    }
    let missing = generator.missing(&operations, &setup.folder)?;
    ensure!(missing.is_empty(), "operations are missing in the client: {}", missing.join(", "));
    if let Some(usage) = &generator.usage {
        use_client(usage, &setup, binary)?;
    }
    let used = if generator.usage.is_some() { ", compiled, passed the scenario" } else { "" };
    let (name, count, seconds) = (generator.name, operations.len(), begin.elapsed().as_secs_f32());
    println!("xtask: {name}: {count} operations{used} ({seconds:.0} s)");
    Ok(())
}

/// Compiles a client, and runs its scenario against a server of its own.
fn use_client(usage: &Usage, setup: &Setup<'_>, binary: &Path) -> Result<()> {
    for mut command in (usage.compile)(setup)? {
        run_command(command.current_dir(&setup.folder)).context("compiling")?;
    }
    let site = Site::with_settings(binary, None, settings(binary)?)?;
    let blegram = site.start()?;
    let mut scenario = (usage.scenario)(setup);
    scenario.current_dir(&setup.folder).env("BLEGRAM_ORIGIN", blegram.origin());
    scenario.env("PHOTOS", root().join(SOURCES).join("photos"));
    let result = run_command(&mut scenario).context("the scenario");
    let result = result.and_then(|()| stored::check(&blegram).context("what the server stored"));
    blegram.stop()?;
    let log = output_folder()?.join("blegram.log");
    result.with_context(|| format!("see {}", log.display()))
}

/// No limits, but for one that the scenario reaches.
fn settings(binary: &Path) -> Result<Vec<(String, String)>> {
    const TICKETS: &str = "BLEGRAM_LIMITS__TICKETS_PER_USER__";
    let mut settings = unlimited(binary)?;
    settings.retain(|(name, _)| !name.starts_with(TICKETS));
    settings.push((format!("{TICKETS}BURST"), "2".to_owned()));
    settings.push((format!("{TICKETS}PER_SECONDS"), "6".to_owned()));
    Ok(settings)
}

/// An empty folder with the sources of the generator's language.
fn folder(generator: &Generator) -> Result<PathBuf> {
    let folder = tools::folder()?.join(generator.name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("deleting {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    if let Some(usage) = &generator.usage {
        copy(&root().join(SOURCES).join(usage.sources), &folder)?;
    }
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copying {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The committed document, or the one that the binary prints for the generator.
fn document(generator: &Generator, binary: &Path) -> Result<PathBuf> {
    let Some(name) = generator.document_for else { return Ok(root().join("docs/openapi.json")) };
    let output = crate::blegram::command(binary).args(["openapi", "--for", name]).output()?;
    ensure!(output.status.success(), "`blegram openapi --for {name}` failed");
    let path = tools::folder()?.join(format!("openapi-{name}.json"));
    fs::write(&path, output.stdout).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
