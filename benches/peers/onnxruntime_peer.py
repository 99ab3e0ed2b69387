"""ONNX Runtime on the CPU as a contender of compare.py, for inference.

    python onnxruntime_peer.py VARIANT THREADS

Variants, of the same network with the same weights, out of Gather and GRU operators:

    padded    tokens padded in front, all steps
    compact   only slices that hold a token, with their number of steps as sequence_lens
"""

import sys

import numpy as np
from protocol import Missing, level_steps, padded, serve
from safetensors.numpy import load_file

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    missing = error.name
else:
    missing = None


def gru(level, width, *sizes):
    weights = [f"{name}{level}" for name in ("x", "W", "R", "B")]
    return helper.make_node("GRU", [*weights, *sizes], ["", f"h{level}"], hidden_size=width, linear_before_reset=1)


def padded_graph(steps, width):
    """The nodes from `tokens [B, T]` to the last state. Rows are ordered (place in the merge, …, sequence), so that the
    states of one level are the steps of the next without a transposition."""
    merges = steps[1:]
    axes = len(merges) + 2
    nodes, constants = [], {}

    def node(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))

    def reshape(x, shape, output):
        constants[f"{output}.shape"] = np.array(shape, np.int64)
        node("Reshape", [x, f"{output}.shape"], output)

    reshape("tokens", [-1, *reversed(merges), steps[0]], "slices")
    node("Transpose", ["slices"], "steps", perm=list(reversed(range(axes))))
    reshape("steps", [steps[0], -1], "rows")
    node("Gather", ["embedding.weight", "rows"], "x0")
    for level in range(len(steps)):
        if level > 0:
            reshape(f"h{level - 1}", [steps[level], -1, width], f"x{level}")
        nodes.append(gru(level, width))
    return nodes, constants, {"tokens": [None, None]}


def compact_graph(steps, width):
    """The nodes from `index.P [steps, rows]` and `sizes.P [rows]` of every level to the last state."""
    nodes, inputs = [], {}
    for level in range(len(steps)):
        below = "embedding.weight" if level == 0 else f"states{level - 1}"
        nodes.append(helper.make_node("Gather", [below, f"index.{level}"], [f"x{level}"]))
        nodes.append(gru(level, width, f"sizes.{level}"))
        nodes.append(helper.make_node("Squeeze", [f"h{level}", "first"], [f"states{level}"]))
        inputs |= {f"index.{level}": [None, None], f"sizes.{level}": [None]}
    return nodes, {"first": np.array([0], np.int64)}, inputs


def compact_inputs(tokens, lengths, steps):
    inputs, values, lengths = {}, tokens.astype(np.int64), lengths.astype(np.int64)
    for level, most in enumerate(steps):
        rows = -(-lengths // most)
        sizes = np.full(rows.sum(), most)
        sizes[np.cumsum(rows) - rows] = lengths - (rows - 1) * most  # the first slice holds what is over
        starts = np.cumsum(sizes) - sizes
        index = np.minimum(starts + np.arange(sizes.max())[:, None], len(values) - 1)
        inputs |= {f"index.{level}": values[index], f"sizes.{level}": sizes.astype(np.int32)}
        values, lengths = np.arange(len(sizes)), rows
    return inputs


class Peer:
    def __init__(self, variant, threads):
        self.variant, self.threads = variant, int(threads)

    def load(self, config, file):
        if missing:
            raise Missing(f"{missing}: pip install onnx onnxruntime")
        tensors = load_file(file)
        steps, hidden = level_steps(config), config["hidden"]
        graph = padded_graph if self.variant == "padded" else compact_graph
        nodes, constants, inputs = graph(steps, hidden)
        for level in range(len(steps)):
            name = f"levels.{level}"
            gates = {kind: tensors[f"{name}.{kind}_l0"].reshape(3, hidden, -1)[[1, 0, 2]]  # r, z, n to z, r, n
                     for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
            constants[f"W{level}"] = gates["weight_ih"].reshape(1, 3 * hidden, -1)
            constants[f"R{level}"] = gates["weight_hh"].reshape(1, 3 * hidden, -1)
            constants[f"B{level}"] = np.concatenate([gates["bias_ih"], gates["bias_hh"]]).reshape(1, -1)
        for name in ("embedding.weight", "head.weight", "head.bias"):
            constants[name] = tensors[name]
        constants["flat"] = np.array([-1, hidden], np.int64)
        nodes += [helper.make_node("Reshape", [f"h{len(steps) - 1}", "flat"], ["state"]),
                  helper.make_node("Gemm", ["state", "head.weight", "head.bias"], ["logits"], transB=1)]
        types = {name: TensorProto.INT32 if name.startswith("sizes") else TensorProto.INT64 for name in inputs}
        graph = helper.make_graph(
            nodes, "srnn",
            [helper.make_tensor_value_info(name, types[name], shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, None])],
            [numpy_helper.from_array(np.ascontiguousarray(one), name) for name, one in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        self.batches = []
        while (tokens := tensors.get(f"tokens.{len(self.batches)}")) is not None:
            lengths = tensors[f"lengths.{len(self.batches)}"]
            if self.variant == "padded":
                self.batches.append({"tokens": padded(tokens, lengths, config["length"])})
            else:
                self.batches.append(compact_inputs(tokens, lengths, steps))
        return {"device": f"CPU, {self.threads} threads", "version": onnxruntime.__version__}

    def infer(self, batch):
        return self.session.run(["logits"], self.batches[batch % len(self.batches)])[0]

    def check(self, batch, gradients=None):
        return {"logits": self.infer(batch).flatten().tolist()}


if __name__ == "__main__":
    serve(Peer(*sys.argv[1:3]))
