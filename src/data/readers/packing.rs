//! Packed files, known by their first bytes: gzip, xz, zstd, and a zip archive of one file.

use std::io::{BufRead, BufReader, Cursor, Error as IoError, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use zip::ZipArchive;
use zip::result::ZipError;

use super::binary::read_error;
use super::limits::{Limits, Refused};
use crate::error::{Error, Problem, Result, ensure};
use crate::listing::listed;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Packing {
    #[strum(to_string = "gzip", serialize = "gz")]
    Gzip,
    Xz,
    #[strum(to_string = "zstd", serialize = "zst")]
    Zstd,
    Zip,
}

/// Memory that unpacking may take for what was unpacked last, which later bytes refer to: as much as `zstd` itself allows.
const WINDOW: u64 = 128 << 20;

impl Packing {
    /// What every such file begins with. No text begins with gzip's first byte, a control character: waiting for the second would
    /// hold up someone who types a line of one letter.
    fn magic(self) -> &'static [u8] {
        match self {
            Packing::Gzip => b"\x1f",
            Packing::Xz => b"\xfd7zXZ\0",
            Packing::Zstd => b"\x28\xb5\x2f\xfd",
            Packing::Zip => b"PK\x03\x04",
        }
    }

    fn of_bytes(first: &[u8]) -> Option<Packing> {
        use strum::IntoEnumIterator;
        Packing::iter().find(|packing| first.starts_with(packing.magic()))
    }

    /// How a file of this name is packed: `.gz`, `.xz`, `.zst` or `.zip`, in any case.
    pub fn of_name(path: &Path) -> Option<Packing> {
        path.extension()?.to_str()?.to_lowercase().parse().ok()
    }
}

/// Unpacks `reader` where its first bytes are of a packed file; `named` means that anything else is a mistake. An archive of NumPy arrays
/// stays as it is.
///
/// # Errors
/// [`Error::Data`] for what is named otherwise than it is, and for a zip archive that is damaged or of several files;
/// [`Error::Io`].
pub(super) fn unpack<'a>(
    place: &str,
    mut reader: impl BufRead + Send + 'a,
    named: Option<Packing>,
    limits: &Limits,
) -> Result<Unpacked<'a>> {
    let first = reader.fill_buf().map_err(Error::io(place))?;
    // Arrays are read from their archive as it is.
    let arrays = place.to_lowercase().ends_with(".npz");
    let packing = Packing::of_bytes(first).filter(|packing| *packing != Packing::Zip || !arrays);
    let foreign = [("bzip2", &b"BZh91AY&SY"[..]), ("7z", b"7z\xbc\xaf\x27\x1c"), ("rar", b"Rar!\x1a\x07")];
    if let Some((name, _)) = foreign.iter().find(|(_, magic)| first.starts_with(magic)) {
        return Err(Error::data(
            place,
            format!("is packed by {name}, which is not read: unpack it, or use gzip, xz or zstd"),
        ));
    }
    if let (Some(named), false) = (named, first.is_empty() || packing == named) {
        let ending = place.rsplit('.').next().unwrap_or_default();
        let advice = "rename it, or fetch it again if it is damaged";
        return Err(Error::data(place, format!("is named .{ending} but is not {named} data: {advice}")));
    }
    let count = Arc::<AtomicU64>::default();
    let counted = Counted { reader, count: Arc::clone(&count) };
    Ok(match packing {
        None => (Box::new(counted.reader), None),
        Some(Packing::Gzip) => (Box::new(BufReader::new(Members::<_, GzDecoder<_>>::of(counted))), Some(count)),
        Some(Packing::Zstd) => (Box::new(BufReader::new(Members::<_, Frame<_>>::of(counted))), Some(count)),
        Some(Packing::Xz) => (Box::new(BufReader::new(Xz::of(counted, limits))), Some(count)),
        Some(Packing::Zip) => unzip(place, counted.reader, limits)?,
    })
}

/// What a file holds, and the bytes of the file that were read for it, if it is packed.
pub(super) type Unpacked<'a> = (Box<dyn BufRead + Send + 'a>, Option<Arc<AtomicU64>>);

/// Counts what is read.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.fetch_add(amount as u64, Ordering::Relaxed);
        self.reader.consume(amount);
    }
}

/// One of the packed files that stand one after the other in a file.
trait Member<R>: Read + Sized {
    /// What begins here; or, where that is to be skipped and was, what lies behind it.
    fn begin(reader: R) -> std::io::Result<std::result::Result<Self, R>>;

    /// What it was read from, when it is read to its end.
    fn end(self) -> std::io::Result<R>;
}

impl<R: BufRead> Member<R> for GzDecoder<R> {
    fn begin(reader: R) -> std::io::Result<std::result::Result<Self, R>> {
        Ok(Ok(GzDecoder::new(reader)))
    }

    fn end(self) -> std::io::Result<R> {
        Ok(self.into_inner())
    }
}

/// A frame of zstd.
struct Frame<R> {
    decoder: FrameDecoder,
    reader: R,
}

/// Damage that a reader with errors of its own found.
fn damaged(fault: impl ToString) -> IoError {
    IoError::new(ErrorKind::InvalidData, fault.to_string())
}

/// The library's own words are for its developers.
fn broken(fault: FrameDecoderError) -> IoError {
    log::debug!("zstd: {fault}");
    damaged("a frame of zstd is broken or ends early")
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            self.decoder.decode_blocks(&mut self.reader, BlockDecodingStrategy::UptoBlocks(1)).map_err(broken)?;
        }
        self.decoder.read(buffer)
    }
}

impl<R: BufRead> Member<R> for Frame<R> {
    fn begin(mut reader: R) -> std::io::Result<std::result::Result<Self, R>> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        match decoder.init(&mut reader) {
            Ok(()) => Ok(Ok(Frame { decoder, reader })),
            // What belongs to others, of so many bytes.
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = std::io::copy(&mut reader.by_ref().take(length.into()), &mut std::io::sink())?;
                if skipped == u64::from(length) { Ok(Err(reader)) } else { Err(ErrorKind::UnexpectedEof.into()) }
            }
            Err(fault) => Err(broken(fault)),
        }
    }

    fn end(self) -> std::io::Result<R> {
        let (told, found) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        if told.is_some() && told != found { Err(damaged("its checksum is another")) } else { Ok(self.reader) }
    }
}

/// Packed data, one member after the other. Zeros behind the last are padding, as tapes have it.
struct Members<R, M> {
    now: Option<M>,
    next: Option<R>,
}

impl<R: BufRead, M: Member<R>> Members<R, M> {
    fn of(reader: R) -> Members<R, M> {
        Members { now: None, next: Some(reader) }
    }
}

impl<R: BufRead, M: Member<R>> Read for Members<R, M> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(member) = &mut self.now {
                match member.read(buffer)? {
                    0 => self.next = Some(self.now.take().expect("it was read").end()?),
                    read => return Ok(read),
                }
            }
            let Some(mut rest) = self.next.take() else { return Ok(0) };
            loop {
                let ahead = rest.fill_buf()?;
                let zeros = ahead.iter().take_while(|&&byte| byte == 0).count();
                if ahead.is_empty() {
                    return Ok(0);
                }
                if zeros == 0 {
                    break;
                }
                rest.consume(zeros);
            }
            match M::begin(rest)? {
                Ok(member) => self.now = Some(member),
                Err(rest) => self.next = Some(rest),
            }
        }
    }
}

/// Data packed by xz, which may have several members too.
struct Xz<R: Read>(XzReader<R>);

impl<R: BufRead> Xz<R> {
    fn of(reader: R, limits: &Limits) -> Xz<R> {
        let most = WINDOW.max(limits.unpacked.min(limits.memory)) >> 10;
        Xz(XzReader::new_mem_limit(reader, true, most.try_into().unwrap_or(u32::MAX)))
    }
}

impl<R: BufRead> Read for Xz<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer).map_err(|fault| match fault.kind() {
            ErrorKind::OutOfMemory => {
                let problem = "is packed in a way that takes much memory to unpack (xz, with a large dictionary)";
                IoError::other(Refused(Problem::Excess(problem.into())))
            }
            ErrorKind::Other | ErrorKind::Unsupported => damaged(fault),
            _ => fault,
        })
    }
}

/// Bytes of the file in a zip archive, where nothing else bounds them.
const MOST_OF_ZIP: u64 = 1 << 30;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The one file of a zip archive, or the archive itself if it is one of NumPy arrays.
fn unzip<'a>(place: &str, reader: impl Read, limits: &Limits) -> Result<Unpacked<'a>> {
    let packed = all_of(place, reader, limits.memory, || Problem::TooLarge { limit: limits.memory })?;
    let mut archive = Archive::new(Cursor::new(&packed[..])).map_err(|fault| zip_error(place, fault))?;
    let names = files_of(&archive);
    if names.iter().any(|name| name.ends_with(".npy")) {
        return Ok((Box::new(Cursor::new(packed)), None));
    }
    let [name] = &names[..] else {
        let listed = listed(names.iter().map(String::as_str));
        let several = format!("is an archive of several files, {listed}: unpack it, and give one of them");
        return Err(Error::data(place, if names.is_empty() { "is an empty archive".to_string() } else { several }));
    };
    let member = archive.by_name(name).map_err(|fault| zip_error(place, fault))?;
    // What an archive says of itself may be anything.
    let size = member.compressed_size().min(packed.len() as u64);
    let most = limits.ratio.saturating_mul(size).saturating_add(limits.unpacked);
    // It is unpacked as a whole, also where lines are read one by one.
    let memory = if limits.memory == u64::MAX { MOST_OF_ZIP } else { limits.memory };
    let excess = || match most > memory {
        true => Problem::TooLarge { limit: memory },
        false => Problem::Excess(format!("unpacks to over {} times its size", limits.ratio)),
    };
    let bytes = all_of(place, member, most.min(memory), excess)?;
    Ok((Box::new(Cursor::new(bytes)), Some(Arc::new(size.into()))))
}

fn all_of(place: &str, reader: impl Read, most: u64, excess: impl FnOnce() -> Problem) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| read_error(place, source))?;
    ensure!(bytes.len() as u64 <= most, Error::data(place, excess()));
    Ok(bytes)
}

/// The files of an archive, but for hidden ones and those that a Mac adds.
fn files_of<R: Read + std::io::Seek>(archive: &ZipArchive<R>) -> Vec<String> {
    let names = archive.file_names().flatten().map(|name| name.to_string());
    let is_hidden =
        |name: &str| name.starts_with("__MACOSX/") || name.rsplit('/').next().unwrap_or("").starts_with('.');
    names.filter(|name| !name.ends_with('/') && !is_hidden(name)).collect()
}

/// The name of the one file in a zip archive, if there is such a file.
pub(super) fn name_in_zip(path: &Path) -> Option<String> {
    let file = BufReader::new(std::fs::File::open(path).ok()?);
    let names = files_of(&ZipArchive::new(file).ok()?);
    if names.iter().any(|name| name.ends_with(".npy")) {
        return Some("x.npz".into());
    }
    <[String; 1]>::try_from(names).ok().map(|[name]| name)
}

pub(super) fn zip_error(place: &str, fault: ZipError) -> Error {
    match fault {
        ZipError::Io(source) => read_error(place, source),
        fault => Error::data(place, format!("is no zip archive that can be read ({fault}): save or fetch it again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::limits::Weighed;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        let (mut all, limits) = (Vec::new(), Limits::default());
        let (reader, packed) = unpack("a.gz", Cursor::new(bytes), Some(Packing::Gzip), &limits).unwrap();
        Weighed::new(reader, packed, limits).read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn members_and_padding() {
        let two = [packed(b"one\n"), packed(b"two\n")].concat();
        assert_eq!(unpacked(two.clone()).unwrap(), b"one\ntwo\n");
        assert_eq!(unpacked([two.clone(), vec![0; 512]].concat()).unwrap(), b"one\ntwo\n");
        assert_eq!(unpacked([packed(b"one\n"), vec![0; 3], packed(b"two\n")].concat()).unwrap(), b"one\ntwo\n");
        assert!(unpacked([two.clone(), b"junk".to_vec()].concat()).is_err());
        assert!(unpacked(two[..two.len() - 3].to_vec()).is_err());
    }

    /// What a file of this name and these bytes holds, or its error.
    fn held(name: &str, bytes: &[u8]) -> std::result::Result<String, String> {
        let (limits, named) = (Limits::default(), Packing::of_name(Path::new(name)));
        let (mut reader, _) =
            unpack(name, Cursor::new(bytes.to_vec()), named, &limits).map_err(|error| error.to_string())?;
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string())
    }

    /// Every way in which one byte of these is another, or the end is missing, gives an error or the same text.
    fn is_never_misread(name: &str, bytes: &[u8]) {
        let whole = held(name, bytes).unwrap();
        for at in 0..bytes.len() {
            assert!(held(name, &bytes[..at]).is_err() || at == 0, "{name} cut at {at}");
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x10;
            assert!(
                held(name, &damaged).is_ok_and(|text| text == whole) || held(name, &damaged).is_err(),
                "{name} {at}"
            );
        }
    }

    /// By Python's `lzma`: two files in a row.
    const XZ: &[u8] = b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\x01\x00\x03\x6f\x6e\x65\x0a\x00\xf5\x5c\xbb\x56\x1f\xc6\xfd\x86\x00\x01\x1c\x04\x6f\x2c\x9c\xc1\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\x01\x00\x03\x74\x77\x6f\x0a\x00\x65\x06\xd6\xff\xc4\xc0\xf9\x3a\x00\x01\x1c\x04\x6f\x2c\x9c\xc1\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a";

    #[test]
    fn xz() {
        assert_eq!(held("a.xz", XZ).unwrap(), "one\ntwo\n");
        is_never_misread("a.xz", &XZ[..XZ.len() / 2]);
        assert_eq!(
            held("a.xz", b"x").unwrap_err(),
            "a.xz: is named .xz but is not xz data: rename it, or fetch it again if it is damaged"
        );
    }

    #[test]
    fn zstd() {
        let pack = |text: &[u8]| {
            let mut own = ruzstd::encoding::FrameCompressor::new(ruzstd::encoding::CompressionLevel::Fastest);
            let mut packed = Vec::new();
            own.set_source(text);
            own.set_drain(&mut packed);
            own.compress();
            packed
        };
        let foreign = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let all = [pack(b"one\n"), foreign.clone(), pack(b"two\n")].concat();
        assert_eq!(held("a.zst", &all).unwrap(), "one\ntwo\n");
        assert!(held("a.zst", &[pack(b"x"), foreign[..9].to_vec()].concat()).is_err());
        is_never_misread("a.tsv.zst", &pack(&b"a text that goes on and on and on and on\n".repeat(5)));
    }

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        use std::io::Write;
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn zip_of_one_file() {
        let one = zipped(&[("a/t.csv", b"one\n"), ("__MACOSX/a/._t.csv", b"?"), ("a/.DS_Store", b"?")]);
        assert_eq!(held("a.zip", &one).unwrap(), "one\n");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &one).unwrap();
        assert_eq!(name_in_zip(file.path()), Some("a/t.csv".into()));
        is_never_misread("a.zip", &zipped(&[("t", b"one\n")]));
        let two = held("a.zip", &zipped(&[("t", b""), ("u", b"")])).unwrap_err();
        assert_eq!(two, "a.zip: is an archive of several files, `t`, `u`: unpack it, and give one of them");
        assert_eq!(
            held("a.zip", &zipped(&[])).unwrap_err(),
            "a.zip: is named .zip but is not zip data: rename it, or fetch it again if it is damaged"
        );
        let arrays = zipped(&[("x.npy", b"?")]);
        let (mut reader, _) = unpack("a.zip", &arrays[..], None, &Limits::default()).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), arrays);
        let bomb = zipped(&[("t", &vec![b'a'; 80 << 20])]);
        assert_eq!(held("a.zip", &bomb).unwrap_err(), "a.zip: unpacks to over 40 times its size");
    }

    #[test]
    fn bombs_are_not_unpacked() {
        for bomb in [vec![b'a'; 80 << 20], b"\n".repeat(1 << 20)] {
            let error = unpacked(packed(&bomb)).unwrap_err().to_string();
            assert_eq!(error, "unpacks to what takes over 40 times its size");
        }
        // Words at random pack to a quarter.
        let mut state = 1u64;
        let text: String = (0..(1 << 20))
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ["good ", "bad ", "film ", "was\n"][(state >> 60) as usize % 4]
            })
            .collect();
        assert_eq!(unpacked(packed(text.as_bytes())).unwrap(), text.as_bytes());
    }

    #[test]
    fn a_gz_name_on_plain_text_is_refused() {
        let error = unpack("a.tsv.gz", &b"text\nx\n"[..], Some(Packing::Gzip), &Limits::default()).err().unwrap();
        assert!(error.to_string().starts_with("a.tsv.gz: is named .gz but is not gzip data"), "{error}");
    }
}
