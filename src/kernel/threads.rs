//! Among how many threads the CPU engine's kernels share their work.

use std::cell::Cell;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on the calling thread alone: no kernel in it hands anything to another, which would have to be woken.
pub fn alone<T>(work: impl FnOnce() -> T) -> T {
    let before = ALONE.replace(true);
    let result = work();
    ALONE.set(before);
    result
}

/// Threads that share a kernel's work.
pub fn count() -> usize {
    if ALONE.get() { 1 } else { rayon::current_num_threads() }
}

/// The least pieces of work that a thread is handed, `pieces` or all of them.
pub fn at_least(pieces: usize) -> usize {
    if ALONE.get() { usize::MAX } else { pieces }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn alone_means_on_this_thread() {
        let own = std::thread::current().id();
        let threads = |numbers: &mut [u64]| {
            let id = |_: &mut u64| std::thread::current().id();
            numbers.par_iter_mut().with_min_len(at_least(1)).map(id).collect::<Vec<_>>()
        };
        let mut numbers = vec![0; 1000];
        assert!(
            alone(|| {
                assert_eq!(count(), 1);
                threads(&mut numbers)
            })
            .iter()
            .all(|&id| id == own)
        );
        // A test's thread is none of the pool's.
        assert!(threads(&mut numbers).iter().all(|&id| id != own));
        assert_eq!(count(), rayon::current_num_threads());
    }
}
