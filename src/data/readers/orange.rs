//! The two lines below the header of Orange's `.tab` files, which tell the types and the roles of the columns.

use std::ops::RangeInclusive;

/// What they tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Which lines they are.
    pub lines: RangeInclusive<u64>,
    /// The column of the class, if one is said to be that.
    pub class: Option<String>,
}

/// What Orange calls the type of a column; a list of values between blanks is one, too.
const TYPES: [&str; 13] =
    ["continuous", "c", "numeric", "n", "discrete", "d", "categorical", "string", "s", "text", "time", "t", "basket"];

/// What it calls the role of a column.
const ROLES: [&str; 9] = ["", "class", "c", "meta", "m", "ignore", "i", "weight", "w"];

/// What the second and third line of a file that begins with these bytes tell, if they are such lines.
pub(super) fn head(first: &[u8]) -> Option<Head> {
    let header = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let separator = if header.contains(&b'\t') { '\t' } else { ',' };
    let mut lines = first.split_inclusive(|&byte| byte == b'\n').take(3).map(|line| {
        let whole = line.strip_suffix(b"\n")?;
        let text = std::str::from_utf8(whole.strip_suffix(b"\r").unwrap_or(whole)).ok()?;
        Some(text.split(separator).map(str::trim).collect::<Vec<_>>())
    });
    let mut next = || lines.next().flatten();
    let (names, types, roles) = (next()?, next()?, next()?);
    let is_type = |field: &&str| TYPES.contains(field) || (!field.is_empty() && field.contains(' '));
    let known = types.iter().filter(|field| TYPES.contains(field)).count();
    // Behind its role a column may have attributes.
    let role = |field: &str| field.split(' ').next().unwrap_or_default().to_string();
    let is_role = |field: &&str| {
        let rest = field.split(' ').skip(usize::from(ROLES.contains(&role(field).as_str())));
        ROLES.contains(field) || rest.into_iter().all(|attribute| attribute.contains('='))
    };
    let same = types.len() == names.len() && roles.len() <= names.len();
    if !same || known == 0 || !types.iter().all(is_type) || !roles.iter().all(is_role) {
        return None;
    }
    let class = roles
        .iter()
        .position(|own| ["class", "c"].contains(&role(own).as_str()))
        .map(|column| names[column].to_string());
    Some(Head { lines: 2..=3, class })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_what_is_none() {
        let class = |class: &str| Some(Head { lines: 2..=3, class: Some(class.into()) });
        assert_eq!(head(b"a\tb\tkind\nc\tc\td\n\t\tclass\n1\t2\tx\n"), class("kind"));
        assert_eq!(head(b"text\tmood\r\nstring\tgood bad\r\nmeta\tclass\r\nx\tgood\r\n"), class("mood"));
        assert_eq!(head(b"t\tl\ns\td\n\t\nx\ty\n"), Some(Head { lines: 2..=3, class: None }));
        assert_eq!(head(b"a,kind\nnumeric,categorical\nm,c unit=s\n1,x\n"), class("kind"));
        let plain = b"text\tlabel\ngreat film\tc\ni hated it\tc\n";
        assert_eq!(head(plain), None);
        for none in [&b"text\tlabel\ngood film\tpos\nbad\tneg\n"[..], b"text\tlabel\ntext\td\n", b"a\nb c\nd e\n", b""]
        {
            assert_eq!(head(none), None);
        }
    }
}
