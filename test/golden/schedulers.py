# The table of learning rate schedules: the rates of two groups over some steps, exact. The schedules come from test/table.
import torch

from files import answers, requests, write_answers


def compute(sample):
    opt = torch.optim.SGD([{'params': [torch.zeros(1)], 'lr': lr} for lr in sample['rates']], lr=1)
    schedule = eval(sample['torch'], {'opt': opt, 'schedulers': torch.optim.lr_scheduler})
    rates = [[g['lr'] for g in opt.param_groups]]
    for _ in range(sample['steps']):
        opt.step()
        schedule.step()
        rates.append([g['lr'] for g in opt.param_groups])
    return {'rates': torch.tensor(rates, dtype=torch.float64)}


def main():
    asked = requests('schedulers')
    write_answers('schedulers', asked, answers(asked, compute), exact=True)
