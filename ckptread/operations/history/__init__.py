"""Follow the weights of a model through a training run.

- ``history``: the verb
- ``steps``: the checkpoints of a run, in the order of its steps
- ``follow_steps``: norms, changes and NaN, step by step
- ``report``: how the steps are shown; ``wide_table``: as layers by steps
"""
