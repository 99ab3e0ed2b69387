//! IDX, the files of MNIST: a few big-endian numbers for the sizes, then unsigned bytes.

use std::io::{BufRead, Read};

use super::binary::{expect_end, read_error};
use crate::error::{Error, Result};

/// What every IDX file of unsigned bytes begins with; the fourth byte is the number of dimensions.
pub(super) const MAGIC: [u8; 3] = [0, 0, 8];

/// A file of images, opened: `[N, rows, columns]`.
pub(super) struct Images<R> {
    place: String,
    reader: R,
    count: usize,
    pub rows: usize,
    pub columns: usize,
}

impl<R: BufRead> Images<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Data`] for another kind of file, or images without a pixel; [`Error::Io`].
    pub fn open(place: &str, mut reader: R) -> Result<Images<R>> {
        let [count, rows, columns] = sizes(place, &mut reader, "images")?;
        match rows.checked_mul(columns) {
            None | Some(0) => {
                let problem = format!("promises images of {rows} x {columns} pixels, which cannot be");
                Err(Error::data(place, problem))
            }
            _ => Ok(Images { place: place.to_string(), reader, count, rows, columns }),
        }
    }

    /// The images, each `[rows, columns]` row by row, black to white as 0 to 1.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer or more bytes than promised; [`Error::Io`].
    pub fn read(mut self) -> Result<Vec<Vec<f32>>> {
        let mut images = Vec::new();
        let mut bytes = Vec::new();
        for image in 0..self.count {
            bytes.clear();
            let size = self.rows * self.columns;
            // Grows with what there is, whatever the header promises.
            let read = self.reader.by_ref().take(size as u64).read_to_end(&mut bytes);
            if read.map_err(|source| read_error(&self.place, source))? < size {
                return Err(too_few(&self.place, image, self.count, "images"));
            }
            images.push(bytes.iter().map(|&pixel| f32::from(pixel) / 255.0).collect());
        }
        expect_end(&self.place, &mut self.reader)?;
        Ok(images)
    }
}

/// The classes of an IDX file of labels, `[N]`, as text.
///
/// # Errors
/// [`Error::Data`] for another kind of file, or fewer or more bytes than promised; [`Error::Io`].
pub(super) fn read_labels(place: &str, mut reader: impl BufRead) -> Result<Vec<String>> {
    let [count] = sizes(place, &mut reader, "labels")?;
    let mut bytes = Vec::new();
    let read = reader.by_ref().take(count as u64).read_to_end(&mut bytes);
    if read.map_err(|source| read_error(place, source))? < count {
        return Err(too_few(place, bytes.len(), count, "labels"));
    }
    expect_end(place, &mut reader)?;
    Ok(bytes.iter().map(u8::to_string).collect())
}

/// The sizes in the header of a file that should hold `what`.
fn sizes<const DIMENSIONS: usize>(place: &str, reader: &mut impl Read, what: &str) -> Result<[usize; DIMENSIONS]> {
    let mut four = || {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(|source| read_error(place, source)).map(|()| bytes)
    };
    let magic = four()?;
    if magic[..2] != MAGIC[..2] {
        return Err(Error::data(place, "is no IDX file: its first two bytes are not 0"));
    }
    if magic[2] != MAGIC[2] {
        let problem = format!("holds numbers of IDX type 0x{:02x}: only unsigned bytes (0x08) are read", magic[2]);
        return Err(Error::data(place, problem));
    }
    if usize::from(magic[3]) != DIMENSIONS {
        let advice = "are images and labels exchanged?";
        let problem = format!("has {} dimensions, and {what} have {DIMENSIONS}: {advice}", magic[3]);
        return Err(Error::data(place, problem));
    }
    let mut sizes = [0; DIMENSIONS];
    for size in &mut sizes {
        *size = u32::from_be_bytes(four()?) as usize;
    }
    match sizes.first() {
        Some(0) => Err(Error::data(place, format!("has no {what}"))),
        _ => Ok(sizes),
    }
}

fn too_few(place: &str, there: usize, promised: usize, what: &str) -> Error {
    Error::data(place, format!("is cut short: it holds {there} of {promised} {what}; fetch it again"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An IDX file of unsigned bytes.
    pub fn file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
        let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
        let dimensions = sizes.clone().count() as u8 / 4;
        MAGIC.into_iter().chain([dimensions]).chain(sizes).chain(bytes.iter().copied()).collect()
    }

    fn images(bytes: &[u8]) -> std::result::Result<Vec<Vec<f32>>, String> {
        Images::open("i", bytes).and_then(Images::read).map_err(|error| error.to_string())
    }

    fn labels(bytes: &[u8]) -> std::result::Result<Vec<String>, String> {
        read_labels("l", bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn images_and_labels() {
        let found = images(&file(&[2, 1, 2], &[0, 255, 51, 102]));
        assert_eq!(found, Ok(vec![vec![0.0, 1.0], vec![0.2, 0.4]]));
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
