# Writes the goldens: what real PyTorch (1.13 or newer, on a CPU) computes for the tests. The files are committed; the tests need no Python.
#   npm ci && python3 test/golden/generate.py [ops ...]
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import torch

torch.set_num_threads(1)
import init
import modules
import ops
import optimizers
import schedulers

parts = {part.__name__: part.main for part in (ops, modules, optimizers, schedulers, init)}

for name in sys.argv[1:] or parts:
    if name not in parts:
        sys.exit(f'unknown part {name!r}; known: {", ".join(parts)}')
    parts[name]()
