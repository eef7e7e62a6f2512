"""Networks of many kinds, small and untrained."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """A residual block with one ReLU in two places, in place."""

    def __init__(self, channels, bias=True):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels) if bias else nn.Identity()
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.norm(self.first(self.relu(x)))
        return self.relu(x + self.second(y))


class Residual(nn.Module):
    """Pixels in 0 to 255, channels last; overlapping pooling; functional activations; a softmax."""

    def __init__(self, n_classes=4, bias=True, width=6):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 5, stride=2, padding=2, bias=bias)
        self.body = nn.Sequential(Block(width, bias), Block(width, bias))
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(width, n_classes, bias=bias)
        self.bias = bias

    def forward(self, x):
        x = x.permute(0, 3, 1, 2) / 255.0
        if self.bias:
            x = (x - 0.5) / 0.2
        x = F.max_pool2d(F.relu(self.stem(x)), 3, stride=2, padding=1)
        x = self.body(x).mean((2, 3))
        return F.softmax(self.head(self.dropout(x)), dim=1)


class Words(nn.Module):
    """Tokens, of which zero is padding, to the sigmoid of a score."""

    def __init__(self, n_words=40, pooled="max"):
        super().__init__()
        self.embed = nn.Embedding(n_words, 8, padding_idx=0)
        self.conv = nn.Conv1d(8, 6, 3, padding=1)
        self.head = nn.Linear(6, 1)
        self.pooled = pooled

    def forward(self, tokens):
        known = (tokens != 0).float().unsqueeze(-1)
        x = self.embed(tokens) * known
        x = torch.relu(self.conv(x.transpose(1, 2)))
        x = x.max(dim=-1).values if self.pooled == "max" else x.sum(-1) / known.sum(1)
        return torch.sigmoid(self.head(x)).squeeze(-1)


class Series(nn.Module):
    """A series of several features, (n, time, features), to logits."""

    def __init__(self, n_features=3, n_classes=2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(n_features, 8, 3, padding="same"),
            nn.BatchNorm1d(8),
            nn.GELU(),
            nn.AvgPool1d(2),
            nn.Conv1d(8, 8, 3, dilation=2, groups=2),
            nn.LeakyReLU(0.1),
            nn.AdaptiveMaxPool1d(1),
            nn.Flatten(),
            nn.Linear(8, n_classes),
        )

    def forward(self, x):
        return self.layers(x.transpose(1, 2))


class Difference(nn.Module):
    """Two branches, one less the other, with an activation in place whose result is not used."""

    def __init__(self, bias=True):
        super().__init__()
        self.left, self.right = nn.Linear(5, 7, bias=bias), nn.Linear(5, 7, bias=bias)
        self.head = nn.Linear(7, 2, bias=bias)

    def forward(self, x):
        left, right = self.left(x), self.right(x)
        left.relu_()
        return self.head(left - 0.5 * torch.relu(right))


class Attention(nn.Module):
    """What no method looks through: attention, layer normalisation, recurrence."""

    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
        self.memory = nn.LSTM(6, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x, _ = self.memory(self.block(x))
        return self.head(x[:, -1])


def dense(sizes, bias=False, activation=nn.ReLU):
    """Return dense layers with an activation between them."""
    layers = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow, bias=bias), activation()]
    return nn.Sequential(*layers[:-1])


def settled(network, inputs):
    """Return a network whose batch normalisation has seen inputs, in evaluation mode."""
    if inputs.is_floating_point():
        network.train()
        with torch.no_grad():
            for _ in range(3):
                network(inputs)
    return network.eval()
