# The first steps of models of images in double precision, written from the paper's Algorithm 1 and the papers of its baselines in plain torch: convolutional
# networks with batch norm, spectral norm, gradient penalties. Which pass normalises by which batch is as packages/bms/src/step.ts says at its head.
import copy
import json

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

from files import write

B, T, LATENT, HIDDEN = 4, 3, 4, 6
CALLS = 4
LOG_VARIANCE = (-10.0, 5.0)
W_REC, W_SYN, W_PRI, W_KL = 10.0, 1.0, 1.0, 1.0
# A large eps: some gradients are 0 but for rounding (of a bias in front of a batch norm), and Adam would make whole steps of that.
LR, LR_D, LR_L, BETAS, EPS = 1e-3, 2e-3, 1e-3, (0.5, 0.9), 1e-3
GP = 10.0

# What each run is: `critic` is the loss of D, `score` what G makes of it, `bound` what bounds D's slope, `per_pass` how many draws the pass that chooses takes at once.
plain = dict(arch='dcgan', encoder=True, T=1, critic='bce', score='ratio', bound='none', per_pass=5, n_critic=1, r1=0.0)
runs = {
    'bms-vae-gan, standard': dict(plain, arch='standard', T=T, critic='hinge', bound='spectral'),
    'bms-vae-gan, penalty': dict(plain, T=T, critic='hinge', bound='penalty', per_pass=2),
    'bms-gan': dict(plain, T=T),
    'alpha-gan, R1': dict(plain, r1=0.3),
    'dcgan': dict(plain, encoder=False, score='non-saturating'),
    'wgan-gp': dict(plain, encoder=False, critic='wasserstein', bound='penalty', n_critic=2),
}


def conv(a, b, kernel, stride, bias=True):
    return nn.Conv2d(a, b, kernel, stride, (kernel - 1) // 2, bias=bias)


def grow(a, b, kernel, bias=True):
    return nn.ConvTranspose2d(a, b, kernel, 2, (kernel - 1) // 2, output_padding=kernel % 2, bias=bias)


def generator(arch):
    if arch == 'dcgan':
        w = 2
        layers = [nn.Linear(LATENT, 16 * 4 * w, bias=False), nn.Unflatten(1, (4 * w, 4, 4)), nn.BatchNorm2d(4 * w), nn.ReLU()]
        for a, b in ((4 * w, 2 * w), (2 * w, w)):
            layers += [grow(a, b, 5, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        return nn.Sequential(*layers, grow(w, 3, 5), nn.Tanh())
    w = 1
    layers = [nn.Linear(LATENT, 16 * 8 * w), nn.Unflatten(1, (8 * w, 4, 4))]
    for a, b in ((8 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)):
        layers += [grow(a, b, 4), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, conv(w, 3, 3, 1), nn.Tanh())


def downward(w, outputs, norm, track):
    """DCGAN's critic, and every recognition network."""
    layers = [conv(3, w, 5, 2), nn.LeakyReLU(0.2)]
    for a, b in ((w, 2 * w), (2 * w, 4 * w)):
        layers += [conv(a, b, 5, 2, bias=not norm), *([nn.BatchNorm2d(b, track_running_stats=track)] if norm else []), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 4 * w, outputs))


def standard_critic():
    """Miyato et al. 2018, table 3."""
    layers = []
    for a, b, kernel, stride in ((3, 1, 3, 1), (1, 1, 4, 2), (1, 2, 3, 1), (2, 2, 4, 2), (2, 4, 3, 1), (4, 4, 4, 2), (4, 8, 3, 1)):
        layers += [conv(a, b, kernel, stride), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 8, 1))


def networks(arch, encoder, bound, **_):
    G = generator(arch)
    R = downward(2, 2 * LATENT, True, True) if encoder else None
    D = downward(2, 1, bound == 'none', False) if arch == 'dcgan' else standard_critic()
    L = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1)) if encoder else None
    nets = {'G.body': G, 'R.body': R, 'D.body': D, 'L': L}
    with torch.no_grad():
        for net in nets.values():
            for p in net.parameters() if net else ():
                # Larger than a fresh network's, so that every layer has a say.
                p.add_(0.1 * torch.randn_like(p))
    if bound == 'spectral':
        for layer in D:
            if hasattr(layer, 'weight'):
                spectral_norm(layer)
    return {name: net.float().double() for name, net in nets.items() if net}


def rows(gradient):
    """Lengths of a gradient of images, or of codes."""
    return gradient.flatten(1).norm(dim=1)


def of_parameters(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm()


def keeping(net, x):
    """`net` normalising by this batch, its running statistics left as they are."""
    held = {name: t.clone() for name, t in net.named_buffers()}
    y = net(x)
    with torch.no_grad():
        for name, t in net.named_buffers():
            t.copy_(held[name])
    return y


def run(nets, batches, noise, mix, T, encoder, critic, score, bound, per_pass, n_critic, r1, **_):
    G, R, D, L = (nets.get(name) for name in ('G.body', 'R.body', 'D.body', 'L'))
    groups_apart = any(isinstance(layer, nn.BatchNorm2d) for layer in D)
    adam = lambda params, lr: torch.optim.Adam(params, lr=lr, betas=BETAS, eps=EPS)
    opt_g = adam([*G.parameters(), *(R.parameters() if R else [])], LR)
    opt_d, opt_l = adam(D.parameters(), LR_D), L and adam(L.parameters(), LR_L)
    told = []

    def minimise(opt, loss, params):
        params = list(params)
        found = torch.autograd.grad(loss, params, retain_graph=True)
        for p, g in zip(params, found):
            p.grad = g
        opt.step()
        return of_parameters(found)

    def posterior(x, keep=False):
        mean, log_variance = (keeping(R, x) if keep else R(x)).chunk(2, dim=1)
        return mean, (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp()

    def scores(*groups):
        return [D(g) for g in groups] if groups_apart else D(torch.cat(groups)).split([len(g) for g in groups])

    def wanted(s):
        return (-s if score == 'ratio' else F.softplus(-s)).mean()

    def critic_step(x, fakes, mix):
        D.train()
        seen = x.clone().requires_grad_()
        real, *made = scores(seen, *fakes)
        side = {'hinge': lambda s: F.relu(1 + s), 'bce': F.softplus, 'wasserstein': lambda s: s}[critic]
        loss = side(-real).mean() + sum(side(s).mean() for s in made) / len(made)
        penalty = torch.zeros(())
        if r1:
            slope, = torch.autograd.grad(real.sum(), seen, create_graph=True)
            penalty = r1 / 2 * rows(slope).square().mean()
        if bound == 'penalty':
            partner = fakes[-1] if len(fakes) == 1 else torch.cat([fakes[0][:B // 2], fakes[1][B // 2:]])
            between = (partner + mix.reshape(B, 1, 1, 1) * (x - partner)).requires_grad_()
            slope, = torch.autograd.grad(D(between).sum(), between, create_graph=True)
            penalty = penalty + GP * (rows(slope) - 1).square().mean()
        length = minimise(opt_d, loss + penalty, D.parameters())
        return {'critic': loss, **({'penalty': penalty} if r1 or bound == 'penalty' else {}), 'grad_critic': length}

    def generator_step(x, e):
        """The losses, what the critic gets as generated, and the latent critic's two groups."""
        if not encoder:
            made = G(e[-1])
            pri = wanted(scores(made)[0])
            there, = torch.autograd.grad(W_PRI * pri, made, retain_graph=True)
            length = minimise(opt_g, W_PRI * pri, G.parameters())
            return {'pri': pri, 'grad_pri': rows(there).sum(), 'grad_generator': length}, [made.detach()], None
        mean, deviation = posterior(x)
        draw = lambda noise: mean + deviation * noise
        prior, first = e[-1], draw(e[0])
        reconstruction = None
        passed = [e[0]]
        if T > 1:
            with torch.no_grad():
                errors, values = [], []
                for at in range(0, T, per_pass):
                    part = e[at:min(at + per_pass, T)]
                    made = keeping(G, draw(part).flatten(0, 1))
                    reconstruction = made[:B] if reconstruction is None else reconstruction
                    errors.append((made.unflatten(0, (len(part), B)) - x).abs().flatten(2).mean(dim=2))
                    values.append(scores(made)[0].reshape(len(part), B))
                best, worst = torch.cat(errors).argmin(dim=0), torch.cat(values).argmin(dim=0)
                assert (best != worst).any(), 'best and worst draws should differ somewhere'
                passed = [e[best, torch.arange(B)], e[worst, torch.arange(B)]]
        # One batch for the batch norms: chosen draws and prior samples.
        made = G(torch.cat([*map(draw, passed), prior]))
        parts = made.split(B)
        rec = (parts[0] - x).abs().mean()
        synthetic, real = scores(parts[-2], parts[-1])
        syn, pri = wanted(synthetic), wanted(real)
        kl = -L(first).mean()
        total = W_REC * rec + W_SYN * syn + W_PRI * pri + W_KL * kl
        lengths = {
            f'grad_{name}': rows(torch.autograd.grad(weight * term, at, retain_graph=True)[0]).sum()
            for name, weight, term, at in (('rec', W_REC, rec, made), ('syn', W_SYN, syn, made), ('pri', W_PRI, pri, made), ('kl', W_KL, kl, first))
        }
        lengths['grad_generator'] = minimise(opt_g, total, [*G.parameters(), *R.parameters()])
        reconstruction = parts[0].detach() if reconstruction is None else reconstruction
        return {'rec': rec, 'syn': syn, 'pri': pri, 'kl': kl, **lengths}, [reconstruction, parts[-1].detach()], (prior, first.detach())

    def critic_only(x, e, mix):
        with torch.no_grad():
            fakes = [keeping(G, e[-1])]
        critic_step(x, fakes, mix)

    for first in range(0, CALLS - CALLS % n_critic if n_critic > 1 else CALLS - 1, n_critic):
        for call in range(first, first + n_critic - 1):
            critic_only(batches[call], noise[call], mix[call])
        call = first + n_critic - 1
        x, e = batches[call], noise[call][-(T + 1):]
        D.eval()
        terms, fakes, codes = generator_step(x, e)
        terms.update(critic_step(x, fakes, mix[call]))
        if codes:
            prior, posterior_codes = codes
            latent = F.softplus(-L(prior)).mean() + F.softplus(L(posterior_codes)).mean()
            terms.update({'latent': latent, 'grad_latent': minimise(opt_l, latent, L.parameters())})
        told.append({name: t.detach() for name, t in terms.items()})
    return told


def main():
    torch.manual_seed(5)
    pixels = torch.randint(0, 256, (CALLS, B, 3, 32, 32), dtype=torch.uint8)
    batches = (pixels.double() / 127.5 - 1).float().double()
    noise = torch.randn(CALLS, T + 1, B, LATENT).float().double()
    mix = torch.rand(CALLS, B).float().double()
    tensors = {'pixels': pixels, 'noise': noise, 'mix': mix}
    names = {}
    for name, settings in runs.items():
        nets = networks(**settings)
        state = lambda: {f'{part}.{key}': t.clone() for part, net in nets.items() for key, t in net.state_dict().items()}
        tensors.update({f'{name}|start|{key}': t for key, t in state().items()})
        told = run(nets, batches, noise, mix, **settings)
        names[name] = list(told[0])
        tensors[f'{name}|terms'] = torch.stack([torch.stack(list(terms.values())) for terms in told])
        tensors.update({f'{name}|after|{key}': t for key, t in state().items()})
    write('images.safetensors', tensors, {'terms': json.dumps(names)})
