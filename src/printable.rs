//! What others say, on one line: neither a container nor a server ends a line of a log, or steers a terminal, with its words.

/// How many characters of a message are repeated.
const LONGEST_MESSAGE: usize = 1000;

/// The character as it may be shown: in place of one that controls, U+FFFD.
///
/// Those are the control characters, the separators of lines and paragraphs, and Unicode's `Bidi_Control`, by which a line
/// reads as another one (Unicode Standard Annex #9, 2.).
pub(crate) fn printable(c: char) -> char {
    match c {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The words of a text, one space between them, each character as it may be shown.
pub(crate) fn on_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().map(printable).collect()
}

/// One line for logs and errors. A container's message is the student's own text: no control character of it gets
/// through, and not more of it than anybody reads.
pub(crate) fn with_message(head: &str, message: &str) -> String {
    let line = on_one_line(message);
    let line: String = line.chars().take(LONGEST_MESSAGE).collect();
    if line.is_empty() {
        head.to_owned()
    } else {
        format!("{head}: {line}")
    }
}

#[cfg(test)]
mod tests {
    use super::on_one_line;

    #[test]
    fn words_of_others_neither_end_a_line_nor_turn_it_round() {
        let text =
            "red \u{1b}[31m\r\nnext\u{2028}line  \u{202e}txt.exe\u{2069} caf\u{e9} \u{200f}a\u{7f}";
        assert_eq!(
            on_one_line(text),
            "red \u{fffd}[31m next line \u{fffd}txt.exe\u{fffd} caf\u{e9} \u{fffd}a\u{fffd}"
        );
    }
}
