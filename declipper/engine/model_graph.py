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


def _axes_of(tensor: Tensor) -> tuple[int, int, Sizes]:
    """Of a signal, (windows, channels, frames), or of spectra, (windows, channels, frames, bins): windows, channels, and the rest."""
    if len(tensor.sizes) not in (3, 4):
        raise ValueError(f"a signal or spectra of the shape {tensor.sizes}")
    windows, channels, *places = tensor.sizes
    return windows, channels, tuple(places)


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
    """One value along one axis, which stays unless the operation says otherwise."""
    axes = attributes.get("axes") if len(tensors) == 1 else _numbers(tensors, 1)
    if not isinstance(axes, list) or len(axes) != 1:
        raise ValueError("a mean or a sum over other than one axis")
    sizes = _resized_axis(tensors[0].sizes, axes[0], 1).sizes
    return Tensor(sizes if _whole(attributes, "keepdims", 1, range(2)) else (*sizes[: axes[0]], *sizes[axes[0] :][1:]))


def _sliced(tensors: Sequence[Tensor], _attributes: Attributes) -> Tensor:
    """A part along one axis. From a place counted from its end to one counted from its beginning, it may be as large as the whole."""
    start, end, axis, step = (_numbers(tensors, index, 1)[0] if index < len(tensors) else 1 for index in range(1, 5))
    if step != 1 or not -len(tensors[0].sizes) <= axis < len(tensors[0].sizes):
        raise ValueError(f"Slice of axis {axis} by {step}")
    sizes, size = tensors[0].sizes, tensors[0].sizes[axis]
    return _resized_axis(sizes, axis, size if start < 0 <= end < size else len(range(*slice(start, end).indices(size))))


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
    (windows, _, places), (channels, _, _) = map(_axes_of, tensors[:2])
    _whole(attributes, "group", 1, range(1, 2))
    return Tensor((windows, channels, *_strided(places, attributes)))


def _strided(places: Sizes, attributes: Attributes) -> Sizes:
    """Where the kernel can lie in these, with what is padded."""
    count = len(places)
    pads = _steps(attributes, "pads", least=0, count=2 * count)
    steps, spread, kernel = (_steps(attributes, name, least=1, count=count) for name in ("strides", "dilations", "kernel_shape"))
    wide = [sum(sizes) for sizes in zip(places, pads[:count], pads[count:], strict=True)]
    return tuple(max(0, n - d * (k - 1) - 1) // step + 1 for n, d, k, step in zip(wide, spread, kernel, steps, strict=True))


def _transposed(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    (windows, _, places), (_, channels, kernel) = map(_axes_of, tensors[:2])
    _whole(attributes, "group", 1, range(1, 2))
    _steps(attributes, "kernel_shape", least=1, count=len(kernel))
    _steps(attributes, "pads", least=0, count=2 * len(kernel))
    strides, dilations = (_steps(attributes, name, least=1, count=len(kernel)) for name in ("strides", "dilations"))
    wide = (n * step + length * dilation for n, step, length, dilation in zip(places, strides, kernel, dilations, strict=True))
    return Tensor((windows, channels, *wide))


def _filter_work(tensors: Sequence[Tensor], attributes: Attributes) -> int:
    """What a convolution multiplies for each value: a weight of each input channel and place of the kernel."""
    return math.prod(tensors[1].sizes[1:])


def _spread_work(tensors: Sequence[Tensor], attributes: Attributes) -> int:
    """What a transposed convolution multiplies for each value: every stride-th place of the kernel, of each input channel."""
    inputs, _, kernel = _axes_of(tensors[1])
    strides = attributes.get("strides", [1] * len(kernel))
    return inputs * math.prod(-(-length // int(step)) for length, step in zip(kernel, strides, strict=True))


def _pooled(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    windows, channels, places = _axes_of(tensors[0])
    _whole(attributes, "ceil_mode", 0, range(1))
    return Tensor((windows, channels, *_strided(places, attributes)))


def _resized(tensors: Sequence[Tensor], _attributes: Attributes) -> Tensor:
    sizes, scales = tensors[0].sizes, tensors[2].values
    _axes_of(tensors[0])
    if scales is None or scales.shape != (len(sizes),) or not np.all((scales > 0) & (scales <= LARGEST_STEP)):
        raise ValueError("Resize by scales that are not known beforehand")
    return Tensor(tuple(math.ceil(size * float(scale)) for size, scale in zip(sizes, scales, strict=True)))


def _folded(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    """The same values along other axes; -1 stands for as many as there are left, at most."""
    _whole(attributes, "allowzero", 0, range(1))
    wanted = _numbers(tensors, 1)
    if wanted.count(-1) > 1 or min(wanted, default=1) < -1 or 0 in wanted:
        raise ValueError(f"Reshape to {str(wanted)[:60]}")
    left = -(-math.prod(tensors[0].sizes) // -math.prod(wanted)) if -1 in wanted else 1
    return Tensor(tuple(left if size == -1 else size for size in wanted))


def _turned(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    """Axes in another order."""
    order = attributes.get("perm")
    if not isinstance(order, list) or sorted(order) != list(range(len(tensors[0].sizes))):
        raise ValueError(f"Transpose to {str(order)[:60]}")
    return Tensor(tuple(tensors[0].sizes[axis] for axis in order))


def _widened(tensors: Sequence[Tensor], _attributes: Attributes) -> Tensor:
    """An axis of one value more."""
    sizes, (axis,) = tensors[0].sizes, _numbers(tensors, 1, 1)
    if not -len(sizes) <= axis <= len(sizes):
        raise ValueError(f"an axis {axis} beside {len(sizes)}")
    axis %= len(sizes) + 1
    return Tensor((*sizes[:axis], 1, *sizes[axis:]))


def _multiplied(tensors: Sequence[Tensor], attributes: Attributes) -> Tensor:
    """Matrices along the last two axes."""
    left, right = (tensor.sizes for tensor in tensors)
    if min(len(left), len(right)) < 2:
        raise ValueError("MatMul of what are no matrices")
    outer = _broadcast([Tensor(left[:-2]), Tensor(right[:-2])], attributes).sizes
    return Tensor((*outer, left[-2], right[-1]))


_FILTER = frozenset({"dilations", "group", "kernel_shape", "pads", "strides"})
_POOL = frozenset({"ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"})
_RESIZE = frozenset({"coordinate_transformation_mode", "cubic_coeff_a", "mode", "nearest_mode"})

OPERATORS = {
    **dict.fromkeys(("Abs", "Log", "Relu", "Sign", "Sqrt"), _Operator(_same)),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), _Operator(_broadcast, least=2, most=2)),
    "AveragePool": _Operator(_pooled, _POOL, work=lambda _tensors, attributes: math.prod(attributes["kernel_shape"])),
    "Cast": _Operator(_same, frozenset({"to"})),
    "Concat": _Operator(_joined, frozenset({"axis"}), most=64),
    "Constant": _Operator(_constant, frozenset({"value"}), least=0, most=0),
    "Conv": _Operator(_convolved, _FILTER, least=2, most=3, work=_filter_work),
    "ConvTranspose": _Operator(_transposed, _FILTER, least=2, most=3, work=_spread_work),
    "LeakyRelu": _Operator(_same, frozenset({"alpha"})),
    "MatMul": _Operator(_multiplied, least=2, most=2, work=lambda tensors, _attributes: tensors[0].sizes[-1]),
    "ReduceMean": _Operator(_reduced, frozenset({"axes", "keepdims"})),
    "ReduceSum": _Operator(_reduced, frozenset({"keepdims"}), least=2, most=2),
    "Reshape": _Operator(_folded, frozenset({"allowzero"}), least=2, most=2),
    "Resize": _Operator(_resized, _RESIZE, least=3, most=3),
    "Slice": _Operator(_sliced, least=4, most=5),
    "Split": _Operator(_split, frozenset({"axis"}), least=2, most=2),
    "Transpose": _Operator(_turned, frozenset({"perm"})),
    "Unsqueeze": _Operator(_widened, least=2, most=2),
}
"""What the networks of `training/model` become when they are exported, by the names of ONNX's operators."""
