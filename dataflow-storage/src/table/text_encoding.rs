//! The encoding of a text file, found and kept.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

/// How a file's text stands in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextEncoding {
    encoding: &'static Encoding,
    has_mark: bool,
}

impl TextEncoding {
    /// UTF-8 without a mark, for what is new.
    pub(super) const UTF_8: Self = Self { encoding: UTF_8, has_mark: false };

    /// The name that standards give it.
    pub(super) fn name(self) -> &'static str {
        self.encoding.name()
    }

    /// Reads text. A byte-order mark decides, then whether it is UTF-8, then what it looks like. The text is such that [`encode`](Self::encode) gives the same
    /// bytes; the error is the name of the encoding in which that was not so.
    pub(super) fn decode(bytes: &[u8]) -> Result<(String, Self), &'static str> {
        if let Some((encoding, length)) = Encoding::for_bom(bytes) {
            let found = Self { encoding, has_mark: true };
            return found.read(&bytes[length..], bytes);
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok((text.to_owned(), Self::UTF_8));
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(bytes, true);
        let guessed = detector.guess(None, Utf8Detection::Deny);
        let encoding = if guessed == GBK { GB18030 } else { guessed }; // the same when read, and able to write every character
        Self { encoding, has_mark: false }.read(bytes, bytes)
    }

    fn read(self, content: &[u8], all: &[u8]) -> Result<(String, Self), &'static str> {
        let (text, malformed) = self.encoding.decode_without_bom_handling(content);
        let text = text.into_owned();
        if malformed || self.encode_file(&text).is_none_or(|bytes| bytes != all) {
            return Err(self.name());
        }
        Ok((text, self))
    }

    /// A whole file: the mark and the text. `None` where a character cannot be written.
    pub(super) fn encode_file(self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len() + 3);
        if self.has_mark {
            bytes.extend_from_slice(match self.encoding {
                encoding if encoding == UTF_16LE => &[0xff, 0xfe],
                encoding if encoding == UTF_16BE => &[0xfe, 0xff],
                _ => &[0xef, 0xbb, 0xbf],
            });
        }
        bytes.extend_from_slice(&self.encode(text)?);
        Some(bytes)
    }

    fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self.encoding {
            encoding if encoding == UTF_16LE => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            encoding if encoding == UTF_16BE => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            encoding => {
                let (bytes, _, unmappable) = encoding.encode(text);
                (!unmappable).then(|| bytes.into_owned())
            }
        }
    }

    /// The first character that it cannot write.
    pub(super) fn cannot_write(self, text: &str) -> Option<char> {
        if self.encode(text).is_some() {
            return None;
        }
        text.chars().find(|character| self.encode(character.encode_utf8(&mut [0; 4])).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], text: &str, name: &str) {
        let (read, encoding) = TextEncoding::decode(bytes).unwrap();
        assert_eq!((read.as_str(), encoding.name()), (text, name));
        assert_eq!(encoding.encode_file(&read).unwrap(), bytes);
    }

    #[test]
    fn common_encodings_are_found_and_written_as_they_were() {
        let text = "编号,问题,答案\n1,长江有多长？,大约六千三百公里\n2,黄河呢？,\n";
        check(text.as_bytes(), text, "UTF-8");
        check(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), text, "UTF-8");
        check(&GB18030.encode(text).0, text, "gb18030");
        check(&[vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(), text, "UTF-16LE");
        check(&[vec![0xfe, 0xff], text.encode_utf16().flat_map(u16::to_be_bytes).collect()].concat(), text, "UTF-16BE");
        check(b"name,caf\xe9\nvoil\xe0,d\xe9j\xe0 vu\n", "name,café\nvoilà,déjà vu\n", "windows-1252");
    }

    #[test]
    fn a_character_that_an_encoding_has_not_is_named() {
        let (_, latin) = TextEncoding::decode(b"caf\xe9 voil\xe0").unwrap();
        assert_eq!(latin.cannot_write("déjà 好"), Some('好'));
        let (_, chinese) = TextEncoding::decode(&GB18030.encode("编号，问题，答案，很多汉字").0).unwrap();
        assert_eq!(chinese.cannot_write("😀 é"), None);
    }
}
