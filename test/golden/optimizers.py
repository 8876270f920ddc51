# The table of optimisers: parameters along twenty steps down squares, and the optimiser's state at the end, in double precision. The optimisers and where
# they start come from test/table.
import torch
import torch.nn as nn

from files import answers, make, requests, write_answers


def compute(sample):
    params = [nn.Parameter(make(x).detach()) for x in sample['start']]
    targets = [make(x).detach() for x in sample['targets']]
    opt = eval(sample['torch'], {'optim': torch.optim, 'params': params})
    schedule = sample['schedule'] and eval(sample['schedule'], {'opt': opt, 'schedulers': torch.optim.lr_scheduler})
    values = {}
    for step in range(max(sample['looks'])):
        for i, p in enumerate(params):
            # As in test/table/optimizer.ts.
            absent = sample['sparse'] and (step + i) % 3 == 0
            p.grad = None if absent else (0.5 + 0.25 * i) * (p.detach() - targets[i])
        opt.step()
        if schedule:
            schedule.step()
        if step + 1 in sample['looks']:
            values.update({f'{step + 1}|{i}': p.detach().clone() for i, p in enumerate(params)})
    for i, state in opt.state_dict()['state'].items():
        values.update({f'state.{i}.{name}': torch.as_tensor(t).double() for name, t in state.items() if t is not None})
    return values


def main():
    asked = requests('optimizers')
    write_answers('optimizers', asked, answers(asked, compute))
