//! A graph that grows node by node. Whole numbers that say how large something is, are tensors `[1]`, which any other
//! shape is broadcast with.

use super::proto::{self, AttributeKind, Numbers};
use std::collections::HashSet;

/// A value of the graph, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value(String);

impl Value {
    /// What is left out of a node's inputs, or is not there yet.
    pub fn none() -> Value {
        Value(String::new())
    }
}

/// What grows.
pub(super) struct Graph {
    own: proto::Graph,
    /// Where in the network nodes are that are added now: their names begin with it.
    place: String,
    count: usize,
}

/// The setting of a node.
pub(super) enum Set<'s> {
    Int(i64),
    Ints(&'s [i64]),
    Floats(&'s [f32]),
    Texts(&'s [&'s str]),
    Graph(proto::Graph),
}

impl Graph {
    pub fn new(name: &str) -> Graph {
        let own = proto::Graph { name: Some(name.into()), ..proto::Graph::default() };
        Graph { own, place: name.into(), count: 0 }
    }

    /// Names the nodes that follow.
    pub fn at(&mut self, place: impl Into<String>) {
        self.place = place.into();
    }

    /// A name that no other value or node has.
    pub fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{}/{kind}.{}", self.place, self.count)
    }

    /// Adds an operation without settings.
    pub fn op<const N: usize>(&mut self, kind: &str, inputs: [&Value; N]) -> Value {
        self.set(kind, inputs, &[])
    }

    /// Adds an operation with settings.
    pub fn set<const N: usize>(&mut self, kind: &str, inputs: [&Value; N], set: &[(&str, Set)]) -> Value {
        let [out] = self.all(kind, &inputs, [true], set);
        out
    }

    /// Adds an operation with several outputs, of which those that are not `wanted` are left out. What is there already is not computed
    /// again: index arithmetic has many twins, and tract 0.23 breaks graphs where it finds some itself.
    pub fn all<const M: usize>(
        &mut self,
        kind: &str,
        inputs: &[&Value],
        wanted: [bool; M],
        set: &[(&str, Set)],
    ) -> [Value; M] {
        // What is left out at the end is not even named.
        let count = inputs.iter().rposition(|value| !value.0.is_empty()).map_or(0, |last| last + 1);
        let input: Vec<String> = inputs[..count].iter().map(|value| value.0.clone()).collect();
        let attribute: Vec<proto::Attribute> = set.iter().map(attribute).collect();
        let is_twin = |node: &&proto::Node| {
            let given = node.output.iter().map(|name| !name.is_empty());
            node.op_type() == kind && node.input == input && node.attribute == attribute && given.eq(wanted)
        };
        if let Some(twin) = self.own.node.iter().find(is_twin) {
            return std::array::from_fn(|at| Value(twin.output[at].clone()));
        }
        let name = self.name(kind);
        let mut at = 0;
        let outputs = wanted.map(|wanted| {
            at += 1;
            match (wanted, M) {
                (false, _) => Value::none(),
                (true, 1) => Value(name.clone()),
                (true, _) => Value(format!("{name}:{at}")),
            }
        });
        self.own.node.push(proto::Node {
            input,
            output: outputs.iter().map(|value| value.0.clone()).collect(),
            name: Some(name),
            op_type: Some(kind.into()),
            attribute,
        });
        outputs
    }

    /// An input of the graph; nothing is said of its shape where there is none.
    pub fn input(&mut self, name: &str, numbers: Numbers, shape: Option<&[Size]>, says: &str) -> Value {
        self.own.input.push(info(name, numbers, shape, says));
        Value(name.into())
    }

    /// Gives a value out under a name of its own.
    pub fn output(&mut self, value: &Value, name: &str, numbers: Numbers, shape: Option<&[Size]>, says: &str) {
        self.own.node.push(proto::Node {
            input: vec![value.0.clone()],
            output: vec![name.into()],
            name: Some(format!("{name}/Identity")),
            op_type: Some("Identity".into()),
            attribute: vec![],
        });
        self.own.output.push(info(name, numbers, shape, says));
    }

    /// Whole numbers `[N]`.
    pub fn ints(&mut self, values: &[i64]) -> Value {
        let text: Vec<String> = values.iter().map(i64::to_string).collect();
        let bytes = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(format!("int64:{}", text.join(",")), Numbers::Int64, &[values.len()], bytes)
    }

    /// A whole number `[1]`.
    pub fn int(&mut self, value: impl TryInto<i64>) -> Value {
        self.ints(&[value.try_into().unwrap_or(i64::MAX)])
    }

    /// A number `[1]`.
    pub fn float(&mut self, value: f32) -> Value {
        self.constant(format!("float:{value}"), Numbers::Float, &[1], || value.to_le_bytes().into())
    }

    /// A number `[1]` of 64 bits.
    #[cfg(feature = "files")]
    pub fn double(&mut self, value: f64) -> Value {
        self.doubles(&format!("double:{value:e}"), &[value])
    }

    /// Named numbers `[N]` of 64 bits.
    #[cfg(feature = "files")]
    pub fn doubles(&mut self, name: &str, values: &[f64]) -> Value {
        let bytes = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.into(), Numbers::Double, &[values.len()], bytes)
    }

    /// Weights of a name and a shape.
    pub fn weights(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) -> Value {
        let bytes = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.into(), Numbers::Float, shape, bytes)
    }

    /// What has the same name stands there once.
    fn constant(&mut self, name: String, numbers: Numbers, shape: &[usize], bytes: impl FnOnce() -> Vec<u8>) -> Value {
        if !self.own.initializer.iter().any(|tensor| tensor.name.as_ref() == Some(&name)) {
            self.own.initializer.push(proto::Tensor {
                dims: shape.iter().map(|&size| size as i64).collect(),
                data_type: Some(numbers.into()),
                name: Some(name.clone()),
                raw_data: Some(bytes()),
            });
        }
        Value(name)
    }

    /// What has grown, without what nobody reads.
    pub fn finish(self) -> proto::Graph {
        let proto::Graph { node, initializer, output, .. } = &self.own;
        let mut read: HashSet<&str> = output.iter().map(proto::ValueInfo::name).collect();
        let mut kept = vec![false; node.len()];
        for (node, kept) in node.iter().zip(&mut kept).rev() {
            *kept = node.output.iter().any(|name| read.contains(&name[..]));
            if *kept {
                read.extend(node.input.iter().map(String::as_str));
            }
        }
        let mut kept = kept.into_iter();
        let constants: Vec<bool> = initializer.iter().map(|tensor| read.contains(tensor.name())).collect();
        let mut constants = constants.into_iter();
        let mut own = self.own;
        own.node.retain(|_| kept.next() == Some(true));
        own.initializer.retain(|_| constants.next() == Some(true));
        own
    }

    /// A size of a value, `[1]`.
    pub fn size(&mut self, value: &Value, axis: i64) -> Value {
        let at = self.int(axis);
        let shape = self.op("Shape", [value]);
        self.set("Gather", [&shape, &at], &[("axis", Set::Int(0))])
    }

    /// 0, 1, … below `count [1]`, in the shape `shape`, which has -1 where they run.
    pub fn range(&mut self, count: &Value, shape: &[i64]) -> Value {
        let axes = self.ints(&[0]);
        let [zero, one] = [0, 1].map(|value| {
            let value = self.int(value);
            self.op("Squeeze", [&value, &axes])
        });
        let count = self.op("Squeeze", [count, &axes]);
        let range = self.op("Range", [&zero, &count, &one]);
        self.reshape(&range, shape)
    }

    /// Another shape: 0 for a size that stays, -1 for what is left.
    pub fn reshape(&mut self, value: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.op("Reshape", [value, &shape])
    }

    pub fn transpose(&mut self, value: &Value, order: &[i64]) -> Value {
        self.set("Transpose", [value], &[("perm", Set::Ints(order))])
    }

    pub fn concat<const N: usize>(&mut self, values: [&Value; N], axis: i64) -> Value {
        self.set("Concat", values, &[("axis", Set::Int(axis))])
    }

    /// Rows of `[N, …]`, by their places.
    pub fn rows(&mut self, values: &Value, places: &Value) -> Value {
        self.set("Gather", [values, places], &[("axis", Set::Int(0))])
    }

    pub fn cast(&mut self, value: &Value, numbers: Numbers) -> Value {
        self.set("Cast", [value], &[("to", Set::Int(numbers as i64))])
    }

    /// The sum along an axis, which stays with the size 1 if it is kept.
    pub fn sum(&mut self, value: &Value, axis: i64, keep: bool) -> Value {
        let axes = self.int(axis);
        self.set("ReduceSum", [value, &axes], &[("keepdims", Set::Int(keep.into()))])
    }
}

/// A size of an input or output.
pub(super) enum Size {
    Fixed(usize),
    Named(&'static str),
}

fn info(name: &str, numbers: Numbers, shape: Option<&[Size]>, says: &str) -> proto::ValueInfo {
    let size = |size: &Size| match *size {
        Size::Fixed(value) => proto::Dimension { dim_value: Some(value as i64), dim_param: None },
        Size::Named(name) => proto::Dimension { dim_value: None, dim_param: Some(name.into()) },
    };
    let shape = shape.map(|sizes| proto::Shape { dim: sizes.iter().map(size).collect() });
    proto::ValueInfo {
        name: Some(name.into()),
        r#type: Some(proto::Type { tensor_type: Some(proto::TensorType { elem_type: Some(numbers.into()), shape }) }),
        doc_string: (!says.is_empty()).then(|| says.into()),
    }
}

fn attribute((name, set): &(&str, Set)) -> proto::Attribute {
    let empty = proto::Attribute { name: Some((*name).into()), ..proto::Attribute::default() };
    let (kind, own) = match set {
        Set::Int(value) => (AttributeKind::Int, proto::Attribute { i: Some(*value), ..empty }),
        Set::Ints(values) => (AttributeKind::Ints, proto::Attribute { ints: values.to_vec(), ..empty }),
        Set::Floats(values) => (AttributeKind::Floats, proto::Attribute { floats: values.to_vec(), ..empty }),
        Set::Texts(texts) => {
            let strings = texts.iter().map(|&text| text.into()).collect();
            (AttributeKind::Strings, proto::Attribute { strings, ..empty })
        }
        Set::Graph(graph) => (AttributeKind::Graph, proto::Attribute { g: Some(graph.clone()), ..empty }),
    };
    proto::Attribute { r#type: Some(kind.into()), ..own }
}
