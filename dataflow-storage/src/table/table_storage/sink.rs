//! Writes back what was found out about the rows of a table, and why nothing was.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataflow_core::row::is_blank;
use dataflow_core::storage::{Arrival, Refused, Sink};
use dataflow_core::{Error, Result};
use polars::prelude::*;
use serde_json::{Map, Value};
use tokio::task::AbortHandle;

use super::source::read_key;
use super::{ROW_KEY, Shared, lock};
use crate::table::{ColumnKind, Refusal, RowKey, RowUpdate, Table};

/// The shortest time between two savings.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Where the rows of a run go back into their table.
pub(super) struct TableSink {
    shared: Arc<Shared>,
    refused: Vec<Refused>,
    /// Rows that were filled in.
    written: u64,
    unsaved: bool,
    saving: Option<AbortHandle>,
    /// Why the table could not be saved while the run went on.
    not_saved: Arc<Mutex<Option<Error>>>,
}

/// Saves now and then, whether or not rows arrive meanwhile, until that fails.
async fn keep_saving(table: Arc<dyn Table>, interval: Duration, not_saved: Arc<Mutex<Option<Error>>>) {
    loop {
        tokio::time::sleep(interval).await;
        if let Err(error) = table.save().await {
            *lock(&not_saved) = Some(error);
            return;
        }
    }
}

impl TableSink {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (table, interval, not_saved) = (Arc::clone(&shared.table), shared.options.save_interval.max(SHORTEST_INTERVAL), Arc::default());
        let saving = shared.runtime.spawn(keep_saving(table, interval, Arc::clone(&not_saved)));
        Self { shared, refused: Vec::new(), written: 0, unsaved: false, saving, not_saved }
    }

    fn reason(&self, frame: &DataFrame, row: usize) -> Result<Option<String>> {
        match &self.shared.options.failed.told_in {
            Some(column) if frame.get_column_index(column).is_some() => text_at(frame, column, row),
            _ => Ok(None),
        }
    }

    /// Why a row is not written although it did not fail.
    fn nothing_found(&self) -> String {
        let outputs: Vec<String> = self.shared.options.todo.outputs.iter().map(|output| format!("`{output}`")).collect();
        format!("the reply has nothing for {}, so the row stays to be done", outputs.join(", "))
    }

    /// What is written into a row, which failed where there is a reason; `None` where it is left as it is.
    fn update(&self, frame: &DataFrame, row: usize, reason: Option<&str>) -> Result<Option<Map<String, Value>>> {
        if let Some(reason) = reason {
            return Ok(Some(self.failure(reason)).filter(|values| !values.is_empty()));
        }
        let options = &self.shared.options;
        let mut values = Map::new();
        for output in &options.todo.outputs {
            let value = text_at(frame, output, row)?.map_or(Value::Null, |text| cell_of(text, self.shared.kind(output)));
            values.insert(output.clone(), value);
        }
        if values.values().all(is_blank) {
            return Ok(None); // nothing was found out, so nothing that stands there is emptied
        }
        if let Some(column) = &options.failed.error_column {
            values.insert(column.clone(), Value::Null);
        }
        Ok(Some(values))
    }

    /// What is written into a row that failed.
    fn failure(&self, reason: &str) -> Map<String, Value> {
        let options = &self.shared.options;
        let outputs = options.todo.outputs.iter().filter(|_| options.failed.into_outputs).map(|output| (output.clone(), Value::from(flux_error(reason))));
        outputs.chain(options.failed.error_column.iter().map(|column| (column.clone(), Value::from(reason)))).collect()
    }

    /// Writes into rows that could not be read why that was so.
    fn tell_rejected(&mut self) -> Result<()> {
        let rejected = std::mem::take(&mut *lock(&self.shared.rejected));
        let told = rejected.into_iter().map(|(key, message)| RowUpdate { key, values: self.failure(&format!("malformed: {message}")) });
        self.tell(told.collect())
    }

    /// Writes reasons; one that its column does not hold is cut and written again.
    fn tell(&mut self, reasons: Vec<RowUpdate>) -> Result<()> {
        if reasons.is_empty() {
            return Ok(());
        }
        self.unsaved = true;
        let mut refused = self.write_cells(reasons.clone())?;
        if let Some(most) = self.reason_length().filter(|_| !refused.is_empty()) {
            let again = reasons.into_iter().filter(|update| refused.iter().any(|refusal| refusal.key == update.key));
            let again = again.map(|mut update| {
                if let Some(Value::String(reason)) = self.shared.options.failed.error_column.as_ref().and_then(|column| update.values.get_mut(column)) {
                    *reason = cut(reason, most);
                }
                update
            });
            refused = self.write_cells(again.collect())?;
        }
        for refusal in refused {
            tracing::warn!(key = %refusal.key, message = refusal.message, "the reason of a failed row could not be written; it is in the file of failed rows");
        }
        Ok(())
    }

    fn write_cells(&self, updates: Vec<RowUpdate>) -> Result<Vec<Refusal>> {
        let table = Arc::clone(&self.shared.table);
        self.shared.wait(async move { table.write(updates).await })
    }

    /// How many characters the column of the reasons says it holds, such as 60 in `varchar(60)`.
    fn reason_length(&self) -> Option<usize> {
        let name = self.shared.options.failed.error_column.as_ref()?;
        let declared = self.shared.columns.iter().find(|column| column.name == *name)?.declared.to_lowercase();
        declared.contains("char").then(|| declared.split_once('(')?.1.split_once(')')?.0.trim().parse().ok())?
    }

    /// Writes cells; gives the rows that were refused. Those and `others`, which nothing is written into, get their reasons into the error column.
    fn put(&mut self, updates: Vec<RowUpdate>, others: Vec<Refusal>, reasons: &HashMap<RowKey, String>) -> Result<Vec<Refusal>> {
        let table = Arc::clone(&self.shared.table);
        let mut refusals = self.shared.wait(async move { if updates.is_empty() { Ok(Vec::new()) } else { table.write(updates).await } })?;
        refusals.extend(others);
        let Some(column) = self.shared.options.failed.error_column.clone().filter(|_| !refusals.is_empty()) else { return Ok(refusals) };
        let told = |refusal: &Refusal| {
            let reason = reasons.get(&refusal.key).cloned().unwrap_or_else(|| format!("refused: {}", refusal.message));
            RowUpdate { key: refusal.key.clone(), values: Map::from_iter([(column.clone(), reason.into())]) }
        };
        self.tell(refusals.iter().map(told).collect())?;
        Ok(refusals)
    }

    /// Saves for the last time.
    fn save(&mut self) -> Result<()> {
        if let Some(saving) = self.saving.take() {
            saving.abort(); // a file that is just being written is written whole
        }
        let table = Arc::clone(&self.shared.table);
        self.shared.wait(async move { table.save().await })?;
        self.unsaved = false;
        Ok(())
    }
}

/// A reason as AI-DataFlux writes it into the outputs, with its classes in the place of ours.
fn flux_error(reason: &str) -> String {
    let (class, message) = reason.split_once(": ").unwrap_or(("system", reason));
    let class = match class {
        "rate_limited" | "quota" | "auth" | "caller" | "transient" | "unreachable" | "filtered" => "api_error",
        "unparsed" | "truncated" => "content_error",
        _ => "system_error",
    };
    format!("ERROR: {class} - {message}")
}

/// The first characters of a text, with dots where more of it was.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) if most > 3 => text.chars().take(most - 3).chain("...".chars()).collect(),
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

fn text_at(frame: &DataFrame, column: &str, row: usize) -> Result<Option<String>> {
    let value = frame.column(column)?.get(row)?;
    Ok(dataflow_core::row::text_of(value).map(std::borrow::Cow::into_owned))
}

/// A reply's text as a cell of a kind: numbers and truth values where the column holds such, lists and objects where it holds JSON.
fn cell_of(text: String, kind: ColumnKind) -> Value {
    let parsed = || serde_json::from_str::<Value>(&text).ok();
    let fits = match kind {
        ColumnKind::Json | ColumnKind::List => parsed(),
        ColumnKind::Integer | ColumnKind::Float => parsed().filter(Value::is_number),
        ColumnKind::Boolean => parsed().filter(Value::is_boolean),
        ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Other => None,
    };
    fits.unwrap_or(Value::String(text)) // the database says what it does not take
}

impl Sink for TableSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        self.tell_rejected()?;
        let keys = frame.column(ROW_KEY)?.str()?;
        let tells_failures = self.shared.options.failed.told_in.as_ref().is_some_and(|column| frame.get_column_index(column).is_some());
        let (mut places, mut updates, mut all, mut empty, mut reasons) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        for row in 0..frame.height() {
            let key = read_key(keys.get(row).unwrap_or_default());
            all.push(key.clone());
            places.insert(key.clone(), row);
            let reason = self.reason(frame, row)?;
            if let Some(reason) = &reason {
                reasons.insert(key.clone(), reason.clone());
            }
            match self.update(frame, row, reason.as_deref())? {
                Some(values) => updates.push(RowUpdate { key, values }),
                None if reasons.contains_key(&key) => {}
                None => empty.push(key),
            }
        }
        // A row of which nothing was found out stays to be done. Where failures are told elsewhere, that is no failure of its own.
        let mut failed: Vec<RowKey> = reasons.keys().chain(&empty).cloned().collect();
        let empty = if tells_failures { empty.into_iter().map(|key| Refusal { key, message: self.nothing_found() }).collect() } else { Vec::new() };
        let answered = updates.iter().filter(|update| !reasons.contains_key(&update.key)).count();
        let no_answer = empty.len();
        let refusals = self.put(updates, empty, &reasons)?;
        failed.extend(refusals.iter().map(|refusal| refusal.key.clone()));
        let refusals: Vec<Refusal> = refusals.into_iter().filter(|refusal| !reasons.contains_key(&refusal.key)).collect();
        self.written += (answered + no_answer).saturating_sub(refusals.len()) as u64;
        if let Some(claimant) = self.shared.options.claimant.clone() {
            lock(&self.shared.claimed.failed).extend(failed);
            let (table, done) = (Arc::clone(&self.shared.table), all.clone());
            self.shared.wait(async move { table.release(&done, &claimant).await })?;
            let mut held = lock(&self.shared.claimed.held);
            for key in &all {
                held.remove(key);
            }
        }
        self.refused
            .extend(refusals.into_iter().map(|refusal| Refused { row: places.get(&refusal.key).copied().unwrap_or_default(), message: refusal.message }));
        self.unsaved = true;
        lock(&self.not_saved).take().map_or(Ok(()), Err)
    }

    fn arrival(&self) -> Arrival {
        if self.shared.options.claimant.is_some() { Arrival::AtOnce } else { Arrival::AsTheyEnd }
    }

    fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    fn rows_written(&self) -> Option<u64> {
        Some(self.written)
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.tell_rejected()?;
        self.save()
    }

    fn aside(&mut self) -> Option<PathBuf> {
        // What a stopped run has written stands in the table, where it belongs.
        Some(self.shared.options.shown.clone())
    }
}

impl Drop for TableSink {
    fn drop(&mut self) {
        if let Some(saving) = self.saving.take() {
            saving.abort();
        }
        if self.unsaved
            && let Err(error) = self.save()
        {
            tracing::error!(%error, "the table could not be saved; the journal has what was answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_classes_of_ai_dataflux() {
        assert_eq!(flux_error("caller: 400: no such model"), "ERROR: api_error - 400: no such model");
        assert_eq!(flux_error("unparsed: the reply does not fit"), "ERROR: content_error - the reply does not fit");
        assert_eq!(flux_error("data: column `a` is null"), "ERROR: system_error - column `a` is null");
        assert_eq!(flux_error("odd"), "ERROR: system_error - odd");
    }
}
