//! A PostgreSQL that is there for one command: a cluster of its own in a temporary folder, reached by a socket in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{Result, run};

/// Where the tests look for a database.
const VARIABLE: &str = "SHIPBATCH_TEST_DATABASE_URL";
/// Where Debian keeps its servers, one folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The programs that are needed, all from one folder.
const SERVER: [&str; 3] = ["initdb", "pg_ctl", "createdb"];
/// Nothing here outlives the command, so nothing is synced; and it is reached by its socket alone.
const SETTINGS: &str = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200 \
                        -c unix_socket_permissions=0700";

/// A cluster that runs, stopped and removed when it is dropped.
struct Cluster {
    folder: TempDir,
    bin: PathBuf,
    /// As whom the server runs: it refuses to be root.
    user: Option<&'static str>,
}

/// Runs a command while there is a database for it.
pub(crate) fn with(command: &mut Command) -> Result {
    let cluster = Cluster::start()?;
    run(command.env(VARIABLE, cluster.url()))
}

impl Cluster {
    fn start() -> Result<Self> {
        let bin = binaries()?;
        let folder = tempfile::Builder::new().prefix("shipbatch-postgres-").tempdir();
        let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
        let cluster = Self { folder, bin, user: server_user()? };
        if let Some(user) = cluster.user {
            quietly(Command::new("chown").arg(user).arg(cluster.folder.path()))?;
        }
        let trusting =
            ["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"];
        quietly(cluster.server("initdb").arg("--pgdata").arg(cluster.data()).args(trusting))?;
        let folder = cluster.folder.path().display();
        let settings = format!("{SETTINGS} -c unix_socket_directories='{folder}'");
        let log = cluster.folder.path().join("log");
        let start = ["--wait", "--timeout", "60", "--options", &settings, "--log"];
        quietly(cluster.control("start").args(start).arg(&log))
            .map_err(|error| format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()))?;
        let create = ["--username", "postgres", "--host", &folder.to_string(), "shipbatch"];
        quietly(Command::new(cluster.bin.join("createdb")).args(create))?;
        Ok(cluster)
    }

    /// The database's address, as sqlx takes it: the folder of the socket stands for the host.
    fn url(&self) -> String {
        let host = self.folder.path().display().to_string().replace('%', "%25").replace('/', "%2F");
        format!("postgres://postgres@localhost/shipbatch?host={host}")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn control(&self, what: &str) -> Command {
        let mut command = self.server("pg_ctl");
        command.arg(what).arg("--silent").arg("--pgdata").arg(self.data());
        command
    }

    /// A program of the server, run as the server's user.
    fn server(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        // The folder that we are in may be closed to that user.
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = quietly(self.control("stop").args(["--mode", "immediate"])) {
            eprintln!("{error}");
        }
    }
}

/// The folder of the server's programs: of the PATH, of pg_config, of Debian's newest server.
fn binaries() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let config = Command::new("pg_config").arg("--bindir").output();
    folders.extend(config.iter().map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())));
    let mut debian: Vec<PathBuf> =
        fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|version| version.path().join("bin")).collect();
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders.extend(debian);
    let is_server = |folder: &PathBuf| SERVER.iter().all(|name| folder.join(name).is_file());
    folders.iter().find(|folder| is_server(folder)).cloned().ok_or_else(|| {
        let looked = ["PATH".to_owned(), "pg_config --bindir".to_owned(), format!("{DEBIAN}/*/bin")];
        json!({"error": "no_postgresql", "needed": SERVER, "looked_in": looked}).to_string()
    })
}

/// The version in a folder such as /usr/lib/postgresql/15/bin.
fn version(folder: &Path) -> Option<u32> {
    folder.parent()?.file_name()?.to_str()?.parse().ok()
}

/// As whom to run the server if we are root.
fn server_user() -> Result<Option<&'static str>> {
    let id = Command::new("id").arg("-u").output().map_err(|error| format!("id: {error}"))?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(None);
    }
    let exists = |user: &&&str| Command::new("id").arg(user).output().is_ok_and(|output| output.status.success());
    let user = ["postgres", "nobody"].iter().find(exists);
    user.copied().map(Some).ok_or_else(|| json!({"error": "no_user_for_postgresql"}).to_string())
}

/// Runs a program; what it said is told only if it failed.
fn quietly(command: &mut Command) -> Result {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&said).trim()))
}
