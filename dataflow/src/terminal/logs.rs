//! Logs as a file's `global.log` says them, and spans to OpenTelemetry where that is built in.

use std::fmt;
use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use dataflow_core::{Error, Result};
use dataflow_serving::pool::LogSettings;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Our own crates; what others log is shown from warnings on.
const OURS: [&str; 5] = ["dataflow", "dataflow_core", "dataflow_operators", "dataflow_serving", "dataflow_storage"];

/// What has to be told at the end, such as spans that are not sent yet.
#[derive(Debug, Default)]
pub struct Logs {
    #[cfg(feature = "otlp")]
    spans: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

impl Drop for Logs {
    fn drop(&mut self) {
        #[cfg(feature = "otlp")]
        if let Some(spans) = self.spans.take() {
            let _ = spans.shutdown(); // a collector that is gone has been warned of
        }
    }
}

/// Logs from now on as a file says, or as `RUST_LOG` does where it is set. A relative path of a log starts from the folder of `said_in`.
///
/// Errors: a log file that cannot be written.
pub fn log_as(settings: &LogSettings, said_in: &Path) -> Result<Logs> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| filter_of(settings));
    let time = Time(settings.date_format.clone());
    let to_file = settings.output.eq_ignore_ascii_case("file");
    let json = settings.format.eq_ignore_ascii_case("json");
    let writer = if to_file { Some(open(&said_in.parent().unwrap_or(Path::new("")).join(&settings.file_path))?) } else { None };
    let base = tracing_subscriber::fmt::layer().with_timer(time);
    let layer: Box<dyn tracing_subscriber::Layer<_> + Send + Sync> = match (writer, json) {
        (Some(file), true) => Box::new(base.json().with_writer(Mutex::new(file))),
        (Some(file), false) => Box::new(base.with_ansi(false).with_writer(Mutex::new(file))),
        (None, true) => Box::new(base.json().with_writer(std::io::stderr)),
        (None, false) => Box::new(base.with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr)),
    };
    let subscriber = tracing_subscriber::registry().with(layer);
    #[cfg(feature = "otlp")]
    {
        let (spans, layer) = super::spans::exported()?;
        let filter = if layer.is_some() { super::spans::also_spans(filter) } else { filter };
        let _ = subscriber.with(layer).with(filter).try_init(); // a program may have set its own
        Ok(Logs { spans })
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = subscriber.with(filter).try_init(); // a program may have set its own
        Ok(Logs::default())
    }
}

fn filter_of(settings: &LogSettings) -> EnvFilter {
    let level = match settings.level.to_ascii_lowercase().as_str() {
        "trace" => "trace",
        "debug" => "debug",
        "warning" | "warn" => "warn",
        "error" | "critical" => "error",
        _ => "info",
    };
    let others = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(OURS.iter().fold(others.to_owned(), |filter, ours| format!("{filter},{ours}={level}")))
}

fn open(path: &Path) -> Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let opened = folder.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::options().create(true).append(true).open(path));
    opened.map_err(|error| Error::storage(format!("`global.log.file_path`: cannot write {}", path.display()), error))
}

/// Times as `date_format` writes them.
struct Time(String);

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let mut text = String::new();
        // A format that is none gives an error; then the time is told as everywhere.
        if fmt::write(&mut text, format_args!("{}", chrono::Local::now().format(&self.0))).is_err() {
            text = chrono::Local::now().to_rfc3339();
        }
        writer.write_str(&text)
    }
}

/// Warnings and errors without their time and their module, as a run tells its others.
pub(super) struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "{}: ", if *event.metadata().level() == Level::ERROR { "error" } else { "warning" })?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn levels_are_those_of_the_file_and_others_are_quiet() {
        let filter = |level: &str| filter_of(&LogSettings { level: level.into(), ..LogSettings::default() }).to_string();
        assert!(filter("warning").contains("dataflow_serving=warn"));
        assert!(filter("debug").contains("dataflow_serving=debug") && filter("debug").contains("warn"));
        assert!(filter("nonsense").contains("dataflow=info"));
    }

    #[test]
    fn warnings_are_told_without_their_time_and_module() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&told);
        let subscriber = tracing_subscriber::fmt().with_writer(move || Shared(Arc::clone(&into))).with_ansi(false).event_format(Plain).finish();
        tracing::subscriber::with_default(subscriber, || tracing::warn!(image = "a.png", "an image is not there"));
        assert_eq!(String::from_utf8(told.lock().unwrap().clone()).unwrap(), "warning: an image is not there image=\"a.png\"\n");
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_is_made_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(&folder.path().join("logs/one.log")).is_ok());
        assert!(open(folder.path()).unwrap_err().to_string().contains("global.log.file_path"));
    }
}
