//! `blegram config`, run as a process.

use std::process::{Command, Output};

use tempfile::TempDir;

fn blegram(folder: &TempDir, arguments: &str, env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blegram"));
    command.current_dir(folder).env_clear().envs(env.iter().copied());
    command.args(arguments.split(' ')).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn config_check_reports_every_problem() {
    let folder = TempDir::new().unwrap();
    assert!(blegram(&folder, "config check", &[]).status.success());

    std::fs::write(folder.path().join("blegram.toml"), "log.format = 'xml'").unwrap();
    std::fs::write(folder.path().join(".env"), "BLEGRAM_LOG__FILTER==").unwrap();
    let output = blegram(&folder, "config check", &[("BLEGRAM_SERVER__LISTEN", "x")]);
    let complaint = text(&output.stderr);
    assert!(!output.status.success());
    assert!(complaint.contains("blegram: the configuration has 3 problems"), "{complaint}");
}

#[test]
fn config_file_is_named_by_argument_or_variable_and_must_exist() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("other.toml"), "server.data_dir = 'elsewhere'").unwrap();
    let named = [
        blegram(&folder, "config show --config other.toml", &[]),
        blegram(&folder, "config show", &[("BLEGRAM_CONFIG", "other.toml")]),
    ];
    for output in named {
        let page = text(&output.stdout);
        assert!(page.contains("data_dir = \"elsewhere\"") && page.contains("# other.toml, line 1"), "{page}");
    }
    assert!(blegram(&folder, "config check", &[("BLEGRAM_CONFIG", "")]).status.success());
    let missing = blegram(&folder, "config show --config none.toml", &[]);
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("none.toml"), "{}", text(&missing.stderr));
}

#[test]
fn dotenv_is_read_and_its_errors_reveal_no_secret() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(&path, "BLEGRAM_SERVER__LISTEN=127.0.0.1:9\n").unwrap();
    let page = text(&blegram(&folder, "config show", &[]).stdout);
    assert!(page.contains("# BLEGRAM_SERVER__LISTEN in .env"), "{page}");

    std::fs::write(&path, "BLEGRAM_SECRETS__KEY hunter2\n").unwrap();
    let output = blegram(&folder, "config show", &[]);
    assert!(
        !output.status.success() && !text(&output.stderr).contains("hunter2"),
        "{}",
        text(&output.stderr)
    );
}
