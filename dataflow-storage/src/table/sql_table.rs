//! A table of a database: what is the same for all of them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum SqlAddress {
    /// A file of SQLite; it must exist.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A MySQL or MariaDB server.
    Mysql {
        /// The server's name or address.
        host: String,
        /// Its port; 3306 is usual.
        port: u16,
        /// Who logs in.
        user: String,
        /// His password.
        password: String,
        /// The database.
        database: String,
    },
    /// A PostgreSQL server.
    Postgresql {
        /// The server's name or address.
        host: String,
        /// Its port; 5432 is usual.
        port: u16,
        /// Who logs in.
        user: String,
        /// His password.
        password: String,
        /// The database.
        database: String,
        /// The schema that the table is in; `public` is usual.
        schema: String,
    },
}

impl fmt::Debug for SqlAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for SqlAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(out, "sqlite `{}`", path.display()),
            Self::Mysql { host, port, database, .. } => write!(out, "mysql `{database}` at {host}:{port}"),
            Self::Postgresql { host, port, database, schema, .. } => write!(out, "postgresql `{database}` at {host}:{port}, schema `{schema}`"),
        }
    }
}

/// Which table, and how it is connected to.
#[derive(Clone, Debug)]
pub struct SqlTableOptions {
    /// Where the database is.
    pub address: SqlAddress,
    /// The table's name, in any language.
    pub table: String,
    /// The column that rows are known by; its values are all there and all different.
    pub id_column: String,
    /// The most connections at once.
    pub pool_size: u32,
    /// How long a lost connection is waited for before the run ends.
    pub wait_for_connection: Duration,
}

impl SqlTableOptions {
    /// A table with the key `id`, five connections, and ten minutes of patience.
    pub fn new(address: SqlAddress, table: impl Into<String>) -> Self {
        Self { address, table: table.into(), id_column: "id".into(), pool_size: 5, wait_for_connection: Duration::from_mins(10) }
    }
}
