//! The generators, and how their clients are compiled and used.

mod commands;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;

use self::commands::{
    cargo, javac, link_packages, mypy, node, nothing, openapi_generator, path, prepare_rust, snake_case, tsc,
    upper, with,
};
use super::tools::Tools;

/// A generator of clients.
pub(super) struct Generator {
    pub(super) name: &'static str,
    /// The argument of `blegram openapi --for`, if it cannot read the committed document.
    pub(super) document_for: Option<&'static str>,
    /// Writes what the generation needs.
    pub(super) prepare: fn(&Setup<'_>, &Operations) -> Result<()>,
    /// The commands that generate the client in the folder.
    pub(super) generate: fn(&Setup<'_>) -> Vec<Command>,
    /// How the client of an operation is recognised in the generated sources; `None` if the compiler checks them all.
    pub(super) defines: Option<Definition>,
    /// `None` if its compiler is not there.
    pub(super) usage: Option<Usage>,
}

/// The IDs of operations.
pub(super) type Operations = BTreeSet<String>;

/// Where sources define an operation.
pub(super) struct Definition {
    /// The folder of the sources that define operations and nothing else; empty for all sources.
    pub(super) folder: &'static str,
    /// The extension of the sources.
    pub(super) extension: &'static str,
    /// What the path or the content of a source contains.
    pub(super) marker: fn(&str) -> String,
}

/// How a client is compiled and used.
pub(super) struct Usage {
    /// The folder of `xtask/clients` with the scenario.
    pub(super) sources: &'static str,
    pub(super) compile: fn(&Setup<'_>) -> Result<Vec<Command>>,
    pub(super) scenario: fn(&Setup<'_>) -> Command,
}

/// What the commands of a generator need to know.
pub(super) struct Setup<'a> {
    pub(super) tools: &'a Tools,
    /// Where they run.
    pub(super) folder: PathBuf,
    pub(super) document: PathBuf,
}

/// The names, for the command line.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|generator| generator.name))
}

pub(super) const ALL: &[Generator] = &[
    Generator {
        name: "openapi-typescript",
        document_for: None,
        prepare: link_packages,
        generate: |setup| {
            vec![with(setup.tools.npm("openapi-typescript"), [path(&setup.document), "-o", "api.d.ts"])]
        },
        defines: Some(Definition {
            folder: "",
            extension: "ts",
            marker: |id| format!("\n    {id}: {{\n        parameters: {{"),
        }),
        usage: Some(Usage {
            sources: "typescript",
            compile: tsc,
            scenario: |_| node("scenario-openapi-fetch"),
        }),
    },
    Generator {
        name: "hey-api",
        document_for: None,
        prepare: link_packages,
        generate: |setup| {
            let arguments = ["-i", path(&setup.document), "-f", "openapi-ts.config.js"];
            vec![with(setup.tools.npm("openapi-ts"), arguments)]
        },
        defines: Some(Definition {
            folder: "",
            extension: "ts",
            marker: |id| format!("export const {id} = <"),
        }),
        usage: Some(Usage { sources: "typescript", compile: tsc, scenario: |_| node("scenario-hey-api") }),
    },
    Generator {
        name: "openapi-python-client",
        document_for: None,
        prepare: nothing,
        generate: |setup| {
            let arguments = [
                "generate",
                "--path",
                path(&setup.document),
                "--output-path",
                "blegram_client",
                "--meta",
                "none",
            ];
            // Otherwise it reports dropped operations and succeeds.
            vec![with(
                setup.tools.python("openapi-python-client"),
                arguments.into_iter().chain(["--fail-on-warning"]),
            )]
        },
        defines: Some(Definition {
            // The folder `models` has files of the same names.
            folder: "blegram_client/api",
            extension: "py",
            marker: |id| format!("/{}.py", snake_case(id)),
        }),
        usage: Some(Usage {
            sources: "python",
            compile: |setup| Ok(mypy(setup, "blegram_client", "scenario_openapi_python_client.py")),
            scenario: |setup| with(setup.tools.python("python"), ["scenario_openapi_python_client.py"]),
        }),
    },
    Generator {
        name: "openapi-generator-python",
        document_for: None,
        prepare: nothing,
        generate: |setup| vec![openapi_generator(setup, "python", ["--package-name", "blegram_openapi"])],
        defines: Some(Definition {
            folder: "",
            extension: "py",
            marker: |id| format!("def {}(", snake_case(id)),
        }),
        usage: Some(Usage {
            sources: "python",
            compile: |setup| Ok(mypy(setup, "blegram_openapi", "scenario_openapi_generator.py")),
            scenario: |setup| with(setup.tools.python("python"), ["scenario_openapi_generator.py"]),
        }),
    },
    Generator {
        name: "progenitor",
        document_for: Some("progenitor"),
        prepare: prepare_rust,
        // A macro generates it.
        generate: |_| Vec::new(),
        defines: None,
        usage: Some(Usage {
            sources: "rust",
            compile: |_| Ok(vec![cargo("build --quiet --locked")]),
            scenario: |_| cargo("run --quiet --locked"),
        }),
    },
    Generator {
        name: "openapi-generator-java",
        document_for: None,
        prepare: nothing,
        generate: |setup| {
            // Without jackson-databind-nullable, which Debian does not have.
            let options = ["--library", "native", "--additional-properties", "openApiNullable=false"];
            vec![openapi_generator(setup, "java", options)]
        },
        defines: Some(Definition {
            folder: "",
            extension: "java",
            marker: |id| format!(" {id}WithHttpInfo("),
        }),
        usage: Some(Usage {
            sources: "java",
            compile: |setup| javac(setup).map(|command| vec![command]),
            scenario: |setup| {
                let class_path = format!("classes:{}", setup.tools.class_path());
                with(Command::new("java"), ["-cp", &class_path, "Scenario"])
            },
        }),
    },
    openapi_generator_only(
        "openapi-generator-kotlin",
        |setup| vec![openapi_generator(setup, "kotlin", [])],
        "kt",
        |id| format!("fun {id}("),
    ),
    openapi_generator_only(
        "openapi-generator-swift",
        |setup| vec![openapi_generator(setup, "swift6", [])],
        "swift",
        |id| format!("func {id}("),
    ),
    openapi_generator_only(
        "openapi-generator-go",
        |setup| vec![openapi_generator(setup, "go", [])],
        "go",
        |id| format!("Service) {}(", upper(id)),
    ),
    // Words of the language are renamed: `sync` is `callSync`.
    openapi_generator_only(
        "openapi-generator-dart",
        |setup| vec![openapi_generator(setup, "dart", [])],
        "dart",
        |id| match id {
            "sync" => "> callSync(".to_owned(),
            id => format!("> {id}("),
        },
    ),
    openapi_generator_only(
        "openapi-generator-csharp",
        |setup| vec![openapi_generator(setup, "csharp", [])],
        "cs",
        |id| format!(" {}Async(", upper(id)),
    ),
];

/// A generator whose clients are not compiled here.
const fn openapi_generator_only(
    name: &'static str,
    generate: fn(&Setup<'_>) -> Vec<Command>,
    extension: &'static str,
    marker: fn(&str) -> String,
) -> Generator {
    let defines = Some(Definition { folder: "", extension, marker });
    Generator { name, document_for: None, prepare: nothing, generate, defines, usage: None }
}

impl Generator {
    /// The operations that the sources in `folder` do not define.
    pub(super) fn missing(&self, operations: &Operations, folder: &Path) -> Result<Vec<String>> {
        let Some(definition) = &self.defines else { return Ok(Vec::new()) };
        let mut sources = String::new();
        collect(&folder.join(definition.folder), definition.extension, &mut sources)?;
        let is_missing = |id: &&String| !sources.contains(&(definition.marker)(id));
        Ok(operations.iter().filter(is_missing).cloned().collect())
    }
}

/// Appends the path and the content of every source.
fn collect(folder: &Path, extension: &str, sources: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            collect(&path, extension, sources)?;
        } else if kind.is_file() && path.extension() == Some(OsStr::new(extension)) {
            sources.push_str(&path.to_string_lossy());
            sources.push('\n');
            sources
                .push_str(&fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn missing(name: &str, folder: &Path) -> Vec<String> {
        let operations = Operations::from(["signUp", "logIn"].map(str::to_owned));
        let generator = ALL.iter().find(|generator| generator.name == name).unwrap();
        generator.missing(&operations, folder).unwrap()
    }

    #[test]
    fn operations_without_a_definition_are_missing() {
        let scratch = Scratch::new().unwrap();
        let write = |name: &str, content: &str| {
            let path = scratch.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("api/auth.py", "def sign_up(\ndef log_in_twice(\n");
        write("api/auth.md", "def log_in(\n");
        assert_eq!(missing("openapi-generator-python", scratch.path()), ["logIn"]);
        // Files, where a file defines an operation.
        write("blegram_client/api/auth/log_in.py", "");
        write("blegram_client/models/sign_up.py", "");
        assert_eq!(missing("openapi-python-client", scratch.path()), ["signUp"]);
    }
}
