# Golden files: .safetensors beside this script, written without the safetensors package.
import json
import os
import struct

import torch

here = os.path.dirname(os.path.abspath(__file__))
kinds = {torch.float32: ('F32', 'f'), torch.int32: ('I32', 'i'), torch.bool: ('BOOL', '?')}


def write(name, tensors, metadata):
    """Doubles are written as f32, int64 as i32."""
    header, body = {'__metadata__': metadata}, b''
    for key, t in tensors.items():
        t = t.detach()
        t = t.float() if t.is_floating_point() else t if t.dtype == torch.bool else t.int()
        kind, code = kinds[t.dtype]
        data = struct.pack(f'<{t.numel()}{code}', *t.reshape(-1).tolist())
        header[key] = {'dtype': kind, 'shape': list(t.shape), 'data_offsets': [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(os.path.join(here, name), 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + body)
    print(f'{name}: {len(tensors)} tensors, {(8 + len(text) + len(body)) // 1024} kB')
