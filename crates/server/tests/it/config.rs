//! Loading the configuration: sources and their precedence, validation, and the generated pages.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use blegram::config::{
    Backend, Config, Error, Inputs, LogFormat, MailTransport, Origin, Profile, WebSource, env_example,
    markdown,
};
use blegram_auth::Registration;
use blegram_http::listener;
use rstest::rstest;

/// 32 bytes that look random, in base64.
const KEY: &str = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=";

/// The sources of a configuration. `secret` supplies the contents of the files that `*_FILE` variables name.
#[derive(Default)]
struct TestInputs {
    file: Option<&'static str>,
    env: BTreeMap<String, String>,
    dotenv: String,
}

fn file(text: &'static str) -> TestInputs {
    TestInputs { file: Some(text), ..TestInputs::default() }
}

fn env<const N: usize>(pairs: [(&str, &str); N]) -> TestInputs {
    TestInputs::default().env(pairs)
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn secret(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/key") => Ok(format!("{KEY}\n")),
        Some("/run/empty") => Ok("\n".into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

impl TestInputs {
    fn env<const N: usize>(mut self, pairs: [(&str, &str); N]) -> Self {
        self.env = map(pairs);
        self
    }

    fn dotenv<const N: usize>(mut self, pairs: [(&str, &str); N]) -> Self {
        self.dotenv = pairs.map(|(name, value)| format!("{name}='{value}'\n")).concat();
        self
    }

    fn load(&self) -> Result<Config, Error> {
        let file = self.file.map(|text| ("blegram.toml", text));
        Config::load(&Inputs { file, env: &self.env, dotenv: Some(&self.dotenv), read_secret: &secret })
    }

    #[track_caller]
    fn valid(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The problems as `key: advice (origin)`.
    #[track_caller]
    fn problems(&self) -> Vec<String> {
        let problems = self.load().expect_err("the configuration should be rejected").problems;
        problems
            .into_iter()
            .map(|problem| format!("{}: {} ({})", problem.key, problem.advice, problem.origin))
            .collect()
    }

    #[track_caller]
    fn problem(&self) -> String {
        let [problem] =
            self.problems().try_into().unwrap_or_else(|all| panic!("expected one problem, got {all:#?}"));
        problem
    }
}

#[test]
fn defaults_are_a_development_server_on_sqlite() {
    let config = TestInputs::default().valid();
    assert_eq!(config.profile, Profile::Development);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.database_url().expose(), "sqlite://./data/blegram.db?mode=rwc");
    assert_eq!(config.database_url().backend(), Backend::Sqlite);
    assert_eq!(config.accounts.registration, Registration::Open);
    assert_eq!(config.limits.quotas.login_per_address.burst.get(), 25);
    assert_eq!(config.limits.quotas.signup_per_address.per.as_secs(), 1800);
    assert_eq!(config.log.format, LogFormat::Pretty);
    let processors = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    // One is left to requests, where there are two.
    let threads = (config.accounts.hash_threads.get(), config.media.threads.get());
    assert_eq!(threads, (1.max(processors - 1), 1.max(processors - 1)));
    assert!(config.secrets.key.is_none());
}

#[test]
fn data_dir_may_have_any_name() {
    let config = env([("BLEGRAM_SERVER__DATA_DIR", "/srv/50% off? #1")]).valid();
    assert_eq!(config.database_url().expose(), "sqlite:///srv/50%25 off%3F %231/blegram.db?mode=rwc");
}

#[test]
fn listener_defaults_match_the_default_limits() {
    let config = TestInputs::default().valid();
    assert_eq!(listener::Limits::from(&config.listener), listener::Limits::default());
    let slower = file("listener.head_timeout_ms = 1_500").valid();
    assert_eq!(listener::Limits::from(&slower.listener).head_timeout, Duration::from_millis(1500));
}

#[test]
fn environment_overrides_dotenv_and_dotenv_the_file() {
    let port = |inputs: &TestInputs| inputs.valid().server.listen.port();
    let mut inputs = file("[server]\nlisten = '127.0.0.1:1'");
    assert_eq!(port(&inputs), 1);
    inputs = inputs.dotenv([("BLEGRAM_SERVER__LISTEN", "127.0.0.1:2")]);
    assert_eq!(port(&inputs), 2);
    inputs = inputs.env([("BLEGRAM_SERVER__LISTEN", "127.0.0.1:3")]);
    assert_eq!(port(&inputs), 3);
    inputs = inputs.env([("BLEGRAM_SERVER__LISTEN", "")]);
    assert_eq!(port(&inputs), 2, "an empty variable counts as unset");
}

#[test]
fn dotenv_is_for_development_and_cannot_set_the_profile() {
    let production = [("BLEGRAM_PROFILE", "production"), ("BLEGRAM_SERVER__PUBLIC_URL", "https://b.example")];
    let inputs = env(production).dotenv([("BLEGRAM_SERVER__LISTEN", "127.0.0.1:2"), ("BLEGRAM_TYPO", "1")]);
    assert_eq!(inputs.valid().server.listen.port(), 8080);

    let inputs = TestInputs::default().dotenv([("BLEGRAM_PROFILE", "production")]);
    assert!(inputs.problem().starts_with("profile: cannot be set in .env"), "{}", inputs.problem());
}

#[test]
fn lists_are_toml_arrays_or_comma_separated() {
    let texts = |config: &Config| -> Vec<String> {
        config.server.origins().iter().map(|origin| origin.as_str().to_owned()).collect()
    };
    let expected = ["http://127.0.0.1:8080", "https://a.example", "http://localhost:3000"];
    let from_file =
        file("server.trusted_origins = ['https://A.example:443', 'http://localhost:3000']").valid();
    assert_eq!(texts(&from_file), expected);
    let from_env =
        env([("BLEGRAM_SERVER__TRUSTED_ORIGINS", "https://a.example, http://localhost:3000")]).valid();
    assert_eq!(texts(&from_env), expected);

    let proxies = env([("BLEGRAM_SERVER__TRUSTED_PROXIES", "10.0.0.0/8,::1")]).valid().server.trusted_proxies;
    assert_eq!(proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    assert!(file("server.listen = ['127.0.0.1:80']").problem().contains("expected one value, not a list"));
}

#[test]
fn numbers_and_strings_are_interchangeable() {
    assert_eq!(env([("BLEGRAM_SERVER__DATA_DIR", "2026")]).valid().server.data_dir, Path::new("2026"));
    assert_eq!(file("server.data_dir = 2026").valid().server.data_dir, Path::new("2026"));
    assert_eq!(file("database.max_connections = '12'").valid().database.max_connections.get(), 12);
    assert_eq!(file("database.max_connections = 1_000").valid().database.max_connections.get(), 1000);
}

#[test]
fn unknown_keys_are_rejected_with_suggestion_and_location() {
    for (inputs, expected) in [
        (
            file("[server]\n\nlisen = '127.0.0.1:1'"),
            "server.lisen: is not a setting; did you mean server.listen? (blegram.toml, line 3)",
        ),
        (
            file("[sever]\nlisten = '127.0.0.1:1'"),
            "sever.listen: is not a setting; did you mean server.listen? (blegram.toml, line 2)",
        ),
        (
            file("public_url = 'https://a.example'"),
            "public_url: is not a setting; did you mean server.public_url? (blegram.toml, line 1)",
        ),
        (
            env([("BLEGRAM_SERVER_LISTEN", "127.0.0.1:1")]),
            "BLEGRAM_SERVER_LISTEN: is not a setting; did you mean BLEGRAM_SERVER__LISTEN? (BLEGRAM_SERVER_LISTEN)",
        ),
        (
            env([("BLEGRAM_FROBNICATE", "1")]),
            "BLEGRAM_FROBNICATE: is not a setting; see docs/configuration.md for all settings (BLEGRAM_FROBNICATE)",
        ),
        (
            // Only a build with the feature `planted-bugs` knows it.
            env([("BLEGRAM_PLANTED_BUG", "silent-overflow")]),
            "BLEGRAM_PLANTED_BUG: is not a setting; see docs/configuration.md for all settings (BLEGRAM_PLANTED_BUG)",
        ),
        (
            TestInputs::default().dotenv([("BLEGRAM_LOG__FORMAL", "json")]),
            "BLEGRAM_LOG__FORMAL: is not a setting; did you mean BLEGRAM_LOG__FORMAT? (BLEGRAM_LOG__FORMAL in .env)",
        ),
        (
            env([("BLEGRAM_AWS_REGION", "r")]),
            "BLEGRAM_AWS_REGION: belongs to an earlier system: set `BLEGRAM_MEDIA__S3_REGION`, together with `BLEGRAM_MEDIA__STORAGE=s3://BUCKET` (BLEGRAM_AWS_REGION)",
        ),
        (
            env([("BLEGRAM_SERVER__LISTEN_FILE", "/run/key")]),
            "BLEGRAM_SERVER__LISTEN_FILE: is not a setting; did you mean BLEGRAM_SERVER__LISTEN? (BLEGRAM_SERVER__LISTEN_FILE)",
        ),
    ] {
        assert_eq!(inputs.problem(), expected);
    }
}

#[test]
fn dotenv_of_an_earlier_system_is_rejected_with_replacements() {
    // The variables of the two earlier systems, as their READMEs and sources name them.
    let blegram = "NODE_ENV COOKIE_SECRET DATABASE_NAME DATABASE_USER_NAME DATABASE_PASSWORD DATABASE_HOST KAKAO_KEY \
                   BLEGRAM_AWS_REGION BLEGRAM_AWS_ACCESS_KEY BLEGRAM_AWS_SECRET_KEY";
    let x_messenger = "PORT JWT_SECRET JWT_EXPIRES_SEC BCRYPT_SALT_ROUNDS DB_HOST DB_USER DB_DATABASE DB_PASSWORD DB_PORT \
                       CORS_ALLOW_ORIGIN CSRF_SECRET_KEY";
    for file in [blegram, x_messenger] {
        let names: Vec<&str> = file.split(' ').filter(|name| !name.is_empty()).collect();
        let mut inputs = TestInputs::default();
        inputs.dotenv.extend(names.iter().map(|name| format!("{name}=hunter2\n")));
        let error = inputs.load().unwrap_err();
        let mut found: Vec<&str> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        let mut expected = names.clone();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        for problem in &error.problems {
            let prefixes = ["set `BLEGRAM_", "set one variable `BLEGRAM_", "remove it: "];
            let advice = problem.advice.strip_prefix("belongs to an earlier system: ").unwrap();
            assert!(prefixes.iter().any(|start| advice.starts_with(start)), "{problem}");
        }
        assert!(
            !error.to_string().contains("hunter2"),
            "the error repeats a value, which may be secret: {error}"
        );
    }
}

#[rstest]
#[case::of_two_words("COOKIE_SECRET=my hunter2", &["COOKIE_SECRET"])]
#[case::with_a_quote("DB_PASSWORD=it's hunter2", &["DB_PASSWORD"])]
#[case::in_backticks("JWT_SECRET=`x hunter2`", &["JWT_SECRET"])]
#[case::as_in_yaml("COOKIE_SECRET: hunter2", &["COOKIE_SECRET"])]
#[case::exported("export COOKIE_SECRET=my hunter2", &["COOKIE_SECRET"])]
#[case::left_open("DB_PASSWORD='hunter2\nDB_HOST=x\nDB_USER=y", &["DB_PASSWORD", "DB_HOST", "DB_USER"])]
fn dotenv_of_an_earlier_system_gets_advice_despite_syntax_errors(
    #[case] lines: &str,
    #[case] names: &[&str],
) {
    let inputs = TestInputs { dotenv: format!("JWT_EXPIRES_SEC=86400\n{lines}\n"), ..TestInputs::default() };
    let error = inputs.load().unwrap_err();
    let found: Vec<&str> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(found, [&["JWT_EXPIRES_SEC"], names].concat());
    assert!(
        !error.to_string().contains("hunter2"),
        "the error repeats a value, which may be secret: {error}"
    );
}

#[test]
fn dotenv_syntax_errors_are_reported_by_line() {
    let dotenv = "\u{feff}# ours\n\nBLEGRAM_LOG__FORMAT=json\nBLEGRAM_SECRETS__KEY=two words\nBLEGRAM_TYPO=1\nnothing\n";
    let problems = TestInputs { dotenv: dotenv.to_owned(), ..TestInputs::default() }.problems();
    let [key, nothing, typo] = problems.try_into().unwrap();
    assert!(
        key.starts_with("BLEGRAM_SECRETS__KEY: is not NAME=value") && key.ends_with("(.env, line 4)"),
        "{key}"
    );
    assert!(
        nothing.starts_with("this line: is not NAME=value") && nothing.ends_with("(.env, line 6)"),
        "{nothing}"
    );
    assert!(typo.starts_with("BLEGRAM_TYPO: is not a setting"), "{typo}");
}

#[test]
fn replacements_for_earlier_systems_exist() {
    let page = markdown();
    let (settings, predecessors) = page.split_once("## Variables of earlier systems").unwrap();
    let named = predecessors.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let named: Vec<&str> = named.filter(|word| word.starts_with("BLEGRAM_") && word.contains("__")).collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        assert!(settings.contains(&format!("`{name}`")), "{name} is not a setting");
    }
}

#[test]
fn variables_shared_with_other_programs_are_ignored() {
    TestInputs::default()
        .dotenv([("NODE_ENV", "development"), ("DB_PASSWORD", "x"), ("DATABASE_URL", "x")])
        .valid();
    env([("DATABASE_HOST", "db"), ("JWT_SECRET", "x"), ("CORS_ALLOW_ORIGIN", "*")]).valid();
}

#[test]
fn loopback_sign_up_limit_is_twenty_times_higher_in_development_unless_set() {
    let loopback = |inputs: &TestInputs| {
        let limits = inputs.valid().limits.quotas;
        (limits.signup_from_loopback.burst.get(), limits.signup_from_loopback.per.as_secs())
    };
    assert_eq!(loopback(&TestInputs::default()), (100, 1800));
    assert_eq!(loopback(&file("limits.signup_per_address.burst = 3")), (3, 1800));
    assert_eq!(loopback(&env([("BLEGRAM_LIMITS__SIGNUP_PER_ADDRESS__PER_SECONDS", "60")])), (5, 60));
    assert_eq!(loopback(&file("limits.signup_from_loopback.burst = 7")), (7, 1800));
    let production =
        env([("BLEGRAM_PROFILE", "production"), ("BLEGRAM_SERVER__PUBLIC_URL", "https://b.example")]);
    assert_eq!(loopback(&production), (5, 1800));
}

#[test]
fn variables_of_other_programs_tests_and_the_command_line_are_ignored() {
    env([("PATH", "/bin"), ("BLEGRAM_CONFIG", "a.toml"), ("BLEGRAM_TEST_POSTGRES", "x"), ("BLEG", "x")])
        .valid();
}

/// The variables that Kubernetes sets for a Service with this name, address and named ports.
fn service_variables(service: &str, ip: &str, ports: &[(&str, u16, &str)]) -> BTreeMap<String, String> {
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let url = |protocol: &str, port: u16| format!("{protocol}://{host}:{port}");
    let mut variables = vec![
        ("SERVICE_HOST".to_owned(), ip.to_owned()),
        ("SERVICE_PORT".to_owned(), ports[0].1.to_string()),
        ("PORT".to_owned(), url(ports[0].2, ports[0].1)),
    ];
    for (name, port, protocol) in ports {
        let prefix = format!("PORT_{port}_{}", protocol.to_uppercase());
        variables.extend([
            (format!("SERVICE_PORT_{name}"), port.to_string()),
            (prefix.clone(), url(protocol, *port)),
            (format!("{prefix}_PROTO"), (*protocol).to_owned()),
            (format!("{prefix}_PORT"), port.to_string()),
            (format!("{prefix}_ADDR"), ip.to_owned()),
        ]);
    }
    variables.into_iter().map(|(name, value)| (format!("{service}_{name}"), value)).collect()
}

#[test]
fn kubernetes_service_variables_are_ignored() {
    let ports =
        [("HTTP", 8080, "tcp"), ("METRICS_V2", 9090, "tcp"), ("DNS", 53, "udp"), ("SIP", 5060, "sctp")];
    for service in [
        "BLEGRAM",
        "BLEGRAM_REDIS",
        "BLEGRAM_WEB_2",
        "BLEGRAM_SERVICE",
        "BLEGRAM_SERVER",
        "BLEGRAM_PORT",
        "BLEGRAM__CANARY",
    ] {
        for ip in ["10.96.0.17", "fd00:10:96::17"] {
            for (name, value) in service_variables(service, ip, &ports) {
                let inputs = env([(&name, &value)]);
                inputs.valid();
                // Kubernetes does not write `.env`, so there they are unknown keys.
                assert_eq!(
                    TestInputs::default().dotenv([(&name, &value)]).problems().len(),
                    1,
                    "{name}={value}"
                );
            }
        }
    }
}

#[test]
fn kubernetes_service_variables_with_other_values_are_rejected() {
    for (name, value) in [
        ("BLEGRAM_PORT", "8080"),
        ("BLEGRAM_PORT", "http://10.0.0.1:80"),
        ("BLEGRAM_PORT", "tcp://blegram:80"),
        ("BLEGRAM_LISTENER_PORT", "8080"),
        ("BLEGRAM_SERVICE_HOST", "blegram.example"),
        ("BLEGRAM_SERVICE_PORT", "http"),
        ("BLEGRAM_SERVICE_PORT", "0"),
        ("BLEGRAM_SERVICE_PORT", "65536"),
        ("BLEGRAM_SERVICE_PORT_", "8080"),
        ("BLEGRAM_SERVICE_PORTS", "8080"),
        ("BLEGRAM_PORT_8080_TCP", "tcp://10.0.0.1:8081"),
        ("BLEGRAM_PORT_8080_TCP", "udp://10.0.0.1:8080"),
        ("BLEGRAM_PORT_8080_HTTP", "http://10.0.0.1:8080"),
        ("BLEGRAM_PORT_8080_TCP_PORT", "8081"),
        ("BLEGRAM_PORT_8080_TCP_PROTO", "udp"),
        ("BLEGRAM_PORT_8080_TCP_ADDR", "localhost"),
        ("BLEGRAM_PORT_HTTP_TCP_ADDR", "10.0.0.1"),
        ("BLEGRAM_SERVER__PORT", "tcp://10.0.0.1:8080"),
        ("BLEGRAM_LISTEN", "tcp://10.0.0.1:8080"),
        ("BLEGRAM_DATABASE_URL", "tcp://10.0.0.1:5432"),
        ("BLEGRAM_SERVER_LISTEN", "10.0.0.1:8080"),
    ] {
        let problem = env([(name, value)]).problem();
        assert!(problem.starts_with(&format!("{name}: is not a setting")), "{problem}");
    }
}

#[test]
fn invalid_values_are_rejected_with_an_example() {
    for (key, value) in [
        ("BLEGRAM_PROFILE", "prod"),
        ("BLEGRAM_SERVER__LISTEN", "8080"),
        ("BLEGRAM_SERVER__PUBLIC_URL", "blegram.example"),
        ("BLEGRAM_SERVER__PUBLIC_URL", "https://user:password@blegram.example"),
        ("BLEGRAM_SERVER__TRUSTED_ORIGINS", "*"),
        ("BLEGRAM_SERVER__TRUSTED_ORIGINS", "https://*.example"),
        ("BLEGRAM_SERVER__TRUSTED_ORIGINS", "https://a.example/path"),
        ("BLEGRAM_SERVER__TRUSTED_ORIGINS", "https://a.example/"),
        ("BLEGRAM_SERVER__TRUSTED_ORIGINS", "null"),
        ("BLEGRAM_SERVER__TRUSTED_PROXIES", "10.0.0.0/33"),
        ("BLEGRAM_LISTENER__MAX_CONNECTIONS", "0"),
        ("BLEGRAM_LISTENER__HEAD_TIMEOUT_MS", "10s"),
        ("BLEGRAM_DATABASE__URL", "mysql://localhost/a"),
        ("BLEGRAM_DATABASE__MIGRATE", "yes"),
        ("BLEGRAM_ACCOUNTS__REGISTRATION", "Open"),
        ("BLEGRAM_ACCOUNTS__HASH_QUEUE", "-1"),
        ("BLEGRAM_LIMITS__LOGIN_PER_ADDRESS__BURST", "0"),
        ("BLEGRAM_SECRETS__KEY", "c2hvcnQ="),
        ("BLEGRAM_LOG__FORMAT", "text"),
        ("BLEGRAM_LOG__FILTER", "info,blegram=loud"),
    ] {
        let problem = env([(key, value)]).problem();
        assert!(problem.contains(": expected ") && problem.contains(", for example "), "{problem}");
        assert!(problem.ends_with(&format!("({key})")), "{problem}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let inputs = file("colour = 'red'\n[server]\nlisten = 'here'\n[log]\nformat = 'xml'")
        .env([("BLEGRAM_DATABASE__MAX_CONNECTIONS", "many")]);
    let text = inputs.load().unwrap_err().to_string();
    let expected = r#"the configuration has 4 problems

  colour   (blegram.toml, line 1)
      is not a setting; see docs/configuration.md for all settings

  server.listen = "here"   (blegram.toml, line 3)
      expected an IP address and a port, for example 0.0.0.0:8080

  database.max_connections = "many"   (BLEGRAM_DATABASE__MAX_CONNECTIONS)
      expected a whole number from 1 to 1000, for example 8

  log.format = "xml"   (blegram.toml, line 5)
      expected `pretty` or `json`, for example pretty"#;
    assert_eq!(text, expected);
}

#[test]
fn toml_syntax_error_names_the_line_without_repeating_it() {
    let inputs = file("[secrets]\nkey = 'hunter2\n");
    let problem = inputs.problem();
    assert!(problem.starts_with("TOML: ") && problem.ends_with("(blegram.toml, line 2)"), "{problem}");
    assert!(!inputs.load().unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn secrets_can_be_read_from_files() {
    let config = env([("BLEGRAM_SECRETS__KEY_FILE", "/run/key")]).valid();
    assert_eq!(config.secrets.key.unwrap().expose().len(), 32);

    let missing = env([("BLEGRAM_SECRETS__KEY_FILE", "/run/none")]).problem();
    assert!(missing.starts_with("secrets.key: cannot read /run/none"), "{missing}");
    let empty = env([("BLEGRAM_SECRETS__KEY_FILE", "/run/empty")]).problem();
    assert!(empty.starts_with("secrets.key: expected at least 32 random bytes"), "{empty}");
    let twice = env([("BLEGRAM_SECRETS__KEY_FILE", "/run/key"), ("BLEGRAM_SECRETS__KEY", KEY)]).problem();
    assert!(twice.starts_with("secrets.key: is set twice"), "{twice}");
}

#[test]
fn secrets_are_redacted() {
    let url = "postgres://ann:hunter2@db/blegram";
    let config = env([("BLEGRAM_DATABASE__URL", url), ("BLEGRAM_SECRETS__KEY", KEY)]).valid();
    for text in [config.show(), format!("{config:?}")] {
        assert!(!text.contains("hunter2") && !text.contains(KEY) && !text.contains("222, 173"), "{text}");
    }
    let inputs =
        env([("BLEGRAM_DATABASE__URL", "mysql://ann:hunter2@db"), ("BLEGRAM_SECRETS__KEY", "hunter2")]);
    let error = inputs.load().unwrap_err();
    assert_eq!(error.problems.len(), 2);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn redis_url_is_a_secret_of_a_known_scheme() {
    for url in ["redis://localhost", "rediss://ann:hunter2@db:6380/1"] {
        let config = env([("BLEGRAM_REDIS__URL", url)]).valid();
        assert!(config.redis.url.is_some());
        let text = format!("{} {config:?}", config.show());
        assert!(!text.contains("hunter2") && !text.contains(url), "{text}");
    }
    assert!(env([]).valid().redis.url.is_none());
    for url in ["localhost:6379", "http://localhost", "redis:///run/redis", "rediss://localhost/#insecure"] {
        let problem = env([("BLEGRAM_REDIS__URL", url)]).problem();
        assert!(problem.starts_with("redis.url: "), "{url}: {problem}");
    }
}

#[test]
fn production_rejects_weak_settings() {
    let production = |pairs: &[(&str, &str)]| {
        let mut inputs = env([
            ("BLEGRAM_PROFILE", "production"),
            ("BLEGRAM_SERVER__PUBLIC_URL", "https://b.example"),
            ("BLEGRAM_DATABASE__URL", "postgres://localhost/b"),
            ("BLEGRAM_SECRETS__KEY", KEY),
        ]);
        inputs.env.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        inputs
    };
    assert_eq!(production(&[]).valid().log.format, LogFormat::Json);
    production(&[("BLEGRAM_DATABASE__URL", "sqlite:a.db"), ("BLEGRAM_SECRETS__KEY", "")]).valid();

    for (name, value, expected) in [
        ("BLEGRAM_SECRETS__KEY", "", "secrets.key: production on PostgreSQL requires the same key"),
        (
            "BLEGRAM_SECRETS__KEY",
            "changemechangemechangemechangemechangemechangeme",
            "secrets.key: is not random",
        ),
        ("BLEGRAM_SERVER__PUBLIC_URL", "", "server.public_url: production requires the public https URL"),
        (
            "BLEGRAM_SERVER__PUBLIC_URL",
            "http://b.example",
            "server.public_url: production requires the public https URL",
        ),
        (
            "BLEGRAM_SERVER__TRUSTED_ORIGINS",
            "http://a.example",
            "server.trusted_origins: production accepts https",
        ),
        (
            "BLEGRAM_SERVER__TRUSTED_ORIGINS",
            "http://localhost.example",
            "server.trusted_origins: production accepts https",
        ),
        (
            "BLEGRAM_SERVER__TRUSTED_ORIGINS",
            "http://127.0.0.1:3000",
            "server.trusted_origins: production accepts https",
        ),
        ("BLEGRAM_SERVER__TRUSTED_ORIGINS", "*", "server.trusted_origins: expected exact origins"),
        ("BLEGRAM_SERVER__TRUSTED_PROXIES", "0.0.0.0/0", "server.trusted_proxies: trusts too many"),
        (
            "BLEGRAM_SERVER__TRUSTED_PROXIES",
            "10.0.0.1,128.0.0.0/1",
            "server.trusted_proxies: trusts too many",
        ),
        ("BLEGRAM_SERVER__TRUSTED_PROXIES", "::/0", "server.trusted_proxies: trusts too many"),
        ("BLEGRAM_ACCOUNTS__PASSWORD_MEMORY_KIB", "8", "accounts.password_memory_kib: is too little"),
        ("BLEGRAM_ACCOUNTS__PASSWORD_ITERATIONS", "1", "accounts.password_memory_kib: is too little"),
    ] {
        let problem = production(&[(name, value)]).problem();
        assert!(problem.starts_with(expected), "{problem}");
    }
    let weak = "database.url: production encrypts the connection to PostgreSQL";
    for url in [
        "postgres://db.example/b",
        "postgres://ann:secret@10.0.0.7/b",
        "postgres://db/b?sslmode=prefer",
        "postgres://db/b?sslmode=disable",
        "postgres://localhost/b?host=10.0.0.7",
    ] {
        let problem = production(&[("BLEGRAM_DATABASE__URL", url)]).problem();
        assert!(problem.starts_with(weak) && !problem.contains("secret"), "{problem}");
        production(&[("BLEGRAM_DATABASE__URL", url), ("BLEGRAM_DATABASE__ALLOW_UNENCRYPTED", "true")])
            .valid();
    }
    for url in [
        "postgres://db.example/b?sslmode=require",
        "postgres://db.example/b?sslmode=verify-ca",
        "postgres://db.example/b?sslmode=verify-full",
        "postgres://127.0.0.1:5433/b",
        "postgres://[::1]/b",
        "postgres:///b?host=/var/run/postgresql",
        "postgres://%2Fvar%2Frun%2Fpostgresql/b",
    ] {
        production(&[("BLEGRAM_DATABASE__URL", url)]).valid();
    }
    let bucket = [
        ("BLEGRAM_MEDIA__STORAGE", "s3://images"),
        ("BLEGRAM_MEDIA__S3_ACCESS_KEY_ID", "id"),
        ("BLEGRAM_MEDIA__S3_SECRET_ACCESS_KEY", "key"),
    ];
    let with_endpoint = |endpoint: &'static str, further: &[(&'static str, &'static str)]| {
        let endpoint = ("BLEGRAM_MEDIA__S3_ENDPOINT", endpoint);
        let all: Vec<_> = bucket.into_iter().chain([endpoint]).chain(further.iter().copied()).collect();
        production(&all)
    };
    for endpoint in ["http://s3.example", "http://10.0.0.7:9000", "http://minio:9000"] {
        let problem = with_endpoint(endpoint, &[]).problem();
        assert!(problem.starts_with("media.s3_endpoint: production requires https"), "{problem}");
        with_endpoint(endpoint, &[("BLEGRAM_MEDIA__S3_ALLOW_HTTP", "true")]).valid();
    }
    for endpoint in
        ["https://s3.example", "http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"]
    {
        with_endpoint(endpoint, &[]).valid();
    }
    for (memory, iterations) in [("7168", "5"), ("47104", "1")] {
        let cost = [
            ("BLEGRAM_ACCOUNTS__PASSWORD_MEMORY_KIB", memory),
            ("BLEGRAM_ACCOUNTS__PASSWORD_ITERATIONS", iterations),
        ];
        production(&cost).valid();
    }
    production(&[("BLEGRAM_SERVER__TRUSTED_PROXIES", "10.0.0.0/8,fd00::/16")]).valid();
    let apps = "capacitor://localhost,ionic://localhost,tauri://localhost,app://-,http://localhost,\
                http://localhost:8100,http://tauri.localhost";
    let config = production(&[("BLEGRAM_SERVER__TRUSTED_ORIGINS", apps)]).valid();
    let trusted: Vec<&str> = config.server.trusted_origins.iter().map(Origin::as_str).collect();
    assert_eq!(trusted.join(","), apps);
    assert_eq!(
        env([("BLEGRAM_PROFILE", "production")]).problems().len(),
        1,
        "only https is missing; SQLite generates its own key"
    );
}

#[test]
fn origins_that_any_page_can_have_are_rejected_with_a_reason() {
    for (origin, reason) in [
        ("null", "every page without an origin"),
        ("*", "list each origin"),
        ("https://*.example", "list each origin"),
        ("http://*.localhost", "list each origin"),
        ("capacitor://*", "list each origin"),
        ("file://", "any file on a device"),
        ("file://localhost", "any file on a device"),
        ("FILE:///a", "any file on a device"),
        ("content://a", "any file on a device"),
        ("data:text/html,x", "any page can create one"),
        ("javascript:alert(1)", "any page can create one"),
        ("javascript://localhost", "any page can create one"),
        ("blob:https://a.example", "any page can create one"),
        ("about:blank", "any page can create one"),
        ("wss://a.example", "http or https origin"),
    ] {
        for origins in [origin.to_owned(), format!("https://a.example,{origin}")] {
            let problem = env([("BLEGRAM_SERVER__TRUSTED_ORIGINS", origins.as_str())]).problem();
            assert!(problem.starts_with("server.trusted_origins: expected exact origins"), "{problem}");
            assert!(problem.contains(reason), "{problem}");
        }
    }
    for origin in [
        "localhost",
        "capacitor://",
        "capacitor://localhost/",
        "capacitor://localhost/a",
        "capacitor://ann@localhost",
        "capacitor://localhost:",
        "capacitor://localhost:080",
        "capacitor://localhost:99999",
        "capacitor://local host",
        "CAPACITOR://localhost",
        "1app://localhost",
        "capacitor:localhost",
        "http://localhost/",
        "http://ann@localhost",
    ] {
        let problem = env([("BLEGRAM_SERVER__TRUSTED_ORIGINS", origin)]).problem();
        assert!(problem.starts_with("server.trusted_origins: expected exact origins"), "{origin}: {problem}");
    }
}

#[test]
fn contradicting_settings_are_rejected_in_any_profile() {
    let sessions = file("accounts.session_idle_days = 31").problem();
    assert!(sessions.starts_with("accounts.session_idle_days: cannot be longer"), "{sessions}");
    let memory = file("[accounts]\npassword_memory_kib = 31\npassword_parallelism = 4").problem();
    assert!(memory.starts_with("accounts.password_memory_kib: argon2 needs"), "{memory}");
}

/// Otherwise a typing error, such as in a unit, would start a server that never answers, or that forgets to limit.
#[test]
fn numbers_outside_their_range_are_rejected_in_any_profile() {
    let numbers: Vec<String> = env_example()
        .lines()
        .filter_map(|line| line.strip_prefix("# BLEGRAM_"))
        .filter_map(|line| line.split_once('='))
        .filter(|(_, default)| default.parse::<u64>().is_ok())
        .map(|(name, _)| format!("BLEGRAM_{name}"))
        .chain(["HASH_THREADS", "SIGNING_KEY_DAYS"].map(|name| format!("BLEGRAM_ACCOUNTS__{name}")))
        .chain(["BLEGRAM_MEDIA__THREADS".to_owned(), "BLEGRAM_LIMITS__LOOPBACK_FACTOR".to_owned()])
        .collect();
    assert!(numbers.len() > 80, "{numbers:?}");
    for name in numbers {
        let problem = env([(name.as_str(), "4000000000000000000")]).problem();
        assert!(problem.contains(": expected a whole number from "), "{name}: {problem}");
    }
    let problem = file("listener.max_head_bytes = 1023").problem();
    assert!(problem.contains("a whole number from 1024 to 1048576, for example 16384"), "{problem}");
    file("listener.max_head_bytes = 1024").valid();
}

#[test]
fn limits_over_loopback_are_wider_in_development_unless_set() {
    let posts = |inputs: &TestInputs| inputs.valid().limits.loopback_quotas.posts_per_user.burst.get();
    assert_eq!(posts(&TestInputs::default()), 600_000);
    assert_eq!(posts(&file("limits.loopback_factor = 2")), 120);
    assert_eq!(posts(&file("limits.posts_per_user.burst = 3")), 3);
    let production =
        env([("BLEGRAM_PROFILE", "production"), ("BLEGRAM_SERVER__PUBLIC_URL", "https://b.example")]);
    assert_eq!(posts(&production), 60);
    let limits = TestInputs::default().valid().limits;
    assert_eq!(limits.loopback_quotas.login_per_address, limits.quotas.login_per_address);
}

#[test]
fn config_show_output_can_be_loaded() {
    let text = "[server]\nlisten = '[::1]:1'\ntrusted_origins = ['https://a.example']\n[limits.login_per_account]\nburst = 3";
    let output = file(text).valid().show();
    assert!(output.contains("login_per_account.burst = 3 "), "{output}");
    assert!(output.contains("# blegram.toml, line 5\n"), "{output}");
    let secret = env([("BLEGRAM_DATABASE__URL", "sqlite:a.db")]).valid().show();
    assert!(secret.contains("\n# url = [redacted] "), "{secret}");
    let again = file(Box::leak(output.clone().into_boxed_str())).valid().show();
    let values = |page: &str| -> Vec<String> {
        page.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned()).collect()
    };
    assert_eq!(values(&again), values(&output));
}

const PROVIDERS: &str = "[[login.providers]]\npreset = 'kakao'\nclient_id = 'rest key'\n\n[[login.providers]]\npreset = 'oidc'\n\
    id = 'company'\nname = 'Our company'\nissuer = 'https://id.example'\nclient_id = 'b'\nclient_secret = 'hunter2 hunter2'\n\
    scopes = ['openid', 'email']\n";

#[test]
fn login_providers_are_tables_whose_values_the_environment_replaces() {
    let text = PROVIDERS.replace("rest key", "restkey").leak();
    let inputs = file(text).env([
        ("BLEGRAM_LOGIN__PROVIDERS__0__CLIENT_SECRET_FILE", "/run/key"),
        ("BLEGRAM_LOGIN__PROVIDERS__1__CLIENT_ID", "c"),
        ("BLEGRAM_LOGIN__PROVIDERS__2__PRESET", "naver"),
        ("BLEGRAM_LOGIN__PROVIDERS__2__CLIENT_ID", "d"),
        ("BLEGRAM_LOGIN__PROVIDERS__2__CLIENT_SECRET", "hunter2"),
    ]);
    let config = inputs.valid();
    let providers = config.provider_settings();
    let summary = providers.iter().map(|provider| (provider.id.as_str(), provider.client_id.as_str()));
    assert_eq!(summary.collect::<Vec<_>>(), [("kakao", "restkey"), ("company", "c"), ("naver", "d")]);
    assert!(providers.iter().all(|provider| provider.client_secret.is_some()));
    assert_eq!(providers[1].scopes, ["openid", "email"]);
    let output = config.show();
    assert_eq!(output.matches("\n[[login.providers]]\n").count(), 3, "{output}");
    assert!(!output.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{output}");
    // The secrets are commented out, so what it shows is valid but for them.
    let missing = file(output.leak()).problems();
    assert!(missing.iter().all(|problem| problem.contains("client_secret")), "{missing:?}");
}

#[rstest]
#[case("[[login.providers]]\nclient_id = 'a'", "login.providers.0.preset", "is required")]
#[case(
    "[[login.providers]]\npreset = 'myspace'\nclient_id = 'a'",
    "login.providers.0.preset",
    "expected `kakao`"
)]
#[case("[[login.providers]]\npreset = 'kakao'", "login.providers.0.client_id", "is required")]
#[case(
    "[[login.providers]]\npreset = 'naver'\nclient_id = 'a'",
    "login.providers.0.client_secret",
    "is required"
)]
#[case(
    "[[login.providers]]\npreset = 'oidc'\nclient_id = 'a'\nclient_secret = 'b'",
    "login.providers.0.issuer",
    "is required"
)]
#[case(
    "[[login.providers]]\npreset = 'oidc'\nclient_id = 'a'\nclient_secret = 'b'\nissuer = 'http://id.example'",
    "login.providers.0.issuer",
    "must be an https URL"
)]
#[case(
    "[[login.providers]]\npreset = 'kakao'\nclient_id = 'a'\nid = 'Kakao!'",
    "login.providers.0.id",
    "expected 1 to 32 letters"
)]
#[case(
    "[[login.providers]]\npreset = 'kakao'\nclient_id = 'a'\n[[login.providers]]\npreset = 'kakao'\nclient_id = 'b'",
    "login.providers.1.id",
    "is the id of another provider"
)]
#[case(
    "[[login.providers]]\npreset = 'kakao'\nclient_id = 'a'\nclient_scret = 'b'",
    "login.providers.0.client_scret",
    "is not a setting"
)]
#[case("[login]\nproviders = ['kakao']", "login.providers", "is not a setting")]
#[case(
    "[login]\napp_redirect_uris = ['http://app.example/cb']",
    "login.app_redirect_uris",
    "expected redirect URIs"
)]
fn login_providers_are_rejected_by_the_name_of_the_setting(
    #[case] text: &'static str,
    #[case] key: &str,
    #[case] advice: &str,
) {
    let problem = file(text).problem();
    assert!(problem.starts_with(&format!("{key}: {advice}")), "{problem}");
}

#[test]
fn login_providers_on_loopback_are_for_development() {
    let text = "[[login.providers]]\npreset = 'oidc'\nclient_id = 'a'\nclient_secret = 'b'\nissuer = 'http://127.0.0.1:9000'";
    file(text).valid();
    let production = file(text).env([
        ("BLEGRAM_PROFILE", "production"),
        ("BLEGRAM_SERVER__PUBLIC_URL", "https://blegram.example"),
        ("BLEGRAM_SECRETS__KEY", KEY),
    ]);
    let problem = production.problem();
    assert!(problem.starts_with("login.providers.0.issuer: must be an https URL"), "{problem}");
}

#[test]
fn login_providers_have_one_spelling_in_the_environment() {
    for name in [
        "BLEGRAM_LOGIN__PROVIDERS__00__PRESET",
        "BLEGRAM_LOGIN__PROVIDERS__32__PRESET",
        "BLEGRAM_LOGIN__PROVIDERS__KAKAO__CLIENT_ID",
        "BLEGRAM_LOGIN__PROVIDERS__PRESET",
        "BLEGRAM_LOGIN__PROVIDERS__0__PRESET_FILE",
    ] {
        let problem = env([(name, "kakao")]).problem();
        assert!(problem.starts_with(&format!("{name}: is not a setting")), "{problem}");
    }
}

#[test]
fn committed_pages_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (page, text, command) in [
        ("docs/configuration.md", markdown(), "cargo run -- config docs > docs/configuration.md"),
        (
            "docs/metrics.md",
            blegram::metrics::markdown(),
            "cargo run -- config docs --metrics > docs/metrics.md",
        ),
        (".env.example", env_example(), "cargo run -- config docs --env > .env.example"),
    ] {
        let committed = std::fs::read_to_string(root.join(page)).unwrap_or_default();
        assert!(committed == text, "{page} is out of date: {command}");
    }
}

/// Each line of `.env.example` is valid without its `#`; empty values are unset.
#[test]
fn env_example_is_valid_when_uncommented() {
    let text = env_example();
    let lines = text.lines().filter(|line| line.starts_with("# BLEGRAM_") && line.contains('='));
    let dotenv: String = lines.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
    assert!(dotenv.lines().count() > 25, "{dotenv}");
    TestInputs { dotenv, ..TestInputs::default() }.valid();
}

#[test]
fn mail_settings_belong_together() {
    for (pairs, expected) in [
        (&[("BLEGRAM_MAIL__HOST", "smtp.example.com")][..], "mail.from: is required with mail.host"),
        (
            &[
                ("BLEGRAM_MAIL__HOST", "smtp.example.com"),
                ("BLEGRAM_MAIL__FROM", "a@example.com"),
                ("BLEGRAM_MAIL__FOLDER", "/tmp/mail"),
            ],
            "mail.folder: cannot be set together with mail.host",
        ),
        (
            &[
                ("BLEGRAM_MAIL__HOST", "smtp.example.com"),
                ("BLEGRAM_MAIL__FROM", "a@example.com"),
                ("BLEGRAM_MAIL__USERNAME", "ann"),
            ],
            "mail.password: is required with mail.username",
        ),
        (
            &[
                ("BLEGRAM_MAIL__HOST", "smtp.example.com"),
                ("BLEGRAM_MAIL__FROM", "a@example.com"),
                ("BLEGRAM_MAIL__PASSWORD", "secret"),
            ],
            "mail.username: is required with mail.password",
        ),
        (&[("BLEGRAM_MAIL__HOST", "smtp.example.com:25")], "mail.host: expected a host name"),
        (&[("BLEGRAM_MAIL__HOST", "smtp://example.com")], "mail.host: expected a host name"),
        (
            &[("BLEGRAM_MAIL__FROM", "a@example.com\nBcc: b@example.com")],
            "mail.from: expected an e-mail address",
        ),
        (&[("BLEGRAM_MAIL__FROM", "nobody")], "mail.from: expected an e-mail address"),
        (&[("BLEGRAM_MAIL__TLS", "yes")], "mail.tls: expected `starttls`, `tls` or `none`"),
    ] {
        let inputs = TestInputs {
            env: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..TestInputs::default()
        };
        let problem = inputs.problem();
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn mail_is_written_to_files_in_development_and_off_in_production() {
    let development = env([("BLEGRAM_SERVER__DATA_DIR", "/data")]).valid();
    assert_eq!(development.mail_transport(), Some(MailTransport::Folder("/data/mail".into())));
    assert_eq!(development.pages_url(), "http://127.0.0.1:8080");
    let production = |pairs: &[(&str, &str)]| {
        let mut env = map([
            ("BLEGRAM_PROFILE", "production"),
            ("BLEGRAM_SERVER__PUBLIC_URL", "https://b.example/forum/"),
        ]);
        env.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        TestInputs { env, ..TestInputs::default() }
    };
    let off = production(&[]).valid();
    assert_eq!((off.mail_transport(), off.pages_url().as_str()), (None, "https://b.example/forum"));
    let smtp =
        [("BLEGRAM_MAIL__HOST", "SMTP.example.com"), ("BLEGRAM_MAIL__FROM", "블레그램 <a@example.com>")];
    for (tls, port) in [(None, 587), (Some("starttls"), 587), (Some("tls"), 465)] {
        let tls = tls.map(|tls| ("BLEGRAM_MAIL__TLS", tls));
        let config = production(&smtp.into_iter().chain(tls).collect::<Vec<_>>()).valid();
        let Some(MailTransport::Smtp(host)) = config.mail_transport() else { panic!("no SMTP") };
        assert_eq!((host.as_str(), config.mail.port.get()), ("smtp.example.com", port));
    }
    let plain = |host| {
        production(&[
            ("BLEGRAM_MAIL__HOST", host),
            ("BLEGRAM_MAIL__FROM", "a@b.example"),
            ("BLEGRAM_MAIL__TLS", "none"),
        ])
    };
    for host in ["127.0.0.1", "::1", "localhost"] {
        plain(host).valid();
    }
    for host in ["10.0.0.1", "smtp.example.com", "localhost.example.com"] {
        let problem = plain(host).problem();
        assert!(
            problem.starts_with("mail.tls: production sends mail over an encrypted connection only"),
            "{problem}"
        );
    }
    let links = production(&[("BLEGRAM_ACCOUNTS__PAGES_URL", "http://app.example")]).problem();
    assert!(links.starts_with("accounts.pages_url: production requires an https URL"), "{links}");
}

#[test]
fn mail_password_is_read_from_a_file_and_redacted() {
    let inputs = env([
        ("BLEGRAM_MAIL__HOST", "smtp.example.com"),
        ("BLEGRAM_MAIL__FROM", "a@example.com"),
        ("BLEGRAM_MAIL__USERNAME", "ann"),
        ("BLEGRAM_MAIL__PASSWORD_FILE", "/run/key"),
    ]);
    let config = inputs.valid();
    assert!(config.mail_credentials().is_some());
    let page = config.show();
    assert!(page.contains("# password = ") && !page.contains(KEY), "{page}");
}

#[test]
fn web_app_is_on_off_or_in_a_folder() {
    assert_eq!(env([]).valid().server.web, WebSource::Embedded);
    for (text, expected) in [
        ("on", WebSource::Embedded),
        ("off", WebSource::Off),
        ("./on", WebSource::Folder("./on".into())),
        ("/srv/web app/dist", WebSource::Folder("/srv/web app/dist".into())),
    ] {
        assert_eq!(env([("BLEGRAM_SERVER__WEB", text)]).valid().server.web, expected, "{text}");
    }
    let problem = file("[server]\nweb = \"a\\u0000b\"").problem();
    assert!(problem.starts_with("server.web: expected `on`, `off` or a folder"), "{problem}");
}
