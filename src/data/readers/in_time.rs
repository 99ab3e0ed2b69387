//! Sequences cut in two, each at a step of its own: the first parts to train on, the last to validate with.

use super::examples::{BETWEEN, Examples, LeftOut, RawInputs, RawTargets};
use crate::data::Sequences;

impl Examples {
    /// The steps of each before `at`, by its steps, and those from there on; `None` if what is told is not of steps, or a part
    /// would have none.
    pub(crate) fn cut_in_time(&self, at: impl Fn(usize) -> usize) -> Option<[Examples; 2]> {
        let steps: Vec<usize> = match &self.inputs {
            RawInputs::Texts(texts) => texts.iter().map(|text| text.split(BETWEEN).count()).collect(),
            RawInputs::Numbers(own) => (0..own.len()).map(|row| own.steps(row)).collect(),
        };
        let cuts: Vec<usize> = steps.iter().map(|&steps| at(steps)).collect();
        let whole = cuts.iter().zip(&steps).all(|(&cut, &steps)| cut > 0 && cut < steps);
        let of_steps = matches!(self.targets, Some(RawTargets::Tags(_) | RawTargets::Steps(_)));
        if !whole || !of_steps {
            return None;
        }
        let part = |last: bool| {
            let texts = |own: &[String]| {
                let own = own.iter().zip(&cuts).map(|(text, &cut)| {
                    let all = text.split(BETWEEN);
                    let kept: Vec<&str> = if last { all.skip(cut).collect() } else { all.take(cut).collect() };
                    kept.join(&BETWEEN.to_string())
                });
                own.collect::<Vec<String>>()
            };
            let numbers = |own: &Sequences| {
                let (mut values, mut ends) = (vec![], vec![]);
                for (row, &cut) in cuts.iter().enumerate() {
                    let (cut, all) = (cut * own.width, own.row(row));
                    if last {
                        values.extend(all.skip(cut));
                    } else {
                        values.extend(all.take(cut));
                    }
                    ends.push(values.len());
                }
                let mut part = Sequences::of_ends(own.width, values, ends);
                part.filled = own.filled;
                part
            };
            let inputs = match &self.inputs {
                RawInputs::Texts(own) => RawInputs::Texts(texts(own)),
                RawInputs::Numbers(own) => RawInputs::Numbers(numbers(own)),
            };
            let targets = self.targets.as_ref().map(|targets| match targets {
                RawTargets::Tags(own) => RawTargets::Tags(texts(own)),
                RawTargets::Steps(own) => RawTargets::Steps(numbers(own)),
                other => other.clone(),
            });
            let left_out = if last { LeftOut::default() } else { self.left_out.clone() };
            let (place, lines, targets_place) = (self.place.clone(), self.lines.clone(), self.targets_place.clone());
            Examples { place, lines, inputs, targets, targets_place, cells: None, left_out }
        };
        Some([part(false), part(true)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::readers::fixtures::rows_of;

    #[test]
    fn the_end_of_each_is_cut_off() {
        let (texts, tags) = (vec!["a\nb\nc".into(), "d\ne".into()], vec!["X\nY\nX".into(), "X\nY".into()]);
        let all = Examples::of_lines(
            "t".into(),
            vec![1, 4],
            RawInputs::Texts(texts),
            Some(RawTargets::Tags(tags)),
            LeftOut::default(),
        );
        let [first, last] = all.cut_in_time(|steps| steps - 1).unwrap();
        assert_eq!(
            (first.texts().unwrap(), last.texts().unwrap()),
            (&["a\nb".into(), "d".into()][..], &["c".into(), "e".into()][..])
        );
        assert_eq!(last.targets, Some(RawTargets::Tags(vec!["X".into(), "Y".into()])));
        assert_eq!(all.cut_in_time(|_| 2), None);
        let numbers = || Sequences::of_ends(2, vec![1.0, 2.0, 3.0, 4.0], [4]);
        let own =
            Examples { targets: Some(RawTargets::Steps(numbers())), inputs: RawInputs::Numbers(numbers()), ..all };
        let [first, last] = own.cut_in_time(|_| 1).unwrap();
        let rows = |own: &Examples| match (&own.inputs, &own.targets) {
            (RawInputs::Numbers(x), Some(RawTargets::Steps(y))) => [rows_of(x), rows_of(y)],
            _ => panic!("numbers"),
        };
        assert_eq!(
            (rows(&first), rows(&last)),
            ([vec![vec![1.0, 2.0]], vec![vec![1.0, 2.0]]], [vec![vec![3.0, 4.0]], vec![vec![3.0, 4.0]]])
        );
        assert_eq!(Examples { targets: None, ..own }.cut_in_time(|_| 1), None);
    }
}
