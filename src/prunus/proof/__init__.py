"""Is the cut network the masked one, whichever way it is called?

What stays out: how it was cut. A proof is given two things that can be called, and compares what they return.
"""

from prunus.proof._variation import Variation, Way
from prunus.proof.outputs import random_like
from prunus.proof.proof import DifferenceError, Made, Proof
from prunus.proof.variations import values_to_compare, variations

__all__ = ["DifferenceError", "Made", "Proof", "Variation", "Way", "random_like", "values_to_compare", "variations"]
