//! Reads a configuration file as far as it can be read, and checks what it says.

use std::collections::BTreeMap;
use std::path::Path;

use dataflow_core::configuration::Faults;
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use dataflow_storage::table::TableSource;
use serde_json::{Map, Value};

use super::{ProcessConfiguration, Prompt, Subtask, Validation};
use crate::process::reading::{Reading, follows, merged};

impl ProcessConfiguration {
    /// Reads a file and the profiles that it names. All problems are told together.
    pub fn read(path: &Path) -> Result<Self> {
        let (configuration, problems) = Self::gather(path)?;
        if problems.is_empty() {
            return Ok(configuration);
        }
        Err(Error::Faults(Faults { of: path.display().to_string(), problems, warnings: configuration.warnings }))
    }

    /// Reads a file as far as it can be read; tells what is wrong with it too.
    pub(in crate::process) fn gather(path: &Path) -> Result<(Self, Vec<String>)> {
        let mut reading = Reading::default();
        let (whole, raw) = reading.object_of(path)?;
        let base = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let name = path.file_stem().map_or_else(|| "process".into(), |name| name.to_string_lossy().into_owned());
        let mut configuration = Self {
            name,
            datasource: reading.section(&whole, "datasource"),
            columns_to_extract: reading.value(&whole, "columns_to_extract"),
            columns_to_write: reading.value(&whole, "columns_to_write"),
            validation: reading.section(&whole, "validation"),
            prompt: reading.section(&whole, "prompt"),
            routing: reading.section(&whole, "routing"),
            budget: reading.section(&whole, "budget"),
            error_column: reading.value(&whole, "error_column"),
            write_errors: reading.value(&whole, "write_errors"),
            cache_path: reading.value(&whole, "cache_path"),
            token_estimation: reading.section(&whole, "token_estimation"),
            path: path.to_owned(),
            base,
            ..Self::default()
        };
        configuration.datasource.kind.make_ascii_lowercase();
        let kind = configuration.datasource.kind.clone();
        reading.top_level(&whole, &kind);
        if let Some(global) = whole.get("global").and_then(Value::as_object) {
            configuration.log = reading.section_at("global.log", global.get("log"));
        }
        if TableSource::named(&kind).is_some() {
            configuration.place = reading.place(&whole, &kind);
        }
        configuration.written_password = raw.get(&kind).and_then(|section| section.get("password")).and_then(Value::as_str).map(ToOwned::to_owned);
        configuration.read_routes(&whole, &mut reading);
        let mut problems = Vec::new();
        configuration.check(&mut problems, &reading);
        let Reading { problems: mut told, warnings, unread } = reading;
        told.extend(problems.into_iter().filter(|problem| !unread.iter().any(|place| follows(problem, place))));
        (configuration.whole, configuration.warnings) = (whole, warnings);
        Ok((configuration, told))
    }

    fn read_routes(&mut self, whole: &Map<String, Value>, reading: &mut Reading) {
        if !self.routing.enabled {
            return;
        }
        if self.routing.field.is_none() && !reading.is_unread("routing.field") {
            reading.problems.push("`routing.field` is missing: name the column whose text chooses the profile".into());
        }
        if self.routing.subtasks.is_empty() && !reading.is_unread("routing.subtasks") {
            reading.problems.push("`routing.subtasks` is empty, and routing is enabled".into());
        }
        for Subtask { text, profile: path } in &self.routing.subtasks {
            let text = text.as_str().map_or_else(|| text.to_string(), ToOwned::to_owned);
            // What is wrong in it is told with the text that chooses it.
            let mut of_profile = Reading::default();
            let read = of_profile.object_of(&self.base.join(path));
            let (profile, _) = read.unwrap_or_else(|error| {
                of_profile.problems.push(error.to_string());
                Default::default()
            });
            for key in profile.keys().filter(|key| !["prompt", "validation"].contains(&key.as_str())) {
                of_profile.problems.push(format!("only `prompt` and `validation` can be changed there, found `{key}`"));
            }
            of_profile.section::<Prompt>(&profile, "prompt");
            of_profile.section::<Validation>(&profile, "validation");
            let place = format!("profile {} of `{text}`", path.display());
            reading.problems.extend(of_profile.problems.into_iter().map(|problem| format!("{place}: {problem}")));
            reading.warnings.extend(of_profile.warnings.into_iter().map(|warning| format!("{place}: {warning}")));
            let merged: Map<String, Value> =
                ["prompt", "validation"].map(|name| (name.to_owned(), merged(whole.get(name), profile.get(name)))).into_iter().collect();
            let mut of_both = Reading::default(); // whose problems are those of the parts
            self.routes.insert(text, (of_both.section(&merged, "prompt"), of_both.section(&merged, "validation")));
        }
    }

    fn check(&self, problems: &mut Vec<String>, reading: &Reading) {
        let kind = self.datasource.kind.as_str();
        match self.table() {
            // What the table lacks is not known where it is not known what it is in.
            _ if reading.is_unread("datasource") || reading.is_unread("datasource.type") || reading.is_unread(kind) => {}
            Some(table) => problems.extend(table.problems(kind)),
            None if kind.starts_with("feishu_") => {
                problems.push("`datasource.type`: Feishu is not built in\nhint: export the table as a workbook and use `excel`".into());
            }
            None => {
                let kinds = TableSource::ALL.map(|(name, _)| name);
                let hint = nearest(kind, kinds).map_or_else(|| format!("it is one of {}", kinds.join(", ")), |near| format!("did you mean `{near}`?"));
                problems.push(format!("`datasource.type` is `{kind}`\nhint: {hint}"));
            }
        }
        problems.extend(self.token_estimation.tokenizer(&self.base).err().map(|problem| format!("`token_estimation.encoding`: {problem}")));
        for (name, value, values) in [
            ("level", &self.log.level, ["debug", "info", "warning", "error"].as_slice()),
            ("format", &self.log.format, &["text", "json"]),
            ("output", &self.log.output, &["console", "file"]),
        ] {
            if !values.contains(&value.to_lowercase().as_str()) {
                problems.push(format!("`global.log.{name}` should be one of {}, found `{value}`", values.join(", ")));
            }
        }
        if self.columns_to_extract.is_empty() {
            problems.push("`columns_to_extract` is empty: list the columns that are read".into());
        }
        if self.columns_to_write.is_empty() {
            problems.push("`columns_to_write` is empty: give a column for each field of a reply, such as `{answer: answer}`".into());
        }
        let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (field, column) in &self.columns_to_write {
            fields.entry(column).or_default().push(format!("`{field}`"));
        }
        for (column, fields) in fields.into_iter().filter(|(_, fields)| fields.len() > 1) {
            let fields = fields.join(" and ");
            problems.push(format!(
                "`columns_to_write` has {fields} go into the column `{column}`: one would stand over the other\nhint: give each a column of its own"
            ));
        }
        if self.prompt.template.trim().is_empty() {
            problems.push("`prompt.template` is empty: write the question, with `{record_json}` for the row".into());
        }
        if self.datasource.concurrency.batch_size == 0 {
            problems.push("`datasource.concurrency.batch_size` should be at least 1, found 0".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::RetryLimits;
    use super::*;

    fn read(text: &str, more: &[(&str, &str)]) -> Result<ProcessConfiguration> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in more {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("jobs.yaml");
        std::fs::write(&path, text).unwrap();
        ProcessConfiguration::read(&path).map_err(|error| Error::Configuration(error.to_string().replace(&folder.path().display().to_string(), "")))
    }

    const WHOLE: &str = "
datasource: { type: CSV, concurency: {}, concurrency: { batch_size: 7 } }
csv: { input_path: a.csv }
columns_to_extract: [题目]
columns_to_write: { answer: 答案 }
prompt: { template: 'Q {record_json}', required_fields: [answer] }
routing: { enabled: true, field: kind, subtasks: [{ match: 1, profile: one.yaml }] }
models: []
";

    #[test]
    fn a_file_has_its_defaults_and_profiles_are_laid_over_it() {
        let configuration = read(WHOLE, &[("one.yaml", "prompt: { template: other }\nvalidation: { enabled: true, field_rules: { answer: [a] } }\n")]).unwrap();
        let concurrency = &configuration.datasource.concurrency;
        assert_eq!((concurrency.batch_size, concurrency.retry_limits, configuration.place.input_path.as_str()), (7, RetryLimits::default(), "a.csv"));
        assert_eq!(configuration.warnings, ["unknown key `datasource.concurency`: did you mean `concurrency`?"]);
        let (prompt, validation) = &configuration.routes["1"];
        assert_eq!((prompt.template.as_str(), prompt.required_fields.len(), validation.enabled), ("other", 1, true));
    }

    #[test]
    fn all_problems_are_told_together() {
        let error = read("datasource: { type: exel }\nprompt: { temperature: hot }\n", &[]).unwrap_err().to_string();
        for expected in [
            "`prompt.temperature` should be a number, found `hot`",
            "`datasource.type` is `exel`\n    hint: did you mean `excel`?",
            "`columns_to_extract` is empty",
            "`columns_to_write` is empty",
            "`prompt.template` is empty",
        ] {
            assert!(error.contains(expected), "{expected} is missing in {error}");
        }
        let error = read(WHOLE, &[("one.yaml", "models: []\n")]).unwrap_err().to_string();
        assert!(error.contains("profile one.yaml of `1`: only `prompt` and `validation` can be changed there, found `models`"), "{error}");
        let two =
            WHOLE.replace("profile: one.yaml }", "profile: one.yaml }, { match: b, profile: two.yaml }") + "budget: { tokens: \"${NOT_SET_ANYWHERE}\" }\n";
        let error = read(&two.replace("answer: 答案", "answer: 答案, why: 答案"), &[("one.yaml", "prompt: { temperature: hot }\n")]).unwrap_err().to_string();
        for expected in [
            "profile one.yaml of `1`: `prompt.temperature` should be a number, found `hot`",
            "profile two.yaml of `b`: there is no configuration file /two.yaml",
            "`budget.tokens` reads the environment variable `NOT_SET_ANYWHERE`, which is not set",
            "`columns_to_write` has `answer` and `why` go into the column `答案`",
        ] {
            assert!(error.contains(expected), "{expected} is missing in {error}");
        }
    }

    fn told(text: &str) -> String {
        read(text, &[("one.yaml", "prompt: { template: other }\n")]).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_nothing_that_follows_from_it() {
        let sqlite = WHOLE.replace("type: CSV", "type: sqlite") + "sqlite: { db_path: a.db, table_name: t }\n";
        let check = |from: &str, to: &str| {
            assert!(sqlite.contains(from), "{from}");
            told(&sqlite.replace(from, to)).replace("/jobs.yaml: 1 problem\n  ", "")
        };
        let ends = "\n  warning: unknown key `datasource.concurency`: did you mean `concurrency`?";
        let batch = check("batch_size: 7", "batch_size: ten");
        assert_eq!(batch, format!("`datasource.concurrency.batch_size` should be a whole number from 0 on, found `ten`{ends}"));
        assert_eq!(
            check("columns_to_extract:", "columns_to_extrct:"),
            format!("unknown key `columns_to_extrct`\n    hint: did you mean `columns_to_extract`?{ends}")
        );
        assert_eq!(
            check("columns_to_extract: [题目]", "columns_to_extract: { a: b }"),
            format!("`columns_to_extract` should be a list, found `{{\"a\":\"b\"}}`{ends}")
        );
        assert_eq!(check("sqlite: {", "sqlit: {"), format!("unknown key `sqlit`\n    hint: did you mean `sqlite`?{ends}"));
        assert_eq!(check("db_path: a.db", "db_path: 5"), format!("`sqlite.db_path` should be a text, found `5`\n    hint: put it in quotes{ends}"));
        assert_eq!(check("field: kind", "field: [k]"), format!("`routing.field` should be a text, found `[\"k\"]`{ends}"));
        assert_eq!(check("[题目]", "[题目, 5]"), format!("`columns_to_extract`: invalid type: integer `5`, expected a string{ends}"));
        let password = told("datasource: { type: mysql }\nmysql: { password: 12345 }\n");
        assert!(
            password.contains("`mysql.password` should be a text, found a number\n    hint: put it in quotes") && !password.contains("12345"),
            "{password}"
        );
        assert!(
            told("datasource: 5\n")
                .starts_with("/jobs.yaml: 4 problems\n  `datasource` should be keys with values, found `5`\n  `columns_to_extract` is empty")
        );
    }

    #[test]
    fn a_key_of_ours_that_is_written_wrong_is_an_error_and_one_of_theirs_is_warned_of() {
        let ours = [
            ("budget: { token: 5 }", "budget.token", "did you mean `tokens`?"),
            ("budget: { dollars: 5 }", "budget.dollars", "a budget has `tokens` and `money`"),
            ("buget: { tokens: 5 }", "buget", "did you mean `budget`?"),
            ("error_colum: why", "error_colum", "did you mean `error_column`?"),
            ("write_error: true", "write_error", "did you mean `write_errors`?"),
        ];
        for (line, key, hint) in ours {
            let error = told(&format!("{WHOLE}{line}\n"));
            assert!(error.contains(&format!("unknown key `{key}`\n    hint: {hint}")), "{error}");
        }
        let encoding = |name: &str| told(&format!("{WHOLE}token_estimation: {{ encoding: {name} }}\n"));
        assert!(encoding("words.json").contains("`token_estimation.encoding`: cannot read /words.json: "), "{}", encoding("words.json"));
        let name = "`token_estimation.encoding`: expected `o200k_base`, `cl100k_base` or the path of a `tokenizer.json`, found `gpt2`";
        assert!(encoding("gpt2").contains(name), "{}", encoding("gpt2"));
        assert!(told(&WHOLE.replace("concurency", "clam")).contains("unknown key `datasource.clam`\nhint: did you mean `claim`?"));
        let theirs = read(&format!("{WHOLE}gatway: {{}}\n"), &[("one.yaml", "prompt: { template: other }\n")]).unwrap();
        assert_eq!(theirs.warnings.len(), 2, "{:?}", theirs.warnings);
    }

    #[test]
    fn a_column_that_would_be_written_over_is_refused() {
        for (column, what) in [("题目", "that is read"), ("答案", "that is written"), ("kind", "that is read"), ("id", "rows are known by")] {
            let error = told(&format!("{WHOLE}error_column: {column}\n"));
            assert!(error.contains(&format!("`error_column` is `{column}`")) && error.contains(what), "{error}");
        }
        assert!(told(&WHOLE.replace("answer: 答案", "answer: id")).contains("column `id` is written, and rows are known by it"));
    }
}
