//! Files that the steps hand on to one another.

use std::path::Path;

use dataflow_core::{Error, Result, whole_file};
use serde_json::Value;

/// What a file of text holds.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::Data(format!("cannot read `{}`: {error}", path.display())))
}

/// The items of a layout: a JSON list of records.
pub(super) fn items(path: &Path) -> Result<Vec<Value>> {
    match serde_json::from_str(&read(path)?) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(other) => {
            let found = other.to_string().chars().take(40).collect::<String>();
            Err(Error::Data(format!("`{}` should hold a JSON list of items, found {found}", path.display())))
        }
        Err(error) => Err(Error::Data(format!("`{}` should hold a JSON list of items: {error}", path.display()))),
    }
}

/// Writes a file whole, with the folders above it.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    whole_file::write(path, text.as_bytes())
}

/// A name as part of a path: one that would lead elsewhere is refused.
pub(super) fn folder_name(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(Error::Data(format!("a name of a folder was expected, found `{name}`")));
    }
    Ok(name)
}
