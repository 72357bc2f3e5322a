#!/usr/bin/env python3
"""Writes tests/golden/pth: small .pth files of real PyTorch, and beside each what its network gives.

    python3 scripts/make_pth_goldens.py [FOLDER]        needs torch, torchvision, timm, safetensors

NAME.pth is what torch.save wrote, in either container, with the keys of one project's checkpoints. NAME.safetensors
holds in.frames uint8 [B,H,W,3], out.embedding [B,D] of the same network in torch, and as metadata the options the import
needs and what it should find.
"""
import argparse
import collections
import json
import pathlib
import sys

import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torchvision.models.resnet import BasicBlock

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
DIM, PATCH, SIZE, HEADS = 8, 4, 16, 4


class SmallResNet(torch.nn.Module):
    """ResNet-18 with 4, 8, 16, 32 channels, of torchvision's blocks; equal 3x3 convolutions are one, to be small."""

    def __init__(self, out):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(4)
        channels = 4
        for i in range(4):
            planes, stride = 4 << i, 1 if i == 0 else 2
            down = None
            if stride != 1:
                down = torch.nn.Sequential(
                    torch.nn.Conv2d(channels, planes, 1, stride, bias=False), torch.nn.BatchNorm2d(planes))
            setattr(self, f"layer{i + 1}", torch.nn.Sequential(
                BasicBlock(channels, planes, stride, down), BasicBlock(planes, planes)))
            first, second = getattr(self, f"layer{i + 1}")
            second.conv1.weight = second.conv2.weight = first.conv2.weight
            channels = planes
        self.fc = torch.nn.Linear(channels, out)

    def features(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
        return x.mean((2, 3))


def randomise(net, half):
    """Every weight is drawn, no statistic is the identity; half: values that float16 holds."""
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_var") or "norm" in name and name.endswith("weight"):
                value.uniform_(0.5, 1.5)
            elif value.is_floating_point():
                value.normal_(0, 0.5 if value.dim() > 1 else 0.2)
            if half and value.is_floating_point():
                value.copy_(value.half().float())
    return net.eval()


def vit(**kwargs):
    net = VisionTransformer(img_size=SIZE, patch_size=PATCH, embed_dim=DIM, depth=1, num_heads=HEADS, num_classes=0,
                            **kwargs)
    for module in net.modules():
        if isinstance(module, torch.nn.LayerNorm):
            assert module.eps == 1e-6, module
    return net


def frames(size):
    return torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)


def normalised(pictures):
    return (pictures.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def write(folder, name, checkpoint, legacy, pictures, embedding, found, options):
    torch.save(checkpoint, folder / f"{name}.pth", _use_new_zipfile_serialization=not legacy)
    save_file({"in.frames": pictures, "out.embedding": embedding.detach().contiguous()},
              folder / f"{name}.safetensors",
              {"found": json.dumps(found), "options": json.dumps(options),
               "source": f"torch {torch.__version__}, timm {timm.__version__}; scripts/make_pth_goldens.py"})


def half(state):
    halves = {}  # what is one tensor stays one
    return collections.OrderedDict(
        (k, halves.setdefault(v.data_ptr(), v.half()) if v.is_floating_point() else v) for k, v in state.items())


def dino(folder):
    """facebookresearch/dino main_dino.py: teacher and student, optimizer, loss, argparse.Namespace."""
    teacher = randomise(vit(), True)
    head = collections.OrderedDict((k, torch.randn(2, 2)) for k in
                                   ("mlp.0.weight", "mlp.2.weight", "last_layer.weight_g", "last_layer.weight_v"))
    state = half(teacher.state_dict())
    pictures = frames(SIZE)
    write(folder, "dino_zip", {
        "student": collections.OrderedDict(
            [("module.backbone." + k, v) for k, v in state.items()] + [("module.head." + k, v) for k, v in head.items()]),
        "teacher": collections.OrderedDict(
            [("backbone." + k, v) for k, v in state.items()] + [("head." + k, v) for k, v in head.items()]),
        "optimizer": {"state": {0: {"step": 7, "exp_avg": torch.randn(3)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "epoch": 3, "args": argparse.Namespace(arch="vit_tiny", patch_size=PATCH),
        "dino_loss": {"center": torch.randn(1, 2)},
    }, False, pictures, teacher(normalised(pictures)),
        {"format": "dino", "network": "teacher", "prefix": "teacher.backbone.", "positions": "learned",
         "pooling": "cls", "metric": "cosine"}, {"heads": HEADS})


def mae(folder):
    """facebookresearch/mae main_pretrain.py, in the container from before PyTorch 1.6."""
    net = randomise(vit(), True)
    side = SIZE // PATCH
    omega = 10000.0 ** (-torch.arange(DIM // 4, dtype=torch.float64) / (DIM / 4))
    columns = torch.arange(side, dtype=torch.float64).repeat(side)
    rows = torch.arange(side, dtype=torch.float64).repeat_interleave(side)
    table = torch.cat([f(torch.outer(p, omega)) for p in (columns, rows) for f in (torch.sin, torch.cos)], 1)
    with torch.no_grad():
        net.pos_embed.copy_(torch.cat([torch.zeros(1, DIM, dtype=torch.float64), table]).float())
    model = half(net.state_dict())
    model["pos_embed"] = net.pos_embed.detach()
    model["mask_token"] = torch.randn(1, 1, 4)
    model["decoder_embed.weight"] = torch.randn(4, DIM)
    model["decoder_blocks.0.norm1.weight"] = torch.randn(4)
    model["decoder_pred.bias"] = torch.randn(3)
    pictures = frames(SIZE)
    write(folder, "mae_legacy", {"model": model, "epoch": 1, "scaler": {"scale": 65536.0, "_growth_tracker": 0},
                                 "args": argparse.Namespace(model="mae", norm_pix_loss=True)},
          True, pictures, net(normalised(pictures)),
          {"format": "mae", "network": "", "prefix": "model.", "positions": "sincos", "pooling": "cls", "metric": "l2"},
          {"heads": HEADS})


def dinov2(folder):
    """DINOv2 as timm names it: layer scale, registers, no position for the cls token."""
    net = randomise(vit(init_values=1e-5, reg_tokens=2, no_embed_class=True), False)
    pictures = frames(SIZE)
    write(folder, "timm_registers_zip", net.state_dict(), False, pictures, net(normalised(pictures)),
          {"format": "timm", "network": "", "prefix": "", "positions": "learned", "pooling": "cls", "metric": "l2"},
          {"heads": HEADS, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]})


def moco(folder):
    """facebookresearch/moco main_moco.py: two encoders, queue, optimizer; v2's head of two layers."""
    net = randomise(SmallResNet(4), True)
    state = half(net.state_dict())
    for name in ("fc.weight", "fc.bias"):
        del state[name]
    for i in (0, 2):
        state[f"fc.{i}.weight"], state[f"fc.{i}.bias"] = torch.randn(4, 4), torch.randn(4)
    model = collections.OrderedDict()
    for encoder in ("encoder_q", "encoder_k"):
        for name, value in state.items():
            if encoder == "encoder_q" or name.startswith(("conv1", "fc")):
                model[f"module.{encoder}.{name}"] = value
    model["module.queue"] = torch.randn(4, 8)
    model["module.queue_ptr"] = torch.zeros(1, dtype=torch.long)
    pictures = frames(32)[:1]
    write(folder, "moco_legacy", {"epoch": 200, "arch": "resnet18", "state_dict": model, "optimizer": {"state": {}}},
          True, pictures, net.features(normalised(pictures)),
          {"format": "moco", "network": "encoder_q", "prefix": "state_dict.module.encoder_q.", "pooling": "avg",
           "metric": "cosine"}, {"input_size": 32})


def types(folder):
    """Every type and stride, in lists and dictionaries, with classes between; values are 0, 1, 2, ..."""
    base = torch.arange(24, dtype=torch.float32)
    checkpoint = {
        "f64": torch.arange(6, dtype=torch.float64), "f16": torch.arange(6).half(), "bf16": torch.arange(6).bfloat16(),
        "i64": torch.arange(6), "i32": torch.arange(6, dtype=torch.int32), "i16": torch.arange(6, dtype=torch.int16),
        "i8": torch.arange(6, dtype=torch.int8), "u8": torch.arange(6, dtype=torch.uint8),
        "bool": torch.arange(6) % 2 == 1,
        "scalar": base[5], "empty": torch.zeros(0, 3), "transposed": base.view(4, 6).t(),
        "slice": base.view(2, 3, 4)[1, 1:, ::2], "channels_last": base.view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(base[:6].clone()),
        "nested": [{"a": base[6:12]}, (base[12:18], collections.defaultdict(list, {"b": base[18:]}))],
        "namespace": argparse.Namespace(x=1), "complex": torch.zeros(2, dtype=torch.complex64), "none": None, "text": "abc", 3: base[:3],
        "large": 1 << 80, "set": {1, 2}, "bytes": b"ab", "path": pathlib.PurePosixPath("a/b"),
    }
    torch.save(checkpoint, folder / "types_zip.pth")
    torch.save(checkpoint, folder / "types_protocol4.pth", pickle_protocol=4)
    del checkpoint["complex"]
    torch.save(checkpoint, folder / "types_legacy.pth", _use_new_zipfile_serialization=False)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "tests/golden/pth")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for make in (dino, mae, dinov2, moco, types):
        make(folder)
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:8d} {path.name}")


if __name__ == "__main__":
    main()
