# Golden files: .safetensors beside this script, written and read without the safetensors package; and what the table asks for.
import json
import os
import struct
import subprocess

import torch

here = os.path.dirname(os.path.abspath(__file__))
kinds = {
    torch.float64: 'F64', torch.int64: 'I64', torch.float32: 'F32', torch.int32: 'I32', torch.bfloat16: 'BF16', torch.float16: 'F16',
    torch.int16: 'I16', torch.uint8: 'U8', torch.bool: 'BOOL',
}
dtypes = {'f32': torch.float64, 'f16': torch.float64, 'i32': torch.int64, 'u32': torch.int64, 'bool': torch.bool}


def requests(part):
    """What the rows of test/table ask of this part, by way of samples.mjs."""
    path = os.path.join(here, f'../../.build/golden-{part}.json')
    subprocess.run(['node', os.path.join(here, 'samples.mjs'), part, path], check=True)
    with open(path) as f:
        asked = json.load(f)
    os.remove(path)
    return asked


def answers(asked, compute):
    """The results of `compute` for all requests, by key and name; PyTorch's error with the request that it came from."""
    tensors = {}
    for request in asked:
        try:
            values = compute(request)
        except Exception as error:
            raise SystemExit(f"{request['key']}: {request['torch']}: {error!r}")
        tensors.update({f"{request['key']}|{name}": t for name, t in values.items()})
    return tensors


def make(spec):
    """An input of the table, floats in double precision."""
    t = torch.tensor([float(v) for v in spec['data']], dtype=torch.float64).to(dtypes[spec['dtype']]).reshape(spec['shape'])
    return t.requires_grad_() if spec['grad'] and t.is_floating_point() else t


def weight(t, k):
    """The weights of output k in gradient tests: as in test/table/goldens.ts."""
    i = torch.arange(t.numel(), dtype=torch.float64)
    return (((i * 7 + k * 3) % 11 - 5) / 8 + 1 / 16).reshape(t.shape)


def gradients(outputs, inputs, create_graph=False, first=0):
    """Of the weighted outputs with respect to the inputs that want one; None where there is none."""
    flowing = [(y, weight(y, k + first)) for k, y in enumerate(outputs) if y is not None and y.requires_grad]
    wanted = [x for x in inputs if x.requires_grad]
    if not flowing or not wanted:
        return [None] * len(inputs)
    found = iter(torch.autograd.grad([y for y, _ in flowing], wanted, [w for _, w in flowing], allow_unused=True, create_graph=create_graph))
    return [next(found) if x.requires_grad else None for x in inputs]


def compact(t):
    """As goldens keep it: doubles as f32, int64 as i32."""
    return t.float() if t.is_floating_point() else t if t.dtype in (torch.bool, torch.uint8) else t.int()


def encode(tensors, metadata):
    """The bytes of a file, tensors in the order given."""
    header, body = {'__metadata__': metadata} if metadata else {}, []
    at = 0
    for key, t in tensors.items():
        t = t.detach().contiguous()
        data = bytes(t.reshape(-1).clone(memory_format=torch.contiguous_format).view(torch.uint8).tolist()) if t.numel() else b''
        header[key] = {'dtype': kinds[t.dtype], 'shape': list(t.shape), 'data_offsets': [at, at + len(data)]}
        at += len(data)
        body.append(data)
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + b''.join(body)


def save(name, content):
    with open(os.path.join(here, name), 'wb') as f:
        f.write(content)
    print(f'{name}: {(len(content) + 1023) // 1024} kB')


def write(name, tensors, metadata, exact=False):
    """A golden file; `exact` keeps double precision."""
    save(name, encode(tensors if exact else {key: compact(t) for key, t in tensors.items()}, metadata))


def write_answers(part, asked, tensors, notes=None, exact=False):
    """The golden file of a part of the table, with the sign of what was asked."""
    metadata = {'fingerprints': json.dumps({r['key']: r['fingerprint'] for r in asked})}
    if notes:
        metadata['notes'] = json.dumps(notes)
    write(f'{part}.safetensors', tensors, metadata, exact)


def read(path):
    """The tensors of a file, and its metadata."""
    with open(path, 'rb') as f:
        content = f.read()
    start = 8 + struct.unpack('<Q', content[:8])[0]
    header = json.loads(content[8:start])
    metadata = header.pop('__metadata__', {})
    back = {kind: dtype for dtype, kind in kinds.items()}
    tensors = {}
    for key, entry in header.items():
        first, last = (start + at for at in entry['data_offsets'])
        data = torch.tensor(list(content[first:last]), dtype=torch.uint8)
        tensors[key] = data.view(back[entry['dtype']]).reshape(entry['shape']) if last > first else torch.zeros(entry['shape'], dtype=back[entry['dtype']])
    return tensors, metadata
