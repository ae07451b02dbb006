//! Decides, one row after another, which rows stay, and tells of those that go.

use std::borrow::Cow;

use dataflow_core::Result;

use super::beside::Beside;
use super::open_beside::OpenBeside;
use super::spill::Spill;
use super::stored::Stored;
use super::{Found, Remember, Sign};

/// What is remembered of the rows so far.
pub(super) struct Memory<R> {
    seen: Spill<R>,
    /// How many rows are remembered, and how many of them are of other runs; those come first.
    remembered: u32,
    of_others: u32,
    width: usize,
    estimates: bool,
    beside: OpenBeside,
    /// The texts of this run's rows, and the texts of the others or, where they are only estimated, their signatures.
    texts: Option<Stored>,
    others: Option<Stored>,
    found: Vec<Found>,
}

impl<R: Remember> Memory<R> {
    pub(super) fn new(seen: R, width: usize, estimates: bool, beside: Beside) -> Self {
        let limit = beside.memory_limit.map(|limit| usize::try_from(limit.bytes()).unwrap_or(usize::MAX));
        Self {
            seen: Spill::new(seen, limit),
            remembered: 0,
            of_others: 0,
            width,
            estimates,
            beside: OpenBeside::new(beside),
            texts: None,
            others: None,
            found: Vec::new(),
        }
    }

    /// Has the index stay as it is, whatever rows come.
    pub(super) fn leave_index(&mut self) {
        self.beside.leave_index();
    }

    /// Has the names of rows held, and the texts where signatures only estimate, so that a reason can name the row and tell the similarity.
    pub(super) fn hold_names(&mut self) {
        self.beside.hold_names();
    }

    /// Opens what rows are compared with and what is written.
    fn open(&mut self) -> Result<()> {
        if !self.beside.open()? {
            return Ok(());
        }
        let Beside { index_path, settings, verified_from, .. } = self.beside.asked().clone();
        if verified_from.is_some() || self.estimates && self.beside.tells_similarity() {
            self.texts = Some(Stored::create()?);
            self.others = index_path.is_some().then(Stored::create).transpose()?;
        }
        let Self { seen, remembered, others, .. } = self;
        self.beside.open_index(&settings, self.width, |signature, text| {
            seen.remember(signature)?;
            *remembered += 1;
            match others {
                Some(others) if verified_from.is_some() => others.push(text),
                Some(others) => others.push(&bytes_of(signature)),
                None => Ok(()),
            }
        })?;
        self.of_others = self.remembered;
        Ok(())
    }

    /// Whether a row stays; one that does is remembered.
    pub(super) fn stays<'a, S: Sign>(&mut self, signer: &S, text: &str, signature: &[u64], identity: impl Fn() -> Cow<'a, str>) -> Result<bool> {
        self.open()?;
        self.beside.meet(text)?;
        self.found.clear();
        self.seen.find(signature, &mut self.found)?;
        if !self.found.is_empty() {
            self.look_closer(signer, text, signature)?;
        }
        if !self.found.is_empty() {
            self.beside.goes(&identity(), &self.found)?;
            return Ok(false);
        }
        self.seen.remember(signature)?;
        self.remembered += 1;
        if let Some(texts) = &mut self.texts {
            texts.push(text.as_bytes())?;
        }
        self.beside.stays(identity, text, || signature.into())?;
        Ok(true)
    }

    /// The first of the rows that the row before repeats, if it does.
    pub(super) fn repeated(&self) -> Option<Found> {
        self.found.first().copied()
    }

    /// What is told of a row that repeats another.
    pub(super) fn reason(&self, found: Found) -> String {
        let whose = match self.beside.name(found.row) {
            Some(name) => format!("repeats row {name}"),
            None if found.row < self.of_others => "repeats a row of another run".into(),
            None => "repeats an earlier row".into(),
        };
        found.similarity.map_or_else(|| whose.clone(), |similarity| format!("{whose}, similarity {similarity:.3}"))
    }

    /// Puts what was found in order, works out similarities that signatures do not tell, and leaves out what is not alike enough; all but the first where no more is told.
    fn look_closer<S: Sign>(&mut self, signer: &S, text: &str, signature: &[u64]) -> Result<()> {
        let Self { found, texts, others, of_others, beside, .. } = self;
        found.sort_unstable_by_key(|found| found.row);
        found.dedup_by_key(|found| found.row);
        let (tells_all, least) = (beside.tells_all(), beside.asked().verified_from);
        let similarity_to_text = signer.similarity_to(text, least.unwrap_or(0.0));
        let mut alike = 0;
        for at in 0..found.len() {
            let mut one = found[at];
            let (stored, number) = if one.row < *of_others { (&mut *others, one.row) } else { (&mut *texts, one.row - *of_others) };
            let earlier = match stored {
                Some(stored) => stored.get(number as usize)?,
                None => None,
            };
            if let Some(earlier) = earlier {
                let is_signature = one.row < *of_others && least.is_none();
                let known =
                    if is_signature { signer.estimate(signature, &signature_of(&earlier)) } else { similarity_to_text(&String::from_utf8_lossy(&earlier)) };
                one.similarity = known.or(one.similarity);
            }
            if least.is_none_or(|least| one.similarity.is_some_and(|similarity| similarity >= least)) {
                found[alike] = one;
                alike += 1;
                if !tells_all {
                    break;
                }
            }
        }
        found.truncate(alike);
        Ok(())
    }

    /// Makes visible what was written.
    pub(super) fn end(&mut self) -> Result<()> {
        self.open()?;
        self.beside.end()
    }
}

fn bytes_of(signature: &[u64]) -> Vec<u8> {
    signature.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn signature_of(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect()
}
