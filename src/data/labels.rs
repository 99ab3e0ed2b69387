//! The classes: their names in a fixed order, and the numbers that the network counts them by.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::listing::{listed, quoted};
use super::table::Example;
use crate::error::{Error, Result};

/// The class names of a training set, at least two, each once. A class's number is its place here.
///
/// The order is that of the numbers where all names are whole numbers (`2` before `10`), else that of the
/// characters. Serialises as the plain list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Labels {
    names: Vec<String>,
}

impl Labels {
    /// Collects the labels of a training set; `file` is where it comes from, for messages.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Config`] when there are fewer than two different ones, or an example has none.
    pub fn fit(file: impl Display, examples: &[Example]) -> Result<Labels> {
        let mut names = BTreeSet::new();
        for example in examples {
            names.insert(label_of(example).map_err(|problem| Error::data_line(&file, example.line, problem))?);
        }
        if let (1, Some(only)) = (names.len(), names.first()) {
            let problem = format!("every sequence has the label {}: a classifier needs two", quoted(only));
            return Err(Error::data(file, problem));
        }
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
        if numbers.is_some() {
            // Stable, so that `01` and `1` stay in the order of their characters.
            names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
        }
        Labels::try_from(names)
    }

    /// The class's number.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.names.iter().position(|known| known == name).map(|index| index as u32)
    }

    /// The names by class number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many classes there are, at least two.
    #[expect(clippy::len_without_is_empty, reason = "there are always two or more")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The class number of each example; `file` is where they come from, for the message.
    ///
    /// # Errors
    /// [`Error::Data`] with file and line for an example with an unknown label or none.
    pub fn encode(&self, file: impl Display, examples: &[Example]) -> Result<Vec<u32>> {
        let numbers: HashMap<&str, u32> = self.names.iter().map(String::as_str).zip(0..).collect();
        let encode = |example: &Example| {
            let name = label_of(example)?;
            numbers.get(name).copied().ok_or_else(|| {
                let known = listed(self.names.iter().map(String::as_str));
                format!("has the label {}, and the classes are {known}", quoted(name))
            })
        };
        let place = |example: &Example, problem| Error::data_line(&file, example.line, problem);
        examples.iter().map(|example| encode(example).map_err(|problem| place(example, problem))).collect()
    }
}

impl TryFrom<Vec<String>> for Labels {
    type Error = Error;

    /// Takes the names as they are ordered.
    fn try_from(names: Vec<String>) -> Result<Labels> {
        if names.len() < 2 {
            return Err(Error::Config(format!("{} class names: a classifier needs two", names.len())));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Error::Config(format!("the class name {} stands twice", quoted(twice))));
        }
        Ok(Labels { names })
    }
}

impl From<Labels> for Vec<String> {
    fn from(labels: Labels) -> Vec<String> {
        labels.names
    }
}

fn label_of(example: &Example) -> std::result::Result<&str, String> {
    match example.label.as_deref() {
        None => Err("has no label".into()),
        Some("") => Err("has an empty label".into()),
        Some(label) => Ok(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(labels: &[&str]) -> Vec<Example> {
        let example = |(label, line): (&&str, u64)| Example { text: "x".into(), label: Some(label.to_string()), line };
        labels.iter().zip(2..).map(example).collect()
    }

    #[test]
    fn names_are_sorted_as_words_or_as_numbers() {
        assert_eq!(Labels::fit("t", &examples(&["spam", "ham", "spam"])).unwrap().names(), ["ham", "spam"]);
        assert_eq!(Labels::fit("t", &examples(&["10", "2", "-1", "2"])).unwrap().names(), ["-1", "2", "10"]);
        assert_eq!(Labels::fit("t", &examples(&["10", "2", "x"])).unwrap().names(), ["10", "2", "x"]);
    }

    #[test]
    fn one_class_is_not_enough() {
        let error = Labels::fit("t", &examples(&["spam", "spam"])).unwrap_err().to_string();
        assert_eq!(error, "t: every sequence has the label `spam`: a classifier needs two");
        assert_eq!(Labels::fit("t", &[]).unwrap_err().to_string(), "0 class names: a classifier needs two");
        let unlabelled = Example { text: "x".into(), label: None, line: 7 };
        assert_eq!(Labels::fit("t", &[unlabelled]).unwrap_err().to_string(), "t:7: has no label");
        let error = Labels::fit("t", &examples(&["a", ""])).unwrap_err().to_string();
        assert_eq!(error, "t:3: has an empty label");
    }

    #[test]
    fn encodes_and_names_what_is_unknown() {
        let labels = Labels::fit("t", &examples(&["b", "a"])).unwrap();
        assert_eq!((labels.len(), labels.index("b"), labels.index("c")), (2, Some(1), None));
        assert_eq!(labels.encode("f", &examples(&["b", "a", "b"])).unwrap(), [1, 0, 1]);
        let error = labels.encode("f.tsv", &examples(&["b", "c"])).unwrap_err().to_string();
        assert_eq!(error, "f.tsv:3: has the label `c`, and the classes are `a`, `b`");
    }

    #[test]
    fn survives_json_and_refuses_damage() {
        let labels = Labels::fit("t", &examples(&["b", "a"])).unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"["a","b"]"#);
        assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        let error = serde_json::from_str::<Labels>(r#"["a","a"]"#).unwrap_err().to_string();
        assert!(error.contains("the class name `a` stands twice"), "{error}");
    }
}
