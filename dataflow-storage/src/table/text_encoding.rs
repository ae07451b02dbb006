//! The encoding of a text file, found and kept.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

/// How a file's text stands in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextEncoding {
    encoding: &'static Encoding,
    has_mark: bool,
    /// Whether it is no more than a guess from little text.
    pub(super) is_doubtful: bool,
}

/// Bytes beyond ASCII that a guess needs, so that it is seldom wrong.
const ENOUGH: usize = 200;

/// The encoding of a name, as people and Python write it.
pub(super) fn encoding_named(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().to_lowercase();
    let (dashed, joined) = (name.replace('_', "-"), name.replace(['_', '-'], ""));
    let found = [name.as_str(), &dashed, dashed.trim_end_matches("-sig"), &joined].into_iter().find_map(|name| Encoding::for_label(name.as_bytes()))?;
    Some(with_every_character(found))
}

/// GB18030 is the same as GBK when read, and can write every character.
fn with_every_character(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == GBK { GB18030 } else { encoding }
}

/// UTF-16 without a mark: every other byte of a text that is mostly ASCII is zero.
fn unmarked_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match bytes.len() {
        length if length % 2 != 0 || even.max(odd) * 8 < length || even.min(odd) * 8 > even.max(odd) => None,
        _ => Some(if odd > even { UTF_16LE } else { UTF_16BE }),
    }
}

/// Whether what is not ASCII is pairs of the bytes that the common characters and signs of Chinese have in GB18030.
fn is_common_chinese(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|byte| !byte.is_ascii()) {
        match rest.get(start..start + 2) {
            Some([0xa1..=0xa3 | 0xb0..=0xd7, 0xa1..=0xfe]) => rest = &rest[start + 2..],
            _ => return false,
        }
    }
    true
}

impl TextEncoding {
    /// UTF-8 without a mark, for what is new.
    pub(super) const UTF_8: Self = Self { encoding: UTF_8, has_mark: false, is_doubtful: false };

    /// The name that standards give it.
    pub(super) fn name(self) -> &'static str {
        self.encoding.name()
    }

    /// Reads text. A byte-order mark decides, then the encoding that is named, then whether it is UTF-8, then what it looks like. The text is such that
    /// [`encode`](Self::encode) gives the same bytes; the error is the name of the encoding in which that was not so.
    pub(super) fn decode(bytes: &[u8], named: Option<&'static Encoding>) -> Result<(String, Self), &'static str> {
        let sure = |encoding, has_mark| Self { encoding, has_mark, is_doubtful: false };
        if let Some((encoding, length)) = Encoding::for_bom(bytes) {
            return sure(encoding, true).read(&bytes[length..], bytes);
        }
        if let Some(encoding) = named.or_else(|| unmarked_utf_16(bytes)) {
            return sure(encoding, false).read(bytes, bytes);
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok((text.to_owned(), Self::UTF_8));
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(bytes, true);
        let guessed = with_every_character(detector.guess(None, Utf8Detection::Deny));
        let is_little = bytes.iter().filter(|byte| !byte.is_ascii()).count() < ENOUGH;
        let encoding = if is_little && is_common_chinese(bytes) { GB18030 } else { guessed };
        Self { encoding, has_mark: false, is_doubtful: is_little }.read(bytes, bytes)
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
        let (read, encoding) = TextEncoding::decode(bytes, None).unwrap();
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
    fn little_text_is_taken_for_chinese_where_it_may_be_and_is_in_doubt() {
        for text in ["q,a\n好,\n", "题目,答案\n一,\n", "q\n你好，世界！\n"] {
            let bytes = GB18030.encode(text).0;
            check(&bytes, text, "gb18030");
            assert!(TextEncoding::decode(&bytes, None).unwrap().1.is_doubtful);
        }
        let much = "长江有多长？大约六千三百公里。".repeat(20);
        assert!(!TextEncoding::decode(&GB18030.encode(&much).0, None).unwrap().1.is_doubtful);
    }

    #[test]
    fn an_encoding_that_is_named_is_used_and_utf_16_needs_no_mark() {
        let japanese = encoding_rs::SHIFT_JIS.encode("質問,答え\n何,\n").0.into_owned();
        let (text, encoding) = TextEncoding::decode(&japanese, encoding_named("Shift_JIS")).unwrap();
        assert_eq!((text.as_str(), encoding.name(), encoding.is_doubtful), ("質問,答え\n何,\n", "Shift_JIS", false));
        let names = ["gb2312", "GBK", "utf_8_sig", "latin_1", "big5", "none"].map(|name| encoding_named(name).map(Encoding::name));
        assert_eq!(names, [Some("gb18030"), Some("gb18030"), Some("UTF-8"), Some("windows-1252"), Some("Big5"), None]);
        check(&"id,q\n1,why 好\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), "id,q\n1,why 好\n", "UTF-16LE");
        check(&"id,q\n1,why\n".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>(), "id,q\n1,why\n", "UTF-16BE");
    }

    #[test]
    fn a_character_that_an_encoding_has_not_is_named() {
        let (_, latin) = TextEncoding::decode(b"caf\xe9 voil\xe0", None).unwrap();
        assert_eq!(latin.cannot_write("déjà 好"), Some('好'));
        let (_, chinese) = TextEncoding::decode(&GB18030.encode("编号，问题，答案，很多汉字").0, None).unwrap();
        assert_eq!(chinese.cannot_write("😀 é"), None);
    }
}
