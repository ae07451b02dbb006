//! As much of the W3C WebDriver protocol as the tests need, over chromedriver.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The window that a page is looked at through.
#[derive(Clone, Copy)]
pub enum Window {
    /// A desktop's, of a width and height.
    Desktop(u32, u32),
    /// A telephone's, with touch.
    Phone(u32, u32),
}

/// A headless browser with one page. It ends with this, and chromedriver with it.
pub struct Browser {
    driver: Driver,
    session: String,
    _profile: TempDir,
}

/// A running chromedriver.
struct Driver {
    process: Child,
    port: u16,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    found.into_iter().find(|file| file.is_file())
}

impl Browser {
    /// Starts chromium through chromedriver; `None` where the two are not installed.
    pub fn start(window: Window) -> Option<Self> {
        let driver = installed(&["chromedriver"])?;
        let chromium = installed(&["chromium", "chromium-browser", "google-chrome"])?;
        let driver = Driver::start(&driver);
        let profile = tempfile::tempdir().unwrap();
        let session = driver.ask("POST", "/session", &capabilities(&chromium, profile.path(), window));
        let session = session["sessionId"].as_str().expect("a session has an id").to_owned();
        Some(Self { driver, session, _profile: profile })
    }

    fn ask(&self, method: &str, command: &str, body: &Value) -> Value {
        self.driver.ask(method, &format!("/session/{}/{command}", self.session), body)
    }

    /// Loads a page.
    pub fn open(&self, url: &str) {
        self.ask("POST", "url", &json!({ "url": url }));
    }

    /// What a function body returns in the page.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page.
    pub fn until(&self, expression: &str) {
        let patience = Instant::now() + Duration::from_secs(10);
        while self.run(&format!("return Boolean({expression})")) != true {
            assert!(Instant::now() < patience, "never came true: {expression}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Does things with pointers and wheels; each source is a list of actions.
    pub fn act(&self, sources: &Value) {
        self.ask("POST", "actions", &json!({ "actions": sources }));
    }

    /// Moves the mouse to each point in turn, with the button as told at each.
    pub fn mouse(&self, steps: &[Mouse]) {
        let actions: Vec<Value> = steps
            .iter()
            .map(|step| match step {
                Mouse::To(x, y) => json!({ "type": "pointerMove", "duration": 0, "origin": "viewport", "x": x.round() as i64, "y": y.round() as i64 }),
                Mouse::Down => json!({ "type": "pointerDown", "button": 0 }),
                Mouse::Up => json!({ "type": "pointerUp", "button": 0 }),
            })
            .collect();
        self.act(&json!([{ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": actions }]));
    }

    /// Turns the wheel over a point; away from the user is negative.
    pub fn wheel(&self, x: f64, y: f64, delta: i32) {
        let turn = json!({ "type": "scroll", "duration": 0, "origin": "viewport", "x": x.round() as i64, "y": y.round() as i64, "deltaX": 0, "deltaY": delta });
        self.act(&json!([{ "type": "wheel", "id": "wheel", "actions": [turn] }]));
    }

    /// Presses and releases keys, one after the other; special ones as WebDriver names them.
    pub fn keys(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys.iter().flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]).collect();
        self.act(&json!([{ "type": "key", "id": "keyboard", "actions": actions }]));
    }

    /// What the page has written to the console as an error, and what the browser has.
    pub fn console_errors(&self) -> Vec<String> {
        let log = self.ask("POST", "se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().into_iter().flatten();
        entries.filter(|entry| entry["level"] == "SEVERE").map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser that chromedriver has started; a failure here must not hide the test's own.
        let _ = self.driver.try_ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

/// A step of the mouse.
#[derive(Clone, Copy)]
pub enum Mouse {
    To(f64, f64),
    Down,
    Up,
}

fn capabilities(chromium: &Path, profile: &Path, window: Window) -> Value {
    let mut arguments = vec![
        "--headless".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--lang=en-US".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    let mut options = json!({ "binary": chromium });
    match window {
        Window::Desktop(width, height) => arguments.push(format!("--window-size={width},{height}")),
        Window::Phone(width, height) => {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "touch": true } });
        }
    }
    options["args"] = json!(arguments);
    json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": options } } })
}

impl Driver {
    /// Starts it on a port that it chooses. On a busy machine it may end before it has one, and is started anew.
    fn start(program: &Path) -> Self {
        const TRIES: usize = 3;
        (0..TRIES).find_map(|_| Self::started(program)).expect("chromedriver says its port")
    }

    fn started(program: &Path) -> Option<Self> {
        let mut process = Command::new(program).arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut driver = Self { process, port: 0 };
        let said = "started successfully on port ";
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains(said))?;
        driver.port = line.split(said).nth(1).unwrap().trim_end_matches('.').parse().unwrap();
        // Read on, so that it never waits for room to write.
        thread::spawn(move || lines.for_each(drop));
        Some(driver)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_ask(method, path, body).unwrap();
        assert!(status == 200, "{method} {path}: {status} {}", answer["value"]["message"]);
        answer["value"].clone()
    }

    fn try_ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        connection.set_read_timeout(Some(Duration::from_mins(1)))?;
        let body = if method == "POST" { body.to_string() } else { String::new() };
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut length = 0;
        while !line.trim().is_empty() {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok((status, serde_json::from_slice(&answer)?))
    }
}
