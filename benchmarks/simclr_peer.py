#!/usr/bin/env python3
"""A SimCLR step in Python: torchvision's ResNet-18, lightly's SimCLRTransform and NTXentLoss, AdamW. Prints one JSON line: pictures
of the data a second (two views each), of the step on views that are there already and with the DataLoader.

Needs torch, torchvision, lightly, numpy, pillow."""
import argparse
import json
import time

import numpy as np
import torch
import torchvision
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from PIL import Image


class Pictures(torch.utils.data.Dataset):
    def __init__(self, pictures, size):
        self.pictures = pictures
        self.transform = SimCLRTransform(input_size=size)

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.pictures[index]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help=".npz with x_train uint8 [N,H,W,3]")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads")
    a = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    net = torchvision.models.resnet18()
    net.fc = torch.nn.Linear(512, 128)
    head = SimCLRProjectionHead(128, 128, 64)
    optimizer = torch.optim.AdamW([*net.parameters(), *head.parameters()], lr=1e-3)
    criterion = NTXentLoss(temperature=0.1)

    def step(views):
        # One forward pass over both views, as ours.
        z = head(net(torch.cat(views))).chunk(2)
        optimizer.zero_grad()
        loss = criterion(z[0], z[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    def rate(next_views):
        step(next_views())
        start = time.perf_counter()
        for _ in range(a.steps):
            step(next_views())
        return a.batch * a.steps / (time.perf_counter() - start)

    fixed = [torch.randn(a.batch, 3, a.size, a.size) for _ in range(2)]
    alone = rate(lambda: fixed)
    pictures = Pictures(np.load(a.data)["x_train"], a.size)
    loader = torch.utils.data.DataLoader(pictures, a.batch, shuffle=True, num_workers=a.workers, drop_last=True)

    def endless():
        while True:
            for batch in loader:
                yield batch[:2]

    batches = endless()
    print(json.dumps({"step": alone, "with_loader": rate(lambda: next(batches))}))


if __name__ == "__main__":
    main()
