"""What a study came to, for Python and notebooks: tables as data frames, figures, the network to take.

What stays out: the numbers' meaning, which is `prunus.report`'s, and running trials, which is `prunus.sweep`'s.
"""

from prunus.results.results import FinalNetwork, Results, read_results, run

__all__ = ["FinalNetwork", "Results", "read_results", "run"]
