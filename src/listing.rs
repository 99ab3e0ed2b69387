//! Names from a user's file inside a message: quoted, and cut where they are long or many.

/// Most names that one message lists.
const LONGEST_LIST: usize = 10;

/// Most characters of a name that a message shows.
const LONGEST_NAME: usize = 40;

/// `name` in backquotes, its end left off when it is long.
pub(crate) fn quoted(name: &str) -> String {
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
    fn long_lists_and_long_names_are_cut() {
        assert_eq!(listed([]), "nothing");
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert_eq!(listed(["x"; 12]), format!("{} and 2 more", ["`x`"; 10].join(", ")));
        assert_eq!(quoted(&"é".repeat(50)), format!("`{}…`", "é".repeat(40)));
    }
}
