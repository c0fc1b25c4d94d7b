"""Check that checkpoints obey rules.

- ``check``: the verb: options become rules, and each checkpoint is compared with the one before
- ``rules``: rules, from options and from a TOML file
- ``rule_checker``: whether the tensors of one open checkpoint obey rules
- ``report``: how the results are shown
"""
