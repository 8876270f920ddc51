# Writes nn.json and nn.safetensors: what PyTorch 1.13 (Debian's python3-torch, on a CPU) computes, for test/nn-*.test.ts.
# Run it with /usr/bin/python3 test/golden/nn.py; the tests themselves need no Python.
import json, math, os, struct
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(20)
torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
out = {}


def pack(t):
    t = t.detach()
    if not t.is_floating_point():
        return {'shape': list(t.shape), 'data': t.reshape(-1).tolist()}
    return {'shape': list(t.shape), 'data': [float('%.9g' % x) for x in t.reshape(-1).tolist()]}


def pack_all(d):
    return {k: pack(v) for k, v in d.items()}


def layer(name, module, x, steps=1):
    """Training steps with the same module on several inputs; the gradients of the last; then evaluation."""
    case = {'state': pack_all(module.state_dict()), 'steps': []}
    for s in range(steps):
        xs = (x + 0.3 * s * torch.randn_like(x)).detach().requires_grad_()
        module.zero_grad()
        y = module(xs)
        g = torch.randn_like(y)
        (y * g).sum().backward()
        case['steps'].append({
            'x': pack(xs), 'g': pack(g), 'y': pack(y), 'dx': pack(xs.grad),
            'grads': {n: pack(p.grad) for n, p in module.named_parameters()},
            'state': pack_all(module.state_dict()),
        })
    module.eval()
    case['eval'] = pack(module(x))
    case['evalInput'] = pack(x)
    out[name] = case


layer('linear', nn.Linear(5, 3), torch.randn(4, 5))
layer('linear3d', nn.Linear(5, 3, bias=False), torch.randn(2, 4, 5))
bn = nn.BatchNorm1d(3)
bn.weight.data.uniform_(0.5, 1.5)
bn.bias.data.normal_()
layer('batchNorm', bn, 2 * torch.randn(6, 3) + 1, steps=3)
layer('batchNorm3d', nn.BatchNorm1d(3, momentum=None), torch.randn(4, 3, 5), steps=3)
ln = nn.LayerNorm([3, 4])
ln.weight.data.uniform_(0.5, 1.5)
layer('layerNorm', ln, torch.randn(2, 3, 4) * 3)


# Spectral norm: five steps of SGD through it, evaluation, the dim of transposed convolutions, and a gradient penalty.
def spectral():
    module = spectral_norm(nn.Linear(7, 5))
    opt = torch.optim.SGD(module.parameters(), lr=0.1)
    case = {'state': pack_all(module.state_dict()), 'steps': []}
    for _ in range(5):
        x, g = torch.randn(4, 7), torch.randn(4, 5)
        opt.zero_grad()
        y = module(x)
        (y * g).sum().backward()
        grads = {n: pack(p.grad) for n, p in module.named_parameters()}
        opt.step()
        case['steps'].append({'x': pack(x), 'g': pack(g), 'y': pack(y), 'grads': grads, 'state': pack_all(module.state_dict())})
    module.eval()
    case['evalInput'] = pack(x)
    case['eval'] = pack(module(x))
    return case


out['spectral'] = spectral()

transposed = nn.ConvTranspose2d(3, 5, 2)
spectral_norm(transposed, dim=1, n_power_iterations=2)
state = pack_all(transposed.state_dict())
w = transposed.weight
g = torch.randn_like(w)
(w * g).sum().backward()
out['spectralDim1'] = {
    'original': state['parametrizations.weight.original'], 'u': state['parametrizations.weight.0._u'], 'v': state['parametrizations.weight.0._v'],
    'weight': pack(w), 'g': pack(g), 'grad': pack(transposed.parametrizations.weight.original.grad),
    'uAfter': pack(transposed.parametrizations.weight[0]._u), 'vAfter': pack(transposed.parametrizations.weight[0]._v),
}

net = nn.Sequential(spectral_norm(nn.Linear(3, 6)), nn.Tanh(), spectral_norm(nn.Linear(6, 1)))
case = {'state': pack_all(net.state_dict())}
x = torch.randn(4, 3, requires_grad=True)
gx, = torch.autograd.grad(net(x).sum(), x, create_graph=True)
penalty = ((gx.norm(dim=1) - 1) ** 2).mean()
penalty.backward()
case.update({'x': pack(x), 'penalty': pack(penalty), 'grads': {n: pack(p.grad) for n, p in net.named_parameters() if p.grad is not None}})
out['spectralPenalty'] = case

# Optimisers: 20 steps on Σ scale·(p - target)²/2, whose gradients the test computes itself.
shapes = [[3, 4], [5], [2, 3], [7], []]
start = [torch.randn(s) for s in shapes]
target = [torch.randn(s) for s in shapes]
out['optim'] = {'start': [pack(p) for p in start], 'target': [pack(t) for t in target], 'cases': []}
cases = [
    ('SGD', {'lr': 0.05}, {'lr': 0.05}),
    ('SGD', {'lr': 0.05, 'momentum': 0.9, 'weight_decay': 0.1}, {'lr': 0.05, 'momentum': 0.9, 'weightDecay': 0.1}),
    ('SGD', {'lr': 0.05, 'momentum': 0.9, 'dampening': 0.3}, {'lr': 0.05, 'momentum': 0.9, 'dampening': 0.3}),
    ('SGD', {'lr': 0.05, 'momentum': 0.8, 'nesterov': True}, {'lr': 0.05, 'momentum': 0.8, 'nesterov': True}),
    ('SGD', {'lr': 0.01, 'maximize': True}, {'lr': 0.01, 'maximize': True}),
    ('Adam', {'lr': 0.1}, {'lr': 0.1}),
    ('Adam', {'lr': 0.02, 'betas': (0.5, 0.9), 'eps': 1e-3, 'weight_decay': 0.2}, {'lr': 0.02, 'betas': [0.5, 0.9], 'eps': 1e-3, 'weightDecay': 0.2}),
    ('Adam', {'lr': 0.02, 'betas': (0.0, 0.9), 'maximize': True}, {'lr': 0.02, 'betas': [0, 0.9], 'maximize': True}),
    ('AdamW', {'lr': 0.1}, {'lr': 0.1}),
    ('AdamW', {'lr': 0.02, 'betas': (0.8, 0.99), 'weight_decay': 0.3}, {'lr': 0.02, 'betas': [0.8, 0.99], 'weightDecay': 0.3}),
    ('RMSprop', {'lr': 0.02}, {'lr': 0.02}),
    ('RMSprop', {'lr': 0.01, 'alpha': 0.9, 'weight_decay': 0.1, 'momentum': 0.7}, {'lr': 0.01, 'alpha': 0.9, 'weightDecay': 0.1, 'momentum': 0.7}),
    ('RMSprop', {'lr': 0.01, 'alpha': 0.9, 'centered': True, 'momentum': 0.5, 'eps': 1e-3}, {'lr': 0.01, 'alpha': 0.9, 'centered': True, 'momentum': 0.5, 'eps': 1e-3}),
]
for name, kwargs, options in cases:
    for sparse in [False, True]:
        params = [nn.Parameter(p.clone()) for p in start]
        opt = getattr(torch.optim, name)(params, **kwargs)
        after = []
        for step in range(20):
            for i, p in enumerate(params):
                # Sometimes a parameter has no gradient: it is skipped, and so is its step count.
                p.grad = None if sparse and (step + i) % 3 == 0 else (0.5 + 0.25 * i) * (p.detach() - target[i])
            opt.step()
            if step in (0, 1, 19):
                after.append([pack(p) for p in params])
        out['optim']['cases'].append({'name': name, 'options': options, 'sparse': sparse, 'after': after})

# Losses and their gradients.
losses = {}
out['losses'] = losses


def loss(name, fn, *inputs):
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in inputs]
    value = fn(*leaves)
    g = torch.randn_like(value) if value.ndim else torch.ones(())
    floats = [t for t in leaves if t.is_floating_point()]
    grads = torch.autograd.grad((value * g).sum(), floats, allow_unused=True)
    losses[name] = {'inputs': [pack(t) for t in inputs], 'value': pack(value), 'g': pack(g), 'grads': [None if d is None else pack(d) for d in grads]}


a, b = torch.randn(4, 3) * 2, torch.randn(4, 3)
for r in ['mean', 'sum', 'none']:
    loss('mse.' + r, lambda x, y: F.mse_loss(x, y, reduction=r), a, b)
loss('l1', F.l1_loss, a, b)
loss('smoothL1', lambda x, y: F.smooth_l1_loss(x, y, beta=0.7), a, b)
loss('bceWithLogits', F.binary_cross_entropy_with_logits, torch.tensor([[0.0, 30, -30], [1, -2, 3]]), torch.tensor([[1.0, 1, 1], [0, 0.3, 0]]))
loss('bce', F.binary_cross_entropy, torch.rand(4, 3) * 0.9 + 0.05, torch.rand(4, 3))
classes = torch.tensor([2, 0, 1, 2])
loss('crossEntropy', F.cross_entropy, a, classes)
loss('crossEntropy.none', lambda x, t: F.cross_entropy(x, t, reduction='none'), a, classes)
loss('crossEntropy.smooth', lambda x, t: F.cross_entropy(x, t, label_smoothing=0.2), a, classes)
ignored = torch.tensor([2, -100, 1, -100])
loss('crossEntropy.ignore', lambda x, t: F.cross_entropy(x, t, ignore_index=-100), a, ignored)
loss('crossEntropy.probabilities', lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1), a, F.softmax(b, 1))
image = torch.randn(2, 3, 2, 2)
loss('crossEntropy.image', F.cross_entropy, image, torch.randint(0, 3, (2, 2, 2)))
loss('nll', F.nll_loss, F.log_softmax(a, 1), classes)
loss('gaussianNll', lambda x, y, v: F.gaussian_nll_loss(x, y, v), a, b, torch.rand(4, 3) + 0.1)
loss('gaussianNll.full', lambda x, y, v: F.gaussian_nll_loss(x, y, v, full=True, reduction='sum'), a, b, torch.rand(4, 1) + 0.1)
mu, logvar = torch.randn(4, 3), torch.randn(4, 3)
loss('klNormal', lambda m, s: torch.distributions.kl_divergence(torch.distributions.Normal(m, (0.5 * s).exp()), torch.distributions.Normal(0.0, 1.0)).sum(-1).mean(), mu, logvar)
loss('klDiv', lambda x, t: F.kl_div(x, t, reduction='batchmean'), F.log_softmax(a, 1), F.softmax(b, 1))
loss('klDiv.log', lambda x, t: F.kl_div(x, t, log_target=True, reduction='sum'), F.log_softmax(a, 1), F.log_softmax(b, 1))

# Learning rates of 12 steps, for two groups.
S = torch.optim.lr_scheduler
rates = {}
out['schedulers'] = rates
for name, make in {
    'LambdaLR': lambda o: S.LambdaLR(o, lambda t: 1 / (1 + t)),
    'StepLR': lambda o: S.StepLR(o, 3, gamma=0.5),
    'MultiStepLR': lambda o: S.MultiStepLR(o, [2, 5, 5, 8], gamma=0.1),
    'ExponentialLR': lambda o: S.ExponentialLR(o, 0.9),
    'CosineAnnealingLR': lambda o: S.CosineAnnealingLR(o, 8, eta_min=0.001),
    'LinearLR': lambda o: S.LinearLR(o, start_factor=0.25, total_iters=6),
    'OneCycleLR': lambda o: S.OneCycleLR(o, 0.2, total_steps=12, cycle_momentum=False),
}.items():
    opt = torch.optim.SGD([{'params': [torch.zeros(1)], 'lr': 0.1}, {'params': [torch.zeros(1)], 'lr': 0.02}], lr=1)
    scheduler = make(opt)
    rates[name] = [[g['lr'] for g in opt.param_groups]]
    for _ in range(11):
        opt.step()
        scheduler.step()
        rates[name].append([g['lr'] for g in opt.param_groups])

# Clipping.
grads = [torch.randn(3, 4) * 3, torch.randn(5)]
params = [nn.Parameter(torch.zeros_like(g)) for g in grads]
case = {'grads': [pack(g) for g in grads]}
for name, most in [('clipped', 1.5), ('unclipped', 100.0)]:
    for p, g in zip(params, grads):
        p.grad = g.clone()
    case[name] = {'maxNorm': most, 'norm': pack(nn.utils.clip_grad_norm_(params, most)), 'grads': [pack(p.grad) for p in params]}
out['clip'] = case

# A whole training run: the first ten losses.
# (A bias before batch norm has gradient 0 but for rounding, which Adam blows up.)
model = nn.Sequential(nn.Linear(2, 16, bias=False), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LayerNorm(16), nn.ELU(), nn.Linear(16, 3))
x, y = torch.randn(32, 2), torch.randint(0, 3, (32,))
case = {'state': pack_all(model.state_dict()), 'x': pack(x), 'y': pack(y), 'losses': [], 'text': str(model)}
opt = torch.optim.AdamW(model.parameters(), lr=0.02, betas=(0.8, 0.95))
for _ in range(10):
    opt.zero_grad()
    value = F.cross_entropy(model(x), y)
    value.backward()
    opt.step()
    case['losses'].append(value.item())
case['after'] = pack_all(model.state_dict())
out['training'] = case

with open(os.path.join(here, 'nn.json'), 'w') as f:
    json.dump(out, f, separators=(',', ':'))

# A .safetensors file of every type, as the format describes it (the Python package is not needed for that).
tensors = {
    'f64': torch.tensor([math.pi, -1e30], dtype=torch.float64), 'i64': torch.tensor([[1, -2], [2**31 - 1, -(2**31)]]),
    'f32': torch.tensor([1.5, float('inf'), -0.0]), 'i32': torch.tensor([-7], dtype=torch.int32),
    'bf16': torch.tensor([1.0, -2.5, 3.140625], dtype=torch.bfloat16), 'f16': torch.tensor([0.1, 65504.0, -6e-8], dtype=torch.float16),
    'i16': torch.tensor([-300, 300], dtype=torch.int16), 'u8': torch.tensor([0, 255, 7], dtype=torch.uint8), 'bool': torch.tensor([True, False, True]),
    'scalar': torch.tensor(2.0), 'empty': torch.zeros(0, 3),
}
names = {torch.float64: 'F64', torch.int64: 'I64', torch.float32: 'F32', torch.int32: 'I32', torch.bfloat16: 'BF16', torch.float16: 'F16', torch.int16: 'I16', torch.uint8: 'U8', torch.bool: 'BOOL'}
header, data = {'__metadata__': {'format': 'pt', 'ü': '☃'}}, b''
for name, t in tensors.items():
    raw = bytes(t.contiguous().view(-1).view(torch.uint8).tolist()) if t.dtype != torch.bool and t.numel() else bytes(t.reshape(-1).to(torch.uint8).tolist())
    header[name] = {'dtype': names[t.dtype], 'shape': list(t.shape), 'data_offsets': [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
text += b' ' * (-len(text) % 8)
with open(os.path.join(here, 'nn.safetensors'), 'wb') as f:
    f.write(struct.pack('<Q', len(text)) + text + data)
