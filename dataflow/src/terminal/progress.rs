//! Shows how a run goes: a bar a step, a plain line every few seconds, JSON events, or nothing.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dataflow_core::Report;
use dataflow_core::engine::{LiveRun, Observer, StepReport};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::Companion;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A plain line every few seconds, on stderr.
    Plain,
    /// A JSON object a line, on stdout.
    Json,
    /// Nothing.
    None,
}

impl FromStr for ProgressMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            other => Err(format!("expected `auto`, `plain`, `json` or `none`, found `{other}`")),
        }
    }
}

pub(super) fn observer(mode: ProgressMode, companion: Option<Arc<dyn Companion>>) -> Option<Arc<Shown>> {
    let terminal = std::io::stderr().is_terminal();
    match mode {
        ProgressMode::None => None,
        ProgressMode::Auto if terminal => Some(Shown::by(|| Box::new(Bars::default()), Duration::from_millis(120))),
        ProgressMode::Auto | ProgressMode::Plain => Some(Shown::by(move || Box::new(Lines(companion.clone())), Duration::from_secs(5))),
        ProgressMode::Json => Some(Shown::by(move || Box::new(Events(companion.clone())), Duration::from_secs(1))),
    }
}

/// A way to show a live run.
trait Display: Send {
    fn show(&mut self, run: &LiveRun);
    fn end(&mut self, run: &LiveRun, report: &Report);
}

/// Looks at the live run every while, on a thread of its own.
pub(super) struct Shown {
    make: Box<dyn Fn() -> Box<dyn Display> + Send + Sync>,
    every: Duration,
    running: Mutex<Option<(mpsc::Sender<Report>, JoinHandle<()>)>>,
}

impl Shown {
    fn by(make: impl Fn() -> Box<dyn Display> + Send + Sync + 'static, every: Duration) -> Arc<Self> {
        Arc::new(Self { make: Box::new(make), every, running: Mutex::new(None) })
    }
}

impl Observer for Shown {
    fn begins(&self, run: Arc<LiveRun>) {
        let (end, ended) = mpsc::channel::<Report>();
        let (mut display, every) = ((self.make)(), self.every);
        let thread = std::thread::spawn(move || {
            let report = loop {
                match ended.recv_timeout(every) {
                    Err(RecvTimeoutError::Timeout) => display.show(&run),
                    ended => break ended,
                }
            };
            if let Ok(report) = report {
                display.end(&run, &report);
            }
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, thread));
    }

    fn ends(&self, report: &Report) {
        if let Some((end, thread)) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = end.send(report.clone()); // as below
            let _ = thread.join(); // a display that broke has nothing left to show
        }
    }
}

#[derive(Default)]
struct Bars {
    bars: Vec<ProgressBar>,
}

impl Bars {
    fn update(&mut self, run: &LiveRun) {
        let steps = run.steps();
        if self.bars.is_empty() {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{prefix} {bar:24.magenta/blue} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let width = steps.iter().map(|step| unicode_width::UnicodeWidthStr::width(step.name.as_str())).max().unwrap_or(0);
            for step in &steps {
                let bar = all.add(ProgressBar::new(1).with_style(style.clone()));
                let pad = " ".repeat(width - unicode_width::UnicodeWidthStr::width(step.name.as_str()));
                bar.set_prefix(format!("{:>2} {}{pad}", step.step, step.name));
                self.bars.push(bar);
            }
        }
        let (mut total, _) = run.source();
        for (bar, step) in self.bars.iter().zip(&steps) {
            bar.set_length(total.unwrap_or(step.rows_in).max(1));
            bar.set_position(done(step));
            bar.set_message(counts(step, left(run, step, total)));
            // What a step drops never reaches the next one.
            total = total.map(|total| total.saturating_sub(step.dropped + step.failed));
        }
    }
}

impl Display for Bars {
    fn show(&mut self, run: &LiveRun) {
        self.update(run);
    }
    fn end(&mut self, run: &LiveRun, _: &Report) {
        self.update(run);
        self.bars.iter().for_each(ProgressBar::abandon);
    }
}

struct Lines(Option<Arc<dyn Companion>>);

impl Display for Lines {
    fn show(&mut self, run: &LiveRun) {
        let (total, read) = run.source();
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        let steps: Vec<String> = run.steps().iter().map(|step| format!("{} {}: {}", step.step, step.name, counts(step, left(run, step, total)))).collect();
        let facts = self.0.iter().flat_map(|companion| companion.facts()).map(|(name, value)| format!("; {} {value}", name.replace('_', " ")));
        super::say(&format!("{:.0} s: {read}{of} rows read; {}{}", run.elapsed().as_secs_f64(), steps.join("; "), facts.collect::<String>()));
    }
    fn end(&mut self, _: &LiveRun, _: &Report) {}
}

struct Events(Option<Arc<dyn Companion>>);

impl Events {
    /// Prints an event; that of the end has the report, too.
    fn print(&self, event: &str, run: &LiveRun, report: Option<&Report>) {
        let (total, read) = run.source();
        let mut line = json!({
            "event": event, "pipeline": run.pipeline(), "seconds": run.elapsed().as_secs_f64(), "rows_total": total, "rows_read": read,
            "rows_per_second": rows_per_second(run), "steps": run.steps(),
        });
        if let (Some(companion), Value::Object(line)) = (&self.0, &mut line) {
            line.extend(companion.facts());
        }
        if let (Some(report), Value::Object(line)) = (report, &mut line) {
            line.extend(ending(report));
        }
        let _ = writeln!(std::io::stdout().lock(), "{line}"); // whoever read the events has gone
    }
}

impl Display for Events {
    fn show(&mut self, run: &LiveRun) {
        self.print("progress", run, None);
    }
    fn end(&mut self, run: &LiveRun, report: &Report) {
        self.print("end", run, Some(report));
    }
}

/// How a run ended, by the names that its report has for it; each of them is there, if only as null.
fn ending(report: &Report) -> Map<String, Value> {
    let output = report.output.as_ref().map(|path| path.display().to_string());
    let facts = [
        ("outcome", json!(report.outcome)),
        ("error", json!(report.error)),
        ("rows_written", json!(report.rows_written)),
        ("failed", json!(report.failed)),
        ("malformed", json!(report.malformed)),
        ("output", json!(output)),
    ];
    facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect()
}

/// Rows that a step is done with.
fn done(step: &StepReport) -> u64 {
    (step.rows_out + step.dropped + step.failed).min(step.rows_in)
}

/// Rows a second that a step is done with.
fn pace(step: &StepReport) -> f64 {
    done(step) as f64 / step.seconds.max(0.001)
}

/// Rows a second that the last step is done with.
pub(crate) fn rows_per_second(run: &LiveRun) -> f64 {
    run.steps().last().map_or(0.0, |step| (pace(step) * 10.0).round() / 10.0)
}

/// Seconds that a step still needs at its pace so far.
fn left(run: &LiveRun, step: &StepReport, total: Option<u64>) -> Option<f64> {
    let done = done(step);
    let rate = done as f64 / run.elapsed().as_secs_f64().max(0.001);
    total.filter(|total| done > 0 && *total > done).map(|total| (total - done) as f64 / rate)
}

fn counts(step: &StepReport, left: Option<f64>) -> String {
    let mut text = format!("{} in, {} out", step.rows_in, step.rows_out);
    for (count, what) in [
        (step.dropped, "dropped"),
        (step.failed, "failed"),
        (step.calls, "calls"),
        (step.from_journal, "from the journal"),
        (step.input_tokens + step.output_tokens, "tokens"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}"); // a String takes every write
        }
        if what == "failed" && !step.failed_by_class.is_empty() {
            let classes: Vec<String> = step.failed_by_class.iter().map(|(class, rows)| format!("{rows} {class}")).collect();
            let _ = write!(text, " ({})", classes.join(", "));
        }
    }
    if step.seconds > 0.0 {
        let _ = write!(text, ", {:.0} rows/s", pace(step));
    }
    if let Some(left) = left {
        let _ = write!(text, ", {left:.0} s left");
    }
    text
}
