# The table of initialisers: the bounds, or mean and deviation, that PyTorch's draw from for a shape, and its gains, exact. What is asked comes from
# test/table.
import torch
import torch.nn as nn

from files import answers, requests, write_answers


class Recorder(torch.Tensor):
    """Notes what an initialiser asks of the random numbers."""

    def uniform_(self, low, high):
        self.drawn = (low, high)
        return self

    def normal_(self, mean, std):
        self.drawn = (mean, std)
        return self


def compute(sample):
    """Of an initialiser of `x` what it draws from; else the number."""
    if 'shape' not in sample:
        return {'value': torch.tensor(eval(sample['torch'], {'nn': nn}), dtype=torch.float64)}
    x = torch.empty(sample['shape']).as_subclass(Recorder)
    eval(sample['torch'], {'nn': nn, 'x': x})
    return {'drawn': torch.tensor(x.drawn, dtype=torch.float64)}


def main():
    asked = requests('init')
    write_answers('init', asked, answers(asked, compute), exact=True)
