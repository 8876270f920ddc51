# The table of modules: from one state dict, some steps of training with outputs, gradients and state, then evaluation, in double precision. The modules
# and their inputs come from test/table.
import zlib
from collections import OrderedDict

import torch
import torch.nn as nn
from torch.nn.utils.parametrizations import spectral_norm

from files import answers, gradients, make, requests, write_answers

# Of the steps of plain gradient descent between the passes: as in test/table/module-checks.ts.
RATE = 0.1
notes = {}


def build(text):
    """The module: an expression, or a program that ends with one named `module`."""
    scope = {'torch': torch, 'nn': nn, 'spectral_norm': spectral_norm, 'OrderedDict': OrderedDict}
    if '\n' not in text:
        return eval(text, scope)
    exec(text, scope)
    return scope['module']


def constants(module):
    """What starts with one value throughout."""
    return {n: t.reshape(-1)[0].item() for n, t in module.state_dict().items() if t.numel() > 0 and (t == t.reshape(-1)[0]).all() and t.reshape(-1)[0] in (0, 1)}


def unsettle(module):
    """Moves what starts as ones and zeros, so that a mistake in it shows; then what single precision can hold."""
    for name, t in module.state_dict().items():
        if not t.is_floating_point():
            continue
        if t.dim() == 1 and not name.endswith(('._u', '._v')):
            t.add_(torch.rand(t.shape) - 0.5)
        t.copy_(t.float().double())


def one_pass(module, inputs, at, second=False):
    """Outputs and gradients of the inputs and parameters, by name; and the second gradients of all of these."""
    result = module(*inputs)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    leaves = {**{f'x{i}': x for i, x in enumerate(inputs)}, **{f'p {n}': p for n, p in module.named_parameters()}}
    firsts = gradients(outputs, list(leaves.values()), create_graph=second)
    values = {f'{at}|y{k}': y for k, y in enumerate(outputs)}
    values.update({f'{at}|d {n}': g for n, g in zip(leaves, firsts) if g is not None})
    if second:
        seconds = gradients(firsts, list(leaves.values()), first=5)
        values.update({f'{at}|h {n}': h for n, h in zip(leaves, seconds) if h is not None and h.abs().sum() != 0})
    return values, firsts[len(inputs):]


def compute(sample):
    torch.manual_seed(zlib.crc32(sample['key'].encode()))
    module = build(sample['torch'])
    note = notes[sample['key']] = {'text': str(module), 'constants': constants(module)}
    module.double()
    unsettle(module)
    note['parameters'] = [n for n, _ in module.named_parameters()]
    note['buffers'] = [n for n, _ in module.named_buffers()]
    note['modules'] = [n for n, _ in module.named_modules()]
    values = {f'start|{n}': t.clone() for n, t in module.state_dict().items()}
    start = {n: t.clone() for n, t in module.state_dict().items()}
    for k, inputs in enumerate(sample['steps']):
        passed, grads = one_pass(module, [make(x) for x in inputs], k)
        values.update(passed)
        with torch.no_grad():
            for p, g in zip(module.parameters(), grads):
                if g is not None:
                    p.sub_(RATE * g)
        values.update({f'{k}|s {n}': t.clone() for n, t in module.state_dict().items()})
    module.eval()
    values.update(one_pass(module, [make(x) for x in sample['evaluation']], 'eval')[0])
    if sample['steps']:
        module.train()
        module.load_state_dict(start)
        seconds, _ = one_pass(module, [make(x) for x in sample['steps'][0]], 'second', True)
        values.update({n: t for n, t in seconds.items() if '|h ' in n})
    return values


def main():
    asked = requests('modules')
    write_answers('modules', asked, answers(asked, compute), notes)
