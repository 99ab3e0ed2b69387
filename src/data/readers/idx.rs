//! IDX, the files of MNIST: a few big-endian numbers for the sizes, then unsigned bytes.

use std::io::Read;

use super::binary::{expect_end, read_error};
use super::format::IDX;
use super::limits::{NAME, ROW, Reader, Weight};
use crate::data::{Numbers, Sequences};
use crate::error::{Error, Result, ensure};

/// The images of a file as sequences of rows, where `by_rows`, or of pixels, black to white as 0 to 1.
///
/// # Errors
/// [`Error::Data`] for another kind of file, images without a pixel, or fewer or more bytes than promised;
/// [`Error::Io`].
pub(super) fn read_images(place: &str, reader: Reader, by_rows: bool) -> Result<Sequences> {
    // Each pixel as it is kept, and made normal.
    let ([count, _, columns], bytes) = read(place, reader, "images", |pixels| ROW.saturating_add(8 * pixels))?;
    let numbers = Numbers::Single(bytes.iter().map(|&pixel| f32::from(pixel) / 255.0).collect());
    Ok(Sequences::of_rows(numbers, count, if by_rows { columns } else { 1 }, None))
}

/// The classes of a file of labels, `[N]`, as text.
///
/// # Errors
/// [`Error::Data`] for another kind of file, or fewer or more bytes than promised; [`Error::Io`].
pub(super) fn read_labels(place: &str, reader: Reader) -> Result<Vec<String>> {
    let ([_], bytes) = read(place, reader, "labels", |_| NAME)?;
    Ok(bytes.iter().map(u8::to_string).collect())
}

/// The sizes and the bytes of a file that should hold `what`: the first size counts them, and each takes the `memory` of so
/// many bytes.
fn read<const DIMENSIONS: usize>(
    place: &str,
    mut reader: Reader,
    what: &str,
    memory: fn(u64) -> u64,
) -> Result<([usize; DIMENSIONS], Vec<u8>)> {
    let mut four = || {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(|source| read_error(place, source)).map(|()| bytes)
    };
    let wrong = |problem: String| Error::data(place, problem);
    let magic = four()?;
    ensure!(magic[..2] == IDX[..2], wrong("is no IDX file: its first two bytes are not 0".into()));
    let other = format!("holds numbers of IDX type 0x{:02x}: only unsigned bytes (0x08) are read", magic[2]);
    ensure!(magic[2] == IDX[2], wrong(other));
    let exchanged = "are images and labels exchanged?";
    let other = format!("has {} dimensions, and {what} have {DIMENSIONS}: {exchanged}", magic[3]);
    ensure!(usize::from(magic[3]) == DIMENSIONS, wrong(other));
    let mut sizes = [0; DIMENSIONS];
    for size in &mut sizes {
        *size = u32::from_be_bytes(four()?) as usize;
    }
    ensure!(sizes[0] > 0, wrong(format!("has no {what}")));
    let size: u64 = sizes[1..].iter().map(|&side| side as u64).product();
    let sides = sizes[1..].iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
    ensure!(size > 0, wrong(format!("promises {what} of {sides} pixels, which cannot be")));
    let (all, mut bytes) = (size.saturating_mul(sizes[0] as u64), Vec::new());
    reader.get_mut().weigh(Weight::Rows { memory: memory(size), of: size });
    // Grows with what there is, whatever the header promises.
    let there = reader.by_ref().take(all).read_to_end(&mut bytes).map_err(|source| read_error(place, source))?;
    let (there, promised) = (there as u64 / size, sizes[0]);
    let short = format!("is cut short: it holds {there} of {promised} {what}; fetch it again");
    ensure!(bytes.len() as u64 == all, wrong(short));
    expect_end(place, &mut reader)?;
    Ok((sizes, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::{idx_file as file, opened, rows_of};

    fn images(bytes: &[u8]) -> std::result::Result<Vec<Vec<f64>>, String> {
        let read = read_images("i", opened(bytes), false);
        read.map(|images| rows_of(&images)).map_err(|error| error.to_string())
    }

    fn labels(bytes: &[u8]) -> std::result::Result<Vec<String>, String> {
        read_labels("l", opened(bytes)).map_err(|error| error.to_string())
    }

    #[test]
    fn images_and_labels() {
        let found = images(&file(&[2, 1, 2], &[0, 255, 51, 102]));
        assert_eq!(found, Ok(vec![vec![0.0, 1.0], vec![0.2f32.into(), 0.4f32.into()]]));
        assert_eq!(labels(&file(&[3], &[7, 0, 255])), Ok(vec!["7".into(), "0".into(), "255".into()]));
    }

    #[test]
    fn cut_or_longer_files() {
        let whole = file(&[2, 1, 2], &[1, 2, 3, 4]);
        for cut in 0..16 {
            assert_eq!(images(&whole[..cut]), Err("i: is cut short: save or fetch it again".into()), "{cut}");
        }
        for cut in 16..20 {
            let message = format!("i: is cut short: it holds {} of 2 images; fetch it again", (cut - 16) / 2);
            assert_eq!(images(&whole[..cut]), Err(message));
        }
        let more = "goes on behind what its header tells of: one array a file, saved or fetched again";
        assert_eq!(images(&[whole, vec![0]].concat()), Err(format!("i: {more}")));
        assert_eq!(labels(&file(&[1], &[1, 2])), Err(format!("l: {more}")));
        assert_eq!(labels(&file(&[3], &[1])), Err("l: is cut short: it holds 1 of 3 labels; fetch it again".into()));
    }

    #[test]
    fn headers_that_cannot_be() {
        let huge = u32::MAX;
        let message = "i: is cut short: it holds 0 of 4294967295 images; fetch it again";
        assert_eq!(images(&file(&[huge; 3], &[1])), Err(message.into()));
        assert_eq!(
            images(&file(&[huge, 0, 3], &[])),
            Err("i: promises images of 0 x 3 pixels, which cannot be".into())
        );
        assert_eq!(images(&file(&[0, 2, 3], &[])), Err("i: has no images".into()));
        let exchanged = "i: has 1 dimensions, and images have 3: are images and labels exchanged?";
        assert_eq!(images(&file(&[1], &[1])), Err(exchanged.into()));
        assert_eq!(images(b"P5 9 9 255"), Err("i: is no IDX file: its first two bytes are not 0".into()));
        let floats = "i: holds numbers of IDX type 0x0d: only unsigned bytes (0x08) are read";
        assert_eq!(images(&[0, 0, 0x0d, 3]), Err(floats.into()));
    }
}
