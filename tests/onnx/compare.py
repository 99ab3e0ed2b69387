"""Runs the networks that `examples/onnx_cases.rs` wrote in ONNX Runtime, and compares what they tell with srnn's numbers.

    python tests/onnx/compare.py FOLDER [NAME...]

Each file is checked by ONNX itself, shapes included. Exits with 1 if a number is off by more than 1e-5, as a share of the largest one
where that is above 1.
"""

import json
import struct
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

ALLOWED = 1e-5
KINDS = {"F32": numpy.float32, "I64": numpy.int64}


def tensors(path):
    """Of a safetensors file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    header.pop("__metadata__", None)
    return {
        name: numpy.frombuffer(body[slice(*one["data_offsets"])], KINDS[one["dtype"]]).reshape(one["shape"])
        for name, one in header.items()
    }


def difference(path):
    """The largest one, of the whole batch and of each of its sequences alone."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    case = tensors(path.with_suffix(".safetensors"))
    expected = {name: case.pop(name) for name in ("logits", "probabilities")}
    largest = 0.0
    for rows in [slice(None), *(slice(row, row + 1) for row in range(len(case["lengths"])))]:
        told = session.run(list(expected), {name: value[rows] for name, value in case.items()})
        for (name, value), own in zip(expected.items(), told):
            if own.shape != value[rows].shape:
                return f"{name} {own.shape}, not {value[rows].shape}"
            off = numpy.abs(own - value[rows]) / max(1.0, numpy.abs(value).max())
            largest = max(largest, float(off.max() if numpy.isfinite(own).all() else numpy.inf))
    return largest


def main():
    folder, *names = sys.argv[1:]
    paths = sorted(Path(folder).glob("*.onnx"))
    print(f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}")
    wrong = 0
    for path in paths:
        if names and path.stem not in names:
            continue
        try:
            off = difference(path)
        except Exception as error:
            off = f"{type(error).__name__}: {error}"
        good = isinstance(off, float) and off <= ALLOWED
        wrong += not good
        print(f"{path.stem:<45} {off:.1e}" if good else f"{path.stem:<45} WRONG: {off}")
    print(f"{len(paths)} networks, {wrong} wrong")
    sys.exit(wrong > 0 or not paths)


if __name__ == "__main__":
    main()
