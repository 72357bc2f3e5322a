"""The work of scripts/check_against_torchvision: networks of torchvision and timm with random weights, saved by torch.save
with the keys of each project's checkpoints, imported, run and exported by v2r.

Each row: the largest difference of the embeddings, over the largest of torch's (limit 1e-4), and whether the exported
tensors are torch's bit for bit.
"""
import argparse
import collections
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

LIMIT = 1e-4
SKIPPED = 77  # what ctest and automake take for "skipped"

try:
    import torch
    import torchvision
    from PIL import Image
except ImportError as error:
    print(f"SKIPPED: check_against_torchvision needs Python's torch, torchvision and Pillow: {error}", file=sys.stderr)
    sys.exit(SKIPPED)
try:
    import timm
    from timm.models.vision_transformer import VisionTransformer
except ImportError as error:
    timm = None
    print(f"SKIPPED in part: no timm, so no transformer of it and no ResNet-D: {error}", file=sys.stderr)

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    types = {"F32": torch.float32, "I64": torch.int64}
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = bytearray(data[8 + size + begin:8 + size + end])
        out[name] = torch.frombuffer(raw, dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return out


def randomised(net):
    """No statistic and no factor is the identity."""
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif name.endswith("gamma"):
                value.uniform_(0.1, 0.5)
            elif value.dim() == 1 and name.endswith("weight"):
                value.uniform_(0.8, 1.2)
            elif value.dim() == 1 and name.endswith("bias"):
                value.normal_(0, 0.1)
            elif name in ("cls_token", "pos_embed", "reg_token", "class_token", "encoder.pos_embedding"):
                value.normal_(0, 0.2)
    return net.eval()


def under(prefix, state):
    return collections.OrderedDict((prefix + k, v) for k, v in state.items())


class Checker:
    def __init__(self, v2r, folder):
        self.v2r, self.folder, self.failed, self.rows = v2r, folder, False, 0
        self.pictures = {}

    def run(self, *words):
        result = subprocess.run([str(self.v2r), *map(str, words)], cwd=self.folder, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"v2r {' '.join(map(str, words))}: {result.stderr.strip()}")
        return result.stdout

    def frames(self, size):
        if size not in self.pictures:
            folder = self.folder / f"frames{size}" / "clip"
            folder.mkdir(parents=True)
            coarse = torch.rand(2, 3, size // 8, size // 8) * 255
            fine = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear").round().byte()
            for i, picture in enumerate(fine):
                Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{i}.png")
            self.pictures[size] = (folder.parent, fine)
        return self.pictures[size]

    def check(self, name, checkpoint, forward, size=224, words=(), colours=IMAGENET, names=None, state=None, legacy=False):
        """forward: normalised pictures -> embedding, in torch. state: what the export under `names` must be."""
        self.rows += 1
        path, encoder = self.folder / f"{name}.pth", self.folder / f"{name}.safetensors"
        torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
        said = self.run("import", path, "--out", encoder, *words)
        data, pictures = self.frames(size)
        self.run("embed", f"encoder={encoder}", f"data={data}", "out=embeddings.safetensors", "device=cpu")
        ours = next(iter(read_safetensors(self.folder / "embeddings.safetensors").values()))
        mean, std = (torch.tensor(c).view(1, 3, 1, 1) for c in colours)
        with torch.no_grad():
            theirs = forward((pictures.float() / 255 - mean) / std)
        error = ((ours - theirs).abs().max() / theirs.abs().max()).item() if ours.shape == theirs.shape else float("inf")
        same = "-"
        if names is not None:
            self.run("export", encoder, "--names", names, "--out", "exported.safetensors")
            exported = read_safetensors(self.folder / "exported.safetensors")
            same = "equal" if exported.keys() == state.keys() and all(
                torch.equal(exported[k], state[k]) for k in state) else "DIFFERS"
        bad = not error <= LIMIT or same == "DIFFERS"
        self.failed |= bad
        prefix = next(line for line in said.splitlines() if line.startswith("format:"))[9:]
        print(f"{'FAIL' if bad else 'ok':4} {name:26} {error:.2e}  export {same:8} {prefix}", flush=True)
        for used in (path, encoder):
            used.unlink()


def without(state, *starts):
    return {k: v for k, v in state.items() if not k.startswith(starts)}


def resnets(c):
    models = torchvision.models
    for name, legacy in (("resnet18", False), ("resnet34", True), ("resnet50", True), ("resnet101", False)):
        net = randomised(getattr(models, name)())
        state = net.state_dict()
        net.fc = torch.nn.Identity()
        c.check(name, state, net, names="torchvision", state=without(state, "fc."), legacy=legacy)
    net = randomised(models.resnet50())
    state = net.state_dict()
    c.check("resnet50_with_fc", {"model": state, "epoch": 3}, net, words=["keep_fc=true"], names="torchvision", state=state)
    net.fc = torch.nn.Identity()
    features = net.state_dict()
    head = {"fc.0.weight": torch.randn(8, 8), "fc.2.bias": torch.randn(8)}
    c.check("moco_v2_resnet50", {
        "epoch": 200, "arch": "resnet50", "optimizer": {"state": {}}, "state_dict": {
            **under("module.encoder_q.", {**features, **head}), **under("module.encoder_k.", {**features, **head}),
            "module.queue": torch.randn(8, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}}, net, legacy=True)
    c.check("r3m_resnet50", {"r3m": {**under("module.convnet.", features), "module.lang_enc.x": torch.zeros(2)},
                             "global_step": 5}, net)
    net = randomised(models.resnet50())
    net.fc = torch.nn.Linear(2048, 1024)
    c.check("vip_resnet50", {"vip": under("module.convnet.", net.state_dict())}, net)
    if timm is None:
        return
    net = randomised(timm.create_model("resnet50d"))
    state = net.state_dict()
    c.check("timm_resnet50d", state, lambda x: net.forward_head(net.forward_features(x), pre_logits=True), names="timm",
            state=without(state, "fc."))


def transformers(c):
    net = randomised(torchvision.models.vit_b_16())
    state = net.state_dict()
    net.heads = torch.nn.Identity()
    c.check("torchvision_vit_b_16", state, net, names="torchvision", state=without(state, "heads."))
    if timm is None:
        return

    def vit(**kwargs):
        return randomised(VisionTransformer(**{"img_size": 224, "patch_size": 16, "embed_dim": 384, "depth": 12,
                                               "num_heads": 6, "num_classes": 0, **kwargs}))

    net = randomised(timm.create_model("vit_small_patch16_224"))
    state = net.state_dict()
    c.check("timm_vit_small", state, lambda x: net.forward_head(net.forward_features(x), pre_logits=True),
            words=["mean=[0.5,0.5,0.5]", "std=[0.5,0.5,0.5]"], colours=([0.5] * 3, [0.5] * 3), names="timm",
            state=without(state, "head."))
    net = vit()
    state = net.state_dict()
    c.check("dino_vit_small", {
        "student": under("module.backbone.", state), "teacher": {**under("backbone.", state), "head.mlp.0.bias": torch.zeros(3)},
        "args": argparse.Namespace(arch="vit_small"), "epoch": 1, "dino_loss": {"center": torch.zeros(1, 4)}}, net,
        names="timm", state=state)
    c.check("dino_backbone_vit_small", state, net, words=["--format", "dino"], legacy=True)
    c.check("timm_vit_small_384", state, vit_at(vit, state, 384), size=384,
            words=["--format", "timm", "mean=[0.485,0.456,0.406]", "std=[0.229,0.224,0.225]", "input_size=384",
                   "position_resize=deit"])
    net = vit(num_heads=12)
    c.check("mocov3_vit_small_12_heads", {"state_dict": {
        **under("module.base_encoder.", net.state_dict()), **under("module.momentum_encoder.", net.state_dict()),
        "module.predictor.0.weight": torch.zeros(2, 2)}}, net)
    net = vit(class_token=False, global_pool="avg", fc_norm=False)
    c.check("ijepa_vit_small", {"target_encoder": under("module.", net.state_dict()),
                                "encoder": under("module.", net.state_dict()), "predictor": {"module.x": torch.zeros(1)}}, net)
    net = vit(patch_size=14, init_values=1e-5, img_size=518)
    c.check("dinov2_official_names", {**net.state_dict(), "mask_token": torch.zeros(1, 384)}, net, size=518)
    net = vit(patch_size=14, init_values=1e-5, reg_tokens=4, no_embed_class=True, img_size=224)
    c.check("dinov2_registers_timm", net.state_dict(), net)


def vit_at(vit, state, size):
    """DeiT's way: bicubic, by the size, without antialiasing."""
    table = state["pos_embed"]
    side, to = 14, size // 16
    picture = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    patches = torch.nn.functional.interpolate(picture, (to, to), mode="bicubic", align_corners=False)
    net = vit(img_size=size)
    net.load_state_dict({**state, "pos_embed": torch.cat([table[:, :1], patches.flatten(2).transpose(1, 2)], 1)})
    return net


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("v2r", type=pathlib.Path)
    parser.add_argument("--resnets-only", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(options.v2r.resolve(), pathlib.Path(folder))
        resnets(checker)
        if not options.resnets_only:
            transformers(checker)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__ if timm else 'none'}"
    print(f"{checker.rows} networks, limit {LIMIT:g} of the largest value: {'FAILED' if checker.failed else 'passed'} ({versions})")
    return 1 if checker.failed else 0


if __name__ == "__main__":
    sys.exit(main())
