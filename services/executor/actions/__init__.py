"""One module per kind of action: the only code that changes workloads.

Each mutating module offers `address`, `observe`, `render` and `judge`, all pure; the shell
in `services.executor.effect` makes the one write.
"""
