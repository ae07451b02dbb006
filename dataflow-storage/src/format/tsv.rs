//! TSV: values separated by tabs, quoted as in CSV where a value needs it.

use super::delimited::{sink, source};
use super::{Compresses, FormatInfo};

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "tsv",
    extensions: &["tsv", "tab"],
    compresses: Compresses::ByWrapping,
    source: |file, options| Ok(source(b'\t', file, options)),
    sink: |file, compression, schema| sink(b'\t', file, compression, schema),
};

#[cfg(test)]
mod tests {
    use crate::format::testing::check_round_trips;

    check_round_trips!("x.tsv", text);
}
