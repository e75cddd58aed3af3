"""Running the zeros: networks whose pruned weights are not computed, from programs of statically shaped tensors."""
