//! Arithmetic on eight numbers at a time, for hashes. Left to itself the compiler turns the loops of MinHash into vectors half as fast as these.

use pulp::NullaryFnOnce;

/// Eight numbers, and as many functions or texts at a time.
pub(crate) const EIGHT: usize = 8;

/// The instructions of a processor for eight numbers of 32 bits, which wrap around.
pub(crate) trait Lanes: Copy {
    type Eight: Copy;

    fn load(self, numbers: [u32; EIGHT]) -> Self::Eight;
    fn store(self, numbers: Self::Eight) -> [u32; EIGHT];
    fn splat(self, number: u32) -> Self::Eight;
    fn add(self, one: Self::Eight, other: Self::Eight) -> Self::Eight;
    fn multiply(self, one: Self::Eight, other: Self::Eight) -> Self::Eight;
    fn least(self, one: Self::Eight, other: Self::Eight) -> Self::Eight;
    fn and(self, one: Self::Eight, other: Self::Eight) -> Self::Eight;
    fn xor(self, one: Self::Eight, other: Self::Eight) -> Self::Eight;
    /// To the left; `RIGHT` is 32 less `LEFT`.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, numbers: Self::Eight) -> Self::Eight;
}

/// Work that is the same with any instructions.
pub(crate) trait Work {
    fn run<V: Lanes>(self, vectors: V);
}

/// Does some work with the best instructions that the processor has.
pub(crate) fn dispatch(work: impl Work) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(v3) = pulp::x86::V3::try_new() {
        return v3.vectorize(With(work, v3));
    }
    work.run(Portable);
}

struct With<W, V>(W, V);

impl<W: Work, V: Lanes> NullaryFnOnce for With<W, V> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]
    fn call(self) {
        self.0.run(self.1);
    }
}

/// What every processor can do.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// The function for each pair.
fn each(one: [u32; EIGHT], other: [u32; EIGHT], of: impl Fn(u32, u32) -> u32) -> [u32; EIGHT] {
    std::array::from_fn(|at| of(one[at], other[at]))
}

impl Lanes for Portable {
    type Eight = [u32; EIGHT];

    fn load(self, numbers: [u32; EIGHT]) -> Self::Eight {
        numbers
    }

    fn store(self, numbers: Self::Eight) -> [u32; EIGHT] {
        numbers
    }

    fn splat(self, number: u32) -> Self::Eight {
        [number; EIGHT]
    }

    fn add(self, one: Self::Eight, other: Self::Eight) -> Self::Eight {
        each(one, other, u32::wrapping_add)
    }

    fn multiply(self, one: Self::Eight, other: Self::Eight) -> Self::Eight {
        each(one, other, u32::wrapping_mul)
    }

    fn least(self, one: Self::Eight, other: Self::Eight) -> Self::Eight {
        each(one, other, u32::min)
    }

    fn and(self, one: Self::Eight, other: Self::Eight) -> Self::Eight {
        each(one, other, |one, other| one & other)
    }

    fn xor(self, one: Self::Eight, other: Self::Eight) -> Self::Eight {
        each(one, other, |one, other| one ^ other)
    }

    fn rotate<const LEFT: i32, const RIGHT: i32>(self, numbers: Self::Eight) -> Self::Eight {
        numbers.map(|number| number << LEFT | number >> RIGHT)
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86 {
    #![expect(clippy::inline_always, reason = "what is not inlined does not use the wide vectors")]

    use pulp::x86::V3;
    use pulp::{cast, u32x8};

    use super::{EIGHT, Lanes};

    impl Lanes for V3 {
        type Eight = u32x8;

        #[inline(always)]
        fn load(self, numbers: [u32; EIGHT]) -> u32x8 {
            cast(numbers)
        }

        #[inline(always)]
        fn store(self, numbers: u32x8) -> [u32; EIGHT] {
            cast(numbers)
        }

        #[inline(always)]
        fn splat(self, number: u32) -> u32x8 {
            self.splat_u32x8(number)
        }

        #[inline(always)]
        fn add(self, one: u32x8, other: u32x8) -> u32x8 {
            self.wrapping_add_u32x8(one, other)
        }

        #[inline(always)]
        fn multiply(self, one: u32x8, other: u32x8) -> u32x8 {
            self.wrapping_mul_u32x8(one, other)
        }

        #[inline(always)]
        fn least(self, one: u32x8, other: u32x8) -> u32x8 {
            self.min_u32x8(one, other)
        }

        #[inline(always)]
        fn and(self, one: u32x8, other: u32x8) -> u32x8 {
            self.and_u32x8(one, other)
        }

        #[inline(always)]
        fn xor(self, one: u32x8, other: u32x8) -> u32x8 {
            self.xor_u32x8(one, other)
        }

        #[inline(always)]
        fn rotate<const LEFT: i32, const RIGHT: i32>(self, numbers: u32x8) -> u32x8 {
            self.or_u32x8(self.shl_const_u32x8::<LEFT>(numbers), self.shr_const_u32x8::<RIGHT>(numbers))
        }
    }
}
