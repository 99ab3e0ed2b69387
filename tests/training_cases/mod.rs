//! A whole training that takes no time: a table in a room, and what is to be done with it.

use srnn::Config;
use srnn::data::Source;
use srnn::train::recipe::Tokens;
use srnn::train::{Options, Recipe, Sources};
use std::path::Path;

/// Trains on 36 short texts in batches of 6.
pub fn recipe(room: &Path, epochs: usize) -> Recipe {
    let table = room.join("reviews.tsv");
    let rows: String = (0..40).map(|row| ["a great film\tgood\n", "an awful film\tbad\n"][row % 2]).collect();
    std::fs::write(&table, format!("text\tlabel\n{rows}")).unwrap();
    Recipe {
        network: Config { slicing: "2x2".parse().unwrap(), length: 8, embedding: 4, hidden: 4, ..Config::default() },
        tokens: Tokens::Words { min_count: 1 },
        options: Options { epochs, batch: 6, ..Options::default() },
        ..Recipe::of(Sources::of(Source::File(table)))
    }
}
