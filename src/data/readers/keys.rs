//! The names of the arrays in an `.npz` file.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::listing::quoted;

/// What the arrays of an `.npz` are called; reads `x=signals,y=kinds,lengths=steps`, each with its usual name where it is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The sequences; `x`.
    pub x: String,
    /// The targets; `y`.
    pub y: String,
    /// The real steps of each sequence; `lengths`.
    pub lengths: String,
}

impl Default for Keys {
    fn default() -> Keys {
        let [x, y, lengths] = ["x", "y", "lengths"].map(String::from);
        Keys { x, y, lengths }
    }
}

impl FromStr for Keys {
    type Err = Error;

    fn from_str(given: &str) -> Result<Keys> {
        let wrong = |problem: String| Error::Config(format!("keys {}: {problem}", quoted(given)));
        let mut keys = Keys::default();
        for part in given.split(',') {
            let (name, array) = part.split_once('=').unwrap_or((part, ""));
            let key = match name.trim() {
                "x" => &mut keys.x,
                "y" => &mut keys.y,
                "lengths" => &mut keys.lengths,
                _ => return Err(wrong("give x=NAME, y=NAME and lengths=NAME, with commas between them".into())),
            };
            *key = array.trim().to_string();
            if key.is_empty() {
                return Err(wrong(format!("{}= lacks the name of an array", name.trim())));
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_their_part() {
        let keys: Keys = "x=x_train, y=y_train".parse().unwrap();
        let wanted = Keys { x: "x_train".into(), y: "y_train".into(), ..Keys::default() };
        assert_eq!(keys, wanted);
        for (given, problem) in [
            ("x=", "keys `x=`: x= lacks the name of an array"),
            ("data", "keys `data`: give x=NAME, y=NAME and lengths=NAME, with commas between them"),
            ("", "keys ``: give x=NAME, y=NAME and lengths=NAME, with commas between them"),
        ] {
            assert_eq!(given.parse::<Keys>().unwrap_err().to_string(), problem);
        }
    }
}
