//! A run's rows in files: the input, the output, a cache a step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow_core::configuration::nearest_variant;
use dataflow_core::registry::nearest;
use dataflow_core::storage::{FrameReader, Sink, Source, Storage, StorageContext, StorageKind, StoragePaths};
use dataflow_core::{Error, Result};
use polars::prelude::{DataFrame, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Separator;
use crate::format::{Format, OnMalformed, ReadOptions, ValueType, sink_at, source_at};
use crate::input_file::check_is_there;

inventory::submit! {
    StorageKind { name: "file", build: |spec, context| Ok(Arc::new(FileStorage::of_spec(spec, context)?)) }
}

/// Files as a pipeline's storage.
///
/// ```
/// use dataflow_storage::{CacheType, FileStorage};
/// # let folder = tempfile::tempdir()?;
/// # let input = folder.path().join("questions.csv");
/// # std::fs::write(&input, "question\nWhy?\n")?;
/// let storage = FileStorage::open(&input)?
///     .output("out/answers.jsonl.gz")
///     .cache_path("./cache")
///     .cache_type(CacheType::Parquet);
/// # use dataflow_core::storage::Storage;
/// assert_eq!(storage.step_path(2).unwrap(), std::path::Path::new("./cache/dataflow_cache_step_step2.parquet"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileStorage {
    base: PathBuf,
    settings: Settings,
    work_path: PathBuf,
    /// What its file says wrongly.
    misread: Vec<String>,
}

/// The kind of file that a step's cache is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// An object a line.
    #[default]
    Jsonl,
    /// An array of objects.
    Json,
    /// Values separated by commas.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow.
    Arrow,
    /// No caches.
    None,
}

impl CacheType {
    fn format(self) -> Option<Format> {
        Some(match self {
            Self::Jsonl => Format::Jsonl,
            Self::Json => Format::Json,
            Self::Csv => Format::Csv,
            Self::Parquet => Format::Parquet,
            Self::Arrow => Format::Arrow,
            Self::None => return None,
        })
    }
}

/// What a pipeline file says; paths as they are written there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<Separator>,
    cache_path: PathBuf,
    file_name_prefix: String,
    cache_type: CacheType,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<PathBuf>,
    on_malformed: OnMalformed,
    #[serde(skip_serializing_if = "Map::is_empty")]
    schema: Map<String, Value>, // each value is a `ValueType`; a map that keeps its order
}

/// The keys of a pipeline file's `storage`.
const KEYS: [&str; 12] =
    ["input", "output", "format", "output_format", "sheet", "separator", "cache_path", "file_name_prefix", "cache_type", "journal", "on_malformed", "schema"];

/// What turns the journal off in a pipeline file.
const OFF: &str = "off";

impl Default for Settings {
    fn default() -> Self {
        Self {
            input: None,
            output: None,
            format: None,
            output_format: None,
            sheet: None,
            separator: None,
            cache_path: "./cache".into(),
            file_name_prefix: "dataflow_cache_step".into(),
            cache_type: CacheType::default(),
            journal: None,
            on_malformed: OnMalformed::default(),
            schema: Map::new(),
        }
    }
}

impl Settings {
    /// Reads what a file says. What is unknown or wrong is left out and told, and with it the input where it says how that is read.
    fn read(spec: Map<String, Value>) -> (Self, Vec<String>) {
        let (mut right, mut wrong, mut unclear) = (Map::new(), Vec::new(), Vec::new());
        for (key, mut value) in spec {
            if key == "journal" && value == Value::Bool(false) {
                value = OFF.into(); // YAML 1.1 reads `off` as false
            }
            let told = wrong_with(&key, &value);
            if told.is_empty() {
                right.insert(key, value);
            } else {
                wrong.extend(told);
                unclear.extend(nearest(&key, KEYS));
            }
        }
        let mut settings: Self = serde_json::from_value(Value::Object(right)).unwrap_or_else(|error| {
            wrong.push(error.to_string());
            Self::default()
        });
        if unclear.iter().any(|key| ["format", "sheet", "separator", "on_malformed", "schema"].contains(key)) {
            settings.input = None;
        }
        if unclear.contains(&"output_format") {
            settings.output = None;
        }
        for (path, format) in [(&mut settings.input, settings.format), (&mut settings.output, settings.output_format)] {
            if let Some(error) = path.as_ref().and_then(|path| Format::of_file(path, format).err()) {
                wrong.push(error.to_string());
                *path = None;
            }
        }
        (settings, wrong)
    }

    /// What is wrong where a sheet or a separator is named and the input has none.
    fn needless(&self) -> Vec<String> {
        let Some((format, _)) = self.input.as_ref().and_then(|input| Format::of_file(input, self.format).ok()) else { return Vec::new() };
        let sheet =
            self.sheet.as_ref().filter(|_| format != Format::Xlsx).map(|sheet| {
                format!("`sheet` names `{sheet}`, and the input is {format}, which has no sheets\nhint: leave `sheet` away, or name an xlsx input")
            });
        let separator = self.separator.filter(|_| !matches!(format, Format::Csv | Format::Tsv)).map(|separator| {
            format!("`separator` is `{separator}`, and the input is {format}, which has none\nhint: leave `separator` away, or name a csv input")
        });
        sheet.into_iter().chain(separator).collect()
    }
}

/// What is wrong with one key of a file and its value.
fn wrong_with(key: &str, value: &Value) -> Vec<String> {
    if !KEYS.contains(&key) {
        let meant = nearest(key, KEYS).map(|key| format!("did you mean `{key}`? ")).unwrap_or_default();
        let known = KEYS.map(|key| format!("`{key}`")).join(", ");
        return vec![format!("unknown key `{key}`\nhint: {meant}the keys are {known}")];
    }
    let alone = Map::from_iter([(key.to_owned(), value.clone())]);
    match serde_json::from_value::<Settings>(Value::Object(alone)) {
        Err(error) => vec![format!("`{key}`: {}", with_hint(&error))],
        Ok(settings) => {
            let types = settings.schema.iter().filter_map(|(column, value_type)| Some((column, ValueType::deserialize(value_type).err()?)));
            types.map(|(column, error)| format!("`schema`: column `{column}`: {}", with_hint(&error))).collect()
        }
    }
}

/// An error of a value, with the nearest of those that it may be.
fn with_hint(error: &serde_json::Error) -> String {
    let error = error.to_string();
    let hint = nearest_variant(&error).map(|hint| format!("\nhint: {hint}"));
    error + &hint.unwrap_or_default()
}

impl FileStorage {
    /// A storage that begins with the rows of a file. There must be one.
    pub fn open(input: impl Into<PathBuf>) -> Result<Self> {
        let input = input.into();
        check_is_there(&input)?;
        Ok(Self::at(input))
    }

    /// As [`open`](Self::open), of a file that has to be there only when the pipeline is compiled: another input may be named before that, as `--input` does.
    pub fn at(input: impl Into<PathBuf>) -> Self {
        Self::of(Settings { input: Some(input.into()), ..Settings::default() }, PathBuf::new())
    }

    /// A storage without an input, for pipelines whose first operator makes the rows.
    pub fn empty() -> Self {
        Self::of(Settings::default(), PathBuf::new())
    }

    /// What a pipeline file says under `storage`. Whether the input is there is asked when it is read.
    fn of_spec(spec: Value, context: &StorageContext) -> Result<Self> {
        let Value::Object(spec) = spec else {
            return Err(Error::Configuration(format!("expected keys and values, found `{spec}`")));
        };
        let (settings, misread) = Settings::read(spec);
        Ok(Self { misread, ..Self::of(settings, context.base.clone()) })
    }

    fn of(settings: Settings, base: PathBuf) -> Self {
        let work_path = base.join(&settings.cache_path);
        Self { base, settings, work_path, misread: Vec::new() }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        Self { misread: self.misread, ..Self::of(self.settings, self.base) }
    }

    /// Where the last step's rows go; without it, they are in the last step's cache alone.
    #[must_use]
    pub fn output(self, path: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.output = Some(path.into()))
    }

    /// The folder for step caches and what else a run must remember.
    #[must_use]
    pub fn cache_path(self, folder: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.cache_path = folder.into())
    }

    /// What the names of the step caches begin with.
    #[must_use]
    pub fn file_name_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|settings| settings.file_name_prefix = prefix.into())
    }

    /// The kind of file that a step's cache is.
    #[must_use]
    pub fn cache_type(self, cache_type: CacheType) -> Self {
        self.with(|settings| settings.cache_type = cache_type)
    }

    /// Where the journal is; without it, in the folder of the caches. Pipelines that name the same path share it.
    #[must_use]
    pub fn journal(self, path: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.journal = Some(path.into()))
    }

    /// Keeps no journal, so that a second run buys every answer again.
    #[must_use]
    pub fn without_journal(self) -> Self {
        self.journal(OFF)
    }

    /// The input's format, where its name does not tell.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        self.with(|settings| settings.format = Some(format))
    }

    /// The output's format, where its name does not tell.
    #[must_use]
    pub fn output_format(self, format: Format) -> Self {
        self.with(|settings| settings.output_format = Some(format))
    }

    /// The sheet of the input workbook; without it, the first.
    #[must_use]
    pub fn sheet(self, name: impl Into<String>) -> Self {
        self.with(|settings| settings.sheet = Some(name.into()))
    }

    /// What stands between the fields of the input, a csv or tsv; without it, a comma or a tab.
    #[must_use]
    pub fn separator(self, separator: Separator) -> Self {
        self.with(|settings| settings.separator = Some(separator))
    }

    /// What becomes of a malformed record of the input.
    #[must_use]
    pub fn on_malformed(self, choice: OnMalformed) -> Self {
        self.with(|settings| settings.on_malformed = choice)
    }

    /// What some of the input's columns are read as; the fields of CSV and TSV are text without it.
    #[must_use]
    pub fn schema<'a>(self, types: impl IntoIterator<Item = (&'a str, ValueType)>) -> Self {
        let types = types.into_iter().map(|(name, value_type)| (name.to_owned(), serde_json::json!(value_type)));
        self.with(|settings| settings.schema = types.collect())
    }

    fn step_cache(&self, step: usize) -> Option<(PathBuf, Format)> {
        let format = self.settings.cache_type.format()?;
        Some((self.work_path.join(format!("{}_step{step}.{format}", self.settings.file_name_prefix)), format))
    }
}

impl Storage for FileStorage {
    fn spec(&self) -> Value {
        let plain = serde_json::to_value(Settings::default()).unwrap_or_default();
        let mut spec = serde_json::to_value(&self.settings).unwrap_or_default();
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|key, value| plain.get(key) != Some(value));
        }
        spec
    }

    fn over(&self, paths: &StoragePaths) -> Result<Arc<dyn Storage>> {
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|error| Error::storage(format!("cannot tell where {} is", path.display()), error));
        let mut settings = self.settings.clone();
        if let Some(input) = &paths.input {
            settings.input = Some(absolute(input)?);
        }
        if let Some(output) = &paths.output {
            settings.output = Some(absolute(output)?);
        }
        if let Some(cache_path) = &paths.cache_path {
            settings.cache_path = absolute(cache_path)?;
        }
        Ok(Arc::new(Self { misread: self.misread.clone(), ..Self::of(settings, self.base.clone()) }))
    }

    fn source(&self) -> Result<Arc<dyn Source>> {
        let Some(input) = self.input_path() else { return Ok(Arc::new(NoRows)) };
        let types = self.settings.schema.iter();
        let options = ReadOptions {
            format: self.settings.format,
            sheet: self.settings.sheet.clone(),
            separator: self.settings.separator,
            on_malformed: self.settings.on_malformed,
            types: types.filter_map(|(name, value_type)| Some((name.clone(), ValueType::deserialize(value_type).ok()?))).collect(),
            schema: None,
        };
        source_at(input, &options)
    }

    fn problems(&self) -> Vec<String> {
        self.misread.iter().cloned().chain(self.settings.needless()).collect()
    }

    fn output(&self, schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        self.output_path().map(|path| sink_at(path, self.settings.output_format, schema)).transpose()
    }

    fn written_output(&self, schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        let options = ReadOptions { format: self.settings.output_format, schema: Some(schema.clone()), ..ReadOptions::default() };
        self.output_path().filter(|path| path.is_file()).map(|path| source_at(path, &options)).transpose()
    }

    fn input_path(&self) -> Option<PathBuf> {
        self.settings.input.as_ref().map(|path| self.base.join(path))
    }

    fn output_path(&self) -> Option<PathBuf> {
        self.settings.output.as_ref().map(|path| self.base.join(path))
    }

    fn step_path(&self, step: usize) -> Option<PathBuf> {
        self.step_cache(step).map(|(path, _)| path)
    }

    fn step_sink(&self, step: usize, schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        self.step_cache(step).map(|(path, format)| sink_at(path, Some(format), schema)).transpose()
    }

    fn step_source(&self, step: usize, schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        let cache = self.step_cache(step).filter(|(path, _)| path.exists());
        let options = |format| ReadOptions { format: Some(format), schema: Some(schema.clone()), ..ReadOptions::default() };
        cache.map(|(path, format)| source_at(path, &options(format))).transpose()
    }

    fn work_path(&self) -> &Path {
        &self.work_path
    }

    fn journal_path(&self) -> Option<PathBuf> {
        match &self.settings.journal {
            Some(path) if path == Path::new(OFF) => None,
            Some(path) => Some(self.base.join(path)),
            None => Some(self.work_path.join("journal")),
        }
    }
}

/// The source of a storage without an input.
#[derive(Debug)]
struct NoRows;

impl Source for NoRows {
    fn schema(&self) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::default()))
    }

    fn rows(&self) -> Option<u64> {
        Some(0)
    }

    fn fingerprint(&self) -> Result<String> {
        Ok("no input".into())
    }

    fn open(&self, _batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        Ok(Box::new(Self))
    }
}

impl FrameReader for NoRows {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::registry::build_storage;
    use insta::assert_snapshot;
    use polars::prelude::*;
    use serde_json::json;

    fn built(spec: &Value) -> Result<Arc<dyn Storage>> {
        build_storage(spec, &StorageContext { base: "pipelines".into() })
    }

    fn frame() -> DataFrame {
        let list = Series::new("".into(), ["a", "b"]);
        df!(
            "题目" => [Some("007"), Some(""), None],
            "n" => [Some(u64::MAX), None, Some(1)],
            "f" => [Some(1.0f32), Some(0.1), None],
            "day" => Series::new("day".into(), [Some(19_753i32), None, Some(-1)]).cast(&DataType::Date).unwrap(),
            "list" => Series::new("list".into(), [Some(list.clone()), None, Some(list.slice(0, 0))]),
            "nothing" => Series::new_null("nothing".into(), 3),
        )
        .unwrap()
    }

    fn rows(source: &dyn Source) -> DataFrame {
        let mut reader = source.open(100).unwrap();
        let frame = reader.next_frame().unwrap().unwrap();
        assert!(reader.next_frame().unwrap().is_none());
        frame
    }

    #[test]
    fn a_file_says_what_the_builder_says() {
        let spec = json!({
            "input": "../data/x.csv", "output": "out/y.jsonl.gz", "format": "csv", "cache_path": "tmp", "file_name_prefix": "p",
            "cache_type": "parquet", "journal": "off", "on_malformed": "set_aside", "schema": {"n": "integer", "a": "text"}, "separator": "tab",
        });
        let storage = built(&spec).unwrap();
        assert_eq!(storage.spec(), spec);
        assert_eq!(storage.output_path().unwrap(), Path::new("pipelines/out/y.jsonl.gz"));
        assert_eq!(storage.step_path(3).unwrap(), Path::new("pipelines/tmp/p_step3.parquet"));
        assert_eq!(storage.journal_path(), None);
        assert_eq!(built(&json!({})).unwrap().journal_path().unwrap(), Path::new("pipelines/./cache/journal"));
        let by_builder = FileStorage::empty().output("out/y.jsonl.gz").journal("j").on_malformed(OnMalformed::SetAside).schema([("n", ValueType::Integer)]);
        assert_eq!(by_builder.spec(), json!({"output": "out/y.jsonl.gz", "journal": "j", "on_malformed": "set_aside", "schema": {"n": "integer"}}));
    }

    #[test]
    fn other_paths_stand_in_for_its_own() {
        let storage = FileStorage::empty().output("out/y.jsonl").cache_path("tmp").without_journal();
        let over = |paths: StoragePaths| storage.over(&paths).unwrap();
        let input = over(StoragePaths { input: Some("/data/x.csv".into()), ..Default::default() });
        assert_eq!(input.spec(), json!({"input": "/data/x.csv", "output": "out/y.jsonl", "cache_path": "tmp", "journal": "off"}));
        let all = over(StoragePaths { input: None, output: Some("z.jsonl".into()), cache_path: Some("/cache".into()) });
        assert_eq!(all.output_path(), std::path::absolute("z.jsonl").ok(), "from the current folder");
        assert_eq!((all.work_path(), all.input_path()), (Path::new("/cache"), None));
    }

    #[test]
    fn what_a_file_says_wrongly_is_told() {
        let check = |spec: Value| built(&spec).unwrap().problems().join("\n");
        assert_snapshot!(check(json!({"imput": "x"})), @r"
        unknown key `imput`
        hint: did you mean `input`? the keys are `input`, `output`, `format`, `output_format`, `sheet`, `separator`, `cache_path`, `file_name_prefix`, `cache_type`, `journal`, `on_malformed`, `schema`
        ");
        assert_snapshot!(check(json!({"cache_type": "jsonx"})), @r"
        `cache_type`: unknown variant `jsonx`, expected one of `jsonl`, `json`, `csv`, `parquet`, `arrow`, `none`
        hint: did you mean `json`?
        ");
        assert_snapshot!(check(json!({"cache_type": "yaml"})), @"`cache_type`: unknown variant `yaml`, expected one of `jsonl`, `json`, `csv`, `parquet`, `arrow`, `none`");
        assert_snapshot!(check(json!({"schema": {"n": "int"}})), @r"
        `schema`: column `n`: unknown variant `int`, expected one of `text`, `integer`, `float`, `boolean`
        hint: did you mean `integer`?
        ");
        assert_snapshot!(check(json!({"format": "jsnl"})), @r"
        `format`: unknown format `jsnl`
        hint: did you mean `jsonl`? it is one of `json`, `jsonl`, `csv`, `tsv`, `parquet`, `arrow`, `xlsx`
        ");
        assert_snapshot!(check(json!({"input": "x.jsonl.gz", "sheet": "Data"})), @r"
        `sheet` names `Data`, and the input is jsonl, which has no sheets
        hint: leave `sheet` away, or name an xlsx input
        ");
        assert_snapshot!(check(json!({"input": "x.jsonl", "separator": ";"})), @r"
        `separator` is `;`, and the input is jsonl, which has none
        hint: leave `separator` away, or name a csv input
        ");
        assert_snapshot!(check(json!({"input": "x.csv", "separator": "; "})), @"`separator`: should be one character, such as `;` or `tab`, found `; `");
        for input in [json!({"input": "x.xlsx", "sheet": "Data"}), json!({"input": "x.dat", "format": "xlsx", "sheet": "Data"}), json!({"sheet": "Data"})] {
            assert_eq!(check(input), "");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_input_that_can_be_read_but_once_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("in.jsonl");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [Path::new("/dev/null"), Path::new("/dev/zero"), &link] {
            let told = built(&json!({"input": path, "format": "jsonl"})).unwrap().source().unwrap_err().to_string();
            assert!(
                told.ends_with("is no file that can be read twice, as an input is: once for its columns, once for its rows\nhint: write it to a file first"),
                "{told}"
            );
            assert!(FileStorage::open(path).is_err());
        }
        // An output may be one, and is then nothing to be read again.
        assert!(FileStorage::empty().output("/dev/null").output_format(Format::Jsonl).written_output(frame().schema()).unwrap().is_none());
    }

    #[test]
    fn an_input_that_is_not_there_is_told_with_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("questions.jsonl"), "").unwrap();
        let path = folder.path().join("question.jsonl");
        let error = FileStorage::open(&path).unwrap_err();
        assert!(matches!(error, Error::NotFound(_)));
        let told = error.to_string().replace(&folder.path().display().to_string(), "");
        assert_eq!(told, "no file at `/question.jsonl`\nhint: there is `/questions.jsonl`");
        for storage in [built(&json!({"input": path})).unwrap(), Arc::new(FileStorage::at(&path)) as Arc<dyn Storage>] {
            assert!(matches!(storage.source(), Err(Error::NotFound(_))));
        }
    }

    #[test]
    fn every_step_cache_gives_its_rows_and_types_back() {
        let folder = tempfile::tempdir().unwrap();
        let frame = frame();
        for cache_type in [CacheType::Jsonl, CacheType::Json, CacheType::Csv, CacheType::Parquet, CacheType::Arrow] {
            let storage = FileStorage::empty().cache_path(folder.path().join("deep/cache")).cache_type(cache_type);
            assert!(storage.step_source(1, frame.schema()).unwrap().is_none());
            let mut sink = storage.step_sink(1, frame.schema()).unwrap().unwrap();
            sink.write(&frame).unwrap();
            drop(sink);
            assert!(storage.step_source(1, frame.schema()).unwrap().is_none(), "a cache that was not finished is not there");
            let mut sink = storage.step_sink(1, frame.schema()).unwrap().unwrap();
            sink.write(&frame).unwrap();
            sink.commit().unwrap();
            let back = rows(&*storage.step_source(1, frame.schema()).unwrap().unwrap());
            assert_eq!(back.schema(), frame.schema(), "{cache_type:?}");
            assert!(back.equals_missing(&frame), "{cache_type:?}\n{back}");
        }
        assert!(FileStorage::empty().cache_type(CacheType::None).step_sink(1, frame.schema()).unwrap().is_none());
    }

    #[test]
    fn the_output_is_there_when_it_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::empty().output(folder.path().join("x.csv.zst"));
        assert!(storage.written_output(frame().schema()).unwrap().is_none());
        let mut sink = Storage::output(&storage, frame().schema()).unwrap().unwrap();
        sink.write(&frame()).unwrap();
        sink.commit().unwrap();
        assert_eq!(rows(&*storage.written_output(frame().schema()).unwrap().unwrap()).height(), 3);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(storage.source().unwrap().schema().unwrap().len(), 0);
    }

    #[test]
    fn a_fingerprint_follows_the_content_and_how_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let storage = FileStorage::open(&path).unwrap();
        let scanned = storage.source().unwrap();
        assert_eq!(scanned.schema().unwrap().len(), 1);
        let first = scanned.fingerprint().unwrap();
        assert_eq!(storage.source().unwrap().fingerprint().unwrap(), first);
        assert_eq!(scanned.rows(), Some(1));
        let typed = storage.clone().schema([("a", ValueType::Integer)]);
        assert_ne!(typed.source().unwrap().fingerprint().unwrap(), first);
        std::fs::write(&path, "a\n22\n").unwrap();
        assert_ne!(storage.source().unwrap().fingerprint().unwrap(), first);
    }

    #[test]
    fn a_file_of_another_format_is_told_what_it_should_begin_with() {
        let folder = tempfile::tempdir().unwrap();
        for (ending, begin) in [("arrow", "ARROW1"), ("parquet", "PAR1"), ("xlsx", "PK")] {
            let path = folder.path().join(format!("x.{ending}"));
            std::fs::write(&path, "{}").unwrap();
            let error = crate::source_at(&path, &crate::ReadOptions::default()).unwrap().schema().unwrap_err().to_string();
            assert!(error.contains(&format!("begins with `{begin}`, and this file with `{{}}")) && error.contains("hint: "), "{error}");
        }
    }
}
