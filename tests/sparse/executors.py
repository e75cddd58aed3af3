"""What runs a program in tests: the float64 reference, and the native engine where it was built."""

import numpy as np
import pytest

from prunus.sparse.native import missing, prepare
from prunus.sparse.plan import OperationTiming
from sparse.reference import Reference


class ReferenceExecutor(Reference):
    """The reference as an executor: it returns fp32 and takes no time."""

    def run(self, inputs):
        return [array.astype(np.float32) for array in super().run(inputs)]

    def choices(self):
        return {operation.output: "reference" for operation in self.program.operations}

    def timings(self, inputs, runs):
        return [
            OperationTiming(output=operation.output, kernel="reference", ms=0.5, macs=100, nonzero_macs=25)
            for operation in self.program.operations
        ]


def reference(program, threads, choices=None):
    return ReferenceExecutor(program)


EXECUTORS = [
    pytest.param(reference, id="reference"),
    pytest.param(prepare, id="native", marks=pytest.mark.skipif(missing() is not None, reason=str(missing()))),
]
