//! The classes: their names in a fixed order, and the numbers that the network counts them by.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::readers::labels;
use super::{BETWEEN, Examples};
use crate::error::{Error, Result, ensure};
use crate::listing::{listed, quoted};

/// Of an example whose label has no letter.
const EMPTY: &str = "has an empty label";

/// The class names of a training set, at least two, each once. A class's number is its place here.
///
/// The order is that of the numbers where all names are whole numbers (`2` before `10`), else that of the
/// characters. Serialises as the plain list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Classes(Vec<String>);

impl Classes {
    /// Collects the classes of a training set.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Config`] when there are fewer than two different ones, or an example has none.
    pub fn fit(examples: &Examples) -> Result<Classes> {
        let mut names = BTreeSet::new();
        Classes::collect(&mut names, examples, examples.names()?.iter().map(String::as_str).enumerate())?;
        Classes::of_names(examples, "classes", names)
    }

    /// Collects the tags of the steps of a training set, and of those that belong to it: a rare one may stand in these alone.
    ///
    /// # Errors
    /// As [`Classes::fit`].
    pub fn fit_tags(examples: &Examples, others: &[&Examples]) -> Result<Classes> {
        let mut names = BTreeSet::new();
        for own in others.iter().chain([&examples]) {
            let tags = own.tags()?;
            let each = tags.iter().enumerate().flat_map(|(row, own)| own.split(BETWEEN).map(move |tag| (row, tag)));
            Classes::collect(&mut names, own, each)?;
        }
        Classes::of_names(examples, "tags", names)
    }

    fn collect<'e>(
        names: &mut BTreeSet<String>,
        examples: &Examples,
        own: impl Iterator<Item = (usize, &'e str)>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for (row, name) in own {
            // Few are different.
            if seen.insert(name) {
                let name = labels::label(name);
                ensure!(!name.is_empty(), examples.error(row, EMPTY));
                names.insert(name);
            }
        }
        Ok(())
    }

    fn of_names(examples: &Examples, what: &str, names: BTreeSet<String>) -> Result<Classes> {
        labels::warn_of_twins(&examples.place, what, &names);
        let mut names: Vec<String> = names.into_iter().collect();
        let all = if what == "tags" { "step" } else { "sequence" };
        let only = || format!("every {all} has the label {}: a classifier needs two", quoted(&names[0]));
        ensure!(names.len() != 1, Error::data(&examples.place, only()));
        let number = |name: &String| name.parse::<i64>().ok();
        if names.iter().all(|name| number(name).is_some()) {
            // Stable, so that `01` and `1` stay in the order of their characters.
            names.sort_by_key(number);
        }
        Classes::try_from(names)
    }

    /// The names by class number.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The class number of each example.
    ///
    /// # Errors
    /// [`Error::Data`] with file and line for an example with an unknown label or none.
    pub fn encode(&self, examples: &Examples) -> Result<Vec<u32>> {
        let numbers = self.by_name();
        let unknown = |row: usize, name: &str| match name {
            "" => examples.error(row, EMPTY),
            _ => examples.unknown(row, name, "classes", &self.0),
        };
        let known = |name: &str| labels::find(name, |name| numbers.get(name).copied());
        let names = examples.names()?;
        names.iter().enumerate().map(|(row, name)| known(name).ok_or_else(|| unknown(row, name))).collect()
    }

    /// The class numbers of all steps, and how many steps each example has.
    ///
    /// # Errors
    /// As [`Classes::encode`].
    pub fn encode_tags(&self, examples: &Examples) -> Result<(Vec<u32>, Vec<usize>)> {
        let numbers = self.by_name();
        let (mut all, mut lengths) = (vec![], vec![]);
        for (row, tags) in examples.tags()?.iter().enumerate() {
            let before = all.len();
            for tag in tags.split(BETWEEN) {
                let step = all.len() - before + 1;
                let unknown = || {
                    format!(
                        "the sequence that begins here has the tag {} at step {step}, and the tags are {}",
                        quoted(tag),
                        self.listed()
                    )
                };
                let known = labels::find(tag, |name| numbers.get(name).copied());
                all.push(known.ok_or_else(|| examples.error(row, unknown()))?);
            }
            lengths.push(all.len() - before);
        }
        Ok((all, lengths))
    }

    fn by_name(&self) -> HashMap<&str, u32> {
        self.0.iter().map(String::as_str).zip(0..).collect()
    }

    fn listed(&self) -> String {
        listed(self.0.iter().map(String::as_str))
    }
}

impl TryFrom<Vec<String>> for Classes {
    type Error = Error;

    /// Takes the names as they are ordered.
    fn try_from(names: Vec<String>) -> Result<Classes> {
        let count = names.len();
        ensure!(count >= 2, Error::Config(format!("{count} class names: a classifier needs two")));
        let mut seen = BTreeSet::new();
        for name in &names {
            ensure!(seen.insert(name), Error::Config(format!("the class name {} stands twice", quoted(name))));
        }
        Ok(Classes(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{RawInputs, RawTargets};

    fn examples(labels: &[&str]) -> Examples {
        let names = labels.iter().map(|label| label.to_string()).collect();
        Examples {
            place: "t".into(),
            lines: (2..).take(labels.len()).collect(),
            inputs: RawInputs::Texts(vec!["x".into(); labels.len()]),
            targets: Some(RawTargets::Names(names)),
            targets_place: None,
            cells: None,
            left_out: Default::default(),
        }
    }

    #[test]
    fn names_are_sorted_as_words_or_as_numbers() {
        assert_eq!(Classes::fit(&examples(&["spam", "ham", "spam"])).unwrap().names(), ["ham", "spam"]);
        assert_eq!(Classes::fit(&examples(&["10", "2", "-1", "2"])).unwrap().names(), ["-1", "2", "10"]);
        assert_eq!(Classes::fit(&examples(&["10", "2", "x"])).unwrap().names(), ["10", "2", "x"]);
    }

    #[test]
    fn one_class_is_not_enough() {
        let error = Classes::fit(&examples(&["spam", "spam"])).unwrap_err().to_string();
        assert_eq!(error, "t: every sequence has the label `spam`: a classifier needs two");
        assert_eq!(Classes::fit(&examples(&[])).unwrap_err().to_string(), "0 class names: a classifier needs two");
        let without = Examples { targets: None, ..examples(&["a", "b"]) };
        assert_eq!(Classes::fit(&without).unwrap_err().to_string(), "t: has no labels");
        let error = Classes::fit(&examples(&["a", ""])).unwrap_err().to_string();
        assert_eq!(error, "t:3: has an empty label");
    }

    #[test]
    fn encodes_and_names_what_is_unknown() {
        let labels = Classes::fit(&examples(&["b", "a"])).unwrap();
        assert_eq!(labels.names().len(), 2);
        assert_eq!(labels.encode(&examples(&["b", "a", "b"])).unwrap(), [1, 0, 1]);
        let error = labels.encode(&examples(&["b", "c"])).unwrap_err().to_string();
        assert_eq!(error, "t:3: has the label `c`, and the classes are `a`, `b`");
    }

    #[test]
    fn survives_json_and_refuses_damage() {
        let labels = Classes::fit(&examples(&["b", "a"])).unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"["a","b"]"#);
        assert_eq!(serde_json::from_str::<Classes>(&json).unwrap(), labels);
        let error = serde_json::from_str::<Classes>(r#"["a","a"]"#).unwrap_err().to_string();
        assert!(error.contains("the class name `a` stands twice"), "{error}");
    }
}
