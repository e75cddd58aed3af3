"""Small programs to pack."""

import numpy as np

from prunus.sparse.plan import ExecutionPlan, OnnxPart, Port
from prunus.sparse.program import Convolution, Elementwise, FusedActivation, Linear, Mean, Program, Reshape


def weights(*shape, density=0.1, seed=0):
    """Like those of a trained network: nearly normal, small, pruned by magnitude."""
    generator = np.random.default_rng(seed)
    dense = (generator.standard_normal(shape) * generator.gamma(2, 0.02, (shape[0], *[1] * (len(shape) - 1)))).astype(
        np.float32
    )
    limit = np.quantile(np.abs(dense), 1 - density)
    return np.where(np.abs(dense) >= limit, dense, np.float32(0)).astype(np.float32)


def small_plan(batch=2, density=0.3):
    """Convolution, mean, linear layer."""
    constants = {
        "w": weights(8, 3, 3, 3, density=density),
        "b": weights(8, density=1),
        "rows": weights(5, 8, density=density, seed=1),
    }
    operations = (
        Convolution(output="c", input="x", weight="w", bias="b", activation=FusedActivation("relu")),
        Elementwise(output="k", input="c", activation=FusedActivation("clip", -np.inf, 3.0)),
        Mean(output="m", input="k", axes=(2, 3), keep=True),
        Reshape(output="f", input="m", shape=(batch, 8)),
        Linear(output="y", input="f", weight="rows"),
    )
    program = Program({"x": (batch, 3, 6, 6)}, operations, ("y",), constants)
    return ExecutionPlan((Port("x", "float32", (batch, 3, 6, 6)),), ("y",), (program,))


def with_onnx_part(plan, part: OnnxPart):
    return ExecutionPlan(plan.inputs, (*plan.outputs, *part.outputs), (*plan.parts, part))
