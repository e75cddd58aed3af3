"""Running a study: its trials, in processes of their own, and after them the measurements of their networks.

The coordinator hands out trials, hears of them and alone writes the store; an executor starts processes; one trial
goes from start to end in `trial`. How a trial can be interrupted anywhere and end with the same bits is settled here.

What stays out: how a network is trained, pruned, counted or timed (lower packages), and what results mean (`report`).
"""
