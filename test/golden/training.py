# Whole training runs, in double precision: a classifier, and a critic with a gradient penalty (WGAN-GP), whose step differentiates gradients.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

from files import write


def single(module):
    """The module in double precision, with parameters that single precision can hold."""
    return module.float().double()


def state(module):
    return {n: t.clone() for n, t in module.state_dict().items()}


def values(*shape):
    return torch.randn(shape).double()


def classifier():
    """Ten steps; the losses, and the state before and after."""
    # No bias before batch norm: its gradient is 0 but for rounding, which Adam would blow up.
    model = single(nn.Sequential(
        nn.Linear(2, 16, bias=False), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LayerNorm(16), nn.ELU(), nn.Linear(16, 3)))
    x, y = values(32, 2), torch.randint(0, 3, (32,))
    results = {'x': x, 'y': y, **{f'start|{n}': t for n, t in state(model).items()}}
    opt = torch.optim.AdamW(model.parameters(), lr=0.02, betas=(0.8, 0.95))
    losses = []
    for _ in range(10):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        losses.append(loss.detach())
    return {**results, 'losses': torch.stack(losses), **{f'after|{n}': t for n, t in state(model).items()}}


# The critics have no last bias, which cancels in the loss, and none before batch norm.
def linear_critic(wrap=lambda layer: layer):
    return nn.Sequential(wrap(nn.Linear(2, 16)), nn.Tanh(), wrap(nn.Linear(16, 16)), nn.LeakyReLU(0.2), wrap(nn.Linear(16, 1, bias=False)))


def conv_critic():
    return nn.Sequential(
        nn.Conv2d(2, 6, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(6, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 2, bias=False), nn.Flatten())


def critic(model, shape):
    """Five steps of Gulrajani et al. 2017; losses, penalties, the gradients of the first step, and the state before and after."""
    D = single(model)
    real, fake, share = values(5, *shape), 0.5 * values(5, *shape) + 1, torch.rand(5, shape[0], *[1 for _ in shape[1:]]).double()
    results = {'real': real, 'fake': fake, 'share': share, **{f'start|{n}': t for n, t in state(D).items()}}
    opt = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.9))
    losses, penalties = [], []
    for x, y, e in zip(real, fake, share):
        between = (e * x + (1 - e) * y).requires_grad_()
        slope, = torch.autograd.grad(D(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        loss = D(y).mean() - D(x).mean() + 10 * penalty
        opt.zero_grad()
        loss.backward()
        if not losses:
            results.update({f'gradient|{n}': p.grad.clone() for n, p in D.named_parameters()})
        opt.step()
        losses.append(loss.detach())
        penalties.append(penalty.detach())
    return {**results, 'losses': torch.stack(losses), 'penalties': torch.stack(penalties), **{f'after|{n}': t for n, t in state(D).items()}}


def main():
    torch.manual_seed(20)
    runs = {'classifier': classifier()}
    runs['critic'] = critic(linear_critic(), (12, 2))
    runs['critic with spectral norm'] = critic(linear_critic(spectral_norm), (12, 2))
    runs['critic of images'] = critic(conv_critic(), (4, 2, 8, 8))
    write('training.safetensors', {f'{run}|{name}': t for run, results in runs.items() for name, t in results.items()}, {})
