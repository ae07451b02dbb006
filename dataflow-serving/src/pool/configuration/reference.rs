//! `docs/gateway.md`: all keys of a file, made of the schema. `UPDATE_DOCS=1 cargo test --workspace --lib -- reference` writes it anew.

use serde_json::Value;

use super::Configuration;

const SECTIONS: [(&str, &str, &str); 5] = [
    ("ModelSettings", "`models`", "A list; each item is one model behind one channel."),
    ("Prices", "`models[].prices`", ""),
    ("ChannelSettings", "`channels`", "Each has a name, which models call as their `channel_id`."),
    ("GatewaySettings", "`gateway`", "How the gateway serves, and how its pool behaves."),
    ("LogSettings", "`global.log`", "What is logged, and where to."),
];

/// The rows of a section's table.
fn rows(section: &Value) -> String {
    let needed = |key: &str| section["required"].as_array().is_some_and(|needed| needed.contains(&key.into()));
    let row = |(key, value): (&String, &Value)| {
        let told = value["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let default = match &value["default"] {
            _ if needed(key) => "**needed**".to_owned(),
            Value::Null => "none".to_owned(),
            Value::String(text) if text.is_empty() => "none".to_owned(),
            Value::String(text) => format!("`{text}`"),
            Value::Array(items) if items.is_empty() => "none".to_owned(),
            Value::Number(number) => format!("`{}`", number.as_f64().unwrap_or_default()),
            other => format!("`{other}`"),
        };
        format!("| `{key}` | {told} | {default} |")
    };
    section["properties"].as_object().into_iter().flatten().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_of_keys_is_up_to_date() {
    let schema = Configuration::json_schema();
    let section = |(name, title, about): (&str, &str, &str)| {
        let about = if about.is_empty() { String::new() } else { format!("{about}\n\n") };
        format!("## {title}\n\n{about}| Key | What it says | Default |\n| --- | --- | --- |\n{}\n", rows(&schema["$defs"][name]))
    };
    let text = format!(
        "# The keys of a gateway's file\n\n\
        They stand in the file of `dataflow gateway -c FILE` and `{{ type: pool, config: FILE }}`, beside those of `dataflow process`. Only what is needed has to be there; a key without a value is as \
        one that is not there, `${{NAME}}` and `${{NAME:-default}}` in a value are taken from the environment, and times are in seconds. `dataflow gateway --schema` prints the same for editors.\n\n{}\n\
        Not to be set: a request's head may take 75 s and 64 KB, its body 60 s; a connection on which nothing is asked is closed after 75 s; a stream in which nothing is said gets a comment every 15 s.\n",
        SECTIONS.map(section).join("\n")
    );
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateway.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/gateway.md is not up to date\nhint: `UPDATE_DOCS=1 cargo test --workspace --lib -- reference` writes it");
}
