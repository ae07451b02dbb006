//! What a filter of repeated rows does beside dropping them, once it is opened: names, pairs, clusters and the index by which runs are compared.

use std::borrow::Cow;

use dataflow_core::Result;

use super::Found;
use super::beside::Beside;
use super::clusters::Clusters;
use super::index::Index;
use super::names::Names;
use super::pairs::Pairs;

/// [`Beside`], with its files.
pub(crate) struct OpenBeside {
    beside: Beside,
    opened: bool,
    leaves_index: bool,
    holds_names: bool,
    /// What the rows that stayed are called, those of other runs before those of this one.
    names: Option<Names>,
    pairs: Option<Pairs>,
    clusters: Option<Clusters>,
    index: Option<Index>,
}

impl OpenBeside {
    pub(crate) fn new(beside: Beside) -> Self {
        Self { beside, opened: false, leaves_index: false, holds_names: false, names: None, pairs: None, clusters: None, index: None }
    }

    /// Has the index stay as it is, whatever rows come.
    pub(crate) fn leave_index(&mut self) {
        self.leaves_index = true;
    }

    /// Has the names of rows held, also where nothing that is written needs them.
    pub(crate) fn hold_names(&mut self) {
        self.holds_names = true;
    }

    /// What was asked for.
    pub(crate) fn asked(&self) -> &Beside {
        &self.beside
    }

    /// Whether it is told how alike two rows are.
    pub(crate) fn tells_similarity(&self) -> bool {
        self.holds_names || self.beside.pairs_path.is_some()
    }

    /// Whether all rows that a row repeats are told, and not the first alone.
    pub(crate) fn tells_all(&self) -> bool {
        self.pairs.is_some() || self.clusters.is_some()
    }

    /// Opens all but the index, the first time; only now, since compiling a pipeline touches no file. Tells whether this is that time.
    pub(crate) fn open(&mut self) -> Result<bool> {
        if self.opened {
            return Ok(false);
        }
        self.opened = true;
        let Beside { pairs_path, clusters_path, .. } = &self.beside;
        self.names = (self.holds_names || pairs_path.is_some() || clusters_path.is_some()).then(Names::default);
        self.pairs = pairs_path.as_deref().map(Pairs::create).transpose()?;
        self.clusters = clusters_path.is_some().then(Clusters::default);
        Ok(true)
    }

    /// Opens the index, where there is one, and shows the signatures and texts of the rows of other runs.
    pub(crate) fn open_index(&mut self, settings: &str, width: usize, mut row: impl FnMut(&[u64], &[u8]) -> Result<()>) -> Result<()> {
        let Some(index) = self.index(settings, width) else { return Ok(()) };
        index.read_others(|name, signature, text| {
            if let Some(names) = &mut self.names {
                names.push(&name);
            }
            row(signature, text)
        })?;
        self.index = Some(index);
        Ok(())
    }

    /// Has the index hold no rows of this run, of which none has a signature.
    pub(crate) fn empty_index(&mut self) {
        self.index = self.index(&self.beside.settings, 0);
    }

    fn index(&self, settings: &str, width: usize) -> Option<Index> {
        let Beside { index_path, index_name, verified_from, .. } = &self.beside;
        Some(Index::new(index_path.as_deref()?, index_name.as_deref()?, settings, width, verified_from.is_some()))
    }

    /// Whether rows are compared with those of other runs.
    pub(crate) fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// Holds a row to what the index had of this run before.
    pub(crate) fn meet(&mut self, text: &str) -> Result<()> {
        self.index.as_mut().map_or(Ok(()), |index| index.meet(text))
    }

    /// A row stays.
    pub(crate) fn stays<'a, 'b>(&mut self, identity: impl Fn() -> Cow<'a, str>, text: &str, signature: impl FnOnce() -> Cow<'b, [u64]>) -> Result<()> {
        if let Some(names) = &mut self.names {
            names.push(&identity());
        }
        self.index.as_mut().map_or(Ok(()), |index| index.push(&identity(), text, &signature()))
    }

    /// A row goes, since it repeats these.
    pub(crate) fn goes(&mut self, identity: &str, found: &[Found]) -> Result<()> {
        if let (Some(pairs), Some(names)) = (&mut self.pairs, &self.names) {
            for found in found {
                pairs.push(identity, names.get(found.row), found.similarity)?;
            }
        }
        if let Some(clusters) = &mut self.clusters {
            clusters.join(identity, found);
        }
        Ok(())
    }

    /// What a row that stayed is called, where names are held.
    pub(crate) fn name(&self, row: u32) -> Option<&str> {
        self.names.as_ref().map(|names| names.get(row))
    }

    /// Makes visible what was written.
    pub(crate) fn end(&mut self) -> Result<()> {
        if let Some(pairs) = self.pairs.take() {
            pairs.finish()?;
        }
        if let (Some(clusters), Some(names), Some(path)) = (self.clusters.take(), &self.names, &self.beside.clusters_path) {
            clusters.write(path, |row| names.get(row).to_owned())?;
        }
        match self.index.take() {
            Some(_) if self.leaves_index => {
                tracing::warn!("the index is left as it was: it is written by a run over all rows");
                Ok(())
            }
            Some(mut index) => index.finish(),
            None => Ok(()),
        }
    }
}
