//! Where web addresses begin and end in a text.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;

/// What is no part of an address: among others the letters of East Asia, their marks, and the marks that print has for all languages.
const NO_PART: &str = concat!(
    r#"\s\x1c-\x1f<>"`|\u{ab}\u{bb}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"#,
    r"\u{b7}\u{2010}-\u{205e}\u{3000}-\u{303f}\u{fe30}-\u{fe4f}\u{ff00}-\u{ffef}",
);

/// The letters of East Asia, with what lengthens and parts words in Katakana, which belongs to no script of its own.
const EAST: &str = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー・";

/// The last names of hosts that are in letters of East Asia, of IANA's root zone. By them alone does one know where a host ends that text without spaces follows.
const LAST_NAMES: &str = concat!(
    "中国|中國|台湾|台灣|香港|澳門|新加坡|中信|中文网|世界|亚马逊|企业|佛山|信息|健康|八卦|公司|公益|商城|商店|商标|嘉里大酒店|嘉里|在线|大拿|天主教|娱乐|家電|广东|微博|慈善|",
    "我爱你|手机|招聘|政务|政府|新闻|时尚|書籍|机构|淡马锡|游戏|点看|珠宝|移动|组织机构|网址|网店|网站|网络|联通|谷歌|购物|通販|集团|電訊盈科|飞利浦|食品|餐厅|香格里拉|",
    "みんな|アマゾン|クラウド|グーグル|コム|ストア|セール|ファッション|ポイント|한국|닷넷|닷컴|삼성",
);

/// An address at the start of a text. An apostrophe may be a part of it, but not where a single quote stands before it.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| address_without(""));
static QUOTED_ADDRESS: LazyLock<Regex> = LazyLock::new(|| address_without("'"));

fn address_without(mark: &str) -> Regex {
    let part = format!("[^{mark}{NO_PART}]");
    let host = format!(r"(?:[^{mark}{NO_PART}/?#@]+@)?(?:(?:[{EAST}][\p{{L}}\p{{N}}-]*|[\w\-&&[^{EAST}]]+)\.)*(?:{LAST_NAMES}|{part})");
    // No text that follows an address begins with Katakana, and what Korean puts to the end of a word stands behind a letter.
    let word = r"[\p{Katakana}\p{Hangul}][\p{Katakana}\p{Hangul}ー・a-z0-9]*";
    // Chinese and Japanese have no spaces: their letters are a part of the address where it goes on behind them.
    let between = format!("[{EAST}]+(?:[/?#&=_.-][{EAST}]+)*(?:/(?:{word})?|[?#&=_%.-][a-z0-9])");
    pattern(&format!("(?i)^https?://{host}(?:{part}*[/?#&=_:+-](?:{between}|{word}))*{part}*"))
}

/// A text without its `http://` and `https://` addresses.
pub(super) fn without_addresses(text: &str) -> Cow<'_, str> {
    let (mut clean, mut end) = (String::new(), 0);
    for colon in memchr::memmem::find_iter(text.as_bytes(), b"://") {
        if let Some(start) = start_of_scheme(text, colon).filter(|start| *start >= end) {
            let address = if text[..start].ends_with('\'') { &QUOTED_ADDRESS } else { &ADDRESS };
            if let Some(found) = address.find(&text[start..]) {
                clean.push_str(&text[end..start]);
                end = start + address_length(found.as_str());
            }
        }
    }
    if end == 0 {
        return text.into();
    }
    clean.push_str(&text[end..]);
    clean.into()
}

fn start_of_scheme(text: &str, colon: usize) -> Option<usize> {
    let before = &text.as_bytes()[..colon];
    let scheme =
        ["https", "http"].into_iter().find(|scheme| before.len() >= scheme.len() && before[colon - scheme.len()..].eq_ignore_ascii_case(scheme.as_bytes()));
    scheme.map(|scheme| colon - scheme.len())
}

/// How many bytes of what looks like an address belong to it: not the mark that ends a sentence, and not a bracket that it does not open.
fn address_length(found: &str) -> usize {
    const PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
    // How many of each pair are closed beyond those that are opened. Counted once, and less one for each that is taken off: there may be many.
    let mut unopened = PAIRS.map(|(open, close)| found.matches(close).count().saturating_sub(found.matches(open).count()));
    let mut address = found;
    while let Some(last) = address.chars().next_back() {
        let pair = PAIRS.iter().position(|(_, close)| *close == last);
        match pair.map(|pair| &mut unopened[pair]) {
            Some(0) => break,
            Some(unopened) => *unopened -= 1,
            None if matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*') => {}
            None => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}

#[cfg(test)]
mod tests {
    use super::without_addresses;

    #[track_caller]
    fn check(texts: &[(&str, &str)]) {
        for (text, kept) in texts {
            assert_eq!(without_addresses(text), *kept, "of {text}");
        }
    }

    #[test]
    fn hosts_may_be_in_letters_of_any_language() {
        check(&[
            ("见http://例子.中国 与http://www.食狮.中国/a?b=1。", "见 与。"),
            ("http://例子.中国是一个网站", "是一个网站"),
            ("http://例え.みんなを見て、http://例え.jpも見る", "を見て、も見る"),
            ("http://도메인.한국은 http://한글.kr/a에서 봅니다", "은 에서 봅니다"),
            ("http://пример.рф/путь, http://ตัวอย่าง.ไทย/หน้า and http://مثال.مصر now", ",  and  now"),
            ("http://user@例え.jp/x http://u:p@www.例子.公司:80/x", " "),
        ]);
    }

    #[test]
    fn text_behind_a_host_stays() {
        check(&[
            ("访问https://a.com或者b.com。", "访问或者b.com。"),
            ("见https://a.com.这是一句话.另一句", "见.这是一句话.另一句"),
            ("https://a.com을 보세요", "을 보세요"),
            ("https://a.comをご覧ください", "をご覧ください"),
            ("网址是https://空 白", "网址是https://空 白"),
        ]);
    }

    #[test]
    fn letters_of_east_asia_are_a_part_where_the_address_goes_on_behind_them() {
        check(&[
            ("https://a.b/手册/首页.html后面", "后面"),
            ("https://a.b/s?q=中文&p=1 x", " x"),
            ("https://zh.wikipedia.org/wiki/中国_历史/a 和 b", " 和 b"),
            ("https://a.b/日本/x/東京/yを見る", "を見る"),
            ("https://a.b/中文吗? 是", "中文吗? 是"),
            ("https://a.b/中文和https://c.d/e。", "中文和。"),
        ]);
    }

    #[test]
    fn words_in_katakana_and_hangul_are_a_part_where_they_begin_one() {
        check(&[
            ("https://ja.wikipedia.org/wiki/サッカーボールを見る", "を見る"),
            ("https://ko.wikipedia.org/wiki/한국_음악/케이팝 참고", " 참고"),
            ("https://a.b/분류:서울2호선?q=값 참고", " 참고"),
            ("https://a.b/c에서 확인", "에서 확인"),
        ]);
    }

    #[test]
    fn addresses_that_touch_end_once() {
        check(&[
            ("'https://a.b'https://c.d' https://e.f'g", "''' "),
            ("xhttp://a.b ftp://c.d ://e http", "x ftp://c.d ://e http"),
            ("http://a.b/http://c.d", ""),
        ]);
    }
}
