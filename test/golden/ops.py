# The table of ops: values, gradients and second gradients of every sample, in double precision. Its inputs come from test/table.
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from files import answers, gradients, make, requests, write_answers


def reduced(losses, reduction):
    """Single losses as PyTorch's reduce theirs."""
    return losses if reduction == 'none' else getattr(losses, reduction)()


def clipped(clip, bound, *grads):
    """Gradients after one of nn.utils' functions that work on parameters in place, and the norm that it gives."""
    params = [nn.Parameter(torch.zeros_like(g)) for g in grads]
    for p, g in zip(params, grads):
        p.grad = g.detach().clone()
    norm = clip(params, bound)
    return [p.grad for p in params] + ([] if norm is None else [norm])


def compute(sample):
    inputs = [make(s) for s in sample['inputs']]
    names = dict(zip('abcdefgh', inputs))
    result = eval(sample['torch'], {'torch': torch, 'F': F, 'nn': nn, 'math': math, 'clipped': clipped, 'reduced': reduced, **names})
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    values = {f'y{k}': y for k, y in enumerate(outputs)}
    firsts = gradients(outputs, inputs, create_graph=True)
    values.update({f'g{i}': g for i, g in enumerate(firsts) if g is not None})
    seconds = gradients(firsts, inputs, first=5)
    values.update({f'h{i}': h for i, h in enumerate(seconds) if h is not None and h.abs().sum() != 0})
    return values


def main():
    asked = requests('ops')
    write_answers('ops', asked, answers(asked, compute))
