//! The command line: what `blegram` can be asked, and help that teaches by example.

use std::path::{Path, PathBuf};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

use blegram_domain::user::Role;

use crate::config::{self, Config};

/// The backend of a photo and short-post community, in one binary.
#[derive(Debug, Parser)]
#[command(name = "blegram", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The configuration file [default: ./blegram.toml when it exists].
    // Not clap's parser for paths: it refuses an empty variable, which Compose files set to mean "none".
    #[arg(long, global = true, value_name = "PATH", env = "BLEGRAM_CONFIG", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  blegram                                    Serve on http://127.0.0.1:8080 with data in ./data
  BLEGRAM_SERVER__LISTEN=0.0.0.0:80 blegram  Set anything by the environment
  blegram serve --demo                       The same, with a community to look at
  blegram config show                        What is in effect, and where it came from
  blegram --config /etc/blegram.toml doctor  Say what is wrong, and how to mend it";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or Ctrl-C, then finish what is in flight.
    Serve(Serve),
    /// Change the schema of the database.
    #[command(subcommand, after_help = MIGRATE_EXAMPLES)]
    Migrate(Migrate),
    /// Print the OpenAPI document.
    #[command(after_help = OPENAPI_EXAMPLES)]
    Openapi(Openapi),
    /// Print the AsyncAPI document of the gateway: every frame of the WebSocket.
    Asyncapi,
    /// Check or show the configuration.
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigCommand),
    /// Make, suspend and mend accounts, on the configured database; the site may run meanwhile.
    #[command(subcommand, after_help = USER_EXAMPLES)]
    User(User),
    /// Fill an empty site with a community to look at, in Korean and English, and print two logins.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    /// Check every count that rows keep of other rows, and mend those that are wrong; the site may run meanwhile.
    Recount {
        /// Tell what is wrong, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Look through all files of images: remove those that belong to nothing, and tell of images whose files are missing.
    /// The site may run meanwhile.
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(Sweep),
    /// Check what blegram depends on: say what is wrong, and how to mend it.
    Doctor,
}

/// How to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Serve {
    /// Fill the site with the demo world first, if it is empty.
    #[arg(long)]
    pub demo: bool,
}

/// How to sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Sweep {
    /// Tell what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Say that the clock is right: retention goes on that pauses because the clock jumped, or because the newest row was
    /// more than 7 days away from it. By itself it goes on after 24 hours of a steady clock.
    #[arg(long, conflicts_with = "dry_run")]
    pub clock_is_right: bool,
}

/// Which demo world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Demo {
    /// Another number is another world; the same number in the same hour is the same one.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  blegram serve --demo                                 The quickest way to something to look at
  BLEGRAM_SERVER__DATA_DIR=./world blegram serve       A folder of its own: start it once, stop it, then
  BLEGRAM_SERVER__DATA_DIR=./world blegram demo --seed 7";

const SWEEP_EXAMPLES: &str = "\
Examples:
  blegram sweep --dry-run          After a crash, or after a backup was restored: what is there that should not be?
  blegram sweep                    Remove it
  blegram sweep --clock-is-right   After `date` was looked at: let retention go on at once";

/// Schema changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Migrate {
    /// Apply every change that is pending. Safe to repeat.
    Up,
    /// Undo the latest change. Data that only it could hold is lost.
    Down,
    /// List the changes, applied and pending.
    Status,
}

const MIGRATE_EXAMPLES: &str = "\
Examples:
  blegram migrate status   What is applied and what is pending
  blegram migrate up       Before starting a new version on PostgreSQL; SQLite does it at start";

/// How to print the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Openapi {
    /// YAML instead of JSON.
    #[arg(long)]
    pub yaml: bool,
}

const OPENAPI_EXAMPLES: &str = "\
Examples:
  blegram openapi > openapi.json
  npx openapi-typescript openapi.json -o api.d.ts   A typed client; no server need run";

/// Questions about the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong, at once; succeed when nothing is.
    Check,
    /// Print what is in effect as TOML, each line with its origin. Secrets are redacted.
    Show,
    /// Print the reference, docs/configuration.md.
    #[command(hide = true)]
    Docs {
        /// Print .env.example instead.
        #[arg(long)]
        env: bool,
    },
}

const CONFIG_EXAMPLES: &str = "\
Examples:
  blegram config check                             Before a deployment
  BLEGRAM_PROFILE=production blegram config check  Would production accept it?
  blegram config show > new.toml                   A file to start from (secrets are left out)";

/// What to do with an account.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum User {
    /// Make an account, also where registration is closed.
    Create {
        /// The username, with or without `@`.
        name: String,
        /// What it may do.
        #[arg(long, value_enum, default_value_t = RoleArg::User)]
        role: RoleArg,
        /// The name that the profile shows [default: the username].
        #[arg(long)]
        display_name: Option<String>,
        /// Where its owner says to receive mail.
        #[arg(long)]
        email: Option<String>,
        /// Where its password comes from.
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Take an account out: it cannot log in, its sessions end, nobody sees it or what it wrote.
    Suspend {
        /// The username, with or without `@`.
        name: String,
    },
    /// Take a suspended account back in.
    Reinstate {
        /// The username, with or without `@`.
        name: String,
    },
    /// Change what an account may do.
    SetRole {
        /// The username, with or without `@`.
        name: String,
        /// What it may do from now on.
        #[arg(value_enum)]
        role: RoleArg,
    },
    /// Give an account a new password and end its sessions.
    ResetPassword {
        /// The username, with or without `@`.
        name: String,
        /// Where its password comes from.
        #[command(flatten)]
        password: PasswordSource,
    },
}

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct PasswordSource {
    /// Read the password from a line of standard input; without this, one is made and shown once.
    // Never an argument of its own: every user of the machine sees those, and shells keep them.
    #[arg(long)]
    pub password_stdin: bool,
}

/// A role, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Everybody.
    User,
    /// May judge reports.
    Moderator,
    /// May do everything.
    Admin,
}

impl RoleArg {
    /// The role as it is typed.
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
  blegram user create ann --role admin                  An account, with a password that is shown once
  blegram user create bob --password-stdin < password   The same with a password from a file
  blegram user suspend spammer                          Out, with all sessions; `reinstate` takes it back
  blegram user set-role bob moderator                   Counts within a second
  blegram user reset-password ann                       For somebody who lost it";

impl Cli {
    /// The command given, or `serve`.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve(Serve::default()))
    }

    fn config_path(&self) -> Option<&Path> {
        self.config.as_deref().filter(|it| !it.as_os_str().is_empty())
    }

    /// Reads the configuration that this command line points at.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_config(&self) -> Result<Config, config::Error> {
        Config::read(self.config_path())
    }

    /// Answers `blegram config …` with the text to print.
    ///
    /// # Errors
    /// As [`Config::read`]; never for [`ConfigCommand::Docs`], which depends on nothing.
    pub fn answer(&self, question: ConfigCommand) -> Result<String, config::Error> {
        Ok(match question {
            ConfigCommand::Check => self.read_config().map(|_| "The configuration is valid.\n".to_owned())?,
            ConfigCommand::Show => self.read_config()?.show(),
            ConfigCommand::Docs { env: false } => config::markdown(),
            ConfigCommand::Docs { env: true } => config::env_example(),
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
    fn the_definition_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn lines_mean_what_they_say() {
        assert_eq!(command("blegram"), Command::Serve(Serve { demo: false }));
        assert_eq!(command("blegram serve --demo"), Command::Serve(Serve { demo: true }));
        assert_eq!(command("blegram demo --seed 7"), Command::Demo(Demo { seed: 7 }));
        assert_eq!(command("blegram recount --dry-run"), Command::Recount { dry_run: true });
        assert_eq!(command("blegram sweep"), Command::Sweep(Sweep::default()));
        let right = Sweep { clock_is_right: true, ..Sweep::default() };
        assert_eq!(command("blegram sweep --clock-is-right"), Command::Sweep(right));
        assert_eq!(command("blegram --config a.toml serve"), Command::Serve(Serve { demo: false }));
        assert_eq!(command("blegram migrate down"), Command::Migrate(Migrate::Down));
        assert_eq!(command("blegram openapi --yaml"), Command::Openapi(Openapi { yaml: true }));
        assert_eq!(command("blegram config show"), Command::Config(ConfigCommand::Show));
        assert_eq!(command("blegram doctor"), Command::Doctor);
        let name = "@ann".to_owned();
        assert_eq!(
            command("blegram user set-role @ann admin"),
            Command::User(User::SetRole { name, role: RoleArg::Admin })
        );
    }

    #[test]
    fn the_file_may_be_named_before_or_after_the_command() {
        for line in ["blegram --config a.toml doctor", "blegram doctor --config a.toml"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.config_path(), Some("a.toml".as_ref()));
        }
    }

    #[test]
    fn every_command_that_needs_it_has_examples() {
        for name in ["migrate", "openapi", "config", "user", "demo", "sweep"] {
            let mut cli = <Cli as CommandFactory>::command();
            let help = cli.find_subcommand_mut(name).unwrap().render_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }
}
