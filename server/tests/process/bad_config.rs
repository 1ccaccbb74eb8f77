//! Configurations that cannot be meant, and files that others can read, each given to the real program.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::harness::{Installation, MASTER_KEY, Server, refusal, roompass};

const MASTER_KEY_ENV: &str = "ROOMPASS_MASTER_KEY";
/// How soon the program has ended: the fastest of so many runs, since the machine is busy with other tests.
const AT_ONCE: (Duration, usize) = (Duration::from_secs(1), 5);

/// What is in the file, what in the environment, and what the refusal begins with.
type Row<'a> = (String, &'a [(&'a str, &'a str)], &'a str);

// proves F14
#[test]
fn every_bad_configuration_ends_at_once_names_its_field_and_writes_nothing() {
    let good = "[store]\nurl = \"sqlite:a.db\"\n";
    let key = (MASTER_KEY_ENV, MASTER_KEY);
    let file = |rest: &str| format!("{good}{rest}");
    let matrix: &[Row<'_>] = &[
        (String::new(), &[key], "store.url: is needed"),
        ("[store]\nurl = \"\"".to_owned(), &[key], "store.url: must be sqlite:PATH"),
        ("[store]\nurl = \"sqlite:\"".to_owned(), &[key], "store.url: needs a file"),
        ("[store]\nurl = \"sqlite::memory:\"".to_owned(), &[key], "store.url: needs a file"),
        ("[store]\nurl = \"postgres://h/d\"".to_owned(), &[key], "store.url: must be postgres://ROLE@HOST"),
        (
            "[store]\nurl = \"postgres://r@h/d?sslmode=disable\"".to_owned(),
            &[key],
            "store.url: must not have sslmode=disable",
        ),
        (file("ca_file = \"/dev/null\""), &[key], "store.ca_file: is for PostgreSQL only"),
        (
            "[store]\nurl = \"postgres://r@h/d\"\npassword_file = \"/nowhere/p\"".to_owned(),
            &[key],
            "store.password_file: /nowhere/p: No such file",
        ),
        (
            "[store]\nurl = \"postgres://r@h/d\"\nca_file = \"/nowhere/ca\"".to_owned(),
            &[key],
            "store.ca_file: /nowhere/ca: No such file",
        ),
        ("[store]\nurl = \"mysql://h/d\"".to_owned(), &[key], "store.url: must be sqlite:PATH"),
        ("[store]\nurl = 7".to_owned(), &[key], "store.url: invalid type"),
        ("[store]\nurl = ".to_owned(), &[key], "configuration file, line 2: "),
        ("[store\n".to_owned(), &[key], "configuration file, line 1: "),
        ("store = 1".to_owned(), &[key], "store: must be a table"),
        ("[stroe]\nurl = \"x\"".to_owned(), &[key], "stroe: is not known"),
        ("[store]\nulr = \"x\"".to_owned(), &[key], "store.ulr: unknown field"),
        (file(""), &[], "master_key.file: is needed"),
        (file(""), &[(MASTER_KEY_ENV, "")], "ROOMPASS_MASTER_KEY: must be 64"),
        (file(""), &[(MASTER_KEY_ENV, "short")], "ROOMPASS_MASTER_KEY: must be 64"),
        (file("[master_key]\nfile = \"/nowhere/key\""), &[key], "master_key.file: is set, and"),
        (file("[master_key]\nfile = \"/nowhere/key\""), &[], "master_key.file: /nowhere/key: No such file"),
        (file("[master_key]\nfile = \"/dev\""), &[], "master_key.file: /dev is not a small file"),
        (file("[server]\nlisten = \"8080\""), &[key], "server.listen: invalid socket address"),
        (file("[server]\nlisten = \"localhost:8080\""), &[key], "server.listen: invalid socket address"),
        (file("[server]\nlisten = \"0.0.0.0:8080\""), &[key], "server.listen: 0.0.0.0:8080 can be reached"),
        (file("[server]\nlisten = \"[::]:8080\""), &[key], "server.listen: [::]:8080 can be reached"),
        (file("[server]\nlisten = \"0.0.0.0:80\"\nbehind_tls_proxy = true"), &[key], "server.public_url: is needed"),
        (file("[server]\nbehind_tls_proxy = \"yes\""), &[key], "server.behind_tls_proxy: invalid type"),
        (file("[tls]\ncert_file = \"c\""), &[key], "tls.key_file: is needed"),
        (file("[tls]\nkey_file = \"k\""), &[key], "tls.cert_file: is needed"),
        (
            file("[tls]\ncert_file = \"c\"\nkey_file = \"k\"\n[server]\nlisten = \"0.0.0.0:443\""),
            &[key],
            "server.public_url: is needed",
        ),
        (
            file("[tls]\ncert_file = \"c\"\nkey_file = \"k\"\n[server]\npublic_url = \"http://localhost\""),
            &[key],
            "server.public_url: must be https",
        ),
        (file("[server]\npublic_url = \"rtc.example.com\""), &[key], "server.public_url: must be an origin"),
        (file("[server]\npublic_url = \"https://a.example/x\""), &[key], "server.public_url: must be an origin"),
        (file("[server]\npublic_url = \"https://u@a.example\""), &[key], "server.public_url: must be an origin"),
        (file("[server]\npublic_url = \"https://a.example:\""), &[key], "server.public_url: must be an origin"),
        (file("[server]\npublic_url = \"https://a.example:65536\""), &[key], "server.public_url: must be an origin"),
        (file("[server]\npublic_url = \"http://a.example\""), &[key], "server.public_url: must be https"),
        (file("[server]\npublic_url = \"ftp://a.example\""), &[key], "server.public_url: must be an origin"),
        (file("[server]\nworkers = 1025"), &[key], "server.workers: must be 0 to 1024"),
        (file("[server]\ndrain_secs = 301"), &[key], "server.drain_secs: must be 0 to 300"),
        (file("[server]\ndrain_secs = -1"), &[key], "server.drain_secs: invalid value"),
        (file("[limits]\nkey_per_second = 0"), &[key], "limits.key_per_second: must be 1 to"),
        (file("[limits]\nsessions_per_app = 0"), &[key], "limits.sessions_per_app: must be 1 to"),
        (file("[limits]\nwaiting_per_source = 0"), &[key], "limits.waiting_per_source: must be 1 to"),
        (file("[limits]\nguesses_per_minute = -1"), &[key], "limits.guesses_per_minute: invalid value"),
        (file("[limits]\ntrusted_proxies = [\"proxy\"]"), &[key], "limits.trusted_proxies: must be addresses"),
        (file("[media]\nlisten = \"0.0.0.0:7881\""), &[key], "media.public_addresses: is needed"),
        (file("[media]\npublic_addresses = [\"rtc\"]"), &[key], "media.public_addresses[0]: invalid IP"),
        (file("[media]\nworkers = 2000"), &[key], "media.workers: must be 0 to 1024"),
        (
            file("[media]\nstun_urls = [\"stun.example.com\"]"),
            &[key],
            "media.stun_urls: must be URLs that start with stun:",
        ),
        (file("[media]\nturn_urls = [\"turn:\"]"), &[key], "media.turn_urls: must be URLs that start with turn:"),
        (file("[media]\nturn_urls = [\"turn:t\"]"), &[key], "media.turn_secret_file: is needed"),
        (file("[media]\nturn_secret_file = \"/nowhere/t\""), &[key], "media.turn_secret_file: /nowhere/t: No such"),
        (file("[media]\nturn_ttl_secs = 1"), &[key], "media.turn_ttl_secs: must be 60 to 86400"),
        (file("[bus]\nurl = \"nats://h\""), &[key], "bus.url: must be local:, or redis://"),
        (file("[bus]\nurl = \"redis://:pw@redis.example\""), &[key], "bus.url: must be rediss://"),
        (file("[bus]\nurl = \"redis://localhost\""), &[key], "bus.url: needs a store that several nodes"),
        (file("[bus]\nca_file = \"/nowhere/ca\""), &[key], "bus.ca_file: /nowhere/ca: No such file"),
        (file("[bus]\npassword_file = \"/nowhere/p\""), &[key], "bus.password_file: /nowhere/p: No such file"),
        (file("[metrics]\nlisten = \"9464\""), &[key], "metrics.listen: invalid socket address"),
        (file("[metrics]\napps = 10001"), &[key], "metrics.apps: must be 0 to 10000"),
        (file("[metrics]\napps = 10001"), &[key], "metrics.apps: must be 0 to 10000"),
        (file("[telemetry]\notlp_endpoint = \"collector:4318\""), &[key], "telemetry.otlp_endpoint: must be a URL"),
        (
            file("[telemetry]\notlp_endpoint = \"https://u:p@h/v1/traces\""),
            &[key],
            "telemetry.otlp_endpoint: must be a URL",
        ),
        (file("[telemetry]\nsample_ratio = 1.5"), &[key], "telemetry.sample_ratio: must be 0 to 1"),
        (file("[telemetry]\nservice_name = \"\""), &[key], "telemetry.service_name: must be a name"),
        (
            file("[telemetry]\notlp_headers_file = \"/nowhere/h\""),
            &[key],
            "telemetry.otlp_headers_file: /nowhere/h: No such file",
        ),
        (file("[webhooks]\nprivate_networks = [\"intranet\"]"), &[key], "webhooks.private_networks: must be addresses"),
        (file("[webhooks]\nca_file = \"/nowhere/ca\""), &[key], "webhooks.ca_file: /nowhere/ca: No such file"),
        (file("[webhooks]\nmax_pending = 0"), &[key], "webhooks.max_pending: must be 1 to"),
        (file("[webhooks]\nkeep_days = 1"), &[key], "webhooks.keep_days: must be 2 to 90"),
        (file("[log]\nformat = \"xml\""), &[key], "log.format: unknown variant"),
        (file("[log]\nfilter = \"roompass=loud\""), &[key], "log.filter: "),
        (file(""), &[key, ("ROOMPASS_SERVER_LISTEN", "x")], "server.listen (from ROOMPASS_SERVER_LISTEN): "),
        (file(""), &[key, ("ROOMPASS_SERVER_DRAIN_SECS", "x")], "ROOMPASS_SERVER_DRAIN_SECS: must be written"),
        (file(""), &[key, ("ROOMPASS_SERVER_LISTNE", "x")], "ROOMPASS_SERVER_LISTNE: is no field"),
    ];
    assert!(matrix.len() >= 60, "{}", matrix.len());
    for (file, env, expected) in matrix {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("roompass.toml"), file).unwrap();
        let serve = || {
            let mut serve = roompass(["serve", "--config", "roompass.toml"]);
            serve.current_dir(directory.path()).envs(env.iter().copied());
            serve
        };
        let line = ends_at_once(serve);
        assert!(line.starts_with(expected), "expected {expected:?}, got {line:?}");
        assert!(!line.contains(MASTER_KEY));
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["roompass.toml"], "{expected}");
        assert_eq!(fs::read_to_string(directory.path().join("roompass.toml")).unwrap(), *file);
    }
}

/// The line of the refusal, which comes within a second.
fn ends_at_once(mut serve: impl FnMut() -> Command) -> String {
    let (bound, tries) = AT_ONCE;
    let mut slowest = Duration::ZERO;
    for _ in 0..tries {
        let start = Instant::now();
        let line = refusal(&mut serve());
        slowest = start.elapsed();
        if slowest < bound {
            return line;
        }
    }
    panic!("it took {slowest:?}, {tries} times in a row");
}

// proves T62 (start matrix)
#[test]
fn nothing_starts_on_a_secret_or_a_store_that_is_open_to_others() {
    let (installation, _) = Installation::new().with_app();
    let config = fs::read_to_string(installation.config()).unwrap();
    let path_of = |name: &str| installation.path(name).display().to_string();
    let chmod =
        |path: &Path, mode| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let database = fs::read(installation.path("roompass.db")).unwrap();
    let on_postgres = config.replace(&format!("sqlite:{}", path_of("roompass.db")), "postgres://r@localhost/d");
    let with_store = |line: &str| on_postgres.replace("[master_key]", &format!("{line}\n[master_key]"));
    let password = format!("password_file = \"{}\"", path_of("secret"));
    for (field, name, configured) in [
        ("master_key.file", "master.key", config.clone()),
        ("store.url", "roompass.db", config.clone()),
        ("store.password_file", "secret", with_store(&password)),
        ("bus.password_file", "secret", format!("{on_postgres}[bus]\nurl = \"redis://localhost\"\n{password}")),
        ("telemetry.otlp_headers_file", "secret", {
            format!("{config}[telemetry]\notlp_headers_file = \"{}\"\n", path_of("secret"))
        }),
        ("media.turn_secret_file", "secret", {
            format!("{config}[media]\nturn_urls = [\"turn:t\"]\nturn_secret_file = \"{}\"\n", path_of("secret"))
        }),
    ] {
        fs::write(installation.config(), configured).unwrap();
        fs::write(installation.path("secret"), "a secret of its own").unwrap();
        for mode in [0o604, 0o602, 0o640, 0o620, 0o644, 0o660, 0o666] {
            chmod(&installation.path(name), mode);
            let line = ends_at_once(|| installation.serve());
            let named = format!("{field}: {} can be ", path_of(name));
            assert!(line.starts_with(&named) && line.ends_with("by other users: chmod 600"), "{mode:o}: {line}");
        }
        chmod(&installation.path(name), 0o600);
    }
    fs::write(installation.config(), config).unwrap();
    for mode in [0o702, 0o720, 0o770, 0o775, 0o777] {
        chmod(installation.directory.path(), mode);
        let line = ends_at_once(|| installation.serve());
        assert!(line.starts_with("store.url: ") && line.ends_with("by other users: chmod 700"), "{mode:o}: {line}");
    }
    chmod(installation.directory.path(), 0o700);
    assert_eq!(fs::read(installation.path("roompass.db")).unwrap(), database);
    assert_eq!(Server::serve(&installation.config()).get("/healthz").status, 200);
}
