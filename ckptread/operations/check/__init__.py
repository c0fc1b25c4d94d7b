"""Check that checkpoints obey rules.

- ``check``: the verb: options become rules, and each checkpoint is compared with the one before
- ``rules``: rules, from options and from a TOML file
- ``value_rules``: whether the values of a tensor obey a rule
- ``pair_rules``: whether pairs of tensors do; ``safety``: whether loading runs code
- ``rule_checker``: whether the tensors of one open checkpoint obey rules
- ``report``: how the results are shown
"""
