//! The table of claims, by which two engines share the rows of one table and buy no answer twice.
//!
//! It is called `dataflow_claims` and stands beside the tables that it is about. A claim ends at a time by the database's clock, so that engines need not agree on theirs.

use std::sync::atomic::{AtomicBool, Ordering};

use super::sql_statement::{Database, Parameter, Statement};
use super::{Claimant, RowKey};

/// Longer keys are known by their hash, so that they fit an index.
const LONGEST_KEY: usize = 180;

#[derive(Debug)]
pub(super) struct Claims {
    /// The quoted name of the table of claims.
    table: String,
    /// The name of the table that is claimed from.
    claimed: String,
    made: AtomicBool,
}

/// A key as it stands in the table of claims.
pub(super) fn name(key: &RowKey) -> String {
    let text = key.to_string();
    if text.len() <= LONGEST_KEY { text } else { format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex()) }
}

impl Claims {
    /// Keys in one statement.
    pub(super) const AT_ONCE: usize = 500;

    pub(super) fn new(database: &dyn Database, table: &str) -> Self {
        let claimed = if table.len() <= LONGEST_KEY { table.to_owned() } else { blake3::hash(table.as_bytes()).to_hex().to_string() };
        Self { table: database.table("dataflow_claims"), claimed, made: AtomicBool::new(false) }
    }

    pub(super) fn are_made(&self) -> bool {
        self.made.load(Ordering::Acquire)
    }

    pub(super) fn made(&self) {
        self.made.store(true, Ordering::Release);
    }

    pub(super) fn create(&self, database: &dyn Database) -> Vec<Statement> {
        database.create_claims(&self.table).into_iter().map(Statement::new).collect()
    }

    /// The end of a lease that begins now.
    fn push_end(statement: &mut Statement, database: &dyn Database, claimant: &Claimant) {
        let lease = Parameter::Integer(i128::try_from(claimant.lease.as_millis()).unwrap_or(i128::MAX));
        statement.push(database.now()).push(" + ").bind(database, lease, "bigint");
    }

    pub(super) fn claim(&self, database: &dyn Database, keys: &[RowKey], claimant: &Claimant) -> Statement {
        let (before, after) = database.claim(&self.table);
        let mut statement = Statement::new(before);
        let mut names: Vec<String> = keys.iter().map(name).collect();
        names.sort_unstable(); // in one order for all engines, so that none waits for one that waits for it
        names.dedup();
        for (place, name) in names.into_iter().enumerate() {
            statement.push(if place == 0 { "(" } else { ", (" }).bind(database, Parameter::Text(self.claimed.clone()), "text");
            statement.push(", ").bind(database, Parameter::Text(name), "text");
            statement.push(", ").bind(database, Parameter::Text(claimant.owner.clone()), "text").push(", ");
            Self::push_end(&mut statement, database, claimant);
            statement.push(")");
        }
        statement.push(&after);
        statement
    }

    fn push_mine(&self, statement: &mut Statement, database: &dyn Database, claimant: &Claimant) {
        statement.push(" WHERE claimed_table = ").bind(database, Parameter::Text(self.claimed.clone()), "text");
        statement.push(" AND owner = ").bind(database, Parameter::Text(claimant.owner.clone()), "text");
    }

    /// Those of the keys that the claimant holds.
    pub(super) fn held(&self, database: &dyn Database, keys: &[RowKey], claimant: &Claimant) -> Statement {
        let mut statement = Statement::new(format!("SELECT row_key FROM {}", self.table));
        self.push_mine(&mut statement, database, claimant);
        statement.push(" AND row_key IN ").bind_list(database, keys.iter().map(|key| Parameter::Text(name(key))), "text");
        statement
    }

    pub(super) fn renew(&self, database: &dyn Database, claimant: &Claimant) -> Statement {
        let mut statement = Statement::new(format!("UPDATE {} SET lease_until = ", self.table));
        Self::push_end(&mut statement, database, claimant);
        self.push_mine(&mut statement, database, claimant);
        statement
    }

    pub(super) fn release(&self, database: &dyn Database, keys: &[RowKey], claimant: &Claimant) -> Statement {
        let mut statement = Statement::new(format!("DELETE FROM {}", self.table));
        self.push_mine(&mut statement, database, claimant);
        statement.push(" AND row_key IN ").bind_list(database, keys.iter().map(|key| Parameter::Text(name(key))), "text");
        statement
    }
}
