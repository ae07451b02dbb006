//! Vectors, and which of those before is nearest to one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use dataflow_core::Result;
use rayon::prelude::*;

use super::spill::failed;

/// Which remembered vector is near to one, by its number from 0, and their cosine.
pub(crate) type Near = (usize, f32);

/// All vectors of rows that stayed, in the order in which they came: the last ones in memory, and above a limit those before them in a temporary file.
///
/// The file is read from its beginning once for each batch, and all rows of the batch are compared with each of its parts; so it grows between batches alone.
pub(crate) struct Vectors {
    /// In bytes.
    limit: Option<usize>,
    dimensions: usize,
    memory: Vec<f32>,
    file: Option<File>,
    in_file: usize,
}

/// Below so many numbers other cores cost more than they save.
const WORTH_MORE_CORES: usize = 1 << 16;
/// How many numbers of the file are read together.
const READ_TOGETHER: usize = 1 << 20;

impl Vectors {
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self { limit, dimensions: 1, memory: Vec::new(), file: None, in_file: 0 }
    }

    /// Remembers a vector of length 1 or 0; all have the same number of numbers, and at least one.
    pub(crate) fn remember(&mut self, vector: &[f32]) {
        self.dimensions = vector.len().max(1);
        if self.memory.len() + vector.len() > self.memory.capacity() {
            // An eighth more, where a vector would double and hold up to twice the limit.
            self.memory.reserve_exact((self.memory.len() / 8).max(16 * vector.len()));
        }
        self.memory.extend_from_slice(vector);
    }

    /// Moves what memory holds into the file, where it is more than the limit.
    pub(crate) fn spill(&mut self) -> Result<()> {
        if self.limit.is_none_or(|limit| self.memory.len() * size_of::<f32>() <= limit) {
            return Ok(());
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile().map_err(failed)?,
        };
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        for numbers in self.memory.chunks(READ_TOGETHER) {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            file.write_all(&bytes).map_err(failed)?;
        }
        self.file = Some(file);
        self.in_file += self.memory.len() / self.dimensions;
        self.memory = Vec::new();
        Ok(())
    }

    /// For each vector of a batch the nearest one in the file; one that is not given has none.
    pub(crate) fn nearest_in_file(&mut self, batch: &[Option<&[f32]>]) -> Result<Vec<Option<Near>>> {
        let mut nearest = vec![None; batch.len()];
        let Some(file) = &mut self.file else { return Ok(nearest) };
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let together = (READ_TOGETHER / self.dimensions).max(1);
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        for first in (0..self.in_file).step_by(together) {
            bytes.resize(together.min(self.in_file - first) * self.dimensions * size_of::<f32>(), 0);
            file.read_exact(&mut bytes).map_err(failed)?;
            numbers.clear();
            numbers.extend(bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)));
            nearest.par_iter_mut().zip(batch).for_each(|(nearest, vector)| {
                let Some(vector) = vector else { return };
                let cosines = numbers.chunks_exact(self.dimensions).enumerate().map(|(number, other)| (first + number, dot(vector, other)));
                *nearest = nearest.take().into_iter().chain(cosines).reduce(better);
            });
        }
        Ok(nearest)
    }

    /// The nearest to a vector of all that are remembered, where its cosine is at least `least`, the earliest of equally near ones; what is nearest in the file is known.
    pub(crate) fn nearest(&self, vector: &[f32], in_file: Option<Near>, least: f32) -> Option<Near> {
        let cosine = |(number, other): (usize, &[f32])| (self.in_file + number, dot(vector, other));
        let in_memory = if self.memory.len() < WORTH_MORE_CORES {
            self.memory.chunks_exact(self.dimensions).enumerate().map(cosine).reduce(better)
        } else {
            self.memory.par_chunks_exact(self.dimensions).enumerate().map(cosine).reduce_with(better)
        };
        in_file.into_iter().chain(in_memory).reduce(better).filter(|(_, cosine)| *cosine >= least)
    }
}

/// The greater cosine, and of two that are equal the earlier vector.
fn better(one: Near, other: Near) -> Near {
    if other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)).is_gt() { other } else { one }
}

/// The sum of products, in eight parts that are summed up side by side.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (one, one_rest) = one.as_chunks::<8>();
    let (other, other_rest) = other.as_chunks::<8>();
    for (one, other) in one.iter().zip(other) {
        for lane in 0..8 {
            sums[lane] += one[lane] * other[lane];
        }
    }
    sums.iter().sum::<f32>() + one_rest.iter().zip(other_rest).map(|(one, other)| one * other).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(angle: usize) -> Vec<f32> {
        let angle = angle as f32 / 1000.0;
        let number = |place| match place {
            9 => angle.cos(),
            40 => angle.sin(),
            _ => 0.0,
        };
        (0..64).map(number).collect()
    }

    #[test]
    fn the_nearest_is_found_among_few_and_among_many_in_memory_and_on_disk() {
        for limit in [None, Some(0), Some(50_000)] {
            for count in [10, 3000, 20_000] {
                let mut all = Vectors::new(limit);
                for number in 0..count {
                    all.remember(&vector(number % 3000 * 2));
                    if number % 100 == 99 {
                        all.spill().unwrap();
                        assert!(limit.is_none_or(|limit| all.memory.len() * 4 <= limit), "memory holds no more than the limit");
                    }
                }
                let mut nearest = |vector: &[f32], least| {
                    let in_file = all.nearest_in_file(&[None, Some(vector)]).unwrap();
                    assert_eq!(in_file[0], None);
                    all.nearest(vector, in_file[1], least)
                };
                let (number, cosine) = nearest(&vector(7), 0.99).unwrap();
                assert!((number == 3 || number == 4) && cosine > 0.999_999, "{number} {cosine}");
                assert_eq!(nearest(&vector(6), 0.99).unwrap().0, 3, "the earliest of equal ones");
                assert_eq!(nearest(&[0.0; 64], 0.5), None);
            }
        }
        assert_eq!(Vectors::new(None).nearest(&vector(0), None, 0.0), None);
    }
}
