//! Burn's GRU as a contender of `compare.py`: a command as JSON per line of standard input, its answer as JSON per line
//! of standard output.
//!
//!     burn-peer wgpu|flex
//!
//! A plain GRU over numeric input (the embedding of the tokens, looked up once), a linear layer, cross-entropy. A step
//! is the forward and the backward pass, down to the gradient of the input; there is no optimiser.

use burn::module::Param;
use burn::nn::gru::{Gru, GruConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, DeviceKind, Gradients, Int, Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Gates of a GRU, in PyTorch's order.
const GATES: [&str; 3] = ["r", "z", "n"];

/// A network on one device, and the batch.
struct Network {
    gru: Gru,
    head: Linear,
    loss: CrossEntropyLoss,
    /// `[B, T, D]`
    input: Tensor<3>,
    /// `[B]`
    labels: Tensor<1, Int>,
}

struct Peer {
    device: Device,
    /// Without and with gradients.
    networks: Option<[Network; 2]>,
}

fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let device = match name.as_str() {
        "wgpu" => Device::wgpu(DeviceKind::DefaultDevice),
        "flex" => Device::flex(),
        _ => return Err("give a backend: wgpu or flex".into()),
    };
    let mut peer = Peer { device, networks: None };
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?).map_err(Into::into).and_then(|command| peer.answer(&command));
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

impl Peer {
    fn answer(&mut self, command: &Value) -> Result<Value> {
        match command["command"].as_str() {
            Some("load") => {
                let bytes = std::fs::read(command["file"].as_str().ok_or("no file")?)?;
                let file = SafeTensors::deserialize(&bytes)?;
                let training = self.device.clone().autodiff();
                self.networks = Some([Network::new(&file, &self.device)?, Network::new(&file, &training)?]);
                let device = match self.device.identity() {
                    Some(identity) => format!("{}, {}", identity.name, identity.fingerprint),
                    None => format!("{:?}", self.device),
                };
                Ok(json!({ "device": device, "version": "0.22.1" }))
            }
            Some("check") => {
                let [network, training] = self.networks.as_ref().ok_or("nothing is loaded")?;
                let logits = values(network.logits())?;
                let Some(path) = command["gradients"].as_str() else { return Ok(json!({ "logits": logits })) };
                let (loss, gradients) = training.step();
                let tensors = training.gradients(&gradients)?;
                let views = tensors
                    .iter()
                    .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
                serialize_to_file(views.collect::<Result<Vec<_>>>()?, None, path.as_ref())?;
                Ok(json!({ "logits": logits, "loss": values(loss)?[0] }))
            }
            Some("step") => self.time(command, |[_, training], device| {
                let _kept = training.step();
                Ok(device.sync()?)
            }),
            Some("infer") => self.time(command, |[network, _], _| values(network.logits()).map(drop)),
            _ => Err("unknown command".into()),
        }
    }

    fn time(&self, command: &Value, work: impl Fn(&[Network; 2], &Device) -> Result<()>) -> Result<Value> {
        let networks = self.networks.as_ref().ok_or("nothing is loaded")?;
        let mut seconds = Vec::new();
        for _ in 0..command["count"].as_u64().unwrap_or(1) {
            let start = Instant::now();
            work(networks, &self.device)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(json!({ "seconds": seconds }))
    }
}

impl Network {
    fn new(file: &SafeTensors, device: &Device) -> Result<Network> {
        let numbers = |name: &str| -> Result<(Vec<usize>, Vec<f32>)> {
            let tensor = file.tensor(name)?;
            let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Ok((tensor.shape().to_vec(), values.collect()))
        };
        let indices = |name: &str| -> Result<Vec<i32>> {
            let tensor = file.tensor(name)?;
            Ok(tensor.data().chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        };
        // A linear layer of the rows `part` of `parts` of PyTorch's matrix [outputs, inputs].
        let linear = |kind: [&str; 2], part: usize, parts: usize| -> Result<Linear> {
            let ((shape, weight), (_, bias)) = (numbers(kind[0])?, numbers(kind[1])?);
            let (rows, inputs) = (shape[0] / parts, shape[1]);
            let weight = weight[part * rows * inputs..][..rows * inputs].to_vec();
            let bias = bias[part * rows..][..rows].to_vec();
            let weight = Tensor::<2>::from_data(TensorData::new(weight, [rows, inputs]), device).transpose();
            // Its own memory in Burn's order, as if it had been made there.
            let weight = Tensor::from_data(weight.into_data(), device);
            let mut linear = LinearConfig::new(inputs, rows).init(device);
            linear.weight = Param::from_tensor(weight);
            linear.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(bias, [rows]), device)));
            Ok(linear)
        };
        let (shape, embedding) = numbers("embedding.weight")?;
        let (tokens, labels) = (indices("tokens.0")?, indices("labels.0")?);
        let (batch, width) = (labels.len(), shape[1]);
        if tokens.iter().enumerate().any(|(at, &token)| at != token as usize) {
            return Err("every position must be a token of its own".into());
        }
        let input = TensorData::new(embedding, [batch, tokens.len() / batch, width]);

        let hidden = numbers("levels.0.weight_hh_l0")?.0[1];
        let mut gru = GruConfig::new(width, hidden, true).init(device);
        for (part, gate) in [&mut gru.reset_gate, &mut gru.update_gate, &mut gru.new_gate].into_iter().enumerate() {
            let kind = |kind: &str| ["weight", "bias"].map(|part| format!("levels.0.{part}_{kind}_l0"));
            let ([iw, ib], [hw, hb]) = (kind("ih"), kind("hh"));
            gate.input_transform = linear([&iw, &ib], part, GATES.len())?;
            gate.hidden_transform = linear([&hw, &hb], part, GATES.len())?;
        }
        let mut input = Tensor::from_data(input, device);
        if device.is_autodiff() {
            input = input.require_grad();
        }
        Ok(Network {
            gru,
            head: linear(["head.weight", "head.bias"], 0, 1)?,
            loss: CrossEntropyLossConfig::new().init(device),
            input,
            labels: Tensor::from_data(TensorData::new(labels, [batch]), device),
        })
    }

    /// `[B, C]`
    fn logits(&self) -> Tensor<2> {
        let states = self.gru.forward(self.input.clone(), None);
        let [batch, steps, hidden] = states.dims();
        let last = states.slice([0..batch, steps - 1..steps, 0..hidden]).reshape([batch, hidden]);
        self.head.forward(last)
    }

    fn step(&self) -> (Tensor<1>, Gradients) {
        let loss = self.loss.forward(self.logits(), self.labels.clone());
        let gradients = loss.backward();
        (loss, gradients)
    }

    /// All gradients by PyTorch's names, with their shapes there, as bytes.
    fn gradients(&self, gradients: &Gradients) -> Result<Vec<(String, Vec<usize>, Vec<u8>)>> {
        let gates = [&self.gru.reset_gate, &self.gru.update_gate, &self.gru.new_gate];
        let inputs: Vec<&Linear> = gates.iter().map(|gate| &gate.input_transform).collect();
        let recurrent: Vec<&Linear> = gates.iter().map(|gate| &gate.hidden_transform).collect();
        let mut tensors = Vec::new();
        let mut add = |name: String, tensor: Tensor<2>, shape: Option<Vec<usize>>| -> Result<()> {
            let shape = shape.unwrap_or(tensor.dims().to_vec());
            let bytes = values(tensor)?.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((name, shape, bytes));
            Ok(())
        };
        let all =
            [("levels.0.", "_ih_l0", inputs), ("levels.0.", "_hh_l0", recurrent), ("head.", "", vec![&self.head])];
        for (front, back, layers) in all {
            let (mut weights, mut biases) = (Vec::new(), Vec::new());
            for layer in layers {
                weights.push(layer.weight.val().grad(gradients).ok_or("no gradient")?.transpose());
                let bias = layer.bias.as_ref().ok_or("no bias")?;
                biases.push(bias.val().grad(gradients).ok_or("no gradient")?.unsqueeze::<2>());
            }
            let biases = Tensor::cat(biases, 1);
            let outputs = biases.dims()[1];
            add(format!("{front}weight{back}"), Tensor::cat(weights, 0), None)?;
            add(format!("{front}bias{back}"), biases, Some(vec![outputs]))?;
        }
        let input = self.input.grad(gradients).ok_or("no gradient")?;
        let [batch, steps, width] = input.dims();
        add("embedding.weight".into(), input.reshape([batch * steps, width]), None)?;
        Ok(tensors)
    }
}

/// The numbers of a tensor, read back.
fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_to_vec::<f32>().map_err(|error| format!("{error:?}").into())
}
