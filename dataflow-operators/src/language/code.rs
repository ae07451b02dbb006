//! The two letters by which ISO 639-1 names a language.

use std::fmt;
use std::str::FromStr;

/// The codes of ISO 639-1.
const CODES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy \
    ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk \
    ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th \
    ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// A code of ISO 639-1, such as `de`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LanguageCode([u8; 2]);

impl LanguageCode {
    /// Its two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for LanguageCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for LanguageCode {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, String> {
        let known = CODES.split_whitespace().find(|known| known.eq_ignore_ascii_case(code)).and_then(|known| known.as_bytes().try_into().ok());
        known.map(Self).ok_or_else(|| {
            // The region or the script of a language is not told apart.
            let meant = code.split_once(['-', '_']).and_then(|(language, _)| Self::from_str(language).ok());
            let hint = meant.map(|meant| format!("\nhint: did you mean `{}`?", meant.as_str())).unwrap_or_default();
            format!("expected `dataflow`, `auto` or a code of ISO 639-1 such as `en`, `zh` or `de`, found `{code}`{hint}")
        })
    }
}
