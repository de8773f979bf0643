"""Model files from anywhere: what is not just arithmetic of bounded size is refused in one line, before any file is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from conftest import CONTRACT, Run, calls, clipped, write_model
from fuzzing.models import MODEL_MUTATIONS
from onnx import TensorProto, helper, numpy_helper

from declipper import ModelError, Session
from declipper.engine.model_file import LARGEST_FILE, MOST_FIELDS, ModelFile
from declipper.engine.session import SHIPPED, shipped_model

Change = Callable[[onnx.ModelProto], object]
LARGEST = 2**31
WIDE, LONG = (100_000, 2, 1), (1, 2, 1)
CALLS_FOR_SHIPPED = 150_000
"""Calls of functions that looking through a shipped model may take: a twentieth of a second of work."""


def changed(path: Path, change: Change) -> Path:
    """A sound model, with a change."""
    model = onnx.load(write_model(path, (1.0, 1.3)))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def then(operator: str, *more: str, constants: tuple[onnx.TensorProto, ...] = (), **attributes: object) -> Change:
    """One operation more after those that there are."""

    def add(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "between"
        model.graph.node.append(helper.make_node(operator, ["between", *more], ["estimate"], **attributes))
        model.graph.initializer.extend(constants)

    return add


def often(count: int, operator: str, **attributes: object) -> Change:
    """Many operations of what comes before."""

    def add(model: onnx.ModelProto) -> None:
        for number in range(count):
            model.graph.node[-1].output[0] = f"between {number}"
            inputs = [f"between {number}"] * (2 if operator in ("Concat", "Add") else 1)
            inputs += ["kernel"] if operator.startswith("Conv") and operator != "Concat" else []
            model.graph.node.append(helper.make_node(operator, inputs, ["estimate"], **attributes))

    return add


def attribute(name: str, value: object) -> Change:
    return lambda model: model.graph.node[0].attribute.append(helper.make_attribute(name, value))


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/hostname")


def function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("ours", "Neg2", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], [helper.make_opsetid("", 17)])
    )


def branch(model: onnx.ModelProto) -> None:
    body = helper.make_graph(
        [helper.make_node("Neg", ["between"], ["turned"])], "b", [], [helper.make_tensor_value_info("turned", TensorProto.FLOAT, None)]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "on"))
    model.graph.node[-1].output[0] = "between"
    model.graph.node.append(helper.make_node("If", ["on"], ["estimate"], then_branch=body, else_branch=body))


def weights(values: np.ndarray) -> Change:
    return lambda model: model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "kernel"))


def end(index: int, *sizes: int | str, kind: int = TensorProto.FLOAT) -> Change:
    """Another type or shape of the input, 0, or the output, 1."""

    def change(model: onnx.ModelProto) -> None:
        place = (model.graph.input, model.graph.output)[index][0]
        place.CopyFrom(helper.make_tensor_value_info(place.name, kind, sizes))

    return change


def whole(values: object, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


CRAFTED: dict[str, Change] = {
    "an operator that is none of ours": then("Neg"),
    "doubles": then("Cast", to=TensorProto.DOUBLE),
    "an operator of another domain": lambda model: setattr(model.graph.node[0], "domain", "com.microsoft"),
    "a domain of operators": lambda model: model.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
    "no domain of operators": lambda model: model.ClearField("opset_import"),
    "another version of the operators": lambda model: setattr(model.opset_import[0], "version", 9),
    "a branch": branch,
    "a function": function,
    "weights in another file": external,
    "sparse weights": lambda model: model.graph.sparse_initializer.add(),
    "weights written another way": lambda model: model.graph.initializer[0].float_data.extend([1.0, 1.3]),
    "training": lambda model: model.training_info.add(),
    "no weights": lambda model: model.graph.ClearField("initializer"),
    "no network": lambda model: model.ClearField("graph"),
    "no operation": lambda model: model.graph.ClearField("node"),
    "no output": lambda model: model.graph.ClearField("output"),
    "two inputs": lambda model: model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 2, "frames"])),
    "two outputs": lambda model: model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, "frames"])),
    "an input that is no tensor": lambda model: model.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent(),
    "two operations of one name": lambda model: model.graph.node.append(model.graph.node[0]),
    "weights of two values": lambda model: model.graph.initializer.append(model.graph.initializer[0]),
    "metadata of two values": lambda model: model.metadata_props.append(model.metadata_props[0]),
    "an attribute of two values": lambda model: model.graph.node[0].attribute.append(model.graph.node[0].attribute[0]),
    "an operation of what is not there": lambda model: model.graph.node[0].input.append("nowhere"),
    "an operation of what is yet to come": lambda model: model.graph.node[0].input.append("estimate"),
    "an unknown attribute": attribute("auto_pad", "SAME_UPPER"),
    "no step": attribute("strides", [0]),
    "a step of ages": attribute("strides", [LARGEST]),
    "a backward step": attribute("strides", [-1]),
    "steps in two directions": attribute("strides", [1, 1]),
    "no groups": attribute("group", 0),
    "many groups": attribute("group", LARGEST),
    "endless padding": attribute("pads", [LARGEST, LARGEST]),
    "negative padding": attribute("pads", [-5, -5]),
    "endless dilation": attribute("dilations", [LARGEST]),
    "a kernel of another shape": attribute("kernel_shape", [LARGEST]),
    "a mean over everything": then("ReduceMean"),
    "a mean over an axis that is not there": then("ReduceMean", axes=[7]),
    "a mean that loses its axis": then("ReduceMean", axes=[1], keepdims=0),
    "a mean over time": then("ReduceMean", axes=[2]),
    "pooling without a kernel": then("AveragePool"),
    "pooling by zero": then("AveragePool", kernel_shape=[1], strides=[0]),
    "pooling of ages": then("AveragePool", kernel_shape=[LARGEST]),
    "more work than time": often(40, "AveragePool", kernel_shape=[1 << 16], pads=[1 << 15, (1 << 15) - 1]),
    "joined along an axis that is not there": then("Concat", axis=5),
    "twice the channels": then("Concat", "between", axis=1),
    "half the time": then("AveragePool", kernel_shape=[2], strides=[2]),
    "twice as long, thirty times": often(30, "Concat", axis=2),
    "stretched, thirty times": often(30, "ConvTranspose", strides=[1 << 15]),
    "two thousand sums": often(2000, "Add"),
    "made wide": weights(np.ones(WIDE, np.float32)),
    "made wide beside": then("Add", "wide", constants=(numpy_helper.from_array(np.ones((1, 1 << 20, 1), np.float32), "wide"),)),
    "resized to what is not known": then("Resize", "", "between"),
    "resized beyond bounds": then(
        "Resize", "", "scales", constants=(numpy_helper.from_array(np.array([1, 1, 1e9], np.float32), "scales"),), mode="nearest"
    ),
    "resized much": then(
        "Resize", "", "scales", constants=(numpy_helper.from_array(np.array([1, 1, 6e4], np.float32), "scales"),), mode="nearest"
    ),
    "resized backwards": then(
        "Resize", "", "scales", constants=(numpy_helper.from_array(np.array([1, 1, -1], np.float32), "scales"),), mode="nearest"
    ),
    "cut with what is not known": then("Slice", "between", "between", "between", "between"),
    "cut short": then("Slice", "a", "b", "c", "d", constants=(whole([0], "a"), whole([100], "b"), whole([2], "c"), whole([1], "d"))),
    "cut in no steps": then("Slice", "a", "b", "c", "d", constants=(whole([0], "a"), whole([9], "b"), whole([2], "c"), whole([0], "d"))),
    "split into too much": then("Split", "parts", constants=(whole([2], "parts"),), axis=1),
    "split backwards": then("Split", "parts", constants=(whole([-1], "parts"),), axis=1),
    "weights that are no numbers": weights(np.array([1, np.nan], np.float32).reshape(LONG)),
    "infinite weights": weights(np.array([1, -np.inf], np.float32).reshape(LONG)),
    "infinite half weights": weights(np.array([1, np.inf], np.float16).reshape(LONG)),
    "half weights": weights(np.array([1, 1.3], np.float16).reshape(LONG)),
    "double weights": weights(np.array([1, 1.3]).reshape(LONG)),
    "whole weights": weights(np.array([1, 2]).reshape(LONG)),
    "too many weights": weights(np.ones((1, 3, 1), np.float32)),
    "empty weights": weights(np.ones((1, 2, 0), np.float32)),
    "samples beyond what floats hold": then("Mul", "much", constants=(numpy_helper.from_array(np.array(3e38, np.float32), "much"),)),
    "weights that are cut off": lambda model: setattr(model.graph.initializer[0], "raw_data", b"\0\0\0\0"),
    "weights of a shape that is not": lambda model: model.graph.initializer[0].dims.append(1 << 62),
    "a bias": lambda model: (
        model.graph.node[0].input.append("bias"),
        model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), "bias")),
    ),
    "squares": then("Mul", "between"),
    "float16 in": end(0, 1, 2, "frames", kind=TensorProto.FLOAT16),
    "doubles in": end(0, 1, 2, "frames", kind=TensorProto.DOUBLE),
    "two windows in": end(0, 2, 2, "frames"),
    "any number of windows in": end(0, "batch", 2, "frames"),
    "three channels in": end(0, 1, 3, "frames"),
    "no axes in": end(0),
    "so many frames in": end(0, 1, 2, 4096),
    "more frames in than there are": end(0, 1, 2, LARGEST),
    "doubles out": end(1, 1, 1, "frames", kind=TensorProto.DOUBLE),
    "two channels out": end(1, 1, 2, "frames"),
}
"""What a graph may be that none of ours is."""

METADATA: dict[str, tuple[str, ...]] = {
    "window": ("", "0", "-1", "1", "511", "1024", "4095", "6144", str(LARGEST), "1" + "0" * 40, "1e9", "nan", "9" * 5000),
    "context": ("-1", "4096", "1800", str(LARGEST), ""),
    "fade": ("-1", "4096", "2049", str(LARGEST), "0.5"),
    "multiple": ("0", "-512", "3", "2048", "8192", str(LARGEST), ""),
    "training": ("", "[]", "3", "{", "[" * 1200, "[" * 100_000, '{"a":' * 50_000, '"' + "x" * 70_000 + '"'),
    "name": ("", "a\nb", "x" * 1000, "\x1b[31m"),
    "experts": ("", "tubes", "best"),
    "fingerprint": ("", "0"),
    "contract": ("", "2", "99"),
}
"""What must not stand in the metadata."""


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED)
def test_what_our_exporter_does_not_write_is_refused(tmp_path: Path, change: Change) -> None:
    path = changed(tmp_path / "model.onnx", change)
    with pytest.raises(ModelError) as refused:
        Session(path, "cpu")
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in METADATA.items() for value in values], ids=lambda text: text[:20]
)
def test_metadata_that_cannot_be_are_refused(tmp_path: Path, key: str, value: str) -> None:
    path = write_model(tmp_path / "model.onnx", (1.0, 1.3), CONTRACT | {f"declipper.{key}": value})
    with pytest.raises(ModelError) as refused:
        Session(path, "cpu")
    assert len(str(refused.value)) < 600 + len(str(path))


@pytest.mark.parametrize("kind", MODEL_MUTATIONS)
def test_damaged_models_are_refused_or_run(tmp_path: Path, kind: str) -> None:
    sound = write_model(tmp_path / "model.onnx", (1.0, 1.3)).read_bytes()
    path, refused = tmp_path / "damaged.onnx", 0
    for seed in range(60):
        path.write_bytes(MODEL_MUTATIONS[kind](sound, np.random.default_rng(seed)))
        try:
            session = Session(path, "cpu")
        except ModelError:
            refused += 1
            continue
        assert np.isfinite(session.estimate(np.ones((2, 4096), np.float32))).all()
    assert refused > 20


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    for path, reason in (
        (tmp_path / "pipe", "is no file but"),
        (Path("/dev/zero"), "is no file but"),
        (tmp_path, "is no file but"),
        (tmp_path / "large", "is larger than 64 MiB"),
        (tmp_path / "not\0a name", "cannot read"),
    ):
        with pytest.raises(ModelError, match=reason):
            Session(path, "cpu")


def test_endless_fields_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "many.onnx"
    path.write_bytes(b"\x42\x00" * 2_000_000)

    def refused() -> None:
        with pytest.raises(ModelError, match="more fields than any of ours has"):
            ModelFile.read(path)

    assert calls(refused) < 40 * MOST_FIELDS


def test_exit_code_and_one_line_before_any_file_is_touched(tmp_path: Path, run: Run) -> None:
    soundfile.write(tmp_path / "in.wav", clipped(4000), 44100)
    for change in (then("Neg"), weights(np.array([1, np.nan], np.float32).reshape(LONG)), then("Mul", "between")):
        model = changed(tmp_path / "model.onnx", change)
        done = run("fix", tmp_path / "in.wav", "-o", tmp_path / "out.wav", "--model", model)
        assert done.code == 2
        assert str(model) in done.error_line
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "model.onnx"]


def test_a_model_that_fails_later_fails_in_one_line(tmp_path: Path) -> None:
    """Frames that only some lengths have cut off: the probe does not see it."""
    cut = (whole([0], "a"), whole([3000], "b"), whole([2], "c"), whole([1], "d"))
    session = Session(changed(tmp_path / "short.onnx", then("Slice", "a", "b", "c", "d", constants=cut)), "cpu")
    with pytest.raises(ModelError, match=r"makes \(1, 1, 3000\) of 4096 frames"):
        session.estimate(np.ones((2, 4096), np.float32))
    with pytest.raises(ModelError, match="fails on 4096 frames"):
        session.estimate(np.ones((3, 4096), np.float32))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_looked_through_at_once(name: str) -> None:
    session = Session(name, "cpu")
    looked = calls(lambda: ModelFile.read(shipped_model(name)).check_graph(session.inputs, session.info.windows.window))
    assert looked < CALLS_FOR_SHIPPED
