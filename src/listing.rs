//! Names from a user's file inside a message: quoted, and cut where they are long or many.

/// Most names that one message lists.
const LONGEST_LIST: usize = 10;

/// Most characters of a name that a message shows.
const LONGEST_NAME: usize = 40;

/// A text with its control characters written out, so that a file cannot talk to a terminal.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

/// `name` in backquotes, its end left off when it is long.
pub fn quoted(name: &str) -> String {
    let name = &shown(name)[..];
    match name.char_indices().nth(LONGEST_NAME) {
        None => format!("`{name}`"),
        Some((end, _)) => format!("`{}…`", &name[..end]),
    }
}

/// The names quoted, with commas, at most ten of them: ``"`a`, `b` and 3 more"``, or `nothing`.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(LONGEST_LIST).map(quoted).collect();
    match (shown.is_empty(), names.count()) {
        (true, _) => "nothing".to_string(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(shown("a\x1b[2Jb\tc\u{9b}é"), "a\\u{1b}[2Jb\\tc\\u{9b}é");
        assert_eq!(quoted("\x07"), "`\\u{7}`");
    }

    #[test]
    fn long_lists_and_long_names_are_cut() {
        assert_eq!(listed([]), "nothing");
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert_eq!(listed(["x"; 12]), format!("{} and 2 more", ["`x`"; 10].join(", ")));
        assert_eq!(quoted(&"é".repeat(50)), format!("`{}…`", "é".repeat(40)));
    }
}
