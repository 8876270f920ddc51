# The feature nets, LPIPS and Fréchet distances, written again from their papers and the layouts of their weight files, in double precision. The weights are
# numbers that tests make too (a stream of mulberry32 for each tensor): nobody has to commit them, and nets can have their full size.
import json
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from files import write


def stream(seed, n):
    """As `seeded(seed)` of test/helpers/arrays.ts, n numbers at once."""
    mask = 0xFFFFFFFF
    imul = lambda a, b: (a * b) & mask
    a = (seed + np.arange(1, n + 1, dtype=np.uint64) * 0x6D2B79F5) & mask
    t = imul(a ^ (a >> 15), 1 | a)
    t = ((t + imul(t ^ (t >> 7), 61 | t)) & mask) ^ t
    return (t ^ (t >> 14)).astype(np.float64) / 2.0**32


def weights(shapes):
    """As `formulaWeights` of test/helpers/formula-weights.ts: sizes that keep a net alive, from a tensor's name and shape."""
    out = {}
    for k, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        size = math.prod(shape)
        u = stream(1000 + k, size)
        if name.startswith('lin'):
            values = u
        elif len(shape) == 1:
            values = 0.5 + u if 'var' in name else 0.75 + 0.5 * u if name.endswith(('weight', 'gamma')) else 0.2 * (u - 0.5)
        else:
            fan = 9 if 'depthwise' in name else size / shape[-1 if '/' in name else 0]
            values = (2 * u - 1) * math.sqrt(6 / fan)
        out[name] = torch.from_numpy(values.astype(np.float32).astype(np.float64)).reshape(shape)
    return out


def fill(module):
    shapes = {n: list(t.shape) for n, t in module.state_dict().items() if not n.endswith('num_batches_tracked')}
    module.double().load_state_dict(weights(shapes), strict=False)
    return module.eval()


def images():
    """Four pictures of waves and noise, 40 x 48, and the same in [-1, 1]."""
    rng = np.random.default_rng(12)
    y, x = np.mgrid[0:40, 0:48] / 24
    out = np.zeros((4, 3, 40, 48))
    for picture in out:
        for channel in picture:
            for _ in range(4):
                a, b, c, d = rng.uniform(-4, 4, 4)
                channel += d * np.sin(a * x + b * y + c)
            channel *= rng.uniform(10, 25)
            channel += rng.uniform(100, 150) + rng.normal(0, 8, channel.shape)
    data = torch.from_numpy(out.clip(0, 255).round().astype(np.uint8))
    return data, data.double() / 127.5 - 1


# ---------------------------------------------------------------- Inception-v3


class Basic(nn.Module):
    def __init__(self, i, o, k, **options):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, bias=False, **options)
        self.bn = nn.BatchNorm2d(o, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def average(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class Block(nn.Module):
    """Paths side by side: each a list of layer names, one after the other; a tuple at the end of a list splits it. `pool` goes before the last path."""

    def __init__(self, layers, paths, pool):
        super().__init__()
        for name, (i, o, k, options) in layers.items():
            setattr(self, name, Basic(i, o, k, **options))
        self.paths, self.pool = paths, pool

    def forward(self, x):
        outputs = []
        for path in self.paths:
            y = self.pool(x) if path in (['branch_pool'], []) else x
            for step in path:
                if isinstance(step, tuple):
                    y = torch.cat([getattr(self, name)(y) for name in step], 1)
                else:
                    y = getattr(self, step)(y)
            outputs.append(y)
        return torch.cat(outputs, 1)


def block_a(i, pool, c):
    return Block({
        'branch1x1': (i, c(64), 1, {}), 'branch5x5_1': (i, c(48), 1, {}), 'branch5x5_2': (c(48), c(64), 5, {'padding': 2}), 'branch3x3dbl_1': (i, c(64), 1, {}),
        'branch3x3dbl_2': (c(64), c(96), 3, {'padding': 1}), 'branch3x3dbl_3': (c(96), c(96), 3, {'padding': 1}), 'branch_pool': (i, pool, 1, {}),
    }, [['branch1x1'], ['branch5x5_1', 'branch5x5_2'], ['branch3x3dbl_1', 'branch3x3dbl_2', 'branch3x3dbl_3'], ['branch_pool']], average)


def shrink(x):
    return F.max_pool2d(x, 3, stride=2)


def block_b(i, c):
    return Block({
        'branch3x3': (i, c(384), 3, {'stride': 2}), 'branch3x3dbl_1': (i, c(64), 1, {}), 'branch3x3dbl_2': (c(64), c(96), 3, {'padding': 1}),
        'branch3x3dbl_3': (c(96), c(96), 3, {'stride': 2}),
    }, [['branch3x3'], ['branch3x3dbl_1', 'branch3x3dbl_2', 'branch3x3dbl_3'], []], shrink)


W, H = {'padding': (0, 3)}, {'padding': (3, 0)}


def block_c(i, m, c):
    dbl = [f'branch7x7dbl_{n}' for n in range(1, 6)]
    return Block({
        'branch1x1': (i, c(192), 1, {}), 'branch7x7_1': (i, m, 1, {}), 'branch7x7_2': (m, m, (1, 7), W), 'branch7x7_3': (m, c(192), (7, 1), H),
        dbl[0]: (i, m, 1, {}), dbl[1]: (m, m, (7, 1), H), dbl[2]: (m, m, (1, 7), W), dbl[3]: (m, m, (7, 1), H), dbl[4]: (m, c(192), (1, 7), W),
        'branch_pool': (i, c(192), 1, {}),
    }, [['branch1x1'], ['branch7x7_1', 'branch7x7_2', 'branch7x7_3'], dbl, ['branch_pool']], average)


def block_d(i, c):
    return Block({
        'branch3x3_1': (i, c(192), 1, {}), 'branch3x3_2': (c(192), c(320), 3, {'stride': 2}), 'branch7x7x3_1': (i, c(192), 1, {}),
        'branch7x7x3_2': (c(192), c(192), (1, 7), W), 'branch7x7x3_3': (c(192), c(192), (7, 1), H), 'branch7x7x3_4': (c(192), c(192), 3, {'stride': 2}),
    }, [['branch3x3_1', 'branch3x3_2'], ['branch7x7x3_1', 'branch7x7x3_2', 'branch7x7x3_3', 'branch7x7x3_4'], []], shrink)


def block_e(i, pool, c):
    w, h = {'padding': (0, 1)}, {'padding': (1, 0)}
    return Block({
        'branch1x1': (i, c(320), 1, {}), 'branch3x3_1': (i, c(384), 1, {}), 'branch3x3_2a': (c(384), c(384), (1, 3), w), 'branch3x3_2b': (c(384), c(384), (3, 1), h),
        'branch3x3dbl_1': (i, c(448), 1, {}), 'branch3x3dbl_2': (c(448), c(384), 3, {'padding': 1}), 'branch3x3dbl_3a': (c(384), c(384), (1, 3), w),
        'branch3x3dbl_3b': (c(384), c(384), (3, 1), h), 'branch_pool': (i, c(192), 1, {}),
    }, [['branch1x1'], ['branch3x3_1', ('branch3x3_2a', 'branch3x3_2b')], ['branch3x3dbl_1', 'branch3x3dbl_2', ('branch3x3dbl_3a', 'branch3x3dbl_3b')],
        ['branch_pool']], pool)


class Inception(nn.Module):
    def __init__(self, divisor):
        super().__init__()
        c = lambda n: n // divisor
        self.Conv2d_1a_3x3 = Basic(3, c(32), 3, stride=2)
        self.Conv2d_2a_3x3 = Basic(c(32), c(32), 3)
        self.Conv2d_2b_3x3 = Basic(c(32), c(64), 3, padding=1)
        self.Conv2d_3b_1x1 = Basic(c(64), c(80), 1)
        self.Conv2d_4a_3x3 = Basic(c(80), c(192), 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = block_a(c(192), c(32), c), block_a(c(256), c(64), c), block_a(c(288), c(64), c)
        self.Mixed_6a = block_b(c(288), c)
        for name, inner in zip('bcde', (128, 160, 160, 192)):
            setattr(self, f'Mixed_6{name}', block_c(c(768), c(inner), c))
        self.Mixed_7a = block_d(c(768), c)
        self.Mixed_7b = block_e(c(1280), average, c)
        self.Mixed_7c = block_e(c(2048), lambda x: F.max_pool2d(x, 3, stride=1, padding=1), c)
        self.fc = nn.Linear(c(2048), 1008)

    def forward(self, x):
        x = shrink(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = shrink(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        for name in ('5b', '5c', '5d', '6a', '6b', '6c', '6d', '6e', '7a', '7b', '7c'):
            x = getattr(self, f'Mixed_{name}')(x)
        return x.mean((2, 3))


def resize_tf1(x, side):
    """tf.image.resize_bilinear without align_corners: from the first pixel on."""
    for dim in (2, 3):
        n = x.shape[dim]
        at = torch.arange(side, dtype=torch.float64) * n / side
        low = at.floor().long().clamp(max=n - 1)
        share = (at - low).reshape([-1 if d == dim else 1 for d in range(4)])
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, (low + 1).clamp(max=n - 1)) * share
    return x


def inception(x):
    net = fill(Inception(16))
    features = net(resize_tf1(x, 299))
    return {
        'inception|features': features, 'inception|probabilities': F.softmax(features @ net.fc.weight.T, 1),
        'inception|pytorch-fid': net(F.interpolate(x, size=(299, 299), mode='bilinear', align_corners=False)),
    }


# ---------------------------------------------------------------- SqueezeNet, AlexNet, VGG-16, LPIPS


def scaled(x):
    along = lambda values: torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1)
    return (x - along([-0.030, -0.088, -0.188])) / along([0.458, 0.448, 0.450])


class Fire(nn.Module):
    def __init__(self, i, s, e):
        super().__init__()
        self.squeeze, self.expand1x1, self.expand3x3 = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1), nn.Conv2d(s, e, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class Features(nn.Module):
    """Layers under `features.N`, and the numbers of those whose outputs are taps."""

    def __init__(self, layers, taps):
        super().__init__()
        self.features, self.at = nn.Sequential(*layers), taps

    def forward(self, x):
        out = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.at:
                out.append(x)
        return out


def squeeze(divisor):
    c = lambda n: n // divisor
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
    fire = lambda i, s, e: Fire(c(i), c(s), c(e))
    return Features([
        nn.Conv2d(3, c(64), 3, stride=2), nn.ReLU(), pool(), fire(64, 16, 64), fire(128, 16, 64), pool(), fire(128, 32, 128), fire(256, 32, 128), pool(),
        fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), fire(512, 64, 256)], (1, 4, 7, 9, 10, 11, 12))


def alex(divisor):
    c = lambda n: n // divisor
    return Features([
        nn.Conv2d(3, c(64), 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(c(64), c(192), 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(c(192), c(384), 3, padding=1), nn.ReLU(), nn.Conv2d(c(384), c(256), 3, padding=1), nn.ReLU(), nn.Conv2d(c(256), c(256), 3, padding=1), nn.ReLU(),
    ], (1, 4, 7, 9, 11))


def vgg(divisor):
    layers, i, taps = [], 3, []
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [nn.MaxPool2d(2)] if layers else []
        for _ in range(count):
            layers += [nn.Conv2d(i, channels // divisor, 3, padding=1), nn.ReLU()]
            i = channels // divisor
        taps.append(len(layers) - 1)
    return Features(layers, taps)


def lpips(net, a, b):
    """What each tap adds."""
    out = []
    for k, (x, y) in enumerate(zip(net(scaled(a)), net(scaled(b)))):
        shape = [1, x.shape[1], 1, 1]
        lin = weights({f'lin{n}.model.1.weight': [1, t.shape[1], 1, 1] for n, t in enumerate(net(scaled(a)))})[f'lin{k}.model.1.weight'].reshape(shape)
        unit = lambda t: t / (t.square().sum(1, keepdim=True).sqrt() + 1e-10)
        out.append(((unit(x) - unit(y)).square() * lin).sum(1).mean((1, 2)))
    return torch.stack(out)


def perceptual(x):
    results = {f'lpips|{name}': lpips(fill(net(4)), x[:2], x[2:]) for name, net in (('squeeze', squeeze), ('alex', alex), ('vgg', vgg))}
    # The shorter side is 40: four times as many pixels make it more than 128.
    large = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return {**results, 'squeezenet|features': fill(squeeze(1))(scaled(large))[-1].mean((2, 3))}


# ---------------------------------------------------------------- MobileNet


def mobilenet(x):
    widths = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    shapes = {'conv1/kernel': [3, 3, 3, 8], 'conv_preds/kernel': [1, 1, 256, 1000], 'conv_preds/bias': [1000]}
    for n, (i, o) in enumerate(zip(widths, widths[1:]), 1):
        shapes.update({f'conv_dw_{n}/depthwise_kernel': [3, 3, i, 1], f'conv_pw_{n}/kernel': [1, 1, i, o]})
    for name in [n.split('/')[0] for n in shapes if n != 'conv_preds/bias' and n != 'conv_preds/kernel']:
        count = shapes.get(f'{name}/kernel', shapes.get(f'{name}/depthwise_kernel'))[-1 if 'dw' not in name else 2]
        shapes.update({f'{name}_bn/{part}': [count] for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')})
    w = weights(shapes)

    def layer(y, name, stride):
        depthwise = 'dw' in name
        kernel = w[f'{name}/depthwise_kernel'].permute(2, 3, 0, 1) if depthwise else w[f'{name}/kernel'].permute(3, 2, 0, 1)
        if kernel.shape[2] == 3:
            # TensorFlow's 'same' for even sizes: a step of 2 pads below and on the right only.
            y = F.pad(y, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        y = F.conv2d(y, kernel, stride=stride, groups=kernel.shape[0] if depthwise else 1)
        mean, variance, gamma, beta = (w[f'{name}_bn/{part}'] for part in ('moving_mean', 'moving_variance', 'gamma', 'beta'))
        return F.batch_norm(y, mean, variance, gamma, beta, eps=1e-3).clamp(0, 6)

    y = layer(F.interpolate(x, size=(224, 224), mode='bilinear', align_corners=False), 'conv1', 2)
    for n, stride in enumerate(strides, 1):
        y = layer(layer(y, f'conv_dw_{n}', stride), f'conv_pw_{n}', 1)
    features = y.mean((2, 3))
    logits = features @ w['conv_preds/kernel'].reshape(256, 1000) + w['conv_preds/bias']
    return {'mobilenet|features': features, 'mobilenet|probabilities': F.softmax(logits, 1)}, shapes


# ---------------------------------------------------------------- Fréchet distances


def frechet(a, b):
    """By all eigenvalues of the product, complex as they may be."""
    product = np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum()
    return np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a, rowvar=False)) + np.trace(np.cov(b, rowvar=False)) - 2 * roots


def distances():
    rng = np.random.default_rng(4)
    mix = rng.normal(size=(2, 12, 12))
    sets = {
        'wide': rng.normal(size=(60, 12)) @ mix[0] + 3, 'other': rng.normal(size=(45, 12)) @ mix[1] - 1, 'few': rng.normal(size=(7, 12)) @ mix[0],
        'offset': rng.normal(size=(50, 12)) @ mix[1] + 1e4,
    }
    names = [('wide', 'other'), ('wide', 'few'), ('other', 'offset'), ('wide', 'wide'), ('few', 'few')]
    values = {f'frechet|{a}|{b}': torch.tensor(frechet(sets[a], sets[b])) for a, b in names}
    return {**{f'set|{name}': torch.from_numpy(values) for name, values in sets.items()}, **values}


def main():
    torch.set_grad_enabled(False)
    data, x = images()
    mobile, mobile_shapes = mobilenet(x[:2])
    full = Inception(1).state_dict()
    shapes = {
        'inception': {n: list(t.shape) for n, t in full.items() if not n.endswith('num_batches_tracked')}, 'mobilenet': mobile_shapes,
        'squeezenet': {n: list(t.shape) for n, t in squeeze(1).state_dict().items()}, 'alex': {n: list(t.shape) for n, t in alex(1).state_dict().items()},
        'vgg': {n: list(t.shape) for n, t in vgg(1).state_dict().items()},
    }
    floats = {n: t if n.startswith(('set', 'frechet')) else t.float() for n, t in {**inception(x[:2]), **perceptual(x), **mobile, **distances()}.items()}
    write('scores.safetensors', {'images': data, **floats}, {'shapes': json.dumps(shapes)}, exact=True)
    torch.set_grad_enabled(True)
