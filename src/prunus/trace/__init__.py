"""From a model and example inputs to the graph of its operations; the model is never changed.

What stays out: what the operations do to channels (`prunus.ops`), and any decision about pruning.
"""

from prunus.trace.trace import trace

__all__ = ["trace"]
