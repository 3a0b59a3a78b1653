//! Installs the generators, compilers and linters: packages for Node.js and Python with their lock files into
//! `target/xtask/clients`, the rest from Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::SOURCES;
use crate::blegram::output_folder;
use crate::packages::{self, Package};
use crate::process::{output, run, succeeds};
use crate::workspace::root;

const NODE: Package = Package {
    name: "Node.js with npm",
    apt: "npm",
    before: "",
    fedora: "sudo dnf install nodejs-npm",
    macos: "brew install node",
};

const PYTHON: Package = Package {
    name: "Python 3 with venv",
    apt: "python3-venv",
    before: "",
    fedora: "sudo dnf install python3",
    macos: "brew install python",
};

const JAVA: Package = Package {
    name: "Java 17 or later",
    apt: "default-jdk-headless",
    before: "",
    fedora: "sudo dnf install java-latest-openjdk-devel",
    macos: "brew install openjdk",
};

const LIBRARIES: Package = Package {
    name: "Apache HttpMime and the annotations of Java",
    apt: "libhttpmime-java libgeronimo-annotation-1.3-spec-java",
    before: "",
    fedora: "put the JAR files of Debian's packages into /usr/share/java",
    macos: "put the JAR files of Debian's packages into /usr/share/java",
};

/// Libraries that Java clients need beside those in the JAR of openapi-generator.
const JARS: [&str; 6] = [
    "httpmime",
    "httpclient",
    "httpcore",
    "commons-logging",
    "commons-codec",
    "geronimo-annotation-1.3-spec",
];

/// Where the installed tools are.
pub(super) struct Tools {
    /// Has `node_modules`.
    node: PathBuf,
    /// The virtual environment.
    python: PathBuf,
    /// openapi-generator, with the libraries that it has in common with its Java clients.
    generator: PathBuf,
}

/// The folder of everything that the command writes.
pub(super) fn folder() -> Result<PathBuf> {
    let folder = output_folder()?.join("clients");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

impl Tools {
    pub(super) fn install() -> Result<Self> {
        if !succeeds(Command::new("npm").arg("--version")) {
            packages::install(&NODE)?;
        }
        if !succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
            packages::install(&PYTHON)?;
        }
        if !succeeds(Command::new("javac").arg("--version")) {
            packages::install(&JAVA)?;
        }
        if !jars().all(|jar| jar.exists()) {
            packages::install(&LIBRARIES)?;
        }
        let node = install("node", "package-lock.json", |folder| {
            run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder))
        })?;
        let python = install("python-tools", "requirements.txt", |folder| {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")))?;
            let mut pip = Command::new(folder.join("venv/bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
            run(pip.arg(folder.join("requirements.txt")))
        })?
        .join("venv");
        let generator = find_generator(&python)?;
        Ok(Self { node, python, generator })
    }

    /// A program of an npm package.
    pub(super) fn npm(&self, program: &str) -> Command {
        Command::new(self.node.join("node_modules/.bin").join(program))
    }

    /// A program of a Python package; it finds the others.
    #[expect(clippy::disallowed_methods, reason = "programs of the environment precede those of the system")]
    pub(super) fn python(&self, program: &str) -> Command {
        let bin = self.python.join("bin");
        let mut command = Command::new(bin.join(program));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", bin.display()));
        command
    }

    pub(super) fn openapi_generator(&self) -> Command {
        let mut command = Command::new("java");
        // It logs every file.
        command.args(["-Dlog.level=error", "-jar"]).arg(&self.generator);
        command
    }

    /// Where Node.js finds packages, for a folder beside it.
    pub(super) fn node_folder(&self) -> &Path {
        &self.node
    }

    /// The libraries of Java clients.
    pub(super) fn class_path(&self) -> String {
        let jars = std::iter::once(self.generator.clone()).chain(jars());
        jars.map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(":")
    }
}

fn jars() -> impl Iterator<Item = PathBuf> {
    JARS.iter().map(|name| PathBuf::from(format!("/usr/share/java/{name}.jar")))
}

/// Copies the files of a folder of `xtask/clients`, and runs `install` there unless that succeeded with the same lock file.
fn install(name: &str, lock: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let (from, to) = (root().join(SOURCES).join(name), folder()?.join(name));
    super::copy(&from, &to)?;
    let wanted = fs::read(from.join(lock)).with_context(|| format!("reading {name}/{lock}"))?;
    let installed = to.join("installed");
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        println!("xtask: installing {name} into {}", to.display());
        install(&to)?;
        fs::write(&installed, wanted).context("recording the installation")?;
    }
    Ok(to)
}

fn find_generator(python: &Path) -> Result<PathBuf> {
    const FIND: &str = "import openapi_generator_cli as package, pathlib; \
                        print(pathlib.Path(package.__file__).with_name('openapi-generator.jar'))";
    let path = output(Command::new(python.join("bin/python")).args(["-c", FIND]));
    Ok(path.context("the package openapi-generator-cli has no JAR")?.trim().into())
}
