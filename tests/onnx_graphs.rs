//! The ONNX graphs of networks, as their bytes are read again. `scripts/check-onnx` runs them.
#![cfg(all(feature = "files", feature = "onnx"))]

mod golden;
mod network_cases;

use golden::Golden;
use network_cases::{Case, family};
use prost::Message;
use srnn::network::{Activation, Cell, Config, Input, Parameters, Task};
use srnn::onnx::{OPSET, export_network, proto};
use std::collections::BTreeSet;

fn graph(config: &Config, parameters: &Parameters) -> proto::Graph {
    let bytes = export_network(config, parameters).unwrap();
    let model = proto::Model::decode(&bytes[..]).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (Some(8), Some(OPSET)));
    model.graph.unwrap()
}

/// All networks that have a graph.
fn cases() -> Vec<(Config, Parameters)> {
    let of_golden = Golden::networks().chain(Golden::with_heads()).map(|golden| {
        let config = golden.config();
        let parameters = golden.parameters(&config);
        (config, parameters)
    });
    of_golden.chain(family().into_iter().map(|Case { config, parameters, .. }| (config, parameters))).collect()
}

#[test]
fn every_node_reads_what_stands_before_it_and_nothing_is_there_twice() {
    for (config, parameters) in cases() {
        let graph = graph(&config, &parameters);
        let mut known: BTreeSet<&str> = graph.input.iter().map(|input| input.name()).collect();
        for tensor in &graph.initializer {
            assert!(known.insert(tensor.name()), "{} is there twice: {config:?}", tensor.name());
        }
        let mut read = BTreeSet::new();
        for node in &graph.node {
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                assert!(known.contains(&name[..]), "{} reads {name} too early", node.name());
                read.insert(&name[..]);
            }
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                assert!(known.insert(name), "{name} is there twice");
            }
        }
        assert!(graph.output.iter().all(|output| known.contains(output.name())));
        // Numbers that are told may be the logits themselves.
        for (at, node) in graph.node.iter().enumerate().filter(|(_, node)| node.op_type() != "Identity") {
            let is_twin = |other: &&proto::Node| {
                (other.op_type(), &other.input, &other.attribute) == (node.op_type(), &node.input, &node.attribute)
            };
            assert_eq!(graph.node[..at].iter().find(is_twin), None);
        }
        read.extend(graph.output.iter().map(|output| output.name()));
        let is_read = |node: &&proto::Node| node.output.iter().any(|name| read.contains(&name[..]));
        assert_eq!(graph.node.iter().find(|node| !is_read(node)), None);
        let unread = graph.initializer.iter().find(|tensor| !read.contains(tensor.name()));
        assert_eq!(unread.map(|tensor| tensor.name()), None);
    }
}

#[test]
fn the_recurrences_are_operators_of_their_cells() {
    for (config, parameters) in cases() {
        let graph = graph(&config, &parameters);
        let kind = match config.cell {
            Cell::Gru => "GRU",
            Cell::Lstm => "LSTM",
            Cell::Rnn => "RNN",
            Cell::MinGru => "Scan",
        };
        let of_kind = |kind: &str| graph.node.iter().filter(|node| node.op_type() == kind).count();
        // Each direction is an operator of its own, which runs forward.
        let upward = config.levels() - usize::from(config.task.of_steps());
        let down = if config.task.of_steps() { config.levels() } else { 0 };
        assert_eq!(of_kind(kind), (upward + down) * config.layers * config.directions().len(), "{config:?}");
        for other in ["GRU", "LSTM", "RNN", "Scan", "Loop"].iter().filter(|other| **other != kind) {
            assert_eq!(of_kind(other), 0);
        }
        // tract overlooks activations, and refuses lengths: where it would tell something else, it is to refuse.
        for node in graph.node.iter().filter(|node| node.op_type() == kind && kind != "Scan") {
            assert!(node.attribute.iter().all(|own| own.name() != "direction"));
            let has_lengths = node.input.get(4).is_some_and(|name| !name.is_empty());
            assert_eq!(has_lengths, config.activation != Activation::Tanh, "{config:?}");
        }
    }
}

#[test]
fn inputs_and_outputs_have_their_names_and_shapes() {
    for (config, parameters) in cases() {
        let graph = graph(&config, &parameters);
        let sizes = |info: &proto::ValueInfo| -> Vec<String> {
            let own = info.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
            let size = |size: &proto::Dimension| size.dim_value.map_or(size.dim_param().to_string(), |n| n.to_string());
            own.shape.as_ref().unwrap().dim.iter().map(size).collect()
        };
        let named = |infos: &[proto::ValueInfo]| -> Vec<(String, Vec<String>)> {
            infos.iter().map(|info| (info.name().to_string(), sizes(info))).collect()
        };
        let shape = |sizes: &[&str]| -> Vec<String> { sizes.iter().map(|size| size.to_string()).collect() };
        let inputs = [("tokens".to_string(), shape(&["batch", "steps"])), ("lengths".to_string(), shape(&["batch"]))];
        assert_eq!(named(&graph.input), inputs);
        let classes = config.classes.to_string();
        let told =
            if config.task.of_steps() { shape(&["batch", "steps", &classes]) } else { shape(&["batch", &classes]) };
        let outputs = ["probabilities", "logits"].map(|name| (name.to_string(), told.clone()));
        assert_eq!(named(&graph.output), outputs);
    }
}

#[test]
fn what_cannot_be_a_graph_is_refused() {
    let Case { config, parameters, .. } = family().remove(0);
    let refused =
        |config: &Config, parameters: &Parameters| export_network(config, parameters).unwrap_err().to_string();
    let other = Config { hidden: config.hidden + 1, ..config.clone() };
    assert!(refused(&other, &parameters).contains("of other sizes"));
    let wrong = Config { task: Task::Tags, head_pooling: srnn::network::Pooling::Max, ..config.clone() };
    assert!(refused(&wrong, &parameters).contains("head pooling"));
    let numbers = Config { input: Input::Numbers, vocabulary: 0, ..config };
    assert!(refused(&numbers, &parameters).contains("of other sizes"));
}
