"""Evidence: what criteria look at beside the weights, each kind collected once for all layers.

To add a kind: a file with a function that collects it at once, or a class that gathers it while a network trains, and
one line here.

What stays out: scores. What is collected here is raw: gradients, inputs and their norms, shares of zeros.
"""

from prunus.prune.evidence.evidence import Collected, Gathering, Kind, collect
from prunus.prune.evidence.gradients import gradients, hessian_gradients, squared_gradients
from prunus.prune.evidence.inputs import input_means, input_norms
from prunus.prune.evidence.movement import WeightMovement
from prunus.prune.evidence.samples import Samples
from prunus.prune.evidence.synaptic_flow import synaptic_flow
from prunus.prune.evidence.zeros import ZeroShares
from prunus.registry import Registry

EVIDENCE: Registry[Kind] = Registry("evidence", Kind, instances=True)
EVIDENCE.register("gradients", Kind(gradients))
EVIDENCE.register("squared_gradients", Kind(squared_gradients))
EVIDENCE.register("hessian_gradients", Kind(hessian_gradients))
EVIDENCE.register("synaptic_flow", Kind(synaptic_flow, from_data=False))
EVIDENCE.register("input_norms", Kind(input_norms))
EVIDENCE.register("input_means", Kind(input_means))
EVIDENCE.register("movement", Kind(from_data=False, while_training=WeightMovement))
EVIDENCE.register("zero_shares", Kind(from_data=False, while_training=ZeroShares))

__all__ = ["EVIDENCE", "Collected", "Gathering", "Kind", "Samples", "collect"]
