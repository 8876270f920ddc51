#!/usr/bin/env python3
"""PyTorch on the CPU, eager, beside mlp.mjs, conv.mjs and dcgan.mjs: the same work. Speaks as serve.mjs does. Argument: threads, default 2."""
import json
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)


def mlp():
    net = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    x, y = torch.randn(512, 2), torch.randn(512, 1)

    def step():
        optimiser.zero_grad(set_to_none=True)
        F.mse_loss(net(x), y).backward()
        optimiser.step()

    return step


def dcgan(batch=16):
    down = lambda i, o: [nn.Conv2d(i, o, 4, 2, 1), nn.LeakyReLU(0.2)]
    up = lambda i, o: [nn.ConvTranspose2d(i, o, 4, 2, 1), nn.BatchNorm2d(o), nn.ReLU()]
    G = nn.Sequential(
        nn.Linear(100, 4096), nn.Unflatten(1, (256, 4, 4)), nn.BatchNorm2d(256), nn.ReLU(), *up(256, 128), *up(128, 64), nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Tanh())
    D = nn.Sequential(*down(3, 64), *down(64, 128), *down(128, 256), nn.Conv2d(256, 1, 4))
    adam = lambda net: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.9))
    for_g, for_d, x = adam(G), adam(D), torch.rand(batch, 3, 32, 32) * 2 - 1

    def step():
        with torch.no_grad():
            fake = G(torch.randn(batch, 100))
        for_d.zero_grad(set_to_none=True)
        (F.relu(1 - D(x)).mean() + F.relu(1 + D(fake)).mean()).backward()
        for_d.step()
        for_g.zero_grad(set_to_none=True)
        (-D(G(torch.randn(batch, 100))).mean()).backward()
        for_g.step()

    return step


def convolution(work, s):
    out = s['side'] // s['stride']
    x, w = torch.randn(s['batch'], s['from'], s['side'], s['side']), torch.randn(s['to'], s['from'], s['kernel'], s['kernel'])
    g, options = torch.randn(s['batch'], s['to'], out, out), {'stride': s['stride'], 'padding': 1}
    return {
        'forward': lambda: F.conv2d(x, w, **options),
        'input gradient': lambda: torch.nn.grad.conv2d_input(x.shape, w, g, **options),
        'weight gradient': lambda: torch.nn.grad.conv2d_weight(x, w.shape, g, **options),
    }[work]


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../conv-sizes.json')) as f:
    sizes = json.load(f)
works = {'mlp': mlp, 'dcgan': dcgan}
for i, size in enumerate(sizes):
    for work in ('forward', 'input gradient', 'weight gradient'):
        works[f'{work} {i}'] = lambda work=work, size=size: convolution(work, size)

ready = {}
print(f'ready torch {torch.__version__} CPU', flush=True)
for line in sys.stdin:
    work, count = line.rsplit(' ', 1)
    if work not in ready:
        ready[work] = works[work]()
        for _ in range(3):
            ready[work]()
    start = time.perf_counter()
    for _ in range(int(count)):
        ready[work]()
    print((time.perf_counter() - start) * 1e3 / int(count), flush=True)
