# Files that go between PyTorch and @bms: one of every dtype; a trained state dict as PyTorch's users save it, and the bytes that @bms is to make of it.
# `generate.py --check FILE` takes such bytes back into PyTorch.
import math
import os
import sys
from collections import OrderedDict

import torch
import torch.nn as nn
from torch.nn.utils.parametrizations import spectral_norm

from files import encode, here, read, save


def every_dtype():
    tensors = {
        'f64': torch.tensor([math.pi, -1e30], dtype=torch.float64), 'i64': torch.tensor([[1, -2], [2**31 - 1, -(2**31)]]),
        'f32': torch.tensor([1.5, float('inf'), -0.0]), 'i32': torch.tensor([-7], dtype=torch.int32),
        'bf16': torch.tensor([1.0, -2.5, 3.140625], dtype=torch.bfloat16), 'f16': torch.tensor([0.1, 65504.0, -6e-8], dtype=torch.float16),
        'i16': torch.tensor([-300, 300], dtype=torch.int16), 'u8': torch.tensor([0, 255, 7], dtype=torch.uint8), 'bool': torch.tensor([True, False, True]),
        'scalar': torch.tensor(2.0), 'empty': torch.zeros(0, 3),
    }
    save('dtypes.safetensors', encode(tensors, {'format': 'pt', 'ü': '☃'}))


def architecture():
    """As in test/everywhere/state-dict.test.ts."""
    return nn.Sequential(OrderedDict(
        critic=spectral_norm(nn.Linear(5, 7)), norm=nn.BatchNorm1d(7), body=nn.Sequential(nn.Tanh(), nn.Linear(7, 6, bias=False), nn.LayerNorm(6)),
        table=nn.Embedding(3, 4)))


def trained():
    """The state dict after some steps, with numbers that only bits tell apart."""
    torch.manual_seed(30)
    module = architecture()
    opt = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        opt.zero_grad()
        module.body(module.norm(module.critic(torch.randn(9, 5)))).square().mean().backward()
        opt.step()
    with torch.no_grad():
        module.table.weight[0] = torch.tensor([-0.0, float('inf'), float('nan'), 1e-40])
    return module.state_dict()


def state_dict():
    state = trained()
    save('state-dict.safetensors', encode(state, {'format': 'pt'}))
    # Single precision before integers, then by name; counts as i32, the widest integer of a GPU.
    back = {n: t.int() if t.dtype == torch.int64 else t for n, t in state.items()}
    ordered = sorted(back, key=lambda n: (back[n].dtype != torch.float32, n))
    save('state-dict-back.safetensors', encode({n: back[n] for n in ordered}, {'format': 'pt'}))


def bits(t):
    return t.contiguous().view(torch.int32 if t.dtype == torch.float32 else t.dtype)


def check(path):
    """Loads a file that @bms wrote into PyTorch's module, strictly, and compares all bits with those that PyTorch wrote."""
    tensors, _ = read(path)
    module = architecture()
    module.load_state_dict(tensors, strict=True)
    original, _ = read(os.path.join(here, 'state-dict.safetensors'))
    state = module.state_dict()
    if list(state) != list(original):
        sys.exit(f'{path}: names {list(state)}, PyTorch wrote {list(original)}')
    for name, t in state.items():
        if t.dtype != original[name].dtype or not torch.equal(bits(t), bits(original[name])):
            sys.exit(f'{path}: {name} is {t}, PyTorch wrote {original[name]}')
    print(f'{path}: {len(state)} tensors, with the names and bits that PyTorch wrote')


def main():
    every_dtype()
    state_dict()
    check(os.path.join(here, 'state-dict-back.safetensors'))
