//! Names of new things, and what is wrong with one.

/// Words of the language, and names that the test harness and macros give to modules.
const RESERVED: &[&str] = &[
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "std", "struct",
    "super", "test", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where",
    "while", "yield",
];

/// Longest name: file names and table columns stay readable.
const MAX_LENGTH: usize = 40;

/// A name in the three ways it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// `small-range`: in experiment files and of folders.
    pub(super) kebab: String,
    /// `small_range`: of modules.
    pub(super) ident: String,
    /// `SmallRange`: of types.
    pub(super) camel: String,
}

impl Name {
    /// The name, or what is wrong with it. Without hyphens if `one_word`.
    pub(super) fn new(text: &str, one_word: bool) -> Result<Self, String> {
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        let words: Vec<&str> = text.split('-').collect();
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts_well || !words.iter().all(|w| word(w)) || text.len() > MAX_LENGTH {
            let allowed =
                "lower-case letters and digits in words joined by hyphens, a letter first, at most 40 characters";
            return Err(format!("`{text}` is no name: {allowed}, such as `small-range`"));
        }
        if one_word && words.len() > 1 {
            return Err(format!(
                "`{text}` is no name of a kernel: it is a key of experiment files, and one word, such as `softmax`"
            ));
        }
        let ident = words.join("_");
        if RESERVED.contains(&ident.as_str()) {
            return Err(format!("`{text}` is a reserved word of Rust"));
        }
        let camel = words.iter().map(|w| w[..1].to_uppercase() + &w[1..]).collect();
        Ok(Self { kebab: text.to_owned(), ident, camel })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_three_ways() {
        let name = Name::new("small-range2", false).unwrap();
        assert_eq!((name.ident.as_str(), name.camel.as_str()), ("small_range2", "SmallRange2"));
        assert!(Name::new("x", true).is_ok());
    }

    #[test]
    fn bad_names_are_refused_with_a_reason() {
        let long = "a".repeat(41);
        for bad in ["", "-", "a-", "-a", "a--b", "Toy", "a_b", "1a", "a b", "a/b", "..", "tür", "a\n", &long] {
            let message = Name::new(bad, false).unwrap_err();
            assert!(message.contains("is no name: lower-case"), "{bad:?}: {message}");
        }
        for word in RESERVED {
            assert!(Name::new(word, false).unwrap_err().contains("reserved word"), "{word}");
        }
        assert!(Name::new("soft-max", true).unwrap_err().contains("one word"));
    }
}
