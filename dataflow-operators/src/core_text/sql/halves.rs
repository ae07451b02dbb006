//! Works rows out in halves where they cannot be worked out together, so that a bad cell fails its row alone.

use std::ops::Range;

/// What was made of some rows that follow one another, and where they begin; an error is of one row.
pub(super) type Part<T, E> = (usize, Result<T, E>);

/// What `work` makes of rows that it cannot work out together, which was `wrong`: parts in their order. A bad row among n costs some 2 log n tries, and no more than 2 n are made.
pub(super) fn in_halves<T, E>(rows: Range<usize>, wrong: E, work: &impl Fn(Range<usize>) -> Result<T, E>) -> Vec<Part<T, E>> {
    if rows.len() < 2 {
        return vec![(rows.start, Err(wrong))];
    }
    let middle = rows.start + rows.len() / 2;
    let worked_out = |half: Range<usize>| match work(half.clone()) {
        Ok(made) => vec![(half.start, Ok(made))],
        Err(wrong) => in_halves(half, wrong, work),
    };
    [rows.start..middle, middle..rows.end].into_iter().flat_map(worked_out).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_bad_row_fails_alone_and_few_tries_find_it() {
        let tried = |rows: usize, bad: &[usize]| {
            let tries = Cell::new(0);
            let work = |rows: Range<usize>| {
                tries.set(tries.get() + 1);
                if rows.clone().any(|row| bad.contains(&row)) { Err(()) } else { Ok(rows.collect::<Vec<usize>>()) }
            };
            let parts = in_halves(0..rows, (), &work);
            let failed: Vec<usize> = parts.iter().filter(|(_, part)| part.is_err()).map(|(row, _)| *row).collect();
            assert_eq!(failed, bad);
            let in_order: Vec<usize> = parts.into_iter().flat_map(|(first, part)| part.unwrap_or_else(|()| vec![first])).collect();
            assert_eq!(in_order, (0..rows).collect::<Vec<usize>>());
            tries.get()
        };
        assert_eq!(tried(1024, &[700]), 20);
        assert_eq!(tried(1000, &[0, 999]), 36);
        assert_eq!(tried(3, &[0, 1, 2]), 4);
        assert_eq!(tried(1, &[0]), 0);
    }
}
