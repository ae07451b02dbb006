//! A model server as a process: started, waited for, read, and stopped, also where this process dies.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::LocalOptions;
use crate::Secret;

/// Lines of output that are told when the server dies.
const LAST_LINES: usize = 25;
/// How often it is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(100);

/// Starts the command in a group of its own and stands between it and us: nothing is ever written to its input, which ends when it is
/// told to stop and when we are gone, however that came about. Then the whole group is ended, by force after `$1` tenths of a second.
const KEEPER: &str = r#"
exec 3<&0
grace=$1
shift
"$@" </dev/null 3<&- &
server=$!
trap '' TERM INT HUP
(
    while read -r _ <&3; do :; done
    kill -TERM 0
    while [ "$grace" -gt 0 ] && kill -0 "$server" 2>/dev/null; do
        grace=$((grace - 1))
        sleep 0.1
    done
    kill -KILL 0
) >/dev/null 2>&1 &
wait "$server"
exit $?
"#;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    program: String,
    /// Open as long as the server is to run.
    input: Mutex<Option<ChildStdin>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    lines: Arc<Lines>,
}

/// The last lines of what it printed.
#[derive(Debug)]
struct Lines {
    last: Mutex<VecDeque<String>>,
    log: Option<Mutex<File>>,
    secrets: Vec<Secret>,
}

impl Server {
    /// Starts a server and returns when it can be asked. The error says why it cannot, with its last lines.
    pub async fn start(options: &LocalOptions) -> Result<Self, String> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let port = if options.port == 0 { free_port()? } else { options.port };
        let command = options.command_at(port);
        let lines = Arc::new(Lines { last: Mutex::default(), log: log_file(options)?, secrets: options.secrets() });
        let tenths = (options.stop_timeout.clamp(0.0, 3600.0) * 10.0).ceil() as u64;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh", &tenths.to_string()]).args(&command).envs(options.variables());
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0);
        let program = options.program();
        let mut child = keeper.spawn().map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        let input = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            lines.read(output);
        }
        if let Some(output) = child.stderr.take() {
            lines.read(output);
        }
        let server = Self { port, program, input: Mutex::new(input), ended: told_of_the_end(child), lines };
        tracing::info!(command = command.join(" "), port, "a model server is started");
        let begun = Instant::now();
        match server.wait_until_ready(&options.health, Duration::try_from_secs_f64(options.start_timeout).unwrap_or(Duration::from_hours(24))).await {
            Ok(()) => {
                tracing::info!(port, seconds = begun.elapsed().as_secs_f64(), "the model server can be asked");
                Ok(server)
            }
            Err(message) => {
                server.stop().await;
                Err(message)
            }
        }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn wait_until_ready(&self, path: &str, patience: Duration) -> Result<(), String> {
        rustls::crypto::ring::default_provider().install_default().ok(); // another part of the program may have installed one
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().map_err(|error| error.to_string())?;
        let url = format!("{}/{}", self.address(), path.trim_start_matches('/'));
        let until = Instant::now() + patience;
        let mut last = "it does not answer".to_owned();
        loop {
            if self.ended.borrow().is_some() {
                return Err(self.death().await);
            }
            match client.get(&url).send().await {
                Ok(reply) if reply.status().is_success() => return Ok(()),
                Ok(reply) => last = format!("it answers {} at {path}", reply.status().as_u16()),
                Err(_) => {} // it does not listen yet
            }
            if Instant::now() >= until {
                let lines = self.lines.told();
                return Err(format!(
                    "`{}` was not ready within {} s: {last}\nhint: `start_timeout` gives it longer{lines}",
                    self.program,
                    patience.as_secs_f64()
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns when the server has ended by itself, and says how.
    pub async fn death(&self) -> String {
        let mut ended = self.ended.clone();
        let status = match ended.wait_for(Option::is_some).await {
            Ok(status) => *status,
            Err(_) => None, // whoever waited for it is gone
        };
        tokio::time::sleep(LOOK).await; // for its last lines
        let how = status.map_or_else(|| "in an unknown way".to_owned(), |status| status.to_string());
        format!("`{}` has ended ({how}){}", self.program, self.lines.told())
    }

    /// Stops it and returns when it has ended.
    pub async fn stop(&self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.ok(); // an error is an end too
        tracing::info!(port = self.port, "the model server has ended");
    }
}

/// Waits for a process on a thread of its own.
fn told_of_the_end(mut child: Child) -> watch::Receiver<Option<ExitStatus>> {
    let (sender, receiver) = watch::channel(None);
    std::thread::spawn(move || {
        if let Ok(status) = child.wait() {
            sender.send_replace(Some(status));
        }
    });
    receiver
}

/// A port that nobody listens at now.
fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("there is no free port: {error}"))
}

fn log_file(options: &LocalOptions) -> Result<Option<Mutex<File>>, String> {
    let Some(path) = &options.log_path else { return Ok(None) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let opened = folder.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::options().create(true).append(true).open(path));
    opened.map(|file| Some(Mutex::new(file))).map_err(|error| format!("`log_path` cannot be written: {}: {error}", path.display()))
}

impl Lines {
    /// Reads to the end, on a thread of its own.
    fn read(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let lines = Arc::clone(self);
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            // By bytes: a server may print what is no UTF-8.
            while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                lines.add(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
        });
    }

    fn add(&self, line: &str) {
        let line = self.secrets.iter().fold(line.to_owned(), |line, secret| secret.blot_out(&line));
        tracing::debug!(target: "dataflow_serving::local::output", "{line}");
        if let Some(log) = &self.log {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(log, "{line}").ok(); // a full disk does not stop the server
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }

    fn told(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_empty() {
            return "; it printed nothing".to_owned();
        }
        last.iter().fold("; its last lines:".to_owned(), |told, line| told + "\n  " + line)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(script: &str) -> LocalOptions {
        LocalOptions::read(json!({ "command": ["sh", "-c", script], "start_timeout": 5, "stop_timeout": 1, "environment": { "MY_KEY": "very-secret-value" } }))
            .unwrap()
    }

    #[tokio::test]
    async fn one_that_dies_before_it_is_ready_is_told_with_its_last_lines_and_without_secrets() {
        let error = Server::start(&options("echo reading the model; echo \"no memory for $MY_KEY\" >&2; exit 3")).await.unwrap_err();
        assert!(error.starts_with("`sh` has ended (exit status: 3); its last lines:"), "{error}");
        assert!(error.contains("reading the model") && error.contains("no memory for ***"), "{error}");
    }

    #[tokio::test]
    async fn one_that_never_gets_ready_is_stopped_and_told() {
        let patience = LocalOptions { start_timeout: 0.3, ..options("trap '' TERM; echo starting; sleep 60") };
        let begun = Instant::now();
        let error = Server::start(&patience).await.unwrap_err();
        assert!(error.contains("was not ready within 0.3 s: it does not answer") && error.contains("start_timeout"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "it is ended by force");
    }
}
