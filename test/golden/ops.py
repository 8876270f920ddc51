# The table of ops: values, gradients and second gradients of every sample, in double precision. Its inputs come from test/table by way of samples.mjs.
import json
import math
import os
import subprocess

import torch
import torch.nn as nn
import torch.nn.functional as F

from files import here, write

dtypes = {'f32': torch.float64, 'f16': torch.float64, 'i32': torch.int64, 'u32': torch.int64, 'bool': torch.bool}


def weight(t, k):
    """The weights of output k in gradient tests: as in test/table/goldens.ts."""
    i = torch.arange(t.numel(), dtype=torch.float64)
    return (((i * 7 + k * 3) % 11 - 5) / 8 + 1 / 16).reshape(t.shape)


def make(spec):
    data = [float(v) for v in spec['data']]
    dtype = dtypes[spec['dtype']]
    t = torch.tensor(data, dtype=torch.float64).to(dtype).reshape(spec['shape'])
    return t.requires_grad_() if spec['grad'] and dtype == torch.float64 else t


def gradients(outputs, inputs, first, create_graph):
    """Of the weighted outputs with respect to the inputs that want one; None where there is none."""
    flowing = [(y, weight(y, k + first)) for k, y in outputs if y is not None and y.requires_grad]
    wanted = [x for x in inputs if x.requires_grad]
    if not flowing or not wanted:
        return [None] * len(inputs)
    found = iter(torch.autograd.grad([y for y, _ in flowing], wanted, [w for _, w in flowing], allow_unused=True, create_graph=create_graph))
    return [next(found) if x.requires_grad else None for x in inputs]


def compute(sample):
    inputs = [make(s) for s in sample['inputs']]
    names = dict(zip('abcdefgh', inputs))
    result = eval(sample['torch'], {'torch': torch, 'F': F, 'nn': nn, 'math': math}, names)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    values = {f'y{k}': y for k, y in enumerate(outputs)}
    firsts = gradients(list(enumerate(outputs)), inputs, 0, True)
    values.update({f'g{i}': g for i, g in enumerate(firsts) if g is not None})
    seconds = gradients(list(enumerate(firsts)), inputs, 5, False)
    values.update({f'h{i}': h for i, h in enumerate(seconds) if h is not None and h.abs().sum() != 0})
    return values


def main():
    path = os.path.join(here, '../../.build/golden-samples.json')
    subprocess.run(['node', os.path.join(here, 'samples.mjs'), path], check=True)
    with open(path) as f:
        samples = json.load(f)
    os.remove(path)
    tensors = {}
    for sample in samples:
        try:
            values = compute(sample)
        except Exception as error:
            raise SystemExit(f"{sample['key']}: {sample['torch']}: {error}")
        tensors.update({f"{sample['key']}|{name}": t for name, t in values.items()})
    write('ops.safetensors', tensors, {'fingerprints': json.dumps({s['key']: s['fingerprint'] for s in samples})})
