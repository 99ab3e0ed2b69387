//! Only distinct tokens are projected: which there are in a batch, and which steps read which.

use crate::kernel::sum_by_token::PIECE;
use crate::kernel::update::NO_SLOT;

/// The distinct tokens of a batch.
pub struct Distinct {
    /// `[N]`: the distinct tokens in order of first appearance.
    pub tokens: Vec<u32>,
    /// `[P]`: the place of each step's token in `tokens`.
    pub slots: Vec<u32>,
}

impl Distinct {
    /// The distinct ones of `tokens`, all below `vocabulary`.
    pub fn new(tokens: &[u32], vocabulary: usize) -> Distinct {
        let mut slot_of = vec![NO_SLOT; vocabulary];
        let mut distinct = Vec::new();
        let slots = tokens
            .iter()
            .map(|&token| {
                let slot = &mut slot_of[token as usize];
                if *slot == NO_SLOT {
                    *slot = distinct.len() as u32;
                    distinct.push(token);
                }
                *slot
            })
            .collect();
        Distinct { tokens: distinct, slots }
    }
}

/// `[V]`: the place of each token of the vocabulary among the distinct `tokens`, or [`NO_SLOT`].
pub fn slots_of(tokens: &[u32], vocabulary: usize) -> Vec<u32> {
    let mut slots = vec![NO_SLOT; vocabulary];
    for (slot, &token) in (0..).zip(tokens) {
        slots[token as usize] = slot;
    }
    slots
}

/// The steps of a batch by token, for summing gradients: frequent tokens are cut into pieces, so that no sum is long.
pub struct Groups {
    /// `[P]`: steps, grouped by slot, in their order within a slot.
    pub members: Vec<u32>,
    /// `[pieces + 1]`: where each piece begins in `members`.
    pub pieces: Vec<u32>,
    /// `[N + 1]`: where each slot's pieces begin.
    pub tokens: Vec<u32>,
}

impl Groups {
    /// Groups the steps `0..slots.len()` by their slot, below `count`.
    pub fn new(slots: &[u32], count: usize) -> Groups {
        let mut next = vec![0u32; count + 1];
        for &slot in slots {
            next[slot as usize + 1] += 1;
        }
        for slot in 0..count {
            next[slot + 1] += next[slot];
        }
        let (mut pieces, mut tokens) = (vec![], Vec::with_capacity(count + 1));
        for slot in 0..count {
            tokens.push(pieces.len() as u32);
            pieces.extend((next[slot]..next[slot + 1]).step_by(PIECE));
        }
        tokens.push(pieces.len() as u32);
        pieces.push(slots.len() as u32);
        let mut members = vec![0; slots.len()];
        for (step, &slot) in slots.iter().enumerate() {
            let at = &mut next[slot as usize];
            members[*at as usize] = step as u32;
            *at += 1;
        }
        Groups { members, pieces, tokens }
    }

    /// Whether every slot has exactly one piece, so that the pieces are the slots.
    pub fn one_piece_each(&self) -> bool {
        self.tokens.iter().zip(0..).all(|(&begin, slot)| begin == slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_tokens_and_their_steps() {
        let distinct = Distinct::new(&[4, 2, 4, 4, 0], 6);
        assert_eq!(distinct.tokens, [4, 2, 0]);
        assert_eq!(distinct.slots, [0, 1, 0, 0, 2]);
        assert_eq!(slots_of(&distinct.tokens, 6), [2, NO_SLOT, 1, NO_SLOT, 0, NO_SLOT]);
    }

    #[test]
    fn groups_hold_every_step_once_in_order_and_in_short_pieces() {
        // Slot 0 never, slot 1 often, slot 2 once.
        let slots: Vec<u32> = (0..PIECE as u32 * 2 + 3).map(|i| if i == 5 { 2 } else { 1 }).collect();
        let groups = Groups::new(&slots, 3);
        assert_eq!(groups.tokens, [0, 0, 3, 4]);
        assert!(!groups.one_piece_each() && !Groups::new(&[2, 0], 3).one_piece_each());
        assert!(Groups::new(&[2, 0, 1, 0], 3).one_piece_each());
        for slot in 0..3 {
            let expected: Vec<u32> = (0..slots.len() as u32).filter(|&i| slots[i as usize] == slot).collect();
            let (first, last) = (groups.tokens[slot as usize] as usize, groups.tokens[slot as usize + 1] as usize);
            let own = &groups.members[groups.pieces[first] as usize..groups.pieces[last] as usize];
            assert_eq!(own, expected);
            assert!(groups.pieces[first..=last].windows(2).all(|w| (w[1] - w[0]) as usize <= PIECE));
        }
    }
}
