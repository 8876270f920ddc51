# The first steps of every training objective that ring.py does not have, in double precision, written from the papers' equations in plain torch: VEEGAN, GDPP-GAN,
# MD-GAN, WAE with MMD, and eq. 7 with the mean of the draws, without spectral norm and with WGAN-GP's penalty in its place. Weights, batches and noise are drawn
# here and written beside the results.
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

from files import write
from ring import hinge, mlp

B, T, LATENT, WIDTH, STEPS = 16, 3, 8, 24, 4
LR, LR_D, LR_L, BETAS = 2e-3, 1e-3, 2e-3, (0.5, 0.9)
K = 30.0
LOG_VARIANCE = (-10.0, 5.0)


class Method:
    """Networks, an optimiser for each of 'G' (with R), 'D' and 'L', and step(x, noise of this step), which trains once and tells its terms."""

    def __init__(self, **nets):
        self.nets = {name: net.float().double() for name, net in nets.items()}
        params = {name: list(net.parameters()) for name, net in self.nets.items()}
        params['G'] += params.pop('R', [])
        rates = {'G': LR, 'D': LR_D, 'L': LR_L}
        self.optimisers = {name: torch.optim.Adam(p, lr=rates[name], betas=BETAS) for name, p in params.items()}

    def minimise(self, **losses):
        """A step on each loss by the parameters of its name, from gradients that are all taken before."""
        for name, loss in losses.items():
            params = self.optimisers[name].param_groups[0]['params']
            for p, g in zip(params, torch.autograd.grad(loss, params, retain_graph=True)):
                # Rounding of a sum that cancels, of which Adam would make whole steps.
                assert not ((g != 0) & (g.abs() < 1e-12)).any(), f'a gradient of {name} is 0 but for rounding: take other sizes or another seed'
                p.grad = g
        for name in losses:
            self.optimisers[name].step()


def entropy(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


class Veegan(Method):
    """Srivastava et al. 2017 and its notebook: z with a last coordinate for G alone; F (here R) the mean of N(F(x), 1); D of pairs, 1 for (z, G(z))."""

    def __init__(self):
        told = LATENT - 1
        G, R = mlp([LATENT, WIDTH, WIDTH, 2], nn.ReLU), mlp([2, WIDTH, WIDTH, told], nn.ReLU)
        super().__init__(G=G, R=R, D=mlp([told + 2, WIDTH, 1], nn.ReLU))

    def step(self, x, noise):
        G, R, D = self.nets.values()
        z, e = noise['normal'][0], noise['normal'][1, :, :-1]
        made, z = G(z), z[:, :-1]
        log_ratio = lambda codes, points: -D(torch.cat([codes, points], 1))  # The package's critic is high on data.
        pri = log_ratio(z, made).mean()
        density = torch.distributions.Normal(R(made), 1.0).log_prob(z) + 0.5 * math.log(2 * math.pi)
        rec = -2 * density.sum(1).mean()  # Without the Gaussian's constant, and told without its half.
        critic = entropy(log_ratio(z, made.detach()), 1.0) + entropy(log_ratio(R(x).detach() + e, x), 0.0)
        self.minimise(G=pri + 0.5 * rec, D=critic)
        return {'rec': rec, 'pri': pri, 'critic': critic}


class Gdpp(Method):
    """Elfeki et al. 2019, on the first points of each batch. The sign of an eigenvector is such that its largest component is positive."""

    POINTS = 8

    def __init__(self):
        D = mlp([2, WIDTH, WIDTH, 1], nn.Tanh)
        G = mlp([LATENT, WIDTH, WIDTH, 2], nn.Tanh)
        # Points far apart, and features that tell them apart: an eigenvector's gradient is divided by the differences of eigenvalues.
        with torch.no_grad():
            G[-1].weight.mul_(10)
            D[0].weight.normal_(0, 4)
            D[0].bias.normal_(0, 4)
            D[2].weight.mul_(6)
        super().__init__(G=G, D=D)

    @staticmethod
    def decompose(features):
        unit = F.normalize(features, dim=1)
        values, vectors = torch.linalg.eigh(unit @ unit.t())
        sizes = vectors.abs().sort(dim=0).values
        assert values.diff().min() > 2e-3 and (sizes[-2] / sizes[-1]).max() < 0.998, 'eigenvectors that rounding could turn'
        return values, vectors * vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True)).sign()

    def step(self, x, noise):
        G, D = self.nets.values()
        x, made = x[:self.POINTS], G(noise['normal'][0, :self.POINTS])
        (values, vectors), (real_values, real_vectors) = self.decompose(D[:-1](made)), self.decompose(D[:-1](x).detach())
        scaled = (real_values - real_values.min()) / (real_values.max() - real_values.min())
        diversity = 1e-4 * F.mse_loss(values, real_values) - (scaled * (vectors * real_vectors).sum(0)).sum()
        pri = entropy(D(made), 1.0)
        critic = entropy(D(x), 1.0) + entropy(D(made.detach()), 0.0)
        self.minimise(G=0.5 * (pri + diversity), D=critic)
        return {'pri': pri, 'diversity': diversity, 'critic': critic}


class Scaled(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class MdGan(Method):
    """Eghbal-zadeh et al. 2019. The corners have 1 as their lengths' squares and -1/9 as products: a Cholesky factor of those, the last corner minus the sum of the rest."""

    def __init__(self):
        # Six in the coordinates of the grid, whose root mean square is the square root of 8.
        G = mlp([LATENT, WIDTH, WIDTH, 2], nn.ReLU).append(Scaled(lambda x: 6 / math.sqrt(8) * x.tanh()))
        super().__init__(G=G, D=mlp([2, WIDTH, WIDTH, 9], lambda: nn.LeakyReLU(0.2)).append(Scaled(lambda x: 5 * x.sigmoid() - 2.5)))
        products = torch.full((9, 9), -1 / 9, dtype=torch.float64).fill_diagonal_(1)
        factor = torch.linalg.cholesky(products)
        self.corners = torch.cat([factor, -factor.sum(0, keepdim=True)])
        self.greatest = self.likelihood(torch.zeros(1, 9, dtype=torch.float64)).item()

    def likelihood(self, points):
        gaussians = [torch.distributions.MultivariateNormal(c, 0.25 * torch.eye(9, dtype=torch.float64)) for c in self.corners]
        return sum(g.log_prob(points).exp() for g in gaussians) / 10

    def step(self, x, noise):
        G, D = self.nets.values()
        first, second = noise['uniform']
        missing = lambda points: (1e-8 + self.greatest - self.likelihood(D(points))).log()
        critic = -((1e-8 + self.likelihood(D(x))).log() + missing(G(first).detach())).mean()
        self.minimise(D=critic)
        pri = missing(G(second)).mean()
        self.minimise(G=pri)
        return {'pri': pri, 'critic': critic}


def gaussian(R, x):
    mean, log_variance = R(x).chunk(2, dim=1)
    return mean, (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp()


class WaeMmd(Method):
    """Tolstikhin et al. 2018, WAE-MMD: the U-statistic, pair by pair, with kernels C / (C + |a - b|^2)."""

    W_REC, W_KL = 10.0, 5.0

    def __init__(self):
        super().__init__(G=mlp([LATENT, WIDTH, WIDTH, 2], nn.ReLU), R=mlp([2, WIDTH, 2 * LATENT], nn.ReLU))

    def step(self, x, noise):
        G, R = self.nets.values()
        mean, deviation = gaussian(R, x)
        z, prior = mean + deviation * noise['normal'][0], noise['normal'][1]

        def kernel(a, b):
            distance = (a - b).square().sum()
            return sum(c / (c + distance) for c in (2 * LATENT * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)))

        pairs = [(i, j) for i in range(B) for j in range(B)]
        kl = sum(kernel(z[i], z[j]) + kernel(prior[i], prior[j]) for i, j in pairs if i != j) / (B * (B - 1))
        kl = kl - 2 * sum(kernel(z[i], prior[j]) for i, j in pairs) / B**2
        rec = (G(z) - x).square().mean()
        self.minimise(G=self.W_REC * rec + self.W_KL * kl)
        return {'rec': rec, 'kl': kl}


class Bms(Method):
    """Eq. 7 of the paper and its ablations: best and worst draw or the mean of all; spectral norm, WGAN-GP's penalty or nothing to bound the critic."""

    W_REC, GP = 10.0, 10.0

    def __init__(self, mean, bound):
        wrap = spectral_norm if bound == 'spectral' else lambda layer: layer
        super().__init__(
            G=mlp([LATENT, WIDTH, WIDTH, 2], nn.ReLU), R=mlp([2, WIDTH, 2 * LATENT], nn.ReLU), D=mlp([2, WIDTH, WIDTH, 1], nn.ReLU, wrap),
            L=mlp([LATENT, WIDTH, 1], lambda: nn.LeakyReLU(0.2)))
        self.pick = (lambda t: t.mean(dim=0)) if mean else (lambda t: t.min(dim=0).values)
        self.penalised = bound == 'penalty'

    def step(self, x, noise):
        G, R, D, L = self.nets.values()
        score = lambda points: K * D(points)
        D.eval()
        e, prior = noise['normal'][:T], noise['normal'][T]
        mean, deviation = gaussian(R, x)
        z = mean + deviation * e
        made, dreamt = G(z), G(prior)
        rec = self.pick((made - x).square().mean(dim=2)).mean()
        syn, pri, kl = -self.pick(score(made).squeeze(2)).mean(), -score(dreamt).mean(), -L(z[0]).mean()
        self.minimise(G=self.W_REC * rec + syn + pri + kl)
        # What the generator made before its step, for the critics.
        D.train()
        made, dreamt, z = made[0].detach(), dreamt.detach(), z[0].detach()
        critic = hinge(*score(torch.cat([x, made, dreamt])).chunk(3))
        terms = {'rec': rec, 'syn': syn, 'pri': pri, 'kl': kl, 'critic': critic}
        if self.penalised:
            share = noise['mix'][:, None]
            between = (share * x + (1 - share) * torch.cat([made[:B // 2], dreamt[B // 2:]])).requires_grad_()
            # Of the critic before its scale, as spectral norm bounds it.
            slope, = torch.autograd.grad(D(between).sum(), between, create_graph=True)
            terms['penalty'] = self.GP * (slope.norm(dim=1) - 1).square().mean()
        self.minimise(D=critic + terms.get('penalty', 0))
        terms['latent'] = F.softplus(-L(prior)).mean() + F.softplus(L(z)).mean()
        self.minimise(L=terms['latent'])
        return terms


def state(nets):
    """As the package names them: R and D keep theirs in a body."""
    prefix = {'G': 'G', 'R': 'R.body', 'D': 'D.body', 'L': 'L'}
    return {f'{prefix[name]}.{n}': t.clone() for name, net in nets.items() for n, t in net.state_dict().items()}


def run(method, batches, noise):
    results = {f'start|{n}': t for n, t in state(method.nets).items()}
    for step, x in enumerate(batches):
        for name, term in method.step(x, {n: t[step] for n, t in noise.items()}).items():
            results.setdefault(f'terms|{name}', []).append(term.detach())
    results = {n: torch.stack(t) if isinstance(t, list) else t for n, t in results.items()}
    return {**results, **{f'after|{n}': t for n, t in state(method.nets).items()}}


def main():
    torch.manual_seed(149)
    single = lambda t: t.float().double()
    # Points all over the plane rather than on the ring: neighbours nearer than a mode's width have the same features but for rounding.
    batches = single(torch.randn(STEPS, B, 2))
    noise = {
        'normal': single(torch.randn(STEPS, T + 1, B, LATENT)),
        'uniform': single(2 * torch.rand(STEPS, 2, B, LATENT) - 1),
        'mix': single(torch.rand(STEPS, B)),
    }
    methods = {
        'GDPP-GAN': Gdpp(), 'VEEGAN': Veegan(), 'MD-GAN': MdGan(), 'WAE with MMD': WaeMmd(),
        'BMS, mean draw': Bms(True, 'spectral'), 'BMS without spectral norm': Bms(False, 'none'), 'BMS with a gradient penalty': Bms(False, 'penalty'),
    }
    tensors = {'batches': batches, **noise}
    for name, method in methods.items():
        tensors.update({f'{name}|{n}': t for n, t in run(method, batches, noise).items()})
    write('objectives.safetensors', tensors, {})
