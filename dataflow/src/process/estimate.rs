//! What a batch would take: the tokens of its questions and of the replies that stand in the table, and what they cost.

use std::fmt::Write as _;

use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::{Error, Result};
use dataflow_operators::tokens::Tokenizer;
use dataflow_serving::pool::Prices;
use dataflow_storage::table::{TableRow, TableStorage, ToDo};
use serde_json::{Map, Value};

use super::{ProcessConfiguration, ProcessOptions};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Questions.
    In,
    /// Replies that stand in the table.
    Out,
    /// Both.
    Io,
}

impl Mode {
    /// The mode of a name; questions where it is unknown, as in AI-DataFlux.
    pub fn named(name: &str) -> Self {
        match name {
            "out" | "output" => Self::Out,
            "io" | "input_output" => Self::Io,
            _ => Self::In,
        }
    }

    fn has(self, part: Self) -> bool {
        self == part || self == Self::Io
    }
}

/// Tokens of the rows that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Rows that there are.
    pub rows: u64,
    /// Tokens of each row that was looked at, the fewest first.
    tokens: Vec<usize>,
}

impl Counted {
    /// Rows that were looked at.
    pub fn looked_at(&self) -> usize {
        self.tokens.len()
    }

    /// Tokens a row on average; 0 where none was looked at.
    pub fn mean(&self) -> f64 {
        if self.tokens.is_empty() { 0.0 } else { self.tokens.iter().sum::<usize>() as f64 / self.tokens.len() as f64 }
    }

    /// Tokens of all rows, where those that were not looked at are like the others.
    pub fn total(&self) -> u64 {
        if self.tokens.len() as u64 == self.rows { self.tokens.iter().sum::<usize>() as u64 } else { (self.mean() * self.rows as f64).round() as u64 }
    }

    /// The tokens that a share of the rows, from 0 to 1, does not exceed.
    pub fn percentile(&self, share: f64) -> usize {
        let place = (share * self.tokens.len() as f64).ceil() as usize;
        self.tokens.get(place.clamp(1, self.tokens.len().max(1)) - 1).copied().unwrap_or_default()
    }
}

/// What a batch would take.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    /// The questions.
    pub questions: Option<Counted>,
    /// The replies that stand in the table.
    pub replies: Option<Counted>,
}

/// Whose questions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Those to be done.
    Open,
    /// All with something in their inputs.
    All,
}

impl ProcessConfiguration {
    /// Counts tokens over the first rows, as many as `token_estimation.sample_size` says; writes nothing and asks nobody.
    pub fn estimate(&self, mode: Mode) -> Result<Estimate> {
        let storage = self.storage(ProcessOptions { create_columns: true, ..ProcessOptions::default() })?;
        self.estimated(&storage, mode, Rows::All, usize::try_from(self.token_estimation.sample_size).ok())
    }

    pub(crate) fn estimated(&self, storage: &TableStorage, mode: Mode, rows: Rows, most: Option<usize>) -> Result<Estimate> {
        let tokenizer = self.token_estimation.tokenizer(&self.base).map_err(Error::Configuration)?;
        let most = most.unwrap_or(usize::MAX);
        let spec = self.table_spec()?;
        let questions = if mode.has(Mode::In) {
            let todo = storage.todo();
            let todo = ToDo { also_done: todo.also_done || rows == Rows::All, ..todo };
            let question = self.operator(ProcessOptions::default()).questions()?;
            let mut counted = Counted::default();
            counted.rows = each_row(storage, &todo, most, |page| {
                let frame = storage.frame(page)?;
                for row in 0..frame.height() {
                    if let Some(chat) = question(&Row::new(&frame, row, "", 0))? {
                        counted.tokens.push(tokens_of(&chat, &tokenizer)?);
                    }
                }
                Ok(())
            })?;
            Some(counted)
        } else {
            None
        };
        let there = spec.outputs.iter().all(|output| storage.columns().iter().any(|column| column.name == *output));
        let replies = if mode.has(Mode::Out) && there {
            let todo = ToDo { inputs: spec.outputs.clone(), require_all: true, also_done: true, ..ToDo::default() };
            let mut counted = Counted::default();
            counted.rows = each_row(storage, &todo, most, |page| {
                for row in page {
                    counted.tokens.push(tokenizer.count(&self.reply_of(&row.values))?);
                }
                Ok(())
            })?;
            Some(counted)
        } else {
            None
        };
        let sorted = |mut counted: Counted| {
            counted.tokens.sort_unstable();
            counted
        };
        Ok(Estimate { questions: questions.map(sorted), replies: replies.map(sorted) })
    }

    /// The reply that would have filled a row: compact JSON.
    fn reply_of(&self, row: &Map<String, Value>) -> String {
        let fields = self.columns_to_write.iter().map(|(field, column)| (field.clone(), row.get(column).cloned().unwrap_or_default()));
        Value::Object(fields.collect()).to_string()
    }
}

/// Shows the first rows, a page at a time; gives how many there are in all.
fn each_row(storage: &TableStorage, todo: &ToDo, most: usize, mut see: impl FnMut(Vec<TableRow>) -> Result<()>) -> Result<u64> {
    let counted = todo.clone();
    let rows = storage.look(|table| async move { table.count(&counted).await })?;
    let (mut left, mut after) = (most, None);
    while left > 0 {
        let (todo, from) = (todo.clone(), after.take());
        let page = storage.look(move |table| async move { table.page(&todo, from.as_ref(), left.min(1024)).await })?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        left -= page.len();
        see(page)?;
    }
    Ok(rows)
}

/// Tokens of a question's texts, a line break between them.
fn tokens_of(chat: &Chat, tokenizer: &Tokenizer) -> Result<usize> {
    let texts: Vec<&str> = chat.messages.iter().map(|message| message.content.as_str()).filter(|text| !text.is_empty()).collect();
    tokenizer.count(&texts.join("\n"))
}

impl Estimate {
    /// What the tokens cost, in the money of the prices.
    pub fn money(&self, prices: Prices) -> f64 {
        let total = |counted: &Option<Counted>| counted.as_ref().map_or(0.0, |counted| counted.total() as f64);
        (total(&self.questions) * prices.input + total(&self.replies) * prices.output) / 1e6
    }

    /// A table with a line for questions and one for replies.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<10} {:>10} {:>10} {:>14} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
            "", "rows", "looked at", "tokens", "mean", "min", "p50", "p90", "p99", "max"
        );
        for (name, counted) in [("questions", &self.questions), ("replies", &self.replies)] {
            let Some(counted) = counted else { continue };
            let at = |share| counted.percentile(share);
            let _ = writeln!(
                text,
                "{name:<10} {:>10} {:>10} {:>14} {:>9.1} {:>8} {:>8} {:>8} {:>8} {:>8}",
                counted.rows,
                counted.looked_at(),
                counted.total(),
                counted.mean(),
                at(0.0),
                at(0.5),
                at(0.9),
                at(0.99),
                at(1.0)
            ); // a String takes every write
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_tokens_of_rows_and_a_total_is_for_all_rows() {
        let counted = Counted { rows: 100, tokens: (1..=10).collect() };
        assert_eq!([0.0, 0.5, 0.9, 0.99, 1.0].map(|share| counted.percentile(share)), [1, 5, 9, 10, 10]);
        assert_eq!((counted.mean(), counted.total()), (5.5, 550));
        assert_eq!((Counted::default().percentile(0.5), Counted::default().total()), (0, 0));
        let prices = Prices { input: 2.0, output: 8.0 };
        assert_eq!(format!("{:.4}", Estimate { questions: Some(counted.clone()), replies: Some(counted) }.money(prices)), "0.0055");
        assert_eq!(["in", "input", "out", "io", "input_output", "else"].map(Mode::named), [Mode::In, Mode::In, Mode::Out, Mode::Io, Mode::Io, Mode::In]);
    }
}
