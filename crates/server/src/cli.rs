//! Command-line arguments of `blegram`, with examples in the help.

use std::path::{Path, PathBuf};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser},
};

use blegram_domain::{audit, user::Role};

use crate::{
    bugs::VERSION,
    config::{self, Config},
    metrics,
    top::Top,
};

/// The backend of a photo and short-post community, in one binary.
#[derive(Debug, Parser)]
#[command(name = "blegram", version = VERSION, after_help = EXAMPLES)]
pub struct Cli {
    /// Path of the configuration file [default: ./blegram.toml if it exists].
    // clap's path parser rejects an empty variable, which Compose files set to mean "none".
    #[arg(long, global = true, value_name = "PATH", env = "BLEGRAM_CONFIG", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  blegram                                    Serve on http://127.0.0.1:8080 with data in ./data
  BLEGRAM_SERVER__LISTEN=0.0.0.0:80 blegram  Override a setting with an environment variable
  blegram serve --demo                       Serve a demo community
  blegram config show                        Print the effective configuration and its sources
  blegram --config /etc/blegram.toml doctor  Check the setup and print how to fix problems
  blegram top                                Watch the running node";

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the server until SIGTERM or Ctrl-C, then shut down gracefully.
    Serve(Serve),
    /// Manage database migrations.
    #[command(subcommand, after_help = MIGRATE_EXAMPLES)]
    Migrate(Migrate),
    /// Print the OpenAPI document.
    #[command(after_help = OPENAPI_EXAMPLES)]
    Openapi(Openapi),
    /// Print the AsyncAPI document of the realtime gateway (every WebSocket frame).
    Asyncapi,
    /// Validate or print the configuration.
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigCommand),
    /// Create and manage accounts in the configured database. Safe while the server is running.
    #[command(subcommand, after_help = USER_EXAMPLES)]
    User(User),
    /// Print the audit log: logins, password changes, ended sessions, role changes, suspensions. Newest first.
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(Audit),
    /// Fill an empty site with a demo community in Korean and English, and print two logins.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    /// Check stored counters against the rows that they count, and correct them. Safe while the server is running.
    Recount {
        /// Report wrong counters without correcting them.
        #[arg(long)]
        dry_run: bool,
    },
    /// Scan the image storage: delete orphaned files and report images whose files are missing. Safe while the server
    /// is running.
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(Sweep),
    /// Check the configuration, database, storage and clock, and print how to fix problems.
    Doctor,
    /// Watch running nodes in the terminal: requests, latencies, connections, pools, jobs.
    #[command(after_help = crate::top::EXAMPLES)]
    Top(Top),
}

/// Options of `blegram serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Serve {
    /// Create the demo community first, if the site is empty; prints where and as whom to log in.
    #[arg(long)]
    pub demo: bool,
}

/// Options of `blegram sweep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Sweep {
    /// List orphaned files without deleting them.
    #[arg(long)]
    pub dry_run: bool,
    /// Confirm that the clock is right and resume retention at once. Retention pauses when the clock jumps, or when the
    /// newest row is more than 7 days away from it; it resumes by itself after 24 hours of a steady clock.
    #[arg(long, conflicts_with = "dry_run")]
    pub clock_is_right: bool,
}

/// Options of `blegram audit`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Audit {
    /// Only entries with this account as actor or target: an ID, or a username with or without `@`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only entries of this kind.
    #[arg(long, value_parser = kind())]
    pub kind: Option<audit::Kind>,
    /// The largest number of entries.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

fn kind() -> impl TypedValueParser<Value = audit::Kind> {
    let kinds = audit::Kind::ALL.iter().map(|kind| kind.as_str());
    PossibleValuesParser::new(kinds).try_map(|text| text.parse::<audit::Kind>())
}

const AUDIT_EXAMPLES: &str = "\
Examples:
  blegram audit --user ann                      Print what happened to the account of ann, and what ann did
  blegram audit --kind authz_change --limit 10  Print the latest role changes
  blegram audit --json --limit 100000 > audit   Export it; entries are deleted after 180 days";

/// Options of `blegram demo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Demo {
    /// Seed of the random generator. The same seed within the same hour creates the same content.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  blegram serve --demo                                 Serve a demo community
  BLEGRAM_SERVER__DATA_DIR=./world blegram serve       Use a separate data directory: start once, stop, then
  BLEGRAM_SERVER__DATA_DIR=./world blegram demo --seed 7";

const SWEEP_EXAMPLES: &str = "\
Examples:
  blegram sweep --dry-run          List orphaned files, for example after a crash or a restored backup
  blegram sweep                    Delete them
  blegram sweep --clock-is-right   Resume retention at once, after checking `date`";

/// Subcommands of `blegram migrate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Migrate {
    /// Apply all pending migrations. Safe to repeat.
    Up,
    /// Revert the latest migration. Data that only the newer schema can store is lost.
    Down,
    /// List applied and pending migrations.
    Status,
}

const MIGRATE_EXAMPLES: &str = "\
Examples:
  blegram migrate status   List applied and pending migrations
  blegram migrate up       Run before starting a new version on PostgreSQL; on SQLite the server does it at start";

/// Options of `blegram openapi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Openapi {
    /// Print YAML instead of JSON.
    #[arg(long)]
    pub yaml: bool,
    /// Leave out what this generator cannot read, such as uploads (docs/guide/generated-clients.md).
    #[arg(long = "for", value_name = "GENERATOR", value_enum, conflicts_with = "yaml")]
    pub generator: Option<Generator>,
}

/// A generator of clients that needs a document of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generator {
    /// For Rust.
    Progenitor,
}

const OPENAPI_EXAMPLES: &str = "\
Examples:
  blegram openapi > openapi.json
  npx openapi-typescript openapi.json -o api.d.ts   Generate a typed client, without a running server
  blegram openapi --for progenitor > openapi.json   Generate a client in Rust";

/// Subcommands of `blegram config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Validate the configuration and report all problems at once. Exits with 0 if it is valid.
    Check,
    /// Print the effective configuration as TOML, with the source of each value. Secrets are redacted.
    Show,
    /// Print the configuration reference (docs/configuration.md).
    #[command(hide = true)]
    Docs {
        /// Print .env.example instead.
        #[arg(long)]
        env: bool,
        /// Print docs/metrics.md instead.
        #[arg(long, conflicts_with = "env")]
        metrics: bool,
    },
}

const CONFIG_EXAMPLES: &str = "\
Examples:
  blegram config check                             Validate before a deployment
  BLEGRAM_PROFILE=production blegram config check  Validate against the rules of the production profile
  blegram config show > new.toml                   Write a file to start from (without secrets)";

/// Subcommands of `blegram user`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum User {
    /// Create an account, even if registration is closed.
    Create {
        /// The username, with or without `@`.
        name: String,
        /// The role.
        #[arg(long, value_enum, default_value_t = RoleArg::User)]
        role: RoleArg,
        /// The display name [default: the username].
        #[arg(long)]
        display_name: Option<String>,
        /// The email address. It gets a verification mail, if the site sends mail.
        #[arg(long)]
        email: Option<String>,
        /// Source of the password.
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Suspend an account: it cannot log in, its sessions end, and its profile and content are hidden.
    Suspend {
        /// The username, with or without `@`.
        name: String,
    },
    /// Reinstate a suspended account.
    Reinstate {
        /// The username, with or without `@`.
        name: String,
    },
    /// Change the role of an account.
    SetRole {
        /// The username, with or without `@`.
        name: String,
        /// The new role.
        #[arg(value_enum)]
        role: RoleArg,
    },
    /// Remove the second factors and recovery codes of an account whose owner has lost them.
    RemoveFactors {
        /// The username, with or without `@`.
        name: String,
    },
    /// Set a new password and revoke all sessions of the account.
    ResetPassword {
        /// The username, with or without `@`.
        name: String,
        /// Source of the password.
        #[command(flatten)]
        password: PasswordSource,
    },
}

/// Source of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct PasswordSource {
    /// Read the password from the first line of standard input. Otherwise a password is generated and printed once.
    // Never a command-line argument: every user of the machine can see those, and shells store them in their history.
    #[arg(long)]
    pub password_stdin: bool,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// A regular account.
    User,
    /// Can review reports.
    Moderator,
    /// Has every permission.
    Admin,
}

impl RoleArg {
    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Role::from(self).as_str()
    }
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::User => Self::User,
            RoleArg::Moderator => Self::Moderator,
            RoleArg::Admin => Self::Admin,
        }
    }
}

const USER_EXAMPLES: &str = "\
Examples:
  blegram user create ann --role admin                  Create an account with a generated password
  blegram user create bob --password-stdin < password   Read the password from a file
  blegram user suspend spammer                          Suspend it and end its sessions; undo with `reinstate`
  blegram user set-role bob moderator                   Takes effect within a second
  blegram user reset-password ann                       Replace a lost password
  blegram user remove-factors ann                       Let the owner of a lost phone log in by password alone";

impl Cli {
    /// The given command; defaults to `serve`.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve(Serve::default()))
    }

    fn config_path(&self) -> Option<&Path> {
        self.config.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// Reads the configuration, from the file given by `--config` or `BLEGRAM_CONFIG` if there is one.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_config(&self) -> Result<Config, config::Error> {
        Config::read(self.config_path())
    }

    /// Runs `blegram config …` and returns the text to print.
    ///
    /// # Errors
    /// As [`Config::read`]; never for [`ConfigCommand::Docs`], which reads no configuration.
    pub fn run_config(&self, command: ConfigCommand) -> Result<String, config::Error> {
        Ok(match command {
            ConfigCommand::Check => self.read_config().map(|_| "The configuration is valid.\n".to_owned())?,
            ConfigCommand::Show => self.read_config()?.show(),
            ConfigCommand::Docs { metrics: true, .. } => metrics::markdown(),
            ConfigCommand::Docs { env: true, .. } => config::env_example(),
            ConfigCommand::Docs { .. } => config::markdown(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn command(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap().command()
    }

    #[test]
    fn cli_definition_is_valid() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn command_lines_are_parsed() {
        assert_eq!(command("blegram"), Command::Serve(Serve { demo: false }));
        assert_eq!(command("blegram serve --demo"), Command::Serve(Serve { demo: true }));
        assert_eq!(command("blegram demo --seed 7"), Command::Demo(Demo { seed: 7 }));
        assert_eq!(command("blegram recount --dry-run"), Command::Recount { dry_run: true });
        assert_eq!(command("blegram sweep"), Command::Sweep(Sweep::default()));
        let right = Sweep { clock_is_right: true, ..Sweep::default() };
        assert_eq!(command("blegram sweep --clock-is-right"), Command::Sweep(right));
        assert_eq!(command("blegram --config a.toml serve"), Command::Serve(Serve { demo: false }));
        assert_eq!(command("blegram migrate down"), Command::Migrate(Migrate::Down));
        assert_eq!(
            command("blegram openapi --yaml"),
            Command::Openapi(Openapi { yaml: true, generator: None })
        );
        let generator = Some(Generator::Progenitor);
        assert_eq!(
            command("blegram openapi --for progenitor"),
            Command::Openapi(Openapi { yaml: false, generator })
        );
        assert_eq!(command("blegram config show"), Command::Config(ConfigCommand::Show));
        assert_eq!(command("blegram doctor"), Command::Doctor);
        let name = "@ann".to_owned();
        assert_eq!(
            command("blegram user set-role @ann admin"),
            Command::User(User::SetRole { name, role: RoleArg::Admin })
        );
    }

    #[test]
    fn config_file_is_accepted_before_and_after_the_command() {
        for line in ["blegram --config a.toml doctor", "blegram doctor --config a.toml"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.config_path(), Some("a.toml".as_ref()));
        }
    }

    #[test]
    fn help_of_complex_commands_has_examples() {
        for name in ["migrate", "openapi", "config", "user", "audit", "demo", "sweep", "top"] {
            let mut cli = <Cli as CommandFactory>::command();
            let help = cli.find_subcommand_mut(name).unwrap().render_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }
}
