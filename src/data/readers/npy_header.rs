//! The header of an `.npy` file. The `npyz` crate reads it; this file checks it before, as the crate multiplies sizes
//! unchecked and calls itself for each bracket, so that no file can end the program or ask for more memory than its
//! own size calls for.

use std::io::{ErrorKind, Read};

use npyz::{DType, NpyHeader, TypeChar};

use super::binary::read_error;
use super::format::NPY;
use crate::error::{Error, Result, ensure};
use crate::listing::quoted;

/// Longest header in bytes; NumPy's own limit.
const LONGEST_HEADER: usize = 10_000;

/// Most brackets that a header opens: a dictionary and a shape need two. The crate's parser calls itself for each.
const MOST_BRACKETS: usize = 16;

/// Longest text of an array of texts, in bytes.
const LONGEST_TEXT: usize = 1 << 16;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    /// Whole numbers and truth values (0 and 1).
    Integer,
    Text,
}

/// A shape as NumPy writes it.
pub(super) fn shown(shape: &[usize]) -> String {
    match shape {
        [only] => format!("({only},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Reads a header.
///
/// # Errors
/// [`Error::Data`] if it is none, or promises what no file can hold; [`Error::Io`].
pub(super) fn read_header(place: &str, reader: &mut impl Read) -> Result<NpyHeader> {
    let fault = |source| read_error(place, source);
    let wrong = |problem: &str| Error::data(place, problem);
    let mut header = vec![0; 8];
    reader.read_exact(&mut header).map_err(fault)?;
    ensure!(header.starts_with(NPY), wrong("is no .npy file: write it with numpy.save"));
    let text = if header[6] == 1 { 10 } else { 12 };
    let mut length = [0; 4];
    reader.read_exact(&mut length[..text - 8]).map_err(fault)?;
    header.extend_from_slice(&length[..text - 8]);
    let length = u32::from_le_bytes(length) as usize;
    let long = "has a header that is far too long: it is damaged, or an array of records";
    ensure!(length <= LONGEST_HEADER, wrong(long));
    header.resize(text + length, 0);
    reader.read_exact(&mut header[text..]).map_err(fault)?;
    let text = &header[text..];
    let count = |opening: &[u8]| text.iter().filter(|byte| opening.contains(byte)).count();
    let nested = "is no plain array of numbers or texts, or its header is damaged";
    // The crate's parser tries each way to read a brace that is never closed: for twelve of them that takes minutes.
    ensure!(count(b"([{") <= MOST_BRACKETS && count(b"{") <= 1, wrong(nested));
    ensure!(size_fits(text), wrong("promises more numbers than any file can hold: its header is damaged"));
    NpyHeader::from_reader(&header[..]).map_err(|source| match source.kind() {
        ErrorKind::InvalidData => {
            let cause = source.to_string();
            wrong(&format!("has a header that cannot be read ({})", cause.lines().next().unwrap_or_default()))
        }
        _ => fault(source),
    })
}

/// Whether the array's bytes can be counted: the product of all whole numbers in the header, among which are the
/// shape and the size of an item, which may be in units of 4 bytes. (The crate multiplies them unchecked.)
fn size_fits(header: &[u8]) -> bool {
    let text = String::from_utf8_lossy(header);
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let multiply = |product: i64, digits: &str| product.checked_mul(digits.parse::<i64>().ok()?.max(1));
    numbers.try_fold(4, multiply).is_some_and(|product| isize::try_from(product).is_ok())
}

/// What an array of this type holds; the problem where it is not read.
pub(super) fn kind(dtype: &DType) -> std::result::Result<Kind, String> {
    let DType::Plain(plain) = dtype else {
        return Err("is an array of records: save one array of numbers or texts".into());
    };
    match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 4 | 8) => Ok(Kind::Float),
        (TypeChar::Int | TypeChar::Uint, 1 | 2 | 4 | 8) | (TypeChar::Bool, 1) => Ok(Kind::Integer),
        (TypeChar::UnicodeStr | TypeChar::ByteStr, 0) => Err("is an array of empty texts".into()),
        (TypeChar::UnicodeStr, size) if size <= LONGEST_TEXT as u64 / 4 => Ok(Kind::Text),
        (TypeChar::ByteStr, size) if size <= LONGEST_TEXT as u64 => Ok(Kind::Text),
        (TypeChar::UnicodeStr | TypeChar::ByteStr, _) => {
            Err(format!("holds texts with room for more than {LONGEST_TEXT} bytes each: they are no class names"))
        }
        (TypeChar::Object, _) => Err("holds Python objects: save numbers with .astype('float32'), names with \
            .astype(str), sequences of different lengths padded, with `lengths` beside them in an .npz"
            .into()),
        _ => {
            let given = quoted(&plain.to_string());
            Err(format!("holds values of the type {given}, which is not read: save it with .astype('float32')"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::data::readers::fixtures::{npy_file as file, npy_with_header as with_header, opened};
    use crate::data::readers::npy::Npy;

    fn open(bytes: &[u8]) -> Result<Npy<'_>> {
        Npy::open("x.npy", opened(bytes))
    }

    fn error(bytes: &[u8]) -> String {
        open(bytes).err().unwrap().to_string()
    }

    #[test]
    fn sizes_that_no_file_holds() {
        let error = |shape: &str| error(&file("<f8", false, shape, &[0; 64]));
        let problem = "x.npy: promises more numbers than any file can hold: its header is damaged";
        assert_eq!(error("(1000000000, 1000000000, 1000000000)"), problem);
        assert_eq!(error("(18446744073709551616,)"), problem);
        // No number at all, but the crate multiplies from the back.
        assert_eq!(error("(0, 9223372036854775808, 4)"), problem);
        assert_eq!(error("(3, 0)"), "x.npy: is an empty array: its shape is (3, 0)");
        assert_eq!(error("(0,)"), "x.npy: is an empty array: its shape is (0,)");
        assert!(error("(-3,)").contains("dimension cannot be negative"), "{}", error("(-3,)"));
    }

    #[test]
    fn types_that_are_not_read() {
        let error = |descr: &str| error(&file(descr, false, "(1,)", &[0; 64]));
        assert!(error("|O").starts_with("x.npy: holds Python objects: save numbers with"), "{}", error("|O"));
        let advice = "which is not read: save it with .astype('float32')";
        for descr in ["<c8", "<f2", "<f16", "<M8[s]"] {
            assert_eq!(error(descr), format!("x.npy: holds values of the type `{descr}`, {advice}"));
        }
        let names = "holds texts with room for more than 65536 bytes each: they are no class names";
        assert_eq!(error("<U16385"), format!("x.npy: {names}"));
        assert_eq!(error("|S0"), "x.npy: is an array of empty texts");
        assert!(error("wat").starts_with("x.npy: has a header that cannot be read ("), "{}", error("wat"));
        let record = "{'descr': [('a', '<f4'), ('b', '<i2')], 'fortran_order': False, 'shape': (1,)}";
        let found = self::error(&with_header(record, &[0; 6]));
        assert_eq!(found, "x.npy: is an array of records: save one array of numbers or texts");
    }

    #[test]
    fn headers_that_are_none() {
        assert_eq!(error(b"1\t2\t3\t4\n"), "x.npy: is no .npy file: write it with numpy.save");
        let long = with_header(&" ".repeat(20_000), &[]);
        assert_eq!(error(&long), "x.npy: has a header that is far too long: it is damaged, or an array of records");
        let deep = with_header(&"(".repeat(9_000), &[]);
        assert_eq!(error(&deep), "x.npy: is no plain array of numbers or texts, or its header is damaged");
        for text in ["", "{", "7", "{}", "{'descr': 5, 'fortran_order': 1, 'shape': 2}", "{1: 2}", "'\\x'"] {
            let error = error(&with_header(text, &[]));
            assert!(error.starts_with("x.npy: has a header that cannot be read ("), "{error}");
        }
        let mut newer = file("<f4", false, "(1,)", &[0; 4]);
        newer[6] = 9;
        assert!(error(&newer).starts_with("x.npy: "));
    }

    #[test]
    fn damage_is_never_more_than_an_error() {
        let whole = file("<f4", true, "(2, 3)", &[0; 24]);
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                let letters = b"0123456789(){}[],':-<>|ifuSUObV \\x\xff\0\n";
                bytes[at] = letters[random.random_range(0..letters.len())];
            }
            if let Ok(mut array) = open(&bytes) {
                drop(if array.kind == Kind::Text { array.texts().err() } else { array.numbers().err() });
            }
        }
    }
}
