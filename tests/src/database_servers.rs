//! Throwaway servers of MariaDB and PostgreSQL for the tests: on free ports, with their data in a temporary folder. A server that runs already is not touched.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// MariaDB, which speaks as MySQL does; user `root`, no password.
    MariaDb,
    /// PostgreSQL; user `dataflow`, any password.
    PostgreSql,
}

/// A server that ends with this value.
#[derive(Debug)]
pub struct DatabaseServer {
    kind: DatabaseKind,
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

/// Where a distribution's packages put the programs that are not on the path.
const PLACES: [&str; 6] = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/libexec", "/usr/local/mysql/bin", "/opt/homebrew/bin"];

/// How long a server may take to start; the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

impl DatabaseServer {
    /// Starts a server with new data. The error is why there is none here, to be told by the test that is skipped.
    pub fn start(kind: DatabaseKind) -> Result<Self, String> {
        let programs = programs(kind)?;
        let folder = tempfile::Builder::new().prefix("dataflow-database-").tempdir().map_err(told("making a folder"))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).map_err(told("looking for a free port"))?.port();
        let mut server = Self { kind, programs, folder, port, child: None };
        server.give_to_unprivileged()?;
        server.make_data()?;
        server.resume()?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server at once, as a crash would; the data stay.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if self.kind == DatabaseKind::PostgreSql {
            // At once and with all its processes, which a kill would leave behind for a moment.
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(10) {
                if let Ok(Some(_)) = child.try_wait() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts the server again on its data and its port.
    pub fn resume(&mut self) -> Result<(), String> {
        let log = fs::File::create(self.folder.path().join("server.log")).map_err(told("making a log"))?;
        let port = self.port.to_string();
        let (data, sockets) = (self.data(), self.folder.path().display().to_string());
        let mut command = match self.kind {
            DatabaseKind::MariaDb => {
                let mut command = Command::new(self.programs.join("mariadbd"));
                command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--user=root"]);
                command.args([format!("--datadir={data}"), format!("--port={port}"), format!("--socket={sockets}/s"), format!("--pid-file={sockets}/pid")]);
                command
            }
            DatabaseKind::PostgreSql => {
                let mut command = self.unprivileged("postgres");
                command.args(["-D", &data, "-p", &port, "-h", "127.0.0.1", "-k", &sockets]);
                command
            }
        };
        let errors = log.try_clone().map_err(told("making a log"))?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().map_err(told("starting the server"))?;
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
                return Err(format!("the server did not start: {}", log.lines().rev().take(5).collect::<Vec<_>>().join(" | ")));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn make_data(&self) -> Result<(), String> {
        let data = self.data();
        let mut command = match self.kind {
            DatabaseKind::MariaDb => {
                let program = ["mariadb-install-db", "mysql_install_db"].into_iter().find_map(find).ok_or("`mariadb-install-db` is not there")?;
                let mut command = Command::new(program);
                command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"]).arg(format!("--datadir={data}"));
                command
            }
            DatabaseKind::PostgreSql => {
                let mut command = self.unprivileged("initdb");
                command.args(["-D", &data, "-U", "dataflow", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
                command
            }
        };
        let made = command.stdin(Stdio::null()).output().map_err(told("making the data"))?;
        if made.status.success() { Ok(()) } else { Err(format!("the data could not be made: {}", String::from_utf8_lossy(&made.stderr).trim())) }
    }

    /// PostgreSQL does not run as root.
    fn unprivileged(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={}", user()), &format!("--regid={}", group()), "--clear-groups", "--"]).arg(program).current_dir(self.folder.path());
        command
    }

    fn give_to_unprivileged(&self) -> Result<(), String> {
        if self.kind == DatabaseKind::PostgreSql && is_root() {
            std::os::unix::fs::chown(self.folder.path(), Some(user()), Some(group())).map_err(told("giving the folder to another user"))?;
        }
        Ok(())
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn told(doing: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{doing}: {error}")
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn user() -> u32 {
    id(&["-u", "postgres"]).unwrap_or(65_534)
}

fn group() -> u32 {
    id(&["-g", "postgres"]).unwrap_or(65_534)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    on_path.into_iter().chain(PLACES.map(PathBuf::from)).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The newest of Debian's folders of PostgreSQL.
fn postgresql_folder() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = folders.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").is_file()).max_by_key(|path| version(path));
    newest.map(|path| path.join("bin"))
}

fn there(kind: DatabaseKind) -> Option<PathBuf> {
    let folder_of = |program: &str| find(program).and_then(|file| file.parent().map(Path::to_owned));
    match kind {
        DatabaseKind::MariaDb => folder_of("mariadbd"),
        DatabaseKind::PostgreSql => postgresql_folder().or_else(|| folder_of("initdb")),
    }
}

/// Where the server's programs are.
fn programs(kind: DatabaseKind) -> Result<PathBuf, String> {
    let package = match kind {
        DatabaseKind::MariaDb => "mariadb-server",
        DatabaseKind::PostgreSql => "postgresql",
    };
    there(kind).ok_or_else(|| format!("`{package}` is not installed; `./check` installs it where it may"))
}
