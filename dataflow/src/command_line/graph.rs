//! `dataflow graph`.

use std::path::PathBuf;

use crate::graph_page::{self, GraphPage};
use crate::terminal::{Exit, say};
use crate::{Error, Result};
use clap::{Args, ValueEnum};

use super::{give, run::overridden};

#[derive(Args)]
pub struct Arguments {
    /// The pipeline file
    file: PathBuf,
    /// What is drawn; told by the name of `--output` where that is given
    #[arg(long)]
    format: Option<Format>,
    /// Write it here instead of to stdout
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Serve the page on this machine at a port, 0 for any, until Ctrl-C
    #[arg(long, value_name = "PORT", conflicts_with_all = ["output", "format"])]
    serve: Option<u16>,
    /// Replace a value of the file; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = crate::pipeline_file::assignment)]
    set: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Html,
    Svg,
    Mermaid,
    Dot,
    Json,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let compiled = overridden(&arguments.file, &arguments.set, &[])?.pipeline()?.compile()?;
    let graph = compiled.graph();
    if let Some(port) = arguments.serve {
        let served = graph_page::serve(graph, GraphPage { port, ..GraphPage::default() })
            .map_err(|error| Error::storage(format!("cannot serve at port {port}"), error))?;
        say(&format!("the graph is at {}; Ctrl-C ends", served.url()));
        served.wait();
        return Ok(Exit::Well);
    }
    let by_name = arguments.output.as_ref().and_then(|path| path.extension()).and_then(|extension| match extension.to_str()? {
        "html" | "htm" => Some(Format::Html),
        "svg" => Some(Format::Svg),
        "mmd" | "mermaid" => Some(Format::Mermaid),
        "dot" | "gv" => Some(Format::Dot),
        "json" => Some(Format::Json),
        _ => None,
    });
    if let (Some(path), None, None) = (&arguments.output, arguments.format, by_name) {
        return Err(Error::Configuration(format!(
            "the name `{}` does not tell what is to be drawn\nhint: end it in .html, .svg, .mmd, .dot or .json, or give `--format`",
            path.display()
        )));
    }
    let text = match arguments.format.or(by_name).unwrap_or(Format::Mermaid) {
        Format::Html => graph.to_html(),
        Format::Svg => graph.to_svg(),
        Format::Mermaid => graph.to_mermaid(),
        Format::Dot => graph.to_dot(),
        Format::Json => serde_json::to_string_pretty(&graph.to_json()).unwrap_or_default(),
    };
    give(format!("{}\n", text.trim_end()).as_bytes(), arguments.output.as_deref())?;
    Ok(Exit::Well)
}
