//! The cells: each stands in one file, with its declaration and both twins, and in two parts of shaders of the same name.

mod declare;
mod gru;
mod gru_before;
mod lstm;
mod mingru;
mod prelude;
mod rnn;
mod units;

use super::activation::Activation;
use super::recurrence::Recurrence;
use serde::{Deserialize, Serialize};

/// Makes the enum and the tables of cells. A row: a cell, its name in text, and its kernels; of one whose reset gate may
/// stand before the product, the kernels of that, too.
macro_rules! cells {
    ($($(#[$doc:meta])* $cell:ident $title:literal: $($recurrence:path),+;)*) => {
        /// The recurrent unit of every level.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Cell { $($(#[$doc])* $cell,)* }

        /// The name and the kernels of each.
        static CELLS: &[(&str, &[&Recurrence])] = &[$(($title, &[$(&$recurrence),+])),*];

        /// The kernels of all cells.
        pub static RECURRENCES: &[&Recurrence] = &[$($(&$recurrence),+),*];
    };
}

cells! {
    /// Gated recurrent unit (Cho et al., 2014).
    #[default]
    Gru "GRU": gru::GRU, gru_before::GRU_BEFORE;
    /// Long short-term memory, without peepholes.
    Lstm "LSTM": lstm::LSTM;
    /// Plain (Elman) unit.
    Rnn "RNN": rnn::RNN;
    /// Minimal gated recurrent unit, whose gates see the input alone (Feng et al., 2024).
    MinGru "minimal GRU": mingru::MINGRU;
}

/// Where the reset gate of a GRU acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reset {
    /// On the product of state and weights, as in PyTorch and cuDNN; the gates have two biases.
    #[default]
    After,
    /// On the state, before the product, as in the paper; the gates have one bias.
    Before,
}

impl Cell {
    /// Its name in text.
    pub fn title(self) -> &'static str {
        CELLS[self as usize].0
    }

    /// The activation that is usual where the cell leaves one open, and tanh where it does not.
    pub fn activation(self) -> Activation {
        CELLS[self as usize].1[0].activation.unwrap_or_default()
    }

    /// The cell's kernels; `None` for a reset that it does not have.
    pub fn recurrence(self, reset: Reset) -> Option<&'static Recurrence> {
        CELLS[self as usize].1.get(reset as usize).copied()
    }
}
