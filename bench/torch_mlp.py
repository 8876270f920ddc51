#!/usr/bin/env python3
"""PyTorch's side of mlp.mjs: the same step, eager, on the CPU. Prints the median milliseconds of a step, round by round on request (one line of input a round)."""
import statistics, sys, time
import torch
from torch import nn

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
net = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
x, y = torch.randn(512, 2), torch.randn(512, 1)


def step():
    optimiser.zero_grad(set_to_none=True)
    nn.functional.mse_loss(net(x), y).backward()
    optimiser.step()


for _ in range(10):
    step()
print(f"ready torch {torch.__version__}", flush=True)
for line in sys.stdin:
    ms = []
    for _ in range(int(line)):
        start = time.perf_counter()
        step()
        ms.append((time.perf_counter() - start) * 1e3)
    print(statistics.median(ms), flush=True)
