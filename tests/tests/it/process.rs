//! `dataflow process` over small tables: what it does, what it says, and how it ends.

use std::path::Path;
use std::time::Duration;

use dataflow_tests::tables::{TableKind, TestTable, answer, key, models};
use dataflow_tests::{Service, dataflow, finished, rows};
use serde_json::Value;

const FILES: [TableKind; 3] = [TableKind::Sqlite, TableKind::Csv, TableKind::Excel];

fn process(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    finished(dataflow(folder).args(["process", "-c", "jobs.yaml"]).args(arguments))
}

fn asked(service: &Service) -> u64 {
    service.counts()["requests"].as_u64().unwrap()
}

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("cache/jobs/jobs_report.json")).unwrap()).unwrap()
}

#[test]
fn a_table_is_filled_in_and_a_second_run_has_nothing_to_do() {
    for kind in FILES {
        let folder = tempfile::tempdir().unwrap();
        let table = TestTable::make(kind, folder.path(), 40, 10).unwrap();
        let service = Service::start(&[]);
        table.configure(service.url(), "", "");
        let before = std::fs::read(table.file()).unwrap();

        let (code, stdout, _) = process(folder.path(), &["--validate"]);
        assert_eq!(code, 0, "{stdout}");
        for expected in ["30 rows to do", "question (", "answer -> answer (", "m (test) through channel `1`", "at most 30", "questions", "money: about 0."] {
            assert!(stdout.contains(expected), "{expected} is missing in {stdout}");
        }
        assert_eq!(
            (asked(&service), std::fs::read(table.file()).unwrap() == before, folder.path().join("cache").exists()),
            (0, true, false),
            "nothing is done"
        );

        let (code, stdout, stderr) = process(folder.path(), &[]);
        assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
        table.check_filled(40);
        assert!(stderr.contains("30 rows read, 30 written, 0 failed"), "{stderr}");
        let after = std::fs::read(table.file()).unwrap();
        let (code, _, stderr) = process(folder.path(), &[]);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!((asked(&service), std::fs::read(table.file()).unwrap() == after), (30, true), "{kind:?}: nothing is left to do");
    }
}

#[test]
fn a_low_rate_that_nobody_asked_for_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Csv, folder.path(), 40, 10).unwrap();
    let path = table.configure("http://127.0.0.1:1/v1", "", "");
    let text = std::fs::read_to_string(&path).unwrap();
    for (rate, time, hinted) in [("safe_rps: 0", false, false), ("safe_rps: 3", true, false), ("weight: 20", true, true)] {
        std::fs::write(&path, text.replace("safe_rps: 0", rate)).unwrap();
        let (code, stdout, stderr) = process(folder.path(), &["--validate"]);
        assert_eq!((code, stdout.contains("time: at least "), stdout.contains("hint: all models together")), (0, time, hinted), "{rate}: {stdout}{stderr}");
    }
}

#[test]
fn the_pipeline_that_is_printed_does_the_same() {
    for kind in FILES {
        let folder = tempfile::tempdir().unwrap();
        let table = TestTable::make(kind, folder.path(), 20, 5).unwrap();
        let service = Service::start(&[]);
        table.configure(service.url(), ", concurrency: { batch_size: 3 }", "error_column: why\n");
        let options = if kind == TableKind::Sqlite { ["--explain", "--create-columns"].as_slice() } else { &["--explain"] };
        let (code, yaml, stderr) = process(folder.path(), options);
        assert_eq!(code, 0, "{stderr}");
        assert!(yaml.contains("type: table") && yaml.contains("type: pool") && !yaml.contains("sk-geheim"), "{yaml}");
        std::fs::write(folder.path().join("pipeline.yaml"), &yaml).unwrap();
        let (code, _, stderr) = finished(dataflow(folder.path()).args(["check", "pipeline.yaml"]));
        assert_eq!(code, 0, "{stderr}");
        let (code, _, stderr) = finished(dataflow(folder.path()).args(["run", "pipeline.yaml", "--limit", "8"]));
        assert_eq!(code, 0, "{stderr}\n{yaml}");
        assert_eq!(table.rows().values().filter(|(answer, _)| answer.is_some()).count(), 13);
        // The configuration itself goes on where the pipeline stopped, and has the same journal.
        let (code, _, stderr) = process(folder.path(), &[]);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!((asked(&service), service.bought_twice()), (15, 0));
        let rows = table.rows();
        assert!((0..20).all(|number| rows[&key(number)].0.as_deref() == Some(&answer(number))), "{rows:?}");
    }
}

#[test]
fn each_kind_of_trouble_has_its_exit_code_and_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&[]);
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 3, 0).unwrap();
    std::fs::write(folder.path().join("empty.csv"), "").unwrap();
    std::fs::write(folder.path().join("no.db"), "this is no database, and long enough to be seen as none of SQLite's files").unwrap();
    let whole = std::fs::read_to_string(table.configure(service.url(), "", "")).unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from} is in {whole}");
        whole.replace(from, to)
    };
    let cases = [
        (replaced("db_path: work.db", "db_path: away.db"), 66, "away.db` is not there"),
        (replaced("db_path: work.db", "db_path: no.db"), 65, "file is not a database"),
        (replaced("table_name: work", "table_name: wrok"), 66, "has no table `wrok`\nhint: did you mean `work`?"),
        (replaced("[question]", "[qestion]"), 78, "has no column `qestion`\nhint: did you mean `question`?"),
        (replaced("answer: answer }\n", "answer: reply }\n"), 78, "ALTER TABLE \"work\" ADD COLUMN \"reply\" TEXT;"),
        (replaced("type: sqlite", "type: sqlit"), 78, "`datasource.type` is `sqlit`\nhint: did you mean `sqlite`?"),
        (replaced("type: sqlite", "type: csv") + "csv: { input_path: away.csv }\n", 66, "no file at `./away.csv`"),
        (replaced("type: sqlite", "type: csv") + "csv: { input_path: empty.csv }\n", 65, "its first line should name the columns"),
        (replaced("type: sqlite", "type: sqlite, id_column: key"), 78, "has no column `key` to know its rows by"),
        (replaced("type: sqlite", "type: csv, claim: true") + "csv: { input_path: empty.csv }\n", 78, "`claim` is for databases"),
        (replaced("channel_id: '1'", "channel_id: '2'"), 78, "names the channel `2`, which is not there"),
        (replaced("api_key: sk-geheim", "api_key_env: NOT_SET_ANYWHERE"), 78, "`NOT_SET_ANYWHERE` is not set"),
        (replaced("prompt:", "promt:"), 78, "unknown key `promt`\nhint: did you mean `prompt`?"),
        (replaced("models:", "error_column: question\nmodels:"), 78, "`error_column` is `question`, a column that is read"),
        (replaced("models:", "error_column: answer\nmodels:"), 78, "`error_column` is `answer`, a column that is written"),
        (replaced("answer: answer }\n", "answer: id }\n"), 78, "column `id` is written, and rows are known by it"),
        (
            replaced("models:", "budget: { money: 1 }\nmodels:").replace(", prices: { in: 1, out: 2 }", ""),
            78,
            "`budget.money` is given, and what a call costs is not known",
        ),
        (replaced(service.url().trim_end_matches("/v1"), "http://127.0.0.1:9"), 69, "gives no answers"),
        (replaced("type: sqlite", "type: mysql") + "mysql: { host: 127.0.0.1, port: 9, user: u, database: d, table_name: t }\n", 69, "is the server running"),
        (
            replaced("type: sqlite", "type: postgresql") + "postgresql: { host: 127.0.0.1, port: 9, user: u, database: d, table_name: t }\n",
            69,
            "is the server running",
        ),
    ];
    for (text, code, words) in cases {
        std::fs::write(folder.path().join("jobs.yaml"), &text).unwrap();
        let (found, stdout, stderr) = process(folder.path(), &[]);
        assert!(
            found == code && stderr.contains(words) && stdout.is_empty() && !stderr.contains("sk-geheim"),
            "{found}, where {code} and `{words}` were expected:\n{stderr}\n{text}"
        );
    }
    assert_eq!(asked(&service), 0);

    std::fs::remove_file(folder.path().join("jobs.yaml")).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!(code, 66, "{stderr}");
    std::fs::write(folder.path().join("jobs.yaml"), replaced("type: sqlite", "type: sqlite, concurrency: { batchsize: 2 }")).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert!(code == 0 && stderr.contains("warning: unknown key `datasource.concurrency.batchsize`: did you mean `batch_size`?"), "{stderr}");
    table.check_filled(3);
}

#[test]
fn all_that_is_wrong_with_a_file_its_table_and_its_models_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
global: { log: { level: loud } }
datasource: { type: csv, concurrency: { batch_size: 0 } }
csv: { input_path: away.csv }
columns_to_extract: [question]
columns_to_write: { answer: answer }
prompt: { template: 'Answer.', required_fields: [answer, reason], temperature: '${NOT_SET_ANYWHERE}' }
routing: { enabled: true, field: kind, subtasks: [{ match: a, profile: a.yaml }, { match: b, profile: b.yaml }] }
budget: { token: 5 }
models: [{ id: 1, modle: test, channel_id: '2', api_key: sk-geheim }]
channels: { '1': { base_url: 'http://127.0.0.1:9' } }
";
    std::fs::write(folder.path().join("jobs.yaml"), text).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!(code, 78, "{stderr}");
    let expected = [
        "`global.log.level` should be one of",
        "`datasource.concurrency.batch_size` should be at least 1, found 0",
        "no file at `./away.csv`",
        "`prompt.temperature` reads the environment variable `NOT_SET_ANYWHERE`, which is not set",
        "profile a.yaml of `a`: there is no configuration file",
        "profile b.yaml of `b`: there is no configuration file",
        "unknown key `budget.token`",
        "`models.1`: missing field `model`\n    hint: did you mean it by `modle`?",
        "the channel `2`, which is not there",
        "warning: the prompt holds neither `{record_json}` nor a column",
        "warning: the prompt requires the field `reason`, which goes into no column",
    ];
    for expected in expected {
        assert_eq!(stderr.matches(expected).count(), 1, "{expected} should be told once in {stderr}");
    }
    assert!(!stderr.contains("sk-geheim") && !stderr.contains("max_concurrency"), "{stderr}");
}

#[test]
fn a_file_that_is_not_there_is_told_beside_what_keeps_the_table_from_being_opened() {
    let folder = tempfile::tempdir().unwrap();
    let rest = "columns_to_extract: [a]\ncolumns_to_write: { b: c }\nprompt: { template: '{record_json}', required_fields: [b] }\n";
    for (table, expected) in [
        ("datasource: { type: csv, claim: true }\ncsv: { input_path: away.csv }\n", ["`claim` is for databases", "no file at `"]),
        ("datasource: { type: sqlite }\nsqlite: { db_path: away.db }\n", ["`sqlite.table_name` is missing", "away.db` is not there"]),
        ("datasource: { type: csv }\ncsv: { input_path: /dev/null }\n", ["`/dev/null` is no file that can be read twice", "hint: write it to a file first"]),
        ("datasource: { type: excel }\nexcel: { input_path: away.xlsx, output_path: b.xlsm }\n", ["`output_path` should end as", "no file at `"]),
    ] {
        std::fs::write(folder.path().join("jobs.yaml"), format!("{table}{rest}")).unwrap();
        let (_, _, stderr) = process(folder.path(), &[]);
        for expected in expected {
            assert_eq!(stderr.matches(expected).count(), 1, "{expected} should be told once in {stderr}");
        }
    }
}

#[test]
fn the_encoding_of_a_csv_is_told_and_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&[]);
    let text = format!(
        "datasource: {{ type: csv }}\ncsv: {{ input_path: a.csv }}\ncolumns_to_extract: [题目]\ncolumns_to_write: {{ a: 答案 }}\nprompt: {{ template: '{{record_json}}', required_fields: [a] }}\n{}",
        models(service.url())
    );
    let check = |text: &str, expected: &[&str]| {
        std::fs::write(folder.path().join("jobs.yaml"), text).unwrap();
        let (_, stdout, stderr) = process(folder.path(), &["--validate"]);
        for expected in expected {
            assert!(format!("{stdout}{stderr}").contains(expected), "{expected} is missing in {stdout}{stderr}");
        }
        assert_eq!(stderr.contains("guess"), expected.contains(&"guess"), "{stderr}");
    };
    std::fs::write(folder.path().join("a.csv"), b"\xcc\xe2\xc4\xbf;\xb4\xf0\xb0\xb8\n\xd2\xbb;\n").unwrap(); // 题目;答案 / 一;
    check(&text, &["text: gb18030, separated by `;`", "1 rows to do", "guess"]);
    check(&text.replace("a.csv }", "a.csv, encoding: gbk }"), &["text: gb18030, separated by `;`"]);
    check(&text.replace("a.csv }", "a.csv, encoding: klingon, separator: ab }"), &["`csv.encoding` is `klingon`", "`csv.separator` should be one character"]);
}

#[test]
fn a_row_that_fails_stays_to_be_done_and_says_why() {
    for kind in FILES {
        let folder = tempfile::tempdir().unwrap();
        let table = TestTable::make(kind, folder.path(), 10, 0).unwrap();
        let service = Service::start(&[]);
        let failing = "prompt: { required_fields: [answer], template: '[[status 400]]{question}' }\n";
        let path = table.configure(service.url(), "", "error_column: why\n");
        let well = std::fs::read_to_string(&path).unwrap();
        let start = well.find("prompt:").unwrap();
        let end = start + well[start..].find('\n').unwrap() + 1;
        std::fs::write(&path, format!("{}{failing}{}", &well[..start], &well[end..])).unwrap();
        let (code, _, stderr) = process(folder.path(), &["--create-columns"]);
        assert!(code == 3 && stderr.contains("10 failed"), "{stderr}");
        assert!(table.rows().values().all(|(answer, _)| answer.is_none()), "{kind:?}");
        assert!(
            stderr.contains("10 rows read, 0 written") && stderr.contains("hint: run the same command again") && !stderr.contains("--retry-failed"),
            "{stderr}"
        );
        let letters = rows(&folder.path().join("cache/jobs/jobs_errors.jsonl"));
        assert_eq!((letters.len(), &letters[0]["class"]), (10, &Value::from("caller")));
        let third = letters.iter().find(|letter| letter["row"] == "3").unwrap();
        assert_eq!(third["key"], if kind == TableKind::Sqlite { key(2) } else { 4 }, "its id, or its line below the names");
        assert_eq!(report(folder.path())["failed"], 10);

        // What failed is tried again, and the reason goes once it is answered.
        std::fs::write(&path, &well).unwrap();
        let (code, _, stderr) = process(folder.path(), &[]);
        assert_eq!(code, 0, "{stderr}");
        let filled = table.rows();
        assert!((0..10).all(|number| filled[&key(number)].0.as_deref() == Some(&answer(number))), "{kind:?}");
        if kind == TableKind::Sqlite {
            assert_eq!(table.select("SELECT count(why) FROM work")[0][0].as_deref(), Some("0"));
        }
    }
}

#[test]
fn a_row_that_the_table_refuses_says_why_and_is_not_counted_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 6, 0).unwrap();
    table.run("ALTER TABLE work ADD COLUMN why TEXT");
    table.run(&format!("CREATE TRIGGER no BEFORE UPDATE OF answer ON work WHEN NEW.id = {} BEGIN SELECT RAISE(ABORT, 'not this one'); END", key(1)));
    let service = Service::start(&[]);
    table.configure(service.url(), "", "error_column: why\n");
    let (code, _, stderr) = process(folder.path(), &[]);
    assert!(code == 3 && stderr.contains("6 rows read, 5 written, 1 failed"), "{stderr}");
    assert_eq!(table.select("SELECT id, why FROM work WHERE why IS NOT NULL"), [[Some(key(1).to_string()), Some("refused: not this one".to_owned())]]);
    assert_eq!(rows(&folder.path().join("cache/jobs/jobs_errors.jsonl"))[0]["key"], key(1));
}

#[test]
fn a_refused_answer_is_given_up_with_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 6, 0).unwrap();
    table.run(&format!("CREATE TRIGGER no BEFORE UPDATE OF answer ON work WHEN NEW.id = {} BEGIN SELECT RAISE(ABORT, 'not this one'); END", key(1)));
    let service = Service::start(&[]);
    table.configure(service.url(), "", "");
    for (arguments, calls) in [(&[][..], 6), (&[][..], 6), (&["--fresh"][..], 7)] {
        let (code, _, stderr) = process(folder.path(), arguments);
        assert!(code == 3 && stderr.contains("1 failed") && stderr.contains("`--fresh`"), "{stderr}");
        assert_eq!(asked(&service), calls, "{arguments:?}");
    }
    table.run("DROP TRIGGER no");
    assert_eq!((process(folder.path(), &[]).0, asked(&service)), (0, 7));
    table.check_filled(6);
}

#[test]
fn names_in_braces_that_are_no_column_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Csv, folder.path(), 2, 0).unwrap();
    let service = Service::start(&[]);
    let path = table.configure(service.url(), "", "");
    let text = std::fs::read_to_string(&path).unwrap().replace("to {question}", "to {question}{nope}{other}{qestion}{a|b}{question}");
    std::fs::write(&path, text).unwrap();
    let (code, stdout, stderr) = process(folder.path(), &["--validate"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!(code, 0, "{stderr}");
    for told in [stdout, stderr] {
        for expected in [
            "warning: the prompt holds `{nope}`, which is no column, so the model is told just that",
            "warning: the prompt holds `{other}`, which is a column of the table that is not read: add it to `columns_to_extract`",
            "warning: the prompt holds `{qestion}`, which is no column: did you mean `{question}`?",
        ] {
            assert_eq!(told.matches(expected).count(), 1, "{expected}: {told}");
        }
        assert!(!told.contains("a|b"), "{told}");
    }
}

#[test]
fn what_a_run_would_add_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 4, 0).unwrap();
    let path = table.configure("http://127.0.0.1:9/v1", "", "error_column: why\n");
    let text = std::fs::read_to_string(&path).unwrap().replace("answer: answer }", "answer: reply, note: other }");
    std::fs::write(&path, text).unwrap();
    let before = std::fs::read(table.file()).unwrap();
    let (code, stdout, stderr) = process(folder.path(), &["--validate", "--create-columns"]);
    assert_eq!(code, 0, "{stderr}");
    for expected in [
        "4 rows to do",
        "the prompt does not require `note`, so a row whose reply leaves it out stays to be done",
        "ADD COLUMN \"reply\" TEXT",
        "ADD COLUMN \"why\" TEXT",
        "warning: nothing answers at 127.0.0.1:9 for model `m`",
    ] {
        assert!(stdout.contains(expected), "{expected} is missing in {stdout}");
    }
    assert_eq!((std::fs::read(table.file()).unwrap() == before, folder.path().join("cache").exists()), (true, false));
}

#[test]
fn cells_of_json_decimals_and_blanks_are_asked_about_as_they_are() {
    for kind in [TableKind::Sqlite, TableKind::MariaDb, TableKind::PostgreSql] {
        let folder = tempfile::tempdir().unwrap();
        let table = match TestTable::make(kind, folder.path(), 1, 0) {
            Ok(table) => table,
            Err(why) => {
                println!("skipped: {kind:?}: {why}");
                continue;
            }
        };
        // MariaDB takes a text of blanks for the empty text.
        let question = if kind == TableKind::MariaDb { "why" } else { "  " };
        let json = if kind == TableKind::PostgreSql { "JSONB" } else { "JSON" };
        for (column, declared) in [("meta", json), ("price", "DECIMAL(10,2)"), ("exact", "DECIMAL(30,20)"), ("day", "DATE")] {
            table.run(&format!("ALTER TABLE work ADD COLUMN {column} {declared}"));
        }
        let exact = if kind == TableKind::Sqlite { "'0.5'" } else { "0.12345678901234567891" };
        table.run(&format!("UPDATE work SET meta = '{{\"a\": [1, null]}}', price = 12.5, exact = {exact}, day = '2024-01-31', question = '{question}'"));
        let service = Service::start(&[]);
        let path = table.configure(service.url(), "", "");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("[question]", "[question, meta, price, exact, day]").replace("to {question}", "ok").replace("\"}'", "\"} {record_json}'");
        std::fs::write(&path, text).unwrap();
        let (code, _, stderr) = process(folder.path(), &[]);
        assert!(code == 0 && stderr.contains("1 rows read, 1 written"), "{kind:?}: {stderr}");
        let exact = if kind == TableKind::Sqlite { "0.5" } else { r#""0.12345678901234567891""# };
        let expected = format!(r#"{{"question":"{question}","meta":{{"a":[1,null]}},"price":12.5,"exact":{exact},"day":"2024-01-31"}}"#);
        let prompts = service.counts()["prompts"].to_string();
        assert!(prompts.contains(Value::from(expected).to_string().trim_matches('"')), "{kind:?}: {prompts}");
    }
}

#[test]
fn the_old_error_text_is_written_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 4, 0).unwrap();
    let service = Service::start(&[]);
    let path = table.configure(service.url(), "", "write_errors: true\n");
    let text = std::fs::read_to_string(&path).unwrap().replace("{\"answer\"", "{\"reply\"");
    std::fs::write(&path, text).unwrap();
    let (code, _, stderr) = process(folder.path(), &["--legacy-attempts"]);
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(asked(&service), 4, "one try of the class, as AI-DataFlux counted");
    assert!(
        table.rows().values().all(|(answer, _)| answer.as_deref().is_some_and(|answer| answer.starts_with("ERROR: content_error - "))),
        "{:?}",
        table.rows()
    );
    let (code, _, stderr) = process(folder.path(), &[]);
    assert!(code == 0 && stderr.contains("0 rows read"), "{stderr}");
}

#[test]
fn a_reply_that_does_not_fit_is_asked_for_again_as_often_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Csv, folder.path(), 4, 0).unwrap();
    let service = Service::start(&[]);
    let path = table.configure(service.url(), ", concurrency: { retry_limits: { content_error: 2 } }", "");
    let text = std::fs::read_to_string(&path).unwrap().replace("{\"answer\"", "{\"reply\"");
    std::fs::write(&path, text).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!((code, asked(&service)), (3, 12), "{stderr}");
}

#[test]
fn rows_are_routed_to_their_profiles() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), "kind,q,a\nx,one,\ny,two,\n,three,\n").unwrap();
    std::fs::write(folder.path().join("x.yaml"), "prompt: { template: '{\"a\": \"x {q}\"}' }\n").unwrap();
    let service = Service::start(&[]);
    let text = format!(
        "datasource: {{ type: csv }}\ncsv: {{ input_path: in.csv, output_path: out.csv }}\ncolumns_to_extract: [q]\ncolumns_to_write: {{ a: a }}\n\
         prompt: {{ required_fields: [a], template: '{{\"a\": \"main\", \"row\": {{record_json}}}}' }}\nrouting: {{ enabled: true, field: kind, subtasks: [{{ match: x, profile: x.yaml }}] }}\n{}",
        models(service.url())
    );
    std::fs::write(folder.path().join("jobs.yaml"), text).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap(), "kind,q,a\nx,one,x one\ny,two,main\n,three,main\n");
    let counts = service.counts();
    assert!(counts["prompts"].as_object().unwrap().contains_key("{\"a\": \"main\", \"row\": {\"q\":\"two\"}}"), "{counts}");
    assert_eq!(std::fs::read_to_string(folder.path().join("in.csv")).unwrap(), "kind,q,a\nx,one,\ny,two,\n,three,\n", "the input stays");
}

#[test]
fn tokens_are_counted_without_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 30, 12).unwrap();
    let service = Service::start(&[]);
    table.configure(service.url(), "", "");
    for (mode, questions, replies) in [("io", Some("30"), Some("12")), ("in", Some("30"), None), ("out", None, Some("12"))] {
        let (code, stdout, stderr) = finished(dataflow(folder.path()).args(["token", "-c", "jobs.yaml", "--mode", mode]));
        assert_eq!(code, 0, "{stderr}");
        let line = |name: &str| stdout.lines().find(|line| line.starts_with(name)).map(|line| line.split_whitespace().nth(1).unwrap().to_owned());
        assert_eq!((line("questions").as_deref(), line("replies").as_deref()), (questions, replies), "{stdout}");
        assert!(stdout.contains("o200k_base") && stdout.contains("money: 0.0"), "{stdout}");
    }
    // A vocabulary of a file: each text is a word that it does not know.
    let one_token = r#"{ "version": "1.0", "model": { "type": "WordLevel", "vocab": { "?": 0 }, "unk_token": "?" } }"#;
    std::fs::write(folder.path().join("words.json"), one_token).unwrap();
    table.configure(service.url(), "", "token_estimation: { encoding: words.json }\n");
    let (code, stdout, stderr) = finished(dataflow(folder.path()).args(["token", "-c", "jobs.yaml"]));
    assert_eq!(code, 0, "{stderr}");
    let line =
        |name: &str| stdout.lines().find(|line| line.starts_with(name)).map(|line| line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" "));
    assert_eq!((line("questions").as_deref(), line("replies").as_deref()), (Some("30 30"), Some("12 12")), "{stdout}");
    assert_eq!(asked(&service), 0);
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn a_budget_stops_the_run_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 200, 0).unwrap();
    let service = Service::start(&["--latency-ms", "20"]);
    table.configure(service.url(), ", concurrency: { batch_size: 4 }", "budget: { tokens: 4000 }\n");
    let (code, _, stderr) = process(folder.path(), &[]);
    assert!(code == 75 && stderr.contains("the budget of the file is spent"), "{code} {stderr}");
    let report = report(folder.path());
    let spent = report["steps"][0]["input_tokens"].as_u64().unwrap() + report["steps"][0]["output_tokens"].as_u64().unwrap();
    assert!((3500..4400).contains(&spent), "{spent} tokens of 4000 were spent: {report}");
    let money = report["money"].as_f64().unwrap();
    assert!(money > 0.003 && stderr.contains(&format!("money: {money:.4}")), "{report}\n{stderr}");
    let done = table.rows().values().filter(|(answer, _)| answer.is_some()).count() as u64;
    assert_eq!(done, asked(&service), "what was bought is in the table");
    table.configure(service.url(), ", concurrency: { batch_size: 4 }", "budget: { money: 100 }\n");
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!((code, service.bought_twice()), (0, 0), "{stderr}");
    table.check_filled(200);
}

#[test]
fn a_budget_that_pays_for_no_call_is_an_error_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 5, 0).unwrap();
    let service = Service::start(&[]);
    table.configure(service.url(), "", "budget: { tokens: 20 }\n");
    let (code, _, stderr) = process(folder.path(), &[]);
    assert!(
        code == 78
            && stderr.contains("does not pay for one call")
            && stderr.contains("`budget.tokens` is 20")
            && !stderr.contains("run the same command again"),
        "{code} {stderr}"
    );
    assert_eq!(asked(&service), 0);
}

#[test]
fn a_signal_stops_the_run_and_the_next_one_goes_on() {
    for kind in FILES {
        let folder = tempfile::tempdir().unwrap();
        let table = TestTable::make(kind, folder.path(), 300, 0).unwrap();
        let service = Service::start(&["--latency-ms", "20"]);
        table.configure(service.url(), ", concurrency: { batch_size: 10 }", "");
        let run = dataflow(folder.path()).args(["process", "-c", "jobs.yaml"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
        while service.counts()["answered"].as_u64().unwrap() < 60 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(std::process::Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap().success());
        let output = run.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(143), "{stderr}");
        assert!(stderr.contains("run the same command again"), "{stderr}");
        let done = table.rows().values().filter(|(answer, _)| answer.is_some()).count() as u64;
        assert_eq!(done, asked(&service), "{kind:?}: what was bought is in the table");
        assert!(done < 300, "it was stopped");
        let (code, _, stderr) = process(folder.path(), &[]);
        assert_eq!((code, service.bought_twice()), (0, 0), "{stderr}");
        table.check_filled(300);
    }
}

#[test]
fn progress_and_logs_go_where_the_file_says_and_hold_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 100, 0).unwrap();
    let service = Service::start(&["--latency-ms", "50", "--rate-500", "0.2"]);
    table.configure(
        service.url(),
        ", concurrency: { batch_size: 5, shard_size: 30, retry_limits: { api_error: 20 } }",
        "global: { log: { level: debug, format: json, output: file, file_path: logs/run.log } }\n",
    );
    let configuration = std::fs::read(folder.path().join("jobs.yaml")).unwrap();
    let (code, _, stderr) = process(folder.path(), &["--progress-file", "./jobs.yaml"]);
    assert!(code == 78 && stderr.contains("error: the progress file would be written over the pipeline file"), "{code} {stderr}");
    assert_eq!(std::fs::read(folder.path().join("jobs.yaml")).unwrap(), configuration);
    let progress = folder.path().join("progress.json");
    let mut run = dataflow(folder.path()).args(["process", "-c", "jobs.yaml", "--progress", "none", "--progress-file", "progress.json"]).spawn().unwrap();
    let mut seen = Vec::new();
    while run.try_wait().unwrap().is_none() {
        if let Ok(text) = std::fs::read(&progress) {
            seen.push(serde_json::from_slice::<Value>(&text).expect("it is whole at any moment"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert!(!progress.exists(), "it is gone after the run");
    let last = seen.last().expect("it was there");
    assert_eq!(last["total"], 100, "{last}");
    assert!(
        last["shard"].as_str().unwrap().ends_with("/4") && last["ts"].is_f64() && last["errors"] == 0 && last["processed"].is_u64() && last["active"].is_u64(),
        "{last}"
    );
    let log = std::fs::read_to_string(folder.path().join("logs/run.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "a call failed and is tried again"), "{log}");
    assert!(!log.contains("geheim"), "{log}");
    table.check_filled(100);
}

#[test]
fn a_cell_that_is_none_of_its_column_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), 5, 0).unwrap();
    table.run("ALTER TABLE work ADD COLUMN n INTEGER");
    table.run("UPDATE work SET n = 7");
    table.run(&format!("UPDATE work SET n = 'many' WHERE id = {}", key(2)));
    let service = Service::start(&[]);
    let path = table.configure(service.url(), "", "");
    let text = std::fs::read_to_string(&path).unwrap().replace("[question]", "[question, n]");
    std::fs::write(&path, text).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!(code, 3, "{stderr}");
    let filled = table.rows().into_iter().filter(|(_, (answer, _))| answer.is_some()).map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(filled, [0, 1, 3, 4].map(key));
    let letters = rows(&folder.path().join("cache/jobs/jobs_errors.jsonl"));
    assert!(letters[0]["message"].as_str().unwrap().contains("column `n` is `INTEGER`, found `\"many\"`"), "{letters:?}");
}

#[test]
fn a_file_without_models_is_answered_by_a_gateway_where_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Csv, folder.path(), 6, 0).unwrap();
    let service = Service::start(&[]);
    let path = table.configure(service.url(), "", &format!("global: {{ flux_api_url: \"{}\" }}\n", service.url().trim_end_matches("/v1")));
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("models:").unwrap();
    let end = text.find("global:").unwrap();
    std::fs::write(&path, format!("{}{}", &text[..start], &text[end..])).unwrap();
    let (code, _, stderr) = process(folder.path(), &[]);
    assert_eq!((code, asked(&service)), (0, 6), "{stderr}");
    table.check_filled(6);
}
