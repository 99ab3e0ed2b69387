#!/usr/bin/env python3
"""Microseconds of one step of a GRU in ONNX Runtime, called step by step with its state carried, on one thread.

    pip install numpy onnx onnxruntime
    python benches/peers/onnxruntime_stream.py 100000

Beside it: cargo run --release --example stream -- 100000 (D = 8, H = 50, a head of 3 classes, as here).
"""

import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

D, H, C = 8, 50, 3


def session(head: bool) -> ort.InferenceSession:
    rng = np.random.default_rng(1)
    weights = {"W": (1, 3 * H, D), "R": (1, 3 * H, H), "B": (1, 6 * H)} | ({"V": (H, C), "c": (C,)} if head else {})
    tensors = [onnx.numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name) for name, shape in weights.items()]
    nodes = [helper.make_node("GRU", ["x", "W", "R", "B", "", "h"], ["", "next"], hidden_size=H, linear_before_reset=1)]
    outputs = [helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 1, H])]
    if head:
        tensors.append(onnx.numpy_helper.from_array(np.array([1, H], np.int64), "flat"))
        nodes += [helper.make_node("Reshape", ["next", "flat"], ["state"]), helper.make_node("Gemm", ["state", "V", "c"], ["logits"])]
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, C]))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, D]), helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 1, H])]
    graph = helper.make_graph(nodes, "step", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    x = np.sin(np.arange(D, dtype=np.float32)).reshape(1, 1, D)
    for head, what in [(False, "to read a step"), (True, "to say something after it too")]:
        own = session(head)
        state = np.zeros((1, 1, H), np.float32)
        for _ in range(1000):
            state = own.run(None, {"x": x, "h": state})[0]
        begin = time.perf_counter()
        for _ in range(steps):
            state = own.run(None, {"x": x, "h": state})[0]
        print(f"ONNX Runtime {ort.__version__}: {1e6 * (time.perf_counter() - begin) / steps:.2f} µs {what}")

        # The same bound to fixed buffers, which spares Python most of its part.
        binding = own.io_binding()
        value = ort.OrtValue.ortvalue_from_numpy
        states = [value(np.zeros((1, 1, H), np.float32)) for _ in range(2)]
        given = value(x)
        begin = time.perf_counter()
        for at in range(steps):
            binding.bind_ortvalue_input("x", given)
            binding.bind_ortvalue_input("h", states[at % 2])
            binding.bind_ortvalue_output("next", states[1 - at % 2])
            if head:
                binding.bind_output("logits")
            own.run_with_iobinding(binding)
        print(f"  with bound buffers: {1e6 * (time.perf_counter() - begin) / steps:.2f} µs {what}")


if __name__ == "__main__":
    main()
