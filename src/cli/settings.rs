//! The settings of `srnn train` by name, for programs that train on data in memory.

use super::train::Train;
use crate::data::Source;
use crate::train::Recipe;
use crate::{Error, Result};
use clap::{CommandFactory, Parser};

/// The settings of a training by themselves, as arguments.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Settings {
    #[command(flatten)]
    train: Train,
}

/// The recipe of a training on data in memory, which errors call X, by the names and values of this command's options; what is
/// not given is left to the data.
///
/// # Errors
/// [`Error::Config`] for what is no option, no value of one, or does not go together.
pub fn recipe(options: &[(String, Option<String>)], numbers: bool) -> Result<Recipe> {
    // A name that says what is in it.
    let data = if numbers { "X.npz" } else { "X.tsv" };
    let given = options.iter().map(|(name, value)| match value {
        Some(value) => format!("--{name}={value}"),
        None => format!("--{name}"),
    });
    let arguments = [data, "--out=-"].into_iter().map(String::from).chain(given);
    let Settings { train } = Settings::try_parse_from(arguments).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        Error::Config(first.trim_start_matches("error: ").into())
    })?;
    let mut recipe = train.recipe()?;
    recipe.sources.train = Source::File("X".into());
    Ok(recipe)
}

/// The names of all options of a training, without their dashes.
pub fn options_of_training() -> Vec<String> {
    let command = Settings::command();
    command.get_opts().filter_map(|option| option.get_long().map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Direction, Task};
    use crate::train::choice::Open;

    fn of(options: &[(&str, Option<&str>)], numbers: bool) -> Result<Recipe> {
        let own = options.iter().map(|(name, value)| (name.to_string(), value.map(String::from)));
        recipe(&own.collect::<Vec<_>>(), numbers)
    }

    #[test]
    fn settings_make_the_recipe_of_the_command() {
        let own = of(&[("hidden", Some("7")), ("direction", Some("both")), ("strip-html", None)], false).unwrap();
        assert_eq!((own.network.hidden, own.network.direction, own.strip_html), (7, Direction::Both, true));
        assert!(!own.open.contains(&Open::Hidden) && own.open.contains(&Open::Length));
        assert_eq!(own.sources.train.to_string(), "X");
        let tags = of(&[("task", Some("tags"))], false).unwrap();
        assert!(tags.network.task == Task::Tags && tags.sources.reading.steps);
        assert!(options_of_training().contains(&"learning-rate".to_string()));
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        for (options, numbers, told) in [
            (vec![("hidden", Some("-3"))], false, "invalid value '-3' for '--hidden <H>'"),
            (vec![("hidde", Some("3"))], false, "unexpected argument '--hidde' found"),
            (vec![("normalise", Some("channel"))], false, "--normalise is for numbers, and the data is texts"),
            (vec![("vocabulary", Some("9"))], true, "--vocabulary is for texts, and the data is numbers"),
        ] {
            let error = of(&options, numbers).unwrap_err().to_string();
            assert!(error.starts_with(told) && !error.contains('\n'), "{error}");
        }
    }
}
