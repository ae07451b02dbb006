//! Vectors, and which of those before is nearest to one.

use rayon::prelude::*;

/// Remembers vectors and finds the nearest. An index that finds it without comparing all is another implementation.
pub(crate) trait NearestVectors: Send {
    /// The remembered vector that is nearest to one, by its number from 0, where its cosine is at least `least`; the earliest of equally near ones.
    fn nearest(&self, vector: &[f32], least: f32) -> Option<(usize, f32)>;

    /// Remembers a vector of length 1 or 0.
    fn remember(&mut self, vector: &[f32]);
}

/// Compares with all, on all cores where there are many.
#[derive(Default)]
pub(crate) struct AllVectors {
    dimensions: usize,
    values: Vec<f32>,
}

/// Below so many numbers other cores cost more than they save.
const WORTH_MORE_CORES: usize = 1 << 16;

impl NearestVectors for AllVectors {
    fn nearest(&self, vector: &[f32], least: f32) -> Option<(usize, f32)> {
        let cosine = |(number, other): (usize, &[f32])| (number, dot(vector, other));
        // The greater cosine, and of two that are equal the earlier vector.
        let better = |one: (usize, f32), other: (usize, f32)| if other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)).is_gt() { other } else { one };
        let dimensions = self.dimensions.max(1);
        let best = if self.values.len() < WORTH_MORE_CORES {
            self.values.chunks_exact(dimensions).enumerate().map(cosine).reduce(better)
        } else {
            self.values.par_chunks_exact(dimensions).enumerate().map(cosine).reduce_with(better)
        };
        best.filter(|(_, cosine)| *cosine >= least)
    }

    fn remember(&mut self, vector: &[f32]) {
        self.dimensions = vector.len();
        self.values.extend_from_slice(vector);
    }
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

    #[test]
    fn the_nearest_is_found_among_few_and_among_many() {
        let vector = |angle: usize| -> Vec<f32> {
            let angle = angle as f32 / 1000.0;
            (0..64)
                .map(|place| {
                    if place == 9 {
                        angle.cos()
                    } else if place == 40 {
                        angle.sin()
                    } else {
                        0.0
                    }
                })
                .collect()
        };
        for count in [10, 3000] {
            let mut all = AllVectors::default();
            (0..count).for_each(|number| all.remember(&vector(number * 2)));
            let (number, cosine) = all.nearest(&vector(7), 0.99).unwrap();
            assert!((number == 3 || number == 4) && cosine > 0.999_999, "{number} {cosine}");
            assert_eq!(all.nearest(&vector(6), 0.99).unwrap().0, 3);
            assert_eq!(all.nearest(&[0.0; 64], 0.5), None);
        }
        assert_eq!(AllVectors::default().nearest(&vector(0), 0.0), None);
    }
}
