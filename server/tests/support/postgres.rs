//! A real PostgreSQL for tests: one server a test binary, on a socket in a directory of its own, with an empty
//! database for whoever asks. It ends with the process that started it, however that ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Waits until the server is up and says so; when its input ends, stops the server and removes every trace.
const WATCH: &str = r#"
bin=$1 directory=$2; shift 2
"$@" "$bin/postgres" -D "$directory/data" -k "$directory" -c listen_addresses= -c max_connections=200 \
    -c shared_buffers=16MB $POSTGRES_OPTIONS >"$directory/log" 2>&1 &
until "$bin/pg_isready" -q -h "$directory"; do kill -0 $! || { cat "$directory/log" >&2; exit 1; }; done
echo ready
cat >/dev/null
kill -CONT "$(head -n 1 "$directory/data/postmaster.pid")"
"$@" "$bin/pg_ctl" stop -s -m immediate -D "$directory/data"
rm -rf "$directory"
"#;

/// A running server.
pub(crate) struct Server {
    directory: PathBuf,
    /// What PostgreSQL is run with: the commands that make it run as a user who may.
    user: Vec<String>,
    watch: Child,
    databases: AtomicU32,
}

impl Server {
    /// The server that all tests of this binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(""))
    }

    /// A server of one's own, for tests that stop it. `options` are for the command line of PostgreSQL.
    pub(crate) fn start(options: &str) -> Self {
        Self::start_in(tempfile::Builder::new().prefix("roompass-pg-").tempdir().unwrap().keep(), options, 5432)
    }

    /// In a directory of the caller's, which the server removes at its end.
    pub(crate) fn start_in(directory: PathBuf, options: &str, port: u16) -> Self {
        let user = user_of(&directory);
        let bin = bin();
        let data = directory.join("data");
        let mut initdb = as_user(&user, bin.join("initdb"));
        initdb.arg("-D").arg(&data).args("-U roompass -A trust -E UTF8 --no-locale -N".split(' '));
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "sh"]).arg(bin).arg(&directory).args(&user).env("POSTGRES_OPTIONS", options);
        // It names the socket, too.
        watch.env("PGPORT", port.to_string());
        // A group of its own, so that Ctrl-C at a terminal does not end it before it has tidied up.
        let mut watch = watch.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { directory, user, watch, databases: AtomicU32::new(0) }
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url("roompass", &name)
    }

    /// The URL of a database for a role.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        let directory = self.directory.to_str().unwrap().replace('/', "%2F");
        format!("postgres://{role}@{directory}/{database}")
    }

    /// Runs statements as the owner of everything; returns what they print.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(bin().join("psql"));
        psql.args("-X -q -A -t -v ON_ERROR_STOP=1 -U roompass -h".split(' ')).arg(&self.directory);
        let output = psql.args(["-d", database, "-c", statements]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Sends a signal to the server and all its processes: `STOP` makes it hang, `CONT` ends that.
    pub(crate) fn signal(&self, name: &str) {
        let pid_file = fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let pid = pid_file.lines().next().unwrap();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let pids = children.split_whitespace().chain([pid]);
        assert!(Command::new("kill").args(["-s", name]).args(pids).status().unwrap().success());
    }

    /// Breaks off every connection and all work, and starts again.
    pub(crate) fn restart(&self) {
        let mut restart = as_user(&self.user, bin().join("pg_ctl"));
        let restart = restart.args("restart -s -w -m immediate -D".split(' ')).arg(self.directory.join("data"));
        assert!(restart.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        // Nothing to be done here if it cannot be waited for.
        let _ = self.watch.wait();
    }
}

/// Gives `directory` to the user PostgreSQL is to run as, since it refuses to run as root.
fn user_of(directory: &Path) -> Vec<String> {
    if fs::metadata(directory).unwrap().uid() != 0 {
        return Vec::new();
    }
    assert!(Command::new("chown").args(["-R", "postgres"]).arg(directory).status().unwrap().success());
    ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"].map(str::to_owned).into()
}

fn as_user(user: &[String], program: PathBuf) -> Command {
    let mut words = user.iter().map(Into::into).chain([program.into_os_string()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir("/");
    command
}

/// Where the newest installed PostgreSQL is.
fn bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: run `.ci/setup test`");
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.unwrap().path()).max_by_key(version);
    newest.expect("PostgreSQL is installed: run `.ci/setup test`").join("bin")
}
