//! Several of the same kind of work side by side in one dispatch, as the strands of a layer are.

/// Strands are the recurrences that a layer runs over the same steps, each with weights and results of its own: one for each
/// head of each direction. What belongs to a strand stands so many numbers behind what belongs to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strands<const BINDINGS: usize> {
    /// How many there are, at least 1.
    pub count: usize,
    /// Numbers from one to the next, by binding; 0 where all share it.
    pub apart: [usize; BINDINGS],
}

impl<const BINDINGS: usize> Strands<BINDINGS> {
    /// A single one.
    pub const ONE: Strands<BINDINGS> = Strands { count: 1, apart: [0; BINDINGS] };

    /// Strands that stand so far apart in each binding.
    pub fn new(count: usize, apart: [usize; BINDINGS]) -> Strands<BINDINGS> {
        Strands { count, apart }
    }
}
