//! Trains a sliced GRU on a table of labelled texts and classifies a text with it.
//!
//!     cargo run --release --example sentiment -- data/emails/train.tsv.gz "win a free prize now"
//!
//! The table has a header with the columns `text` and `label`.

use srnn::data::{Classes, ReadOptions, Source, Tokenizer, hold_out};
use srnn::train::{Dataset, Epoch, Observer, Options, Trainer};
use srnn::{Config, Device, Network, Result};
use std::path::Path;

/// Prints every epoch.
struct Printer;

impl Observer for Printer {
    fn epoch(&mut self, epoch: &Epoch, _: &mut Trainer) -> Result<()> {
        let (loss, accuracy) = (epoch.valid_loss, 100.0 * epoch.valid_score);
        println!("epoch {}: validation loss {loss:.4}, accuracy {accuracy:.2} %, {:.1} s", epoch.epoch, epoch.seconds);
        Ok(())
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or("data/emails/train.tsv.gz".into());
    let text = arguments.next().unwrap_or("win a free prize now".into());

    let examples = ReadOptions::default().read(&Source::from(Path::new(&path)), true)?;
    let classes = Classes::fit(&examples)?;
    let labels = classes.encode(&examples)?;
    let (train_rows, valid_rows) = hold_out(&labels, classes.names().len(), 0.1);

    // The vocabulary comes from the training rows alone.
    let texts = examples.texts().unwrap_or_default();
    let train_texts: Vec<&str> = train_rows.iter().map(|&row| texts[row].as_str()).collect();
    let tokenizer = Tokenizer::fit(&train_texts, 20_000, 2)?;
    let all = Dataset::new(&tokenizer.encode_batch(texts), labels)?;
    let (train, valid) = (all.select(&train_rows), all.select(&valid_rows));

    let config = Config {
        vocabulary: tokenizer.vocabulary_size(),
        classes: classes.names().len(),
        embedding: 100,
        ..Config::default() // SRNN(8,2), T = 512, H = 50
    };
    let device = Device::auto()?;
    println!("{device}");
    let network = Network::new(config, device, 1)?;
    let mut trainer = Trainer::new(network, Options { epochs: 3, batch: 50, ..Options::default() });
    trainer.fit(&train, &valid, &mut Printer)?;

    let tokens = tokenizer.encode(&text);
    let batch = trainer.network.config().batch(&[&tokens], &[]);
    let probabilities = trainer.network.probabilities(&batch)?;
    println!("{text:?}:");
    for (name, probability) in classes.names().iter().zip(probabilities) {
        println!("  {name}: {:.1} %", 100.0 * probability);
    }
    Ok(())
}
