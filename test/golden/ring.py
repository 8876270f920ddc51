# The first ten steps of a BMS-VAE-GAN on the ring in double precision, written from the paper's equations (arXiv 1909.12598, eq. 6 and 7, Algorithm 1) in
# plain torch: all T draws with gradients, minima by min(). Weights, batches and noise are drawn here and written beside the results.
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

from files import write

# Of the ring's defaults, all but the sizes, which are small so that the file is. (While every row is inside the hinge's margin, the gradient of D's last bias
# is 0 but for rounding, which Adam makes whole steps of: single and double precision part, in PyTorch too. These sizes and this seed keep clear of that.)
B, T, LATENT, WIDTH = 32, 5, 8, 32
K, BIAS = 30.0, 0.3
LOG_VARIANCE = (-10.0, 5.0)
W_REC, W_SYN, W_PRI, W_KL = 10.0, 1.0, 1.0, 1.0
LR, LR_D, LR_L, BETAS, STEPS_IN_ALL = 1e-2, 1e-3, 1e-2, (0.5, 0.9), 3000
DECAY = 0.999
STEPS = 10


def mlp(sizes, activation, wrap=lambda layer: layer):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [wrap(nn.Linear(a, b)), activation()]
    return nn.Sequential(*layers[:-1])


def networks():
    """G: z -> x; R: x -> mean and log variance of q(z|x); D: the data-space critic, 1-Lipschitz before its scale K; L: the latent critic's logit of p(z)."""
    G = mlp([LATENT, WIDTH, WIDTH, WIDTH, 2], nn.ReLU)
    R = mlp([2, WIDTH, WIDTH, 2 * LATENT], nn.ReLU)
    D = mlp([2, WIDTH, WIDTH, 1], nn.ReLU, spectral_norm)
    L = mlp([LATENT, WIDTH, WIDTH, 1], lambda: nn.LeakyReLU(0.2))
    with torch.no_grad():
        for layer in D[::2]:
            layer.bias.mul_(BIAS)
    return [net.float().double() for net in (G, R, D, L)]


def ring_batch():
    """Points of eight Gaussians on the unit circle, divided by their root mean square coordinate."""
    angle = 2 * math.pi * torch.randint(0, 8, (B, 1)) / 8
    points = torch.cat([angle.cos(), angle.sin()], 1) + 0.01 * torch.randn(B, 2)
    return (points / math.sqrt(0.5 + 0.01**2)).float().double()


def hinge(real, *fakes):
    """mean relu(1 - real) + mean relu(1 + fake), all fakes weighing 1 together."""
    return F.relu(1 - real).mean() + sum(F.relu(1 + f).mean() for f in fakes) / len(fakes)


def run(nets, batches, noise, norm, non_saturating, r1):
    """Ten steps; each term of each, and the networks after them. `norm`: of the reconstruction. `r1`: weight of the critic's gradient penalty."""
    G, R, D, L = nets
    average = copy.deepcopy(G)
    opt_g = torch.optim.Adam([*G.parameters(), *R.parameters()], lr=LR, betas=BETAS)
    opt_d = torch.optim.Adam(D.parameters(), lr=LR_D, betas=BETAS)
    opt_l = torch.optim.Adam(L.parameters(), lr=LR_L, betas=BETAS)
    terms = []

    def score(x):
        return K * D(x)

    def minimise(opt, loss, params, lr, step):
        for group in opt.param_groups:
            group['lr'] = lr * (1 - step / STEPS_IN_ALL)
        for p, g in zip(params, torch.autograd.grad(loss, params)):
            p.grad = g
        opt.step()

    for step, (x, e) in enumerate(zip(batches, noise)):
        # Generator and recognition network, jointly. The critic's power iterations rest.
        D.eval()
        mean, log_variance = R(x).chunk(2, dim=1)
        z = mean + (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp() * e[:T]
        made = G(z)
        errors = (made - x).abs().pow(norm).mean(dim=2)
        rec = errors.min(dim=0).values.mean()
        syn = -score(made).squeeze(2).min(dim=0).values.mean()
        prior = e[T]
        dreamt = G(prior)
        pri = -score(dreamt).mean()
        logit = L(z[0])
        kl = F.softplus(-logit).mean() if non_saturating else -logit.mean()
        minimise(opt_g, W_REC * rec + W_SYN * syn + W_PRI * pri + W_KL * kl, [*G.parameters(), *R.parameters()], LR, step)
        # The data-space critic, on what the generator made before its step: one reconstruction of each point, and prior samples.
        D.train()
        seen = x.clone().requires_grad_()
        scores = score(torch.cat([seen, made[0].detach(), dreamt.detach()]))
        critic = hinge(*scores.chunk(3))
        slope, = torch.autograd.grad(scores[:B].sum(), seen, create_graph=True)
        minimise(opt_d, critic + r1 / 2 * slope.square().sum(dim=1).mean(), list(D.parameters()), LR_D, step)
        # The latent critic: prior 1, posterior 0.
        latent = F.softplus(-L(prior)).mean() + F.softplus(L(z[0].detach())).mean()
        minimise(opt_l, latent, list(L.parameters()), LR_L, step)
        # The average of G that samples come from.
        keep = min(DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for a, p in zip(average.parameters(), G.parameters()):
                a.mul_(keep).add_((1 - keep) * p)
        terms.append(torch.stack([t.detach() for t in (rec, syn, pri, kl, critic, latent)]))
    after = {f'{name}.{n}': t for name, net in zip(('G', 'R.body', 'D.body', 'L', 'ema'), (G, R, D, L, average)) for n, t in net.state_dict().items()}
    return {'terms': torch.stack(terms), **{f'after|{n}': t for n, t in after.items()}}


def main():
    torch.manual_seed(7)
    nets = networks()
    batches = torch.stack([ring_batch() for _ in range(STEPS)])
    noise = torch.randn(STEPS, T + 1, B, LATENT).float().double()
    tensors = {'batches': batches, 'noise': noise}
    tensors.update({f'start|{name}.{n}': t.clone() for name, net in zip(('G', 'R.body', 'D.body', 'L'), nets) for n, t in net.state_dict().items()})
    settings = {'ring': (2, False, 0.0), 'ring, L1, non-saturating, R1': (1, True, 0.3)}
    for name, (norm, non_saturating, r1) in settings.items():
        tensors.update({f'{name}|{n}': t for n, t in run(copy.deepcopy(nets), batches, noise, norm, non_saturating, r1).items()})
    write('ring.safetensors', tensors, {})
