//! The exit codes, after sysexits.h where it has one.

use std::process::ExitCode;

use dataflow_core::{Error, Report, RunOutcome};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well: 0.
    Well,
    /// The command was called wrongly: 2, as where its arguments cannot be read.
    CalledWrongly,
    /// Finished, but rows failed: 3.
    RowsFailed,
    /// The pipeline does not compile, or data is malformed: 65.
    BadData,
    /// There is no such input: 66.
    NoInput,
    /// The model service or the database could not be reached: 69.
    Unreachable,
    /// Stopped early, and can be resumed: 75.
    Stopped,
    /// Bad configuration: 78.
    BadConfiguration,
    /// Ended by a signal: 128 and its number.
    Signal(i32),
}

impl Exit {
    /// How a run that gave a report ends; `signal` is the number of the signal that stopped it, or 0.
    pub fn of_report(report: &Report, signal: i32) -> Self {
        match report.outcome {
            RunOutcome::Stopped | RunOutcome::Failed if signal > 0 => Self::Signal(signal),
            RunOutcome::Stopped | RunOutcome::Failed => Self::Stopped,
            RunOutcome::Complete if report.unwritten.is_some() => Self::Stopped,
            RunOutcome::Complete if super::has_failures(report) => Self::RowsFailed,
            RunOutcome::Complete => Self::Well,
        }
    }

    /// How a command that met an error ends.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::DoesNotCompile(_) | Error::Malformed { .. } | Error::Data(_) => Self::BadData,
            Error::NotFound(_) => Self::NoInput,
            Error::Unreachable { .. } | Error::Serving(_) => Self::Unreachable,
            Error::Configuration(_) | Error::Faults(_) | Error::Prompt { .. } => Self::BadConfiguration,
            Error::Storage { source, .. } => of_storage(source.as_ref()),
            Error::Journal { source, .. } => of_storage(source),
            _ => Self::Stopped,
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::CalledWrongly => 2,
            Self::RowsFailed => 3,
            Self::BadData => 65,
            Self::NoInput => 66,
            Self::Unreachable => 69,
            Self::Stopped => 75,
            Self::BadConfiguration => 78,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

/// A file that cannot be read as its format, a place that may not be written, or trouble that may pass.
fn of_storage(source: &(dyn std::error::Error + 'static)) -> Exit {
    use std::io::ErrorKind;
    match source.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        None | Some(ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof) => Exit::BadData,
        Some(ErrorKind::NotConnected) => Exit::Unreachable,
        // An input that is not there is an error of its own; this is a folder to write in.
        Some(
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::AlreadyExists,
        ) => Exit::BadConfiguration,
        Some(_) => Exit::Stopped,
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
