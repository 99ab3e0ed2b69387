//! The CPU engine's memory for one buffer.

use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Zeroed words, in huge pages where they are many and the system has such: half of the time of reading rows here and
/// there is spent on finding small pages.
pub(super) enum Words {
    Mapped(MmapMut),
    Heap(Vec<u32>),
}

/// Bytes of a huge page on most systems; what is smaller has no use for one.
const HUGE_PAGE: usize = 2 << 20;

impl Words {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Words {
        let bytes = 4 * len;
        if bytes >= HUGE_PAGE
            && let Ok(map) = MmapMut::map_anon(bytes)
        {
            #[cfg(target_os = "linux")]
            if let Err(error) = map.advise(memmap2::Advice::HugePage) {
                log::debug!("no huge pages for {bytes} bytes: {error}");
            }
            return Words::Mapped(map);
        }
        Words::Heap(vec![0; len])
    }

    /// A copy of these words.
    pub fn copied(words: &[u32]) -> Words {
        let mut own = Words::zeros(words.len());
        own.copy_from_slice(words);
        own
    }
}

impl Default for Words {
    fn default() -> Words {
        Words::Heap(Vec::new())
    }
}

impl Deref for Words {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        match self {
            Words::Mapped(map) => bytemuck::cast_slice(map),
            Words::Heap(words) => words,
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u32] {
        match self {
            Words::Mapped(map) => bytemuck::cast_slice_mut(map),
            Words::Heap(words) => words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_and_many() {
        for len in [0, 1, 1000, HUGE_PAGE / 4 - 1, HUGE_PAGE / 4, HUGE_PAGE + 3] {
            let mut words = Words::zeros(len);
            assert!(words.len() == len && words.iter().all(|&word| word == 0));
            words.fill(7);
            assert!(Words::copied(&words)[..] == words[..]);
        }
    }
}
