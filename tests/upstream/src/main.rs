//! The service as a program of its own, so that it survives the death of what is tested and does not disturb what is measured.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use dataflow_upstream::{Behaviour, Fault, Upstream};

const USAGE: &str = "usage: dataflow-upstream [--port N] [--latency-ms N] [--seed N] [--retry-after-ms N] [--requests-per-second N] [--burst N]
    [--rate-429 S] [--rate-500 S] [--rate-reset S] [--rate-stall S] [--rate-cut S] [--rate-bad-json S] [--rate-error-body S]
    [--rate-quota S] [--rate-401 S] [--rate-no-choices S] [--first-token-ms N] [--between-tokens-ms N] [--loading-ms N]
Prints its address, and serves its counts as JSON at /counts.";

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok((port, behaviour)) => {
            let upstream = Upstream::start_on(port, behaviour);
            let mut output = std::io::stdout();
            writeln!(output, "{}", upstream.url()).and_then(|()| output.flush()).ok(); // it serves also where nobody reads its address
            upstream.wait();
            ExitCode::SUCCESS
        }
        Err(message) => {
            writeln!(std::io::stderr(), "{message}\n{USAGE}").ok();
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(u16, Behaviour), String> {
    let (mut port, mut behaviour) = (0, Behaviour::default());
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{flag}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{flag}` should be a whole number, found `{value}`"));
        let share = || value.parse::<f64>().map_err(|_| format!("`{flag}` should be a share between 0 and 1, found `{value}`"));
        behaviour = match flag.as_str() {
            "--port" => {
                port = value.parse().map_err(|_| format!("`--port` should be a port, found `{value}`"))?;
                behaviour
            }
            "--latency-ms" => behaviour.latency(Duration::from_millis(number()?)),
            "--seed" => behaviour.seed(number()?),
            "--retry-after-ms" => behaviour.retry_after(Some(Duration::from_millis(number()?))),
            "--requests-per-second" => behaviour.requests_per_second(number()?),
            "--burst" => behaviour.burst(number()?),
            "--rate-429" => behaviour.share(Fault::RateLimited, share()?),
            "--rate-500" => behaviour.share(Fault::Status(500), share()?),
            "--rate-reset" => behaviour.share(Fault::Reset, share()?),
            "--rate-stall" => behaviour.share(Fault::Stall, share()?),
            "--rate-cut" => behaviour.share(Fault::CutBody, share()?),
            "--rate-bad-json" => behaviour.share(Fault::BadJson, share()?),
            "--rate-error-body" => behaviour.share(Fault::ErrorInBody, share()?),
            "--rate-quota" => behaviour.share(Fault::Quota, share()?),
            "--rate-401" => behaviour.share(Fault::Unauthorized, share()?),
            "--rate-no-choices" => behaviour.share(Fault::NoChoices, share()?),
            "--first-token-ms" => behaviour.first_token(Duration::from_millis(number()?)),
            "--loading-ms" => behaviour.loading(Duration::from_millis(number()?)),
            "--between-tokens-ms" => behaviour.between_tokens(Duration::from_millis(number()?)),
            other => return Err(format!("there is no `{other}`")),
        };
    }
    Ok((port, behaviour))
}
