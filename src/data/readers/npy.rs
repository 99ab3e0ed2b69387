//! NumPy's `.npy` files, one array each, by the `npyz` crate.

use std::io::ErrorKind;

use npyz::{DType, NpyFile, NpyHeader, Order, TypeChar, WriterBuilder};

use super::binary::{expect_end, read_error};
use super::limits::{NAME, ROW, Reader, Weight};
use super::npy_header::{Kind, kind, read_header, shown};
use crate::data::Numbers;
use crate::error::{Error, Problem, Result, ensure};

/// An array whose header has been read.
pub(super) struct Npy<'a> {
    pub place: String,
    reader: Reader<'a>,
    header: NpyHeader,
    pub shape: Vec<usize>,
    pub kind: Kind,
}

impl<'a> Npy<'a> {
    /// Reads the header; `place` is the array's name in messages.
    ///
    /// # Errors
    /// [`Error::Data`] for anything that is no array of numbers or texts, or one that no file could hold;
    /// [`Error::Io`].
    pub fn open(place: &str, mut reader: Reader<'a>) -> Result<Npy<'a>> {
        let header = read_header(place, &mut reader)?;
        let kind = kind(&header.dtype()).map_err(|problem| Error::data(place, problem))?;
        let shape: Vec<usize> = header.shape().iter().map(|&size| size as usize).collect();
        ensure!(!shape.contains(&0), Error::data(place, format!("is an empty array: its shape is {}", shown(&shape))));
        Ok(Npy { place: place.into(), reader, header, shape, kind })
    }

    /// An error about the array.
    pub fn error(&self, problem: impl Into<Problem>) -> Error {
        Error::data(&self.place, problem)
    }

    /// The error that the array has another shape than `wanted`, or holds something else.
    pub fn misshapen(&self, wanted: impl std::fmt::Display) -> Error {
        self.error(format!("has the shape {}: {wanted}", shown(&self.shape)))
    }

    /// The numbers in row-major order.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer or more than promised, or these are texts, or what they take is refused;
    /// [`Error::Io`].
    pub fn numbers(&mut self) -> Result<Numbers> {
        // Once as they are read, and once made normal.
        let (single, double) = (4 + 4, 8 + 4);
        let bytes = self.item_bytes();
        match self.kind {
            Kind::Integer if bytes <= 2 => {
                self.weigh(single);
                self.integers(|number| number as f32).map(Numbers::Single)
            }
            Kind::Integer => {
                self.weigh(double);
                self.integers(|number| number as f64).map(Numbers::Double)
            }
            Kind::Float if bytes == 4 => {
                self.weigh(single);
                self.values(|number: f32| number).map(Numbers::Single)
            }
            Kind::Float => {
                self.weigh(double);
                self.values(|number: f64| number).map(Numbers::Double)
            }
            Kind::Text => Err(self.error("holds texts where numbers are expected")),
        }
    }

    /// From here on each item takes so many bytes of memory, and each row what a vector takes.
    fn weigh(&mut self, item: u64) {
        let of_row = |size: u64| self.shape.iter().skip(1).fold(size, |all, &side| all.saturating_mul(side as u64));
        let (memory, of) = (of_row(item).saturating_add(ROW), of_row(self.item_bytes()));
        self.reader.get_mut().weigh(Weight::Rows { memory, of });
    }

    /// Texts without the blanks around them, or whole numbers as text, in row-major order.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer or more than promised, or these are floats; [`Error::Io`].
    pub fn texts(&mut self) -> Result<Vec<String>> {
        match self.kind {
            Kind::Integer => {
                self.weigh(NAME);
                self.integers(|number| number.to_string())
            }
            Kind::Text => {
                self.weigh(NAME + self.item_bytes());
                self.values(|text: String| text.trim().to_string())
            }
            Kind::Float => Err(self.error("holds floats where whole numbers or texts are expected")),
        }
    }

    /// Bytes of one item in the file.
    fn item_bytes(&self) -> u64 {
        self.header.dtype().num_bytes().unwrap_or(1) as u64
    }

    fn integers<V: Clone>(&mut self, convert: impl Fn(i128) -> V) -> Result<Vec<V>> {
        let DType::Plain(number) = self.header.dtype() else { return Err(self.error("holds no numbers")) };
        match (number.type_char(), number.size_field()) {
            (TypeChar::Bool, _) => self.values(|value: bool| convert(value.into())),
            (TypeChar::Int, 1) => self.values(|value: i8| convert(value.into())),
            (TypeChar::Int, 2) => self.values(|value: i16| convert(value.into())),
            (TypeChar::Int, 4) => self.values(|value: i32| convert(value.into())),
            (TypeChar::Int, _) => self.values(|value: i64| convert(value.into())),
            (_, 1) => self.values(|value: u8| convert(value.into())),
            (_, 2) => self.values(|value: u16| convert(value.into())),
            (_, 4) => self.values(|value: u32| convert(value.into())),
            _ => self.values(|value: u64| convert(value.into())),
        }
    }

    /// All values by `convert`, row-major.
    fn values<T: npyz::Deserialize, V: Clone>(&mut self, convert: impl Fn(T) -> V) -> Result<Vec<V>> {
        let typed = NpyFile::with_header(self.header.clone(), &mut self.reader).data::<T>();
        let typed = typed.map_err(|fault| Error::data(&self.place, fault.to_string()))?;
        // Grows with what there is, whatever the header promises.
        let values = typed.map(|value| value.map(&convert)).collect::<std::io::Result<Vec<V>>>();
        let values = values.map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => {
                let shape = shown(&self.shape);
                self.error(format!("is cut short: its header promises the shape {shape}; save it again"))
            }
            _ => read_error(&self.place, source),
        })?;
        expect_end(&self.place, &mut self.reader)?;
        match self.header.order() {
            Order::Fortran => Ok(row_major(&values, &self.shape)),
            Order::C => Ok(values),
        }
    }
}

/// An `.npy` file of f32 with this shape; `values` are row-major.
///
/// # Errors
/// [`Error::Config`] if the shape is of another number of values.
pub fn npy_bytes(shape: &[usize], values: &[f32]) -> Result<Vec<u8>> {
    let count = shape.iter().try_fold(1, |product: usize, &size| product.checked_mul(size));
    let problem = format!("{} values do not make an array {}", values.len(), shown(shape));
    ensure!(count == Some(values.len()), Error::Config(problem));
    let sizes: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    let mut bytes = Vec::with_capacity(size_of_val(values) + 128);
    let mut write = || -> std::io::Result<()> {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&sizes).writer(&mut bytes).begin_nd()?;
        writer.extend(values)?;
        writer.finish()
    };
    write().map_err(|fault| Error::Config(format!("the npyz library: {fault}")))?;
    Ok(bytes)
}

/// Column-major values of `shape` in row-major order.
fn row_major<V: Clone>(values: &[V], shape: &[usize]) -> Vec<V> {
    let column_major = |at: usize| {
        let step = |(rest, stride, place), &size: &usize| {
            let stride = stride / size;
            (rest / size, stride, place + rest % size * stride)
        };
        shape.iter().rev().fold((at, values.len(), 0), step).2
    };
    (0..values.len()).map(|at| values[column_major(at)].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::{npy_file as file, opened};

    fn open(bytes: &[u8]) -> Result<Npy<'_>> {
        Npy::open("x.npy", opened(bytes))
    }

    fn numbers(bytes: &[u8]) -> std::result::Result<Vec<f64>, String> {
        let numbers = open(bytes).and_then(|mut array| array.numbers());
        numbers.map(|numbers| numbers.iter().collect()).map_err(|error| error.to_string())
    }

    fn texts(bytes: &[u8]) -> std::result::Result<Vec<String>, String> {
        open(bytes).and_then(|mut array| array.texts()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_type_of_number() {
        let found = |descr: &str, bytes: &[u8]| numbers(&file(descr, false, "(2,)", bytes)).unwrap();
        assert_eq!(found("|b1", &[0, 1]), [0.0, 1.0]);
        assert_eq!(found("|i1", &[255, 1]), [-1.0, 1.0]);
        assert_eq!(found("|u1", &[255, 1]), [255.0, 1.0]);
        assert_eq!(found("<i2", &[254, 255, 0, 1]), [-2.0, 256.0]);
        assert_eq!(found(">u2", &[1, 0, 0, 3]), [256.0, 3.0]);
        assert_eq!(found("<i4", flat(&[-7i32, 8].map(i32::to_le_bytes))), [-7.0, 8.0]);
        assert_eq!(found(">i8", flat(&[-7i64, 8].map(i64::to_be_bytes))), [-7.0, 8.0]);
        assert_eq!(found("<u8", flat(&[u64::MAX, 8].map(u64::to_le_bytes))), [u64::MAX as f64, 8.0]);
        assert_eq!(found("<f4", flat(&[0.5f32, -1.0].map(f32::to_le_bytes))), [0.5, -1.0]);
        assert_eq!(found(">f8", flat(&[0.1f64, 1e300].map(f64::to_be_bytes))), [0.1, 1e300]);
    }

    fn flat<const N: usize>(values: &[[u8; N]]) -> &[u8] {
        values.as_flattened()
    }

    #[test]
    fn both_orders() {
        let bytes: Vec<u8> = (0..24).collect();
        let c = numbers(&file("|u1", false, "(2, 3, 4)", &bytes)).unwrap();
        assert!(c.iter().copied().eq((0..24).map(|value| value as f64)));
        let fortran = numbers(&file("|u1", true, "(2, 3, 4)", &bytes)).unwrap();
        for (at, value) in fortran.into_iter().enumerate() {
            let (i, j, k) = (at / 12, at / 4 % 3, at % 4);
            assert_eq!(value, (i + 2 * j + 6 * k) as f64);
        }
    }

    #[test]
    fn names() {
        assert_eq!(texts(&file("|S3", false, "(3,)", b"a\0\0 b abc")), Ok(vec!["a".into(), "b".into(), "abc".into()]));
        let wide: Vec<u8> = "é\0ab".chars().flat_map(|letter| (letter as u32).to_be_bytes()).collect();
        assert_eq!(texts(&file(">U2", false, "(2,)", &wide)), Ok(vec!["é".into(), "ab".into()]));
        assert_eq!(texts(&file("<u8", false, "(1,)", &[255; 8])), Ok(vec![u64::MAX.to_string()]));
        let error = texts(&file("|S1", false, "(1,)", &[0xff])).unwrap_err();
        assert!(error.starts_with("x.npy: is damaged ("), "{error}");
        let error = "x.npy: holds floats where whole numbers or texts are expected";
        assert_eq!(texts(&file("<f4", false, "(1,)", &[0; 4])), Err(error.into()));
        let error = "x.npy: holds texts where numbers are expected";
        assert_eq!(numbers(&file("|S1", false, "(1,)", b"a")), Err(error.into()));
    }

    #[test]
    fn cut_and_longer_files() {
        let whole = file("<f4", false, "(2, 3)", &[0; 24]);
        for cut in 0..whole.len() {
            let error = numbers(&whole[..cut]).unwrap_err();
            assert!(error.starts_with("x.npy: is cut short"), "{cut}: {error}");
        }
        let error = "x.npy: is cut short: its header promises the shape (2, 3); save it again";
        assert_eq!(numbers(&whole[..whole.len() - 1]), Err(error.into()));
        let error = numbers(&[whole, vec![0]].concat()).unwrap_err();
        assert!(error.starts_with("x.npy: goes on behind what its header tells of"), "{error}");
        // Much is promised, nothing is set aside for it.
        let error = "x.npy: is cut short: its header promises the shape (1000000000000, 3); save it again";
        assert_eq!(numbers(&file("<f8", true, "(1000000000000, 3)", &[0; 99])), Err(error.into()));
    }

    #[test]
    fn what_is_written_is_read() {
        let values = [1.5, -2.0, 3.0, 4.0, f32::MAX, 0.0];
        let bytes = npy_bytes(&[3, 2], &values).unwrap();
        let mut read = open(&bytes).unwrap();
        assert_eq!((&read.shape[..], read.kind), (&[3, 2][..], Kind::Float));
        assert_eq!(read.numbers().unwrap(), Numbers::Single(values.to_vec()));
        let error = npy_bytes(&[4, 2], &values).unwrap_err().to_string();
        assert_eq!(error, "6 values do not make an array (4, 2)");
        assert!(npy_bytes(&[usize::MAX, 2], &values).is_err());
        assert!(npy_bytes(&[0, 2], &[]).is_ok());
    }
}
