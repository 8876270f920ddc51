# Writes the goldens: what real PyTorch (1.13 or newer, on a CPU) computes for the tests. The files are committed; the tests need no Python.
#   npm ci && python3 test/golden/generate.py [ops ...]
# Or takes a state dict that @bms wrote back into PyTorch and compares names and bits:
#   python3 test/golden/generate.py --check FILE.safetensors
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import torch

torch.set_num_threads(1)
import exchange
import images
import init
import modules
import nan_inf
import objectives
import ops
import optimizers
import pth
import ring
import schedulers
import scores
import training

parts = {part.__name__: part.main for part in (ops, modules, optimizers, schedulers, init, training, ring, objectives, images, exchange, nan_inf, pth, scores)}

if sys.argv[1:2] == ['--check']:
    for path in sys.argv[2:]:
        exchange.check(path)
    sys.exit()
for name in sys.argv[1:] or parts:
    if name not in parts:
        sys.exit(f'unknown part {name!r}; known: {", ".join(parts)}')
    parts[name]()
