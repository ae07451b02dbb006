//! Looks for a text on which a rule breaks a promise, led by what of the rule was reached. `cargo +nightly fuzz run rules --sanitizer none`
//!
//! The first byte of an input chooses the rule, the second its parameters, the third where the rows are cut into batches, and two more what the columns hold; the rest is rows of cells (see [`rows`]).

#![no_main]

use std::sync::LazyLock;

use dataflow_operators::rule_laws::{Held, PIECES, Rule, hold, rules};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

// Bytes that UTF-8 never has stand for what texts cannot say.
const END_OF_ROW: u8 = 0xff;
const END_OF_CELL: u8 = 0xfe;
const NULL: u8 = 0xfd;
const CELLS: usize = 4;
const ROWS: usize = 32;

static RULES: LazyLock<Vec<Vec<Rule>>> = LazyLock::new(|| rules(&tempfile::tempdir().expect("a temporary folder").keep()));

fuzz_target!(|data: &[u8]| {
    let &[rule, variant, cut, first, second, ref cells @ ..] = data else { return };
    let rows = rows(cells);
    let cuts = [usize::from(cut & 15), usize::from(cut >> 4)];
    let held = [first & 15, first >> 4, second & 15, second >> 4].map(|held| Held::ALL.get(usize::from(held)).copied().unwrap_or_default());
    let variants = &RULES[usize::from(rule) % RULES.len()];
    let (name, rule) = &variants[usize::from(variant) % variants.len()];
    if let Err(broken) = hold(rule.as_ref(), &rows, &cuts, &held) {
        panic!("{name}: {broken}");
    }
});

// Half of the changes put in something that rules look for.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let (seed, piece) = (seed as usize, PIECES[seed as usize / 2 % PIECES.len()].as_bytes());
    if seed % 2 == 0 || size + piece.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    let place = seed / 2 / PIECES.len() % (size + 1);
    data.copy_within(place..size, place + piece.len());
    data[place..place + piece.len()].copy_from_slice(piece);
    size + piece.len()
});

fn rows(cells: &[u8]) -> Vec<Vec<Option<String>>> {
    let cell = |bytes: &[u8]| (bytes != [NULL]).then(|| String::from_utf8_lossy(bytes).into_owned());
    let row = |bytes: &[u8]| {
        let mut row: Vec<_> = bytes.split(|byte| *byte == END_OF_CELL).map(cell).take(CELLS).collect();
        row.resize(CELLS, row[0].clone());
        row
    };
    cells.split(|byte| *byte == END_OF_ROW).map(row).take(ROWS).collect()
}
