//! A pipeline's graph in the browser: one page, served on this machine alone.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dataflow_core::graph::PipelineGraph;

/// How a graph is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphPage {
    /// The port on loopback; 0 for any that is free.
    pub port: u16,
    /// Whether a browser is opened.
    pub open_browser: OpenBrowser,
}

/// Whether a browser is opened on the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenBrowser {
    /// The user's browser, where there is a display to show it on.
    #[default]
    IfThereIsOne,
    /// None.
    No,
}

/// A graph that is being served, until this is dropped.
#[derive(Debug)]
pub struct ServedGraph {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

/// Serves the graph's page on loopback and returns at once. Fails where the port is taken.
///
/// ```
/// use dataflow::graph_page::{GraphPage, OpenBrowser, serve};
/// use dataflow_core::graph::PipelineGraph;
///
/// let graph = PipelineGraph { name: "empty".into(), graph: Default::default() };
/// let served = serve(&graph, GraphPage { open_browser: OpenBrowser::No, ..GraphPage::default() })?;
/// assert!(served.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve(graph: &PipelineGraph, page: GraphPage) -> io::Result<ServedGraph> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, page.port))?;
    let address = listener.local_addr()?;
    let stop = Arc::new(AtomicBool::new(false));
    let html: Arc<str> = graph.to_html().into();
    let server = thread::Builder::new().name("graph page".to_owned()).spawn({
        let stop = Arc::clone(&stop);
        move || accept(&listener, &html, &stop)
    })?;
    let graph = ServedGraph { address, stop, server: Some(server) };
    if page.open_browser == OpenBrowser::IfThereIsOne {
        open_browser(&graph.url());
    }
    Ok(graph)
}

impl ServedGraph {
    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves on until the process ends.
    pub fn wait(mut self) {
        if let Some(server) = self.server.take() {
            // A server that has panicked serves no more, and there is nothing to wait for.
            let _ = server.join();
        }
    }
}

impl Drop for ServedGraph {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        self.stop.store(true, Ordering::Release);
        // The server waits for a connection: this one wakes it. Where none can be made, it is left to end with the process.
        if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok() {
            let _ = server.join();
        }
    }
}

const LONGEST_HEAD: usize = 16 * 1024;
const MOST_CONNECTIONS: usize = 32;
const PATIENCE: Duration = Duration::from_secs(5);

fn accept(listener: &TcpListener, html: &Arc<str>, stop: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut connection) = connection else {
            // Too many open files, or the like: it passes, and until then there is no use in asking again at once.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.load(Ordering::Acquire) >= MOST_CONNECTIONS {
            continue;
        }
        // Browsers open connections ahead of need and say nothing on them, so each has a thread of its own.
        open.fetch_add(1, Ordering::AcqRel);
        let (html, counted) = (Arc::clone(html), Arc::clone(&open));
        let thread = thread::Builder::new().spawn(move || {
            // Whoever asked is gone or asks badly; the next one is served all the same.
            let _ = answer(&mut connection, &html);
            counted.fetch_sub(1, Ordering::AcqRel);
        });
        if thread.is_err() {
            open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn answer(connection: &mut TcpStream, html: &str) -> io::Result<()> {
    connection.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(connection)?;
    let (status, kind, body) = match page_for(head.as_deref()) {
        Ok(()) => ("200 OK", "text/html; charset=utf-8", html),
        Err(status) => (status, "text/plain; charset=utf-8", status),
    };
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let headers = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{allow}Connection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(headers.as_bytes())?;
    connection.write_all(body.as_bytes())?;
    connection.shutdown(std::net::Shutdown::Write)?;
    // What is still unread when a socket closes makes it reset, and the answer may be lost with it.
    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
    io::copy(&mut connection.take(64 * 1024), &mut io::sink())?;
    Ok(())
}

/// The request's head; `None` where it is too long or ends too soon.
fn read_head(connection: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut part = [0; 2048];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        connection.set_read_timeout(Some(left))?;
        let count = connection.read(&mut part)?;
        let seen = head.len().saturating_sub(3);
        head.extend_from_slice(&part[..count]);
        if let Some(end) = head[seen..].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            head.truncate(seen + end);
            return Ok(Some(head));
        }
        if count == 0 || head.len() > LONGEST_HEAD {
            return Ok(None);
        }
    }
}

/// Whether a request is for the page; else the status that says why not.
fn page_for(head: Option<&[u8]>) -> Result<(), &'static str> {
    const BAD: &str = "400 Bad Request";
    let head = std::str::from_utf8(head.ok_or(BAD)?).map_err(|_| BAD)?;
    let mut lines = head.split("\r\n");
    let mut request = lines.next().ok_or(BAD)?.split(' ');
    let (method, path, version) = (request.next().ok_or(BAD)?, request.next().ok_or(BAD)?, request.next().ok_or(BAD)?);
    if request.next().is_some() || !version.starts_with("HTTP/1.") {
        return Err(BAD);
    }
    let mut hosts = lines.filter_map(|line| line.split_once(':')).filter(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = hosts.next().ok_or(BAD)?.1.trim();
    // Another site's page must not read this one by letting its own name point here.
    if hosts.next().is_some() || !is_loopback(host) {
        return Err("403 Forbidden");
    }
    if method != "GET" {
        return Err("405 Method Not Allowed");
    }
    if path.split('?').next() == Some("/") { Ok(()) } else { Err("404 Not Found") }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|loopback| name.eq_ignore_ascii_case(loopback))
}

/// Opens the user's browser. That there is none is no error: the address is known all the same.
fn open_browser(url: &str) {
    let command = if cfg!(target_os = "macos") {
        Some(("open", vec![url]))
    } else if cfg!(target_os = "windows") {
        Some(("cmd", vec!["/C", "start", "", url]))
    } else {
        let display = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        display.then(|| ("xdg-open", vec![url]))
    };
    let Some((program, arguments)) = command else { return };
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match child {
        Ok(mut child) => {
            // Waited for, so that it does not stay behind as a zombie.
            thread::spawn(move || child.wait());
        }
        Err(error) => tracing::debug!(%error, program, "no browser was opened"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::graph::fixtures::translate;

    fn served() -> ServedGraph {
        serve(&translate(), GraphPage { port: 0, open_browser: OpenBrowser::No }).unwrap()
    }

    fn check(served: &ServedGraph, request: &str) -> String {
        let mut connection = TcpStream::connect(served.address).unwrap();
        connection.write_all(request.replace("HOST", &served.address.to_string()).as_bytes()).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = String::new();
        connection.read_to_string(&mut reply).unwrap();
        reply
    }

    fn status(served: &ServedGraph, request: &str) -> String {
        check(served, request).lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_page_comes_whole_and_with_its_length() {
        let served = served();
        let reply = check(&served, "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n");
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert_eq!(body, translate().to_html());
    }

    #[test]
    fn what_is_not_for_the_page_is_refused() {
        let served = served();
        assert_eq!(status(&served, "GET /other HTTP/1.1\r\nHost: HOST\r\n\r\n"), "HTTP/1.1 404 Not Found");
        assert_eq!(status(&served, "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nhi"), "HTTP/1.1 405 Method Not Allowed");
        assert_eq!(status(&served, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "HTTP/1.1 403 Forbidden");
        assert_eq!(status(&served, "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"), "HTTP/1.1 403 Forbidden");
        assert_eq!(status(&served, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request");
        assert_eq!(status(&served, "nonsense"), "HTTP/1.1 400 Bad Request");
        assert_eq!(status(&served, &"x".repeat(40_000)), "HTTP/1.1 400 Bad Request");
        assert_eq!(status(&served, "GET /?again HTTP/1.1\r\nHost: LocalHost:80\r\n\r\n"), "HTTP/1.1 200 OK");
    }

    #[test]
    fn a_connection_that_says_nothing_keeps_no_one_waiting() {
        let served = served();
        let _silent: Vec<_> = (0..8).map(|_| TcpStream::connect(served.address).unwrap()).collect();
        assert_eq!(status(&served, "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n"), "HTTP/1.1 200 OK");
    }

    #[test]
    fn it_stops_when_dropped() {
        let served = served();
        let address = served.address;
        drop(served);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = served();
        let again = GraphPage { port: first.address.port(), open_browser: OpenBrowser::No };
        assert_eq!(serve(&translate(), again).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn only_loopback_is_loopback() {
        for host in ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "127.0.0.1.evil.example", "evil.example:80", "localhost:x", "::1", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
