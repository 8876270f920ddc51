# Files as torch.save writes them: a state dict of every layout and type that tensors come in, a checkpoint around one, and files that ask for more than tensors
# (harmless here: what they would run prints a line). Storages of the layout before 1.6 are named by their addresses, so that file comes out differently each time.
import io
from collections import OrderedDict

import torch
import torch.nn as nn

from files import save


class Curious:
    """Runs a function when it is unpickled."""

    def __reduce__(self):
        return print, ('this file ran code',)


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def layouts():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) - 7.5
    return OrderedDict(
        whole=base, transposed=base.t(), rows=base[1:3], column=base[:, 2], scattered=base[::2, 1::3], expanded=torch.tensor([[1.5], [2.5]]).expand(2, 3),
        scalar=torch.tensor(-2.25), empty=torch.zeros(0, 3), f64=torch.tensor([3.141592653589793, -1e30], dtype=torch.float64),
        f16=torch.tensor([0.1, 65504.0, -6e-8], dtype=torch.float16), bf16=torch.tensor([1.0, -2.5, 3.140625], dtype=torch.bfloat16),
        i64=torch.tensor([[1, -2], [2**31 - 1, -(2**31)]]), i32=torch.tensor([-7], dtype=torch.int32), i16=torch.tensor([-300, 300], dtype=torch.int16),
        i8=torch.tensor([-3, 100], dtype=torch.int8), u8=torch.tensor([0, 255, 7], dtype=torch.uint8), bool=torch.tensor([True, False, True]),
        parameter=nn.Parameter(torch.tensor([0.5, -0.5])))


def checkpoint():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    opt = torch.optim.Adam(model.parameters())
    model(torch.tensor([[1.0, 2.0], [3.0, -4.0]])).square().mean().backward()
    opt.step()
    return {
        'epoch': 3, 'loss': 0.25, 'name': 'ü☃', 'seed': 2**40, 'huge': -(2**80), 'nothing': None, 'done': True, 'sizes': torch.Size([2, 3]), 'list': [1, 'two', (3, -4)],
        'optimizer': opt.state_dict(), 'state_dict': model.state_dict(), 'nested': {'ema': {'w': torch.tensor([1.0, 2.0])}},
    }


def main():
    torch.manual_seed(1)
    save('layouts.pth', saved(layouts()))
    save('checkpoint.pth', saved(checkpoint()))
    save('protocol4.pth', saved(OrderedDict(w=torch.tensor([[1.0, 2.0]])), pickle_protocol=4))
    save('legacy.pth', saved(layouts(), _use_new_zipfile_serialization=False))
    save('legacy-module.pth', saved(nn.Linear(1, 1), _use_new_zipfile_serialization=False))
    save('module.pth', saved(nn.Linear(1, 1)))
    save('curious.pth', saved({'w': torch.tensor([1.0]), 'x': Curious()}))
    save('too-large.pth', saved({'w': torch.tensor([2**40])}))
