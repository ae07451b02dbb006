//! What a process used: wall time, processor time and memory, as the shell and the kernel count them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::binary;

/// What a process used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// From its start to its end.
    pub wall: Duration,
    /// Of all processors.
    pub processor: Duration,
    /// The most bytes that were resident at once.
    pub memory: u64,
}

/// Runs `dataflow` in a folder to its end, which has to be a good one, and tells what it used.
pub fn run(folder: &Path, arguments: &[&str]) -> Used {
    let begun = Instant::now();
    let script = "TIMEFORMAT='%U %S'; time \"$0\" \"$@\" --progress none 2>run.log";
    let mut shell = Command::new("bash");
    shell.current_dir(folder).args(["-c", script]).arg(binary("dataflow")).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = shell.spawn().expect("bash starts");
    let shell_id = child.id();
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while let Some(now) = peak_of_child(shell_id) {
            most = most.max(now);
            std::thread::sleep(Duration::from_millis(20));
        }
        most
    });
    let output = child.wait_with_output().expect("bash ends");
    let wall = begun.elapsed();
    let memory = watch.join().expect("the watch ends");
    let log = std::fs::read_to_string(folder.join("run.log")).unwrap_or_default();
    assert!(output.status.success(), "the run failed: {log}");
    let times = String::from_utf8_lossy(&output.stderr);
    let processor: f64 = times.split_whitespace().filter_map(|time| time.parse::<f64>().ok()).sum();
    Used { wall, processor: Duration::from_secs_f64(processor), memory }
}

/// The most memory that the shell's child has had resident so far; `None` once the shell is gone.
fn peak_of_child(shell: u32) -> Option<u64> {
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
    let peak = |id: &str| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    };
    Some(children.split_whitespace().filter_map(peak).max().unwrap_or(0))
}
