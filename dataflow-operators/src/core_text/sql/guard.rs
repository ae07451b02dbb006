//! Turns a panic of Polars into an error: what nobody has thought of is told beside the expression, not as a backtrace.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What the work gives, and what a panic said where there was one.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                told(panic);
            }
        }));
    });
    let was_guarded = IS_GUARDED.replace(true);
    let found = catch_unwind(AssertUnwindSafe(|| stacker::maybe_grow(ROOM, ROOM, work)));
    IS_GUARDED.set(was_guarded);
    found.map_err(|panic| {
        let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked");
        format!("{COULD_NOT}: {}", said.lines().next().unwrap_or_default())
    })
}

/// Bytes of stack: Polars calls itself for each part of an expression.
const ROOM: usize = 64 << 20;

const COULD_NOT: &str = "polars cannot work this out";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_what_it_said() {
        assert_eq!(guarded(|| 5), Ok(5));
        let said = guarded(|| std::panic::panic_any("an owl".to_owned()));
        assert_eq!(said, Err::<(), _>("polars cannot work this out: an owl".to_owned()));
    }
}
