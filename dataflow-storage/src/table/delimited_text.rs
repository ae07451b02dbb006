//! Where the records and fields of a text with a separator stand, so that what is not written can be left as it is.

/// A record: its text without the line's end.
#[derive(Clone, Copy, Debug)]
struct Record {
    start: usize,
    /// Where its text ends and the line's end begins.
    end: usize,
    /// Its first field's place in the list of ends.
    first: usize,
}

/// The places of all records and fields of a text. Blank lines belong to the record before them.
#[derive(Debug)]
pub(super) struct DelimitedText {
    pub(super) text: String,
    pub(super) separator: u8,
    records: Vec<Record>,
    field_ends: Vec<usize>,
}

/// The line, from 1, on which a quote begins that has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenQuote(pub(super) usize);

impl DelimitedText {
    pub(super) fn parse(text: String, separator: u8) -> Result<Self, OpenQuote> {
        let (mut records, mut field_ends) = (Vec::new(), Vec::new());
        scan(&text, separator, usize::MAX, &mut records, &mut field_ends)?;
        Ok(Self { text, separator, records, field_ends })
    }

    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    pub(super) fn fields(&self, record: usize) -> usize {
        let next = self.records.get(record + 1).map_or(self.field_ends.len(), |next| next.first);
        next - self.records[record].first
    }

    /// A field as it stands, with its quotes; `None` where the record is too short.
    pub(super) fn raw(&self, record: usize, field: usize) -> Option<&str> {
        if field >= self.fields(record) {
            return None;
        }
        let Record { start, first, .. } = self.records[record];
        let start = if field == 0 { start } else { self.field_ends[first + field - 1] + 1 };
        Some(&self.text[start..self.field_ends[first + field]])
    }

    /// A field's text.
    pub(super) fn field(&self, record: usize, field: usize) -> Option<String> {
        self.raw(record, field).map(unquote)
    }

    /// The line of the text on which each record begins, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = u64> {
        let (mut line, mut counted) = (1, 0);
        self.records.iter().map(move |record| {
            line += line_ends(&self.text.as_bytes()[counted..record.start]);
            counted = record.start;
            line
        })
    }

    /// What stands before the first record.
    pub(super) fn head(&self) -> &str {
        &self.text[..self.records.first().map_or(self.text.len(), |record| record.start)]
    }

    /// A record as it stands.
    pub(super) fn record(&self, record: usize) -> &str {
        let Record { start, end, .. } = self.records[record];
        &self.text[start..end]
    }

    /// What stands between a record and the next: the line's end, and blank lines.
    pub(super) fn tail(&self, record: usize) -> &str {
        let next = self.records.get(record + 1).map_or(self.text.len(), |next| next.start);
        &self.text[self.records[record].end..next]
    }
}

/// How many lines end in a text; each ends in `\n`, `\r\n` or, as on old machines, `\r`.
fn line_ends(text: &[u8]) -> u64 {
    let ends = text.iter().enumerate().filter(|(at, byte)| **byte == b'\n' || (**byte == b'\r' && text.get(at + 1) != Some(&b'\n')));
    ends.count() as u64
}

/// The separator of a text: the one that its first records have most evenly, and then most often.
pub(super) fn find_separator(text: &str) -> u8 {
    let score = |separator: u8| {
        let (mut records, mut ends) = (Vec::new(), Vec::new());
        scan(text, separator, 30, &mut records, &mut ends).ok()?;
        let firsts: Vec<usize> = records.iter().map(|record| record.first).chain([ends.len()]).collect();
        let fields: Vec<usize> = firsts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let header = *fields.first().filter(|fields| **fields > 1)?;
        let even = fields.iter().filter(|fields| **fields == header).count();
        Some((even, header))
    };
    let mut best = (b',', score(b','));
    for separator in [b'\t', b';', b'|'] {
        let found = score(separator);
        if found > best.1 {
            best = (separator, found);
        }
    }
    best.0
}

fn scan(text: &str, separator: u8, most: usize, records: &mut Vec<Record>, field_ends: &mut Vec<usize>) -> Result<(), OpenQuote> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && records.len() < most {
        if matches!(bytes[at], b'\r' | b'\n') {
            at += 1;
            continue;
        }
        let (start, first) = (at, field_ends.len());
        loop {
            at = field_end(bytes, at, separator)?;
            field_ends.push(at);
            if bytes.get(at) != Some(&separator) {
                break;
            }
            at += 1;
        }
        records.push(Record { start, end: at, first });
    }
    Ok(())
}

/// Where the field that begins at `at` ends.
fn field_end(bytes: &[u8], mut at: usize, separator: u8) -> Result<usize, OpenQuote> {
    let start = at;
    if bytes.get(at) == Some(&b'"') {
        at += 1;
        loop {
            match memchr::memchr(b'"', &bytes[at..]) {
                None => return Err(OpenQuote(memchr::memchr_iter(b'\n', &bytes[..start]).count() + 1)),
                Some(quote) if bytes.get(at + quote + 1) == Some(&b'"') => at += quote + 2,
                Some(quote) => {
                    at += quote + 1;
                    break;
                }
            }
        }
    }
    Ok(memchr::memchr3(separator, b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |end| at + end))
}

fn unquote(raw: &str) -> String {
    let Some(inner) = raw.strip_prefix('"') else { return raw.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = rest.find('"') {
        text.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        if let Some(after) = rest.strip_prefix('"') {
            text.push('"');
            rest = after;
        } else {
            break;
        }
    }
    text.push_str(rest); // what stands behind a closing quote is kept, as elsewhere
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<Vec<String>> {
        let parsed = DelimitedText::parse(text.to_owned(), find_separator(text)).unwrap();
        let again: String =
            std::iter::once(parsed.head()).chain((0..parsed.records()).flat_map(|record| [parsed.record(record), parsed.tail(record)])).collect();
        assert_eq!(again, text);
        (0..parsed.records()).map(|record| (0..parsed.fields(record)).map(|field| parsed.field(record, field).unwrap()).collect()).collect()
    }

    #[test]
    fn records_and_fields_are_found_and_every_byte_belongs_somewhere() {
        assert_eq!(check("a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\r\n,\r\n"), [["a", "b"], ["1", "x, \"y\"\nz"], ["", ""]]);
        assert_eq!(check("\n\na;b\n1,5;2\n3;4"), [["a", "b"], ["1,5", "2"], ["3", "4"]]);
        assert_eq!(check("only\n1\n2\n"), [["only"], ["1"], ["2"]]);
        assert_eq!(check(""), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_separator_in_quotes_does_not_count() {
        assert_eq!(find_separator("\"a,b,c,d\"\t\"e,f\"\n1\t2\n"), b'\t');
        assert_eq!(find_separator("a|b\n1|2\n"), b'|');
        assert_eq!(find_separator("a\n1\n"), b',');
    }

    #[test]
    fn a_quote_without_an_end_is_told_with_its_line() {
        assert_eq!(DelimitedText::parse("a,b\n1,2\n3,\"4\n".to_owned(), b',').unwrap_err(), OpenQuote(3));
    }
}
