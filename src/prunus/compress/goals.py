"""What is to become less: the time of one run, the bytes of a file, or the MACs; predicted for widths, and observed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from prunus.channels.cost_model import cost_model_of
from prunus.compress.costs import Costs, CountedCosts, weight_sizes
from prunus.compress.timing import Cut, Tell, measure_costs
from prunus.compress.widths import GroupWidths
from prunus.cost import count_cost
from prunus.measure import NetworkFiles, runtime_of, write_for
from prunus.measure.stopwatch import Place, Stopwatch


class Goal(ABC):
    """A cost that is to become less.

    name: as targets are called. whole: what the unpruned network costs. costs: predicted at given widths.
    """

    name: str
    whole: float
    costs: Costs

    @abstractmethod
    def of(self, network: nn.Module) -> float:
        """What a network costs: measured, written or counted."""

    @abstractmethod
    def text(self, amount: float) -> str:
        """An amount in words."""


class Latency(Goal):
    """Milliseconds of one run, where the stopwatch runs it."""

    name = "latency_ms"

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        groups: Sequence[GroupWidths],
        cut: Cut,
        watch: Stopwatch,
        tell: Tell,
        seconds: float,
    ) -> None:
        self._watch = watch
        self.costs = measure_costs(model, inputs, groups, cut, watch, tell, seconds)

    @property
    def whole(self) -> float:  # type: ignore[override]
        """What the unpruned network takes, over all rounds so far."""
        return self._watch.unpruned_ms

    def of(self, network: nn.Module) -> float:
        """Timed beside the unpruned one."""
        return self._watch.steady_ms(network)

    def text(self, amount: float) -> str:
        """Such as `1.25 ms`."""
        return f"{amount:.3g} ms"


class Size(Goal):
    """Bytes of the file that a runtime takes."""

    name = "bytes"

    def __init__(self, model: nn.Module, inputs: Any, groups: Sequence[GroupWidths], place: Place) -> None:
        self._inputs, self._place = inputs, place
        self.whole = self.of(model)
        sizes = weight_sizes(model, groups)
        widths = {name: float(parameter.element_size()) for name, parameter in model.named_parameters()}
        held = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        self.costs = CountedCosts(sizes, widths, self.whole - held)

    def of(self, network: nn.Module) -> float:
        """Written, and looked at."""
        with TemporaryDirectory(prefix="prunus-size-") as folder:
            files = NetworkFiles(network, self._inputs, Path(folder), batch_sizes=(self._place.batch_size,))
            write_for(self._place.runtime, files)
            return float(files.written[runtime_of(self._place.runtime).file_format].size_bytes)

    def text(self, amount: float) -> str:
        """Such as `125,000 bytes`."""
        return f"{amount:,.0f} bytes"


class Macs(Goal):
    """Multiply-accumulates for one input."""

    name = "macs"

    def __init__(self, model: nn.Module, inputs: Any, groups: Sequence[GroupWidths]) -> None:
        self._inputs = inputs
        model_of = cost_model_of(model, inputs, "macs")
        self.whole = self.of(model)
        priced = CountedCosts(weight_sizes(model, groups), model_of.per_weight)
        self.costs = CountedCosts(priced.sizes, priced.per_element, self.whole - priced.total({}))

    def of(self, network: nn.Module) -> float:
        """Counted."""
        return float(count_cost(network, self._inputs).dense_macs)

    def text(self, amount: float) -> str:
        """Such as `1,250,000 MACs`."""
        return f"{amount:,.0f} MACs"
