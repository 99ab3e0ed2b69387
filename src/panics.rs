//! Panics of libraries that become errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is caught and becomes an error: so that a program's panic hook need not tell of it.
pub fn is_panic_expected() -> bool {
    EXPECTED.get()
}

/// What a call of a library returns, or the words with which it panicked.
pub(crate) fn expecting_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    EXPECTED.set(false);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("without a word").to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_words() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| assert!(is_panic_expected())));
        let lost = "lost";
        assert_eq!(expecting_panic(|| panic!("{lost} at 7")), Err::<(), _>("lost at 7".to_string()));
        assert_eq!(expecting_panic(|| panic!("lost")), Err::<(), _>("lost".to_string()));
        std::panic::set_hook(hook);
        assert_eq!(expecting_panic(|| 7), Ok(7));
        assert!(!is_panic_expected());
    }
}
