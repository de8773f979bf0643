"""How much a network asks for: an upper bound of the sizes of all its tensors and of its multiplications, found without running it.

Only the operators that our exporter writes are known, with the attributes that it gives them; all others are refused.
Definitions: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FLOAT = 1
"""ONNX's number of the type float32."""
LARGEST_STEP = 1 << 16
"""Frames that a kernel, a stride, a dilation or a padding may have at most; those of `best` have 512."""

Sizes = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: the sizes of its axes at most, and its values where it is a constant."""

    sizes: Sizes
    values: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Node:
    """One operation: what it is, the names of what it takes, "" for what is left out, and of what it gives, and its settings."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Demand:
    """What a network asks for in one window. values: of all its tensors together; multiplications: of its filters."""

    values: int
    multiplications: int


def demand_of(nodes: Iterable[Node], constants: Mapping[str, Tensor], inputs: Mapping[str, Sizes], *, most: int) -> Demand:
    """The demand of a network at inputs of these sizes. Raises ValueError for unknown operators, and for more than `most` values."""
    known = {"": Tensor(())} | dict(constants)
    for name, sizes in inputs.items():
        _name(known, name, Tensor(sizes))
    values = multiplications = 0
    for node in nodes:
        operator = OPERATORS.get(node.operator)
        if operator is None:
            raise ValueError(f"the operator {node.operator[:40]!r}, which our networks do not have")
        odd = node.attributes.keys() - operator.attributes
        if odd:
            raise ValueError(f"{node.operator} with the attribute {min(odd)[:40]!r}")
        missing = [name for name in node.inputs if name not in known]
        if missing or not operator.least <= len(node.inputs) <= operator.most:
            raise ValueError(f"{node.operator} of {', '.join(node.inputs)[:80] or 'nothing'}")
        tensors = [known[name] for name in node.inputs]
        made = operator.sizes(tensors, node.attributes)
        size = math.prod(made.sizes)
        for name in node.outputs:
            _name(known, name, made)
            values += size
        if values > most:
            raise ValueError(f"tensors of more than {most} values for one window")
        multiplications += size * operator.work(tensors, node.attributes)
    return Demand(values, multiplications)


def _name(known: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in known:
        raise ValueError(f"two tensors named {name[:40]!r}")
    known[name] = tensor


Attributes = Mapping[str, Any]
Rule = Callable[[Sequence[Tensor], Attributes], Tensor]


@dataclass(frozen=True)
class _Operator:
    """An operator that may be: the largest tensor it gives, its attributes, how many inputs it has, multiplications for each value."""

    sizes: Rule
    attributes: frozenset[str] = frozenset()
    least: int = 1
    most: int = 1
    work: Callable[[Sequence[Tensor], Attributes], int] = lambda _tensors, _attributes: 1


def _steps(attributes: Attributes, name: str, *, least: int, count: int) -> list[int]:
    """The attribute `name`, so many numbers from `least` on."""
    steps = attributes.get(name, [least] * count)
    if not isinstance(steps, list) or len(steps) != count or not all(least <= step <= LARGEST_STEP for step in steps):
        raise ValueError(f"{name} {str(steps)[:60]}")
    return steps


def _whole(attributes: Attributes, name: str, usual: int, allowed: range) -> int:
    value = attributes.get(name, usual)
    if not isinstance(value, int) or value not in allowed:
        raise ValueError(f"{name} {str(value)[:60]}")
    return value


def _axes_of(tensor: Tensor) -> Sizes:
    """The sizes of a signal, (windows, channels, frames)."""
    if len(tensor.sizes) != 3:
        raise ValueError(f"a signal of the shape {tensor.sizes}")
    return tensor.sizes


def _same(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    """Of the size of the first input, or smaller."""
    if "to" in attributes:
        _whole(attributes, "to", FLOAT, range(FLOAT, FLOAT + 1))
    return Tensor(tensors[0].sizes)


def _numbers(tensors: Sequence[Tensor], index: int, count: int | None = None) -> list[int]:
    """The whole numbers in the constant that is this input, so many where that is told."""
    values = tensors[index].values
    if values is None or values.ndim != 1 or values.dtype.kind != "i" or len(values) != (count or len(values)):
        raise ValueError("an operation by numbers that are not known beforehand")
    return [int(value) for value in values]


def _resized_axis(sizes: Sizes, axis: int, size: int) -> Tensor:
    if not -len(sizes) <= axis < len(sizes):
        raise ValueError(f"an axis {axis} of {len(sizes)}")
    axis %= len(sizes)
    return Tensor((*sizes[:axis], size, *sizes[axis + 1 :]))


def _reduced(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    """One value along one axis, which stays."""
    _whole(attributes, "keepdims", 1, range(1, 2))
    axes = attributes.get("axes") if len(tensors) == 1 else _numbers(tensors, 1)
    if not isinstance(axes, list) or len(axes) != 1:
        raise ValueError("a mean or a sum over other than one axis")
    return _resized_axis(tensors[0].sizes, axes[0], 1)


def _sliced(tensors: Sequence[Tensor], _attributes: Attributes) -> Tensor:
    """A part along one axis; what is counted from its end may be as large as the whole."""
    start, end, axis, step = (_numbers(tensors, index, 1)[0] for index in range(1, 5))
    if step != 1 or not -len(tensors[0].sizes) <= axis < len(tensors[0].sizes):
        raise ValueError(f"Slice of axis {axis} by {step}")
    size = tensors[0].sizes[axis]
    return _resized_axis(tensors[0].sizes, axis, len(range(*slice(start, end).indices(size))) if start >= 0 else size)


def _split(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    """Parts along one axis: the largest of them."""
    return _resized_axis(tensors[0].sizes, attributes.get("axis", 0), max(_numbers(tensors, 1), default=1))


def _broadcast(tensors: Sequence[Tensor], _attributes: Attributes) -> Tensor:
    """Each axis as long as the longer one, counted from the last."""
    rank = max(len(tensor.sizes) for tensor in tensors)
    padded = [(1,) * (rank - len(tensor.sizes)) + tensor.sizes for tensor in tensors]
    return Tensor(tuple(map(max, *padded)))


def _constant(_tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    value = attributes["value"]
    if not isinstance(value, Tensor):
        raise ValueError("a constant without values")  # noqa: TRY004
    return value


def _joined(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    axis = _whole(attributes, "axis", 0, range(len(tensors[0].sizes)))
    if len({len(tensor.sizes) for tensor in tensors}) > 1:
        raise ValueError("Concat of tensors of several ranks")
    return Tensor(tuple(sum(sizes) if n == axis else max(sizes) for n, sizes in enumerate(zip(*(t.sizes for t in tensors), strict=True))))


def _convolved(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    (windows, _, frames), (channels, _, _) = map(_axes_of, tensors[:2])
    _whole(attributes, "group", 1, range(1, 2))
    _steps(attributes, "dilations", least=1, count=1)
    _steps(attributes, "kernel_shape", least=1, count=1)
    padding = sum(_steps(attributes, "pads", least=0, count=2))
    return Tensor((windows, channels, (frames + padding) // _steps(attributes, "strides", least=1, count=1)[0] + 1))


def _transposed(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    (windows, _, frames), (_, channels, length) = map(_axes_of, tensors[:2])
    _whole(attributes, "group", 1, range(1, 2))
    _steps(attributes, "kernel_shape", least=1, count=1)
    _steps(attributes, "pads", least=0, count=2)
    (stride,), (dilation,) = (_steps(attributes, name, least=1, count=1) for name in ("strides", "dilations"))
    return Tensor((windows, channels, frames * stride + length * dilation))


def _filter_work(tensors: Sequence[Tensor], attributes: Attributes) -> int:
    """What a convolution multiplies for each value: a weight of each input channel and place of the kernel."""
    _, inputs, length = tensors[1].sizes
    return inputs * length


def _spread_work(tensors: Sequence[Tensor], attributes: Attributes) -> int:
    """What a transposed convolution multiplies for each value: every stride-th place of the kernel, of each input channel."""
    inputs, _, length = tensors[1].sizes
    return inputs * -(-length // int(attributes.get("strides", [1])[0]))


def _pooled(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    windows, channels, frames = _axes_of(tensors[0])
    _whole(attributes, "ceil_mode", 0, range(2))
    _steps(attributes, "kernel_shape", least=1, count=1)
    padding = sum(_steps(attributes, "pads", least=0, count=2))
    return Tensor((windows, channels, (frames + padding) // _steps(attributes, "strides", least=1, count=1)[0] + 1))


def _resized(tensors: Sequence[Tensor], _attributes: Attributes) -> Tensor:
    scales = tensors[2].values
    if scales is None or scales.shape != (3,) or not np.all((scales > 0) & (scales <= LARGEST_STEP)):
        raise ValueError("Resize by scales that are not known beforehand")
    return Tensor(tuple(math.ceil(size * float(scale)) for size, scale in zip(_axes_of(tensors[0]), scales, strict=True)))


_FILTER = frozenset({"dilations", "group", "kernel_shape", "pads", "strides"})
_POOL = frozenset({"ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"})
_RESIZE = frozenset({"coordinate_transformation_mode", "cubic_coeff_a", "mode", "nearest_mode"})

OPERATORS = {
    **dict.fromkeys(("Abs", "Sign"), _Operator(_same)),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), _Operator(_broadcast, least=2, most=2)),
    "AveragePool": _Operator(_pooled, _POOL, work=lambda _tensors, attributes: int(attributes["kernel_shape"][0])),
    "Cast": _Operator(_same, frozenset({"to"})),
    "Concat": _Operator(_joined, frozenset({"axis"}), most=64),
    "Constant": _Operator(_constant, frozenset({"value"}), least=0, most=0),
    "Conv": _Operator(_convolved, _FILTER, least=2, most=3, work=_filter_work),
    "ConvTranspose": _Operator(_transposed, _FILTER, least=2, most=3, work=_spread_work),
    "LeakyRelu": _Operator(_same, frozenset({"alpha"})),
    "ReduceMean": _Operator(_reduced, frozenset({"axes", "keepdims"})),
    "ReduceSum": _Operator(_reduced, frozenset({"keepdims"}), least=2, most=2),
    "Resize": _Operator(_resized, _RESIZE, least=3, most=3),
    "Slice": _Operator(_sliced, least=5, most=5),
    "Split": _Operator(_split, frozenset({"axis"}), least=2, most=2),
}
"""What `training/model/network.py` becomes when it is exported, by the names of ONNX's operators."""
