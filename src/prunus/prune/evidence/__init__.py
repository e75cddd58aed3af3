"""Evidence: what criteria look at beside the weights, each kind collected once for all layers.

To add a kind: a file with a function `collect`, and one line here.
"""

from prunus.prune.evidence.evidence import Collected, Kind, collect
from prunus.prune.evidence.gradients import gradients
from prunus.prune.evidence.hessian_gradients import hessian_gradients
from prunus.prune.evidence.inputs import input_means, input_norms
from prunus.prune.evidence.samples import Samples
from prunus.prune.evidence.squared_gradients import squared_gradients
from prunus.prune.evidence.synaptic_flow import synaptic_flow
from prunus.registry import Registry

EVIDENCE: Registry[Kind] = Registry("evidence")
EVIDENCE.register("gradients", Kind(gradients))
EVIDENCE.register("squared_gradients", Kind(squared_gradients))
EVIDENCE.register("hessian_gradients", Kind(hessian_gradients))
EVIDENCE.register("synaptic_flow", Kind(synaptic_flow, from_data=False))
EVIDENCE.register("input_norms", Kind(input_norms))
EVIDENCE.register("input_means", Kind(input_means))
EVIDENCE.register("movement", Kind(None, from_data=False))

__all__ = ["EVIDENCE", "Collected", "Kind", "Samples", "collect"]
