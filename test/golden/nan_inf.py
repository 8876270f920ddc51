# What comes of NaN, infinities, zeros of both signs and extremes, forward and backward, for test/nan-inf.test.ts.
# Tensors: in.<input>; y<k>.<row> the row's results; d<k>.<row> the gradient of its k-th input. The metadata say which inputs a row takes.
import json
import warnings

import torch
import torch.nn.functional as F

from files import encode, save

warnings.simplefilter('ignore')  # the variance of one element
nan, inf, most, least = float('nan'), float('inf'), 3.4028234663852886e38, 1.1754943508222875e-38

inputs = {}
tensors = {}
rows = {}


def given(name, values, dtype=torch.float32):
    t = torch.tensor(values, dtype=dtype)
    inputs[name] = t
    tensors['in.' + name] = t
    return name


def weights(t):
    """The gradient of a result: 1, 0.5, 2, -1, 3, 1, ...; the test makes the same."""
    return torch.tensor([[1, 0.5, 2, -1, 3][i % 5] for i in range(t.numel())], dtype=t.dtype).reshape(t.shape)


def row(name, fn, *names):
    args = [inputs[n].clone().requires_grad_(inputs[n].is_floating_point()) for n in names]
    out = fn(*args)
    results = list(out) if isinstance(out, (tuple, list)) else [out]
    grads = []
    if results[0].requires_grad:
        results[0].backward(weights(results[0]))
        grads = [k for k, a in enumerate(args) if a.grad is not None]
    rows[name] = {'inputs': list(names), 'results': len(results), 'gradients': grads}
    for k, y in enumerate(results):
        tensors[f'y{k}.{name}'] = y.detach().to(torch.int32) if y.dtype in (torch.int64, torch.bool) else y.detach().float() if y.dtype == torch.float16 else y.detach()
    for k in grads:
        tensors[f'd{k}.{name}'] = args[k].grad


# Element by element.
X = given('x', [nan, inf, -inf, 0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, -3, 10, -10, 20.5, -20.5, 88, -88, 89, -104,
                1e10, -1e10, 1e30, -1e30, most, -most, 1e-30, -1e-30, least, -least])
few = given('few', [nan, inf, -inf, 0.0, -0.0, 1, -1, 0.5, -0.5, 2.5, -2.5])
unary = {
    'neg': torch.neg, 'abs': torch.abs, 'sign': torch.sign, 'floor': torch.floor, 'ceil': torch.ceil, 'round': torch.round, 'trunc': torch.trunc,
    'square': torch.square, 'exp': torch.exp, 'expm1': torch.expm1, 'log': torch.log, 'log1p': torch.log1p, 'sqrt': torch.sqrt, 'rsqrt': torch.rsqrt,
    'reciprocal': torch.reciprocal, 'tanh': torch.tanh, 'sigmoid': torch.sigmoid, 'softplus': F.softplus, 'silu': F.silu, 'gelu': F.gelu,
    'geluTanh': lambda x: F.gelu(x, approximate='tanh'), 'erf': torch.erf, 'relu': F.relu, 'leakyRelu': lambda x: F.leaky_relu(x, 0.25),
    'leakyRelu 0': lambda x: F.leaky_relu(x, 0.0), 'leakyRelu -0.5': lambda x: F.leaky_relu(x, -0.5), 'elu': lambda x: F.elu(x, 1.5),
    'isnan': torch.isnan, 'isinf': torch.isinf, 'logicalNot': torch.logical_not, 'bool': lambda x: x.bool(), 'half': lambda x: x.half(),
    'clamp': lambda x: x.clamp(-1, 1), 'clamp min > max': lambda x: x.clamp(1, -1), 'clamp min': lambda x: x.clamp(min=1.0), 'clamp max': lambda x: x.clamp(max=1.0),
    'clamp NaN': lambda x: x.clamp(nan, 1.0), 'clamp inf': lambda x: x.clamp(-inf, inf),
    'add inf': lambda x: x + inf, 'mul 0': lambda x: x * 0, 'div 0': lambda x: x / 0, 'maximum 1': lambda x: torch.maximum(x, torch.tensor(1.0)),
    'pow 2': lambda x: x ** 2, 'pow 3': lambda x: x ** 3, 'pow 0.5': lambda x: x ** 0.5, 'pow -0.5': lambda x: x ** -0.5, 'pow -1': lambda x: x ** -1,
    'pow -2': lambda x: x ** -2, 'pow 0': lambda x: x ** 0, 'pow 1': lambda x: x ** 1, 'pow 1.5': lambda x: x ** 1.5, 'pow inf': lambda x: x ** inf,
    'pow of 2': lambda x: torch.pow(2.0, x), 'pow of 0': lambda x: torch.pow(0.0, x), 'pow of -2': lambda x: torch.pow(-2.0, x),
    'eq NaN': lambda x: x == nan, 'ne NaN': lambda x: x != nan, 'lt inf': lambda x: x < inf,
    'where log': lambda x: torch.where(x > 0, x.log(), torch.tensor(0.0)), 'where safe log': lambda x: torch.where(x > 0, torch.where(x > 0, x, torch.tensor(1.0)).log(), torch.tensor(0.0)),
    'where sqrt': lambda x: torch.where(x > 1, x.sqrt(), x),
}
for name, fn in unary.items():
    row(name, fn, X)
for name, fn in {'sin': torch.sin, 'cos': torch.cos, 'x - x': lambda x: x - x, 'x + -x': lambda x: x + -x, 'x / x': lambda x: x / x, 'x == x': lambda x: x == x,
                 'x != x': lambda x: x != x, 'x >= x': lambda x: x >= x, 'x < x': lambda x: x < x}.items():
    row(name, fn, few)
whole = given('whole', [0.0, -0.0, 0.99, -0.99, 1.9, -1.9, 2.5, 1e9, -1e9, 2147483520, -2147483648])
row('int', lambda x: x.int(), whole)

# All pairs.
V = [nan, inf, -inf, 0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1e30, -1e30, most, 1e-30]
A = given('a', [a for a in V for _ in V])
B = given('b', [b for _ in V for b in V])
binary = {
    'add': torch.add, 'sub': torch.sub, 'mul': torch.mul, 'div': torch.div, 'floorDivide': lambda a, b: torch.div(a, b, rounding_mode='floor'),
    'remainder': torch.remainder, 'pow': torch.pow, 'maximum': torch.maximum, 'minimum': torch.minimum,
    'eq': torch.eq, 'ne': torch.ne, 'lt': torch.lt, 'le': torch.le, 'gt': torch.gt, 'ge': torch.ge,
    'logicalAnd': torch.logical_and, 'logicalOr': torch.logical_or, 'where': lambda a, b: torch.where(a < b, a, b),
}
for name, fn in binary.items():
    row(name, fn, A, B)

# Row by row.
R = given('r', [
    [1, 2, 3, 5, 4], [nan, 1, 2, 4, 3], [1, 2, nan, 4, nan], [inf, 1, 2, 4, 3], [1, 2, -inf, 4, 3], [inf, 1, -inf, 2, 3], [1, inf, inf, 2, 3],
    [-inf, 2, -inf, 3, 1], [inf] * 5, [-inf] * 5, [nan] * 5, [nan, inf, -inf, 0, 1], [2, 2, 1, 1, 2], [7, 7, 7, 7, 7],
    [0.0, -0.0, 1, 2, -1], [0, 0, 0, 0, 0], [0, 2, 3, 4, 5], [2, 0, 3, 0, 5], [0, inf, 1, 2, 3], [0, nan, 1, 2, 3], [50, 0, -50, 1, 2],
])
one = given('one', [[nan], [inf], [-inf], [0.0], [3]])
none = given('none', [[], [], []])
huge = given('huge', [[most, most, 1], [-most, -most, 1], [1e20, 1e20, 1e20], [1e-30, 1e-30, 1e-30]])
reductions = {
    'sum': lambda x: x.sum(1), 'mean': lambda x: x.mean(1), 'prod': lambda x: x.prod(1), 'var': lambda x: x.var(1), 'var 0': lambda x: x.var(1, unbiased=False),
    'std': lambda x: x.std(1), 'norm': lambda x: torch.linalg.vector_norm(x, dim=1), 'logsumexp': lambda x: x.logsumexp(1), 'all': lambda x: x.bool().all(1),
    'any': lambda x: x.bool().any(1),
}
lines = {
    'cumsum': lambda x: x.cumsum(1), 'softmax': lambda x: x.softmax(1), 'logSoftmax': lambda x: x.log_softmax(1),
    'sort': lambda x: x.sort(dim=1, stable=True), 'sort descending': lambda x: x.sort(dim=1, stable=True, descending=True),
}
filled = {
    'max': lambda x: x.amax(1), 'min': lambda x: x.amin(1), 'argmax': lambda x: x.argmax(1), 'argmin': lambda x: x.argmin(1),
}
for kind in (reductions, lines, filled):
    for name, fn in kind.items():
        row(name, fn, R)
        row(name + ' of one', fn, one)
        if kind is not filled:
            row(name + ' of none', fn, none)
for name in ('sum', 'mean', 'prod', 'logsumexp', 'softmax', 'logSoftmax', 'cumsum', 'norm', 'max', 'min'):
    row(name + ' of huge', {**reductions, **lines, **filled}[name], huge)
row('sum of all', lambda x: x.sum(), R)
row('max of all', lambda x: x.amax(), R)
distinct = given('distinct', [[1, nan, 3, -inf, inf], [0, -1, 5, inf, 2], [-inf, 4, 3, 2, 1]])
row('topk', lambda x: x.topk(2, 1), distinct)
row('topk smallest', lambda x: x.topk(2, 1, largest=False), distinct)
row('topk 0', lambda x: x.topk(0, 1), distinct)

# Products, with what compiled steps fold into them: rows of extremes times weights.
P = given('p', [[1, 2, 3], [nan, 1, 2], [inf, 1, 2], [-inf, 1, 2], [inf, -inf, 1], [0, 0, 0], [1e30, 1e30, 1], [-3, -2, -1]])
W = given('w', [[1, -2, 0.5, 1], [2, 1, -1, 1], [0.5, 1, 1, 1]])
bias = given('bias', [0.5, -0.5, 1, 0])
row('matmul', torch.matmul, P, W)
for name, fn in {'relu': F.relu, 'leakyRelu': lambda x: F.leaky_relu(x, 0.25), 'tanh': torch.tanh, 'sigmoid': torch.sigmoid}.items():
    row('matmul ' + name, lambda x, w, b: fn(x @ w + b), P, W, bias)
    row('matmul of ' + name, lambda x, w: fn(x) @ w, P, W)

# Images, likewise: the convolution's image has 8 of 2x2 pixels, each of which meets each tap of its own.
image = given('image', [[[[row[0], row[1]], [row[2], 1]]] for row in inputs[P].tolist()])
kernel = given('kernel', [[[[1, -2], [0.5, 1]]], [[[2, 1], [-1, 1]]]])
shift = given('shift', [0.5, -0.5])
row('conv2d', F.conv2d, image, kernel)
row('convTranspose2d', lambda x, w: F.conv_transpose2d(x, w.transpose(0, 1), stride=2), image, kernel)
for name, fn in {'relu': F.relu, 'leakyRelu': lambda x: F.leaky_relu(x, 0.25), 'tanh': torch.tanh, 'sigmoid': torch.sigmoid}.items():
    row('conv2d ' + name, lambda x, w, b: fn(F.conv2d(x, w, b)), image, kernel, shift)
    row('conv2d of ' + name, lambda x, w: F.conv2d(fn(x), w), image, kernel)
plane = given('plane', [[[1, nan, 3, 2], [2, nan, nan, 1], [inf, 1, -inf, -inf], [0, inf, -inf, -inf]]])
row('maxPool2d', lambda x: F.max_pool2d(x, 2), plane)
row('maxPool2d stride 1', lambda x: F.max_pool2d(x, 2, 1), plane)
row('avgPool2d', lambda x: F.avg_pool2d(x, 2), plane)
row('interpolate', lambda x: F.interpolate(x[None], scale_factor=2)[0], plane)
row('pad reflect', lambda x: F.pad(x, (1, 1, 1, 1), mode='reflect'), plane)

# Picking and adding.
index = given('index', [[4, 0], [1, 1], [2, 3]], torch.int64)
row('gather', lambda x, i: x.gather(1, i), distinct, index)
# (PyTorch 1.13 fails in the backward pass where the index is smaller than the source, unless the source is cut.)
row('scatterAdd', lambda x, i, s: x.scatter_add(1, i, s[:, :2]), distinct, index, distinct)


def main():
    save('nan_inf.safetensors', encode(tensors, {'rows': json.dumps(rows, separators=(',', ':'))}))
